from irqframe.dt import read_dtb

read_dtb(bytes.fromhex("d00dfeee") + bytes(36), "E0302.dtb")
