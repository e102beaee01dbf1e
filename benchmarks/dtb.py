"""What reading a DTB costs, as ratios to `fdt.parse_dtb` in one run: `make bench`.

The trees are QEMU's virt machine as it is checked in for the tests, and one of 4,000 nodes. Cases are interleaved and
each is measured several times; the median of its CPU times counts.

    python benchmarks/dtb.py            print the ratios
    python benchmarks/dtb.py --check    exit with 1 if one is below the bar
"""

from __future__ import annotations

import gzip
import sys
import warnings
from pathlib import Path

from _measure import measure
from _trees import wide

from irqframe.dt import parse_dts, read_dtb, to_dtb

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fdt

VIRT = Path(__file__).parents[1] / "tests" / "dt" / "data" / "virt-gicv2.dtb.gz"
NODES = 4_000
BAR = 3.0


def main() -> int:
    """Measure and print."""
    slow = False
    trees = (
        ("QEMU virt", gzip.decompress(VIRT.read_bytes()), 21),
        (f"{NODES:,} nodes", to_dtb(parse_dts(wide(NODES), "wide.dts")), 5),
    )
    for name, data, rounds in trees:
        times = measure(
            {
                "irqframe": lambda data=data: read_dtb(data, "tree"),  # type: ignore[misc]
                "fdt": lambda data=data: fdt.parse_dtb(data),  # type: ignore[misc]
            },
            rounds,
        )
        ratio = times["fdt"] / times["irqframe"]
        slow |= ratio < BAR
        print(
            f"{ratio:6.2f}  times faster than fdt.parse_dtb: a DTB read, {name}"
            f" ({times['irqframe']:.2f} ms to {times['fdt']:.2f} ms)"
        )
    return int(slow and "--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
