"""What reading a DTB costs, as ratios to `fdt.parse_dtb` in one run: `make bench`.

The trees are QEMU's virt machine as it is checked in for the tests, and one of 4,000 nodes. Cases are interleaved and
each is measured several times; the median of its CPU times counts.

    python benchmarks/dtb.py            print the ratios
    python benchmarks/dtb.py --check    exit with 1 if one is below the bar
"""

from __future__ import annotations

import gzip
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from irqframe.dt import Node, Tree, read_dtb, to_dtb
from irqframe.errors import Span

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fdt

VIRT = Path(__file__).parents[1] / "tests" / "dt" / "data" / "virt-gicv2.dtb.gz"
NODES = 4_000
BAR = 3.0
SECONDS = 0.02


def wide(nodes: int) -> bytes:
    """A GIC and as many virtio transports."""
    here = Span("wide")
    tree = Tree(Node("", here), "wide")
    tree.root.set_cells("#address-cells", 2)
    tree.root.set_cells("#size-cells", 2)
    tree.root.set_cells("interrupt-parent", 1)
    gic = tree.root.add(Node("interrupt-controller@8000000", here))
    gic.set_strings("compatible", "arm,cortex-a15-gic")
    gic.set_cells("#interrupt-cells", 3)
    gic.set("interrupt-controller", b"")
    gic.set_cells("reg", 0, 0x8000000, 0, 0x10000)
    gic.set_cells("phandle", 1)
    for index in range(nodes):
        address = 0xA000000 + index * 0x200
        node = tree.root.add(Node(f"virtio_mmio@{address:x}", here))
        node.set_strings("compatible", "virtio,mmio")
        node.set_cells("reg", 0, address, 0, 0x200)
        node.set_cells("interrupts", 0, index % 900, 4)
        node.set("dma-coherent", b"")
    return to_dtb(tree)


def measure(cases: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median CPU time of one call, in milliseconds, for each case; short ones are called often."""
    samples: dict[str, list[float]] = {name: [] for name in cases}
    calls = {}
    for name, call in cases.items():
        start = time.process_time()
        call()
        calls[name] = max(1, int(SECONDS / max(time.process_time() - start, 1e-6)))
    for _ in range(rounds):
        for name, call in cases.items():
            start = time.process_time()
            for _ in range(calls[name]):
                call()
            samples[name].append((time.process_time() - start) / calls[name] * 1e3)
    return {name: statistics.median(times) for name, times in samples.items()}


def main() -> int:
    """Measure and print."""
    slow = False
    trees = (("QEMU virt", gzip.decompress(VIRT.read_bytes()), 21), (f"{NODES:,} nodes", wide(NODES), 5))
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
