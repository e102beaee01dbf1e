DEPTH = 30
NAME = "n123456789012345678901234567890"

with open("E0226.dts", "w") as file:
    file.write("/dts-v1/;\n/plugin/;\n\n&uart0 {\n")
    file.write(f"{NAME} {{ " * DEPTH)
    file.write(f"x = <{'&clk ' * 80_000}>;\n")
    file.write("};" * DEPTH + "\n};\n")
