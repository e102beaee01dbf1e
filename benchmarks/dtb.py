"""What reading a DTB costs, as ratios to `fdt.parse_dtb` in one run: `make bench`.

The trees are QEMU's virt machine as it is checked in for the tests, and one of 4,000 nodes. Cases are interleaved and
each is measured several times; the median of its CPU times counts.

    python benchmarks/dtb.py            print the ratios
    python benchmarks/dtb.py --check    exit with 1 if one is above the bar
"""

from __future__ import annotations

import gzip
import sys
import warnings
from pathlib import Path

from _measure import measure
from _rows import Row, tell
from _trees import wide

from irqframe.dt import parse_dts, read_dtb, to_dtb

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fdt

VIRT = Path(__file__).parents[1] / "tests" / "dt" / "data" / "virt-gicv2.dtb.gz"
NODES = 4_000
BAR = 1 / 3


def rows() -> list[Row]:
    """A row per tree."""
    trees = (
        ("QEMU virt", gzip.decompress(VIRT.read_bytes()), 21),
        (f"{NODES:,} nodes", to_dtb(parse_dts(wide(NODES), "wide.dts")), 5),
    )
    return [row(name, data, rounds) for name, data, rounds in trees]


def row(name: str, data: bytes, rounds: int) -> Row:
    """One tree read."""
    times = measure({"irqframe": lambda: read_dtb(data, "tree"), "fdt": lambda: fdt.parse_dtb(data)}, rounds)
    detail = f"{times['irqframe']:.2f} ms to {times['fdt']:.2f} ms"
    return Row(f"a DTB read, to fdt.parse_dtb: {name}", times["irqframe"] / times["fdt"], BAR, detail)


if __name__ == "__main__":
    sys.exit(tell(rows))
