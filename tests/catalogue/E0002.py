from pathlib import Path

Path("E0002.dts").write_bytes(b'/dts-v1/;\n/ {\n\tmodel = "Caf\xe9";\n};\n')
