"""QEMU's virt machines, read and written: no byte of a property, no place in the order and no reservation is lost.

The trees that are checked in are always read; those of the QEMU that is installed are, if one is.
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from irqframe.dt import Tree, load, parse_dts, read_dtb, to_dtb, to_dts

DATA = Path(__file__).parent / "data"
SAMPLES = sorted([*DATA.glob("virt-*.dtb.gz"), *DATA.glob("virt/*.dtb.gz")])
DTC = shutil.which("dtc")
QEMU = shutil.which("qemu-system-aarch64")

#: What changes the tree of the virt machine: its options, and QEMU's.
MACHINES: dict[str, tuple[str, tuple[str, ...]]] = {
    "gicv2": ("gic-version=2", ()),
    "gicv2-acpi-off": ("gic-version=2,acpi=off,highmem=off", ()),
    "gicv2-secure": ("gic-version=2,secure=on", ()),
    "gicv2-arm32": ("gic-version=2", ("-cpu", "cortex-a15")),
    "gicv3": ("gic-version=3", ()),
    "gicv3-noits": ("gic-version=3,its=off", ()),
    "gicv3-secure": ("gic-version=3,secure=on,virtualization=on", ()),
    "gicv3-smmu": ("gic-version=3,iommu=smmuv3", ()),
    "gicv3-mte": ("gic-version=3,ras=on,mte=on", ("-cpu", "max")),
    "gicv4": ("gic-version=4,virtualization=on", ()),
    "gicv4-noits": ("gic-version=4,virtualization=on,its=off", ()),
    "gic-max": ("gic-version=max", ("-cpu", "max")),
    "numa": (
        "gic-version=3",
        (
            *("-m", "512", "-object", "memory-backend-ram,id=a,size=256M", "-object"),
            *("memory-backend-ram,id=b,size=256M", "-numa", "node,memdev=a", "-numa", "node,memdev=b"),
        ),
    ),
    "devices": (
        "gic-version=3",
        ("-device", "pcie-root-port,id=p", "-device", "virtio-rng-device", "-device", "virtio-balloon-device"),
    ),
}


def content(tree: Tree) -> object:
    nodes = [(node.path, [(prop.name, prop.data) for prop in node.properties.values()]) for node in tree.walk()]
    return nodes, tree.reservations, tree.boot_cpu


def by_dtc(data: bytes, source: str) -> tuple[Tree, str]:
    command = [str(DTC), "-I", source, "-O", "dtb"]
    done = subprocess.run(command, input=data, capture_output=True, check=True)
    return read_dtb(done.stdout, "dtc"), done.stderr.decode()


def check_round_trip(data: bytes) -> None:
    tree = read_dtb(data, "qemu")
    assert len(list(tree.walk())) > 40
    expected = content(tree)
    text = to_dts(tree)
    assert content(read_dtb(to_dtb(tree), "t")) == expected
    assert content(read_dtb(to_dtb(parse_dts(text, "t")), "t")) == expected
    if DTC is None:
        return
    # What we read is what dtc reads, and dtc makes the same of what we write, in either format.
    assert content(by_dtc(data, "dtb")[0]) == expected
    assert content(by_dtc(to_dtb(tree), "dtb")[0]) == expected
    again, warnings = by_dtc(text.encode(), "dts")
    assert content(again) == expected
    # Phandles are written as references: dtc takes numbers for mistakes.
    assert "is not a phandle reference" not in warnings


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name.partition(".")[0])
def test_a_tree_that_is_checked_in(sample: Path) -> None:
    check_round_trip(gzip.decompress(sample.read_bytes()))


def dump(path: Path, options: str, more: Sequence[str], cpus: int) -> bytes:
    if QEMU is None:
        pytest.skip("qemu-system-aarch64 is not installed")
    # Without a network card, whose ROM a small installation does not have; the tree says nothing of either.
    command = [QEMU, "-M", f"virt,{options},dumpdtb={path}", "-smp", str(cpus), "-display", "none", "-nic", "none"]
    subprocess.run([*command, *more], check=True, capture_output=True, timeout=60)
    return path.read_bytes()


@pytest.mark.parametrize("name", MACHINES)
def test_every_machine_that_qemu_writes(tmp_path: Path, name: str) -> None:
    options, more = MACHINES[name]
    cpus = 2 + sorted(MACHINES).index(name) % 3
    check_round_trip(dump(tmp_path / "live.dtb", options, more, cpus))


@pytest.mark.parametrize("gic", ["gic-version=2", "gic-version=3", "gic-version=3,its=off"])
@pytest.mark.parametrize("cpus", range(1, 9))
def test_every_number_of_cpus_that_qemu_writes(tmp_path: Path, gic: str, cpus: int) -> None:
    data = dump(tmp_path / "live.dtb", gic, (), cpus)
    assert len(load(tmp_path / "live.dtb").root.children["cpus"].children) == cpus + 1  # and cpu-map
    check_round_trip(data)


# What QEMU's trees do not have

SYMBOLS = """
/memreserve/ 0x40000000 0x10000;
/memreserve/ 0x9e000000 0x1;
/ {
    aliases { serial0 = &uart; };
    gic: intc@0 { #interrupt-cells = <3>; interrupt-controller; reg = <0 1>; };
    uart: serial@1 { interrupt-parent = <&gic>; interrupts = <0 1 4>; reg = <1 1>; };
    fixed { phandle = <0x8001>; };
    user { who = <&gic>; };
};
"""


@pytest.mark.skipif(DTC is None, reason="dtc is not installed")
@pytest.mark.parametrize("phandles", ["epapr", "legacy", "both"])
def test_symbols_reservations_and_either_phandle(phandles: str) -> None:
    """dtc -@ writes `__symbols__`, -H chooses `phandle`, `linux,phandle` or both."""
    command = [str(DTC), "-q", "-@", "-H", phandles, "-b", "3", "-I", "dts", "-O", "dtb"]
    text = f"/dts-v1/; {SYMBOLS}".encode()
    data = subprocess.run(command, input=text, capture_output=True, check=True).stdout
    tree = read_dtb(data, "dtc")
    symbols = tree.node("/__symbols__")
    assert symbols is not None and symbols.strings("gic") == ("/intc@0",)
    wanted = {"epapr": {"phandle"}, "legacy": {"linux,phandle"}, "both": {"phandle", "linux,phandle"}}[phandles]
    assert wanted <= set(tree.root.children["intc@0"].properties)
    assert tree.reservations == [(0x40000000, 0x10000), (0x9E000000, 1)]
    assert tree.boot_cpu == 3

    expected = content(tree)
    assert content(read_dtb(to_dtb(tree), "t")) == expected
    assert content(by_dtc(to_dtb(tree), "dtb")[0]) == expected
    # Source has no place for the boot CPU.
    written = to_dts(tree)
    for again in (parse_dts(written, "t"), by_dtc(written.encode(), "dts")[0]):
        again.boot_cpu = 3
        assert content(again) == expected
