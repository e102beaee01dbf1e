from pathlib import Path

Path("E0004.dts").write_bytes(b"/dts-v1/; / { };" + b"\n" * (16 << 20))
