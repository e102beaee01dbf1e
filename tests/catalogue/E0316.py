import struct
from pathlib import Path

LEVELS = 200
structure = struct.pack(">II", 1, 0)
structure += struct.pack(">I4s", 1, b"n") * LEVELS
structure += struct.pack(">I", 2) * (LEVELS + 1) + struct.pack(">I", 9)
size = len(structure)
header = struct.pack(">10I", 0xD00DFEED, 56 + size, 56, 56 + size, 40, 17, 16, 0, 0, size)
Path("E0316.dtb").write_bytes(header + bytes(16) + structure)
