"""QEMU's `virt` machine, as QEMU and as dtc write it: every device's interrupt arrives, on the vGIC and on the rVIC.

What must arrive is counted in the text that dtc made, apart from everything that irqframe understands of it.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from irqframe.cli import run
from irqframe.dt import read_dtb, to_dtb
from irqframe.observe import read_events

DATA = Path(__file__).parents[1] / "dt" / "data"
DTS = DATA / "virt-gicv2.dts"
CHIPS = ("gicv2", "rvic")
QEMU = shutil.which("qemu-system-aarch64")
EVENTS = "--events=3000"

Report = dict[str, Any]


class Wired(NamedTuple):
    """An interrupt specifier of a GIC, as the binding of the GIC says to read it."""

    kind: str
    number: int
    level: bool


def run_cli(*arguments: str | Path) -> tuple[int, str, str]:
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    return code, out.getvalue(), err.getvalue()


def report_of(*arguments: str | Path) -> Report:
    code, out, err = run_cli("run", *arguments, "--json")
    assert (code, err) == (0, "")
    report: Report = json.loads(out)
    return report


@cache
def virt_report(chip: str) -> Report:
    return report_of(DTS, "--irqchip", chip, EVENTS)


def cells(text: str) -> list[int]:
    return [int(cell, 16) for cell in text.split()]


def expected(text: str) -> list[Wired]:
    """The wired interrupts in a decompiled tree of QEMU's: `interrupts` lists and the rows of the one interrupt map."""
    specifiers: list[list[int]] = []
    for value in re.findall(r"^\s*interrupts = <([^>]*)>;", text, re.MULTILINE):
        listed = cells(value)
        assert len(listed) % 3 == 0
        specifiers += [listed[at : at + 3] for at in range(0, len(listed), 3)]
    (rows,) = re.findall(r"^\s*interrupt-map = <([^>]*)>;", text, re.MULTILINE)
    listed = cells(rows)
    # Unit address (3) and pin (1) of PCI, the GIC's phandle, its unit address (2), its specifier (3).
    assert len(listed) == 16 * 10
    specifiers += [listed[at + 7 : at + 10] for at in range(0, len(listed), 10)]
    return [
        Wired("PPI", n + 16, flags & 4 != 0) if kind else Wired("SPI", n, flags & 4 != 0)
        for kind, n, flags in specifiers
    ]


def check_everything_arrived(report: Report, wired: list[Wired], cpus: int, messages: int = 1) -> None:
    sources = {source["name"]: source for source in report["sources"]}
    assert len(report["vcpus"]) == cpus
    ipis = [name for name in sources if name.startswith("IPI ")]
    senders = [name for name in sources if name.endswith(" MSI")]
    unused = [name for name in sources if name.endswith(" (unused)")]
    assert (len(ipis), len(senders), len(unused)) == (4, messages, int(cpus > 1))
    assert len(sources) == len(wired) + 4 + messages + len(unused)
    found = [
        Wired(match[1], int(match[2]), match[3] == "level")
        for source in report["sources"]
        if (match := re.match(r"(PPI|SPI) (\d+)\D.*, (level|edge)$", source["route"]))
    ]
    assert sorted(found) == sorted(wired)
    for name, source in sources.items():
        if name in unused:
            assert sum(source["delivered"]) == 0
            continue
        assert len(source["delivered"]) == cpus
        assert sum(source["delivered"]) > 0, name
        if source["route"].startswith("PPI") or name in ipis:
            assert all(source["delivered"]), name


def check_right_cpu(report: Report, trace: Path) -> None:
    """Deliveries are on the CPU that the guest routed to, told by the trace alone."""
    routed: dict[int, int] = {}
    with trace.open() as stream:
        for event in read_events(stream):
            if event.kind in ("raise", "move") and event.intid >= 0:
                routed[event.intid] = event.vcpu
            elif event.kind == "deliver" and event.intid in routed:
                assert event.vcpu == routed[event.intid], event
    # Shared lines and the message; each has been told of.
    shared = {source["route"].rpartition(" -> ")[2].partition(",")[0] for source in report["sources"]} - {""}
    assert {str(intid) for intid in routed} == {text for text in shared if text.isdigit()}


@pytest.fixture
def dtb(tmp_path: Path) -> Path:
    path = tmp_path / "virt.dtb"
    path.write_bytes(gzip.decompress(DTS.with_suffix(".dtb.gz").read_bytes()))
    return path


@pytest.mark.parametrize("chip", CHIPS)
def test_every_interrupt_of_the_tree_arrives(chip: str) -> None:
    wired = expected(DTS.read_text())
    assert len(wired) == 4 + 32 + 3 + 16
    check_everything_arrived(virt_report(chip), wired, 4)


@pytest.mark.parametrize("chip", CHIPS)
def test_every_interrupt_is_delivered_where_the_guest_routed_it(tmp_path: Path, chip: str) -> None:
    trace = tmp_path / "trace"
    report = report_of(DTS, "--irqchip", chip, EVENTS, "--trace", trace)
    assert report["moves"] > 50
    assert report["moves_pending"] > 10
    check_right_cpu(report, trace)


@pytest.mark.parametrize("chip", CHIPS)
def test_dtb_and_dts_give_the_same_report(dtb: Path, chip: str) -> None:
    of_dtb = report_of(dtb, "--irqchip", chip, EVENTS)
    of_dts = dict(virt_report(chip))
    assert (of_dtb.pop("machine"), of_dts.pop("machine")) == (str(dtb), str(DTS))
    of_dtb.pop("timing")
    of_dts.pop("timing")
    assert of_dtb == of_dts
    text = run_cli("run", dtb, "--irqchip", chip, EVENTS)[1]
    assert text.replace(str(dtb), "F") == run_cli("run", DTS, "--irqchip", chip, EVENTS)[1].replace(str(DTS), "F")


def test_both_irqchips_deliver_the_same_sources() -> None:
    gic, rvic = (virt_report(chip) for chip in CHIPS)
    names = [source["name"] for source in gic["sources"]]
    assert [source["name"] for source in rvic["sources"]] == names
    assert gic["traps"]["mmio"]
    assert not gic["traps"]["hypercalls"]
    assert rvic["traps"]["hypercalls"]
    assert not rvic["traps"]["mmio"]


def in_process(chip: str, seed: str, hashing: str, *more: str) -> bytes:
    """Standard output of a run in a process of its own, with a hash seed of its own."""
    line = [sys.executable, "-m", "irqframe", "run", str(DTS), "--irqchip", chip, EVENTS, "--seed", seed, *more]
    environment = os.environ | {"PYTHONHASHSEED": hashing}
    return subprocess.run(line, capture_output=True, check=True, timeout=60, env=environment).stdout


@pytest.mark.parametrize("chip", CHIPS)
def test_same_seed_same_output(chip: str) -> None:
    first = in_process(chip, "5", "1")
    assert in_process(chip, "5", "2") == first
    assert in_process(chip, "6", "1") != first


@pytest.mark.parametrize("chip", CHIPS)
def test_same_seed_same_json_but_for_the_time(chip: str) -> None:
    first, again = (json.loads(in_process(chip, "5", hashing, "--json")) for hashing in ("1", "2"))
    other = json.loads(in_process(chip, "6", "1", "--json"))
    for report in (first, again, other):
        assert report.pop("timing")["seconds"] > 0
    assert list(first) == list(again)
    assert first == again
    other["seed"] = first["seed"]
    assert other != first


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("seed", range(5))
def test_other_seeds_are_accounted_for_too(chip: str, seed: int) -> None:
    report = report_of(DTS, "--irqchip", chip, EVENTS, "--seed", str(seed))
    check_everything_arrived(report, expected(DTS.read_text()), 4)


# Other numbers of CPUs


def with_cpus(text: str, count: int) -> str:
    """The tree with another number of CPUs; the PPIs' CPU masks are a GIC driver's matter."""
    head, _, rest = text.partition("\tcpus {\n")
    tail = rest[rest.index("\n\t};\n") + len("\n\t};\n") :]
    says = 'device_type = "cpu"; compatible = "arm,cortex-a15"; enable-method = "psci";'
    nodes = "".join(f"\t\tcpu@{n:x} {{ {says} reg = <{n}>; }};\n" for n in range(count))
    return f"{head}\tcpus {{\n\t\t#size-cells = <0>;\n\t\t#address-cells = <1>;\n{nodes}\t}};\n{tail}"


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("cpus", [1, 2, 3, 8])
def test_any_number_of_cpus(tmp_path: Path, chip: str, cpus: int) -> None:
    text = with_cpus(DTS.read_text(), cpus)
    path, trace = tmp_path / "virt.dts", tmp_path / "trace"
    path.write_text(text)
    report = report_of(path, "--irqchip", chip, EVENTS, "--trace", trace)
    check_everything_arrived(report, expected(text), cpus)
    check_right_cpu(report, trace)
    assert bool(report["moves"]) is (cpus > 1)
    assert any("no CPU was switched off" in note for note in report["notes"]) is (cpus == 1)


def test_more_cpus_than_a_gicv2_has_interfaces(tmp_path: Path) -> None:
    path = tmp_path / "virt.dts"
    path.write_text(with_cpus(DTS.read_text(), 9))
    code, out, err = run_cli("run", path)
    assert (code, out) == (1, "")
    assert "error[E0606]: the machine has 9 CPUs, and gicv2 serves at most 8" in err
    assert err.endswith("\n1 error\n")


# Every GIC that the machine can have


class Dump(NamedTuple):
    """A tree of QEMU's: where it is checked in, what QEMU was asked for, and what it can do."""

    file: str
    options: str
    cpus: int
    messages: int = 1


GICV2 = "gic-version=2"
ITS = "gic-version=3"
NO_ITS = "gic-version=3,its=off"
DUMPS = (
    Dump("virt/gicv2-smp1", GICV2, 1),
    Dump("virt-gicv2", GICV2, 4),
    Dump("virt/gicv2-smp8", GICV2, 8),
    Dump("virt/gicv3-smp1", ITS, 1),
    Dump("virt-gicv3", ITS, 4),
    Dump("virt/gicv3-smp8", ITS, 8),
    Dump("virt/gicv3-smp64", ITS, 64),
    Dump("virt/gicv3-noits-smp1", NO_ITS, 1, 0),
    Dump("virt/gicv3-noits-smp4", NO_ITS, 4, 0),
    Dump("virt/gicv3-noits-smp8", NO_ITS, 8, 0),
    Dump("virt/gicv3-noits-smp64", NO_ITS, 64, 0),
)


def checked_in(dump: Dump) -> bytes:
    return gzip.decompress((DATA / f"{dump.file}.dtb.gz").read_bytes())


def check_dump(path: Path, trace: Path, dump: Dump, *options: str) -> None:
    report = report_of(path, EVENTS, "--trace", trace, *options)
    assert report["irqchip"] == ("gicv2" if dump.options == GICV2 else "gicv3")
    # All of them have the same devices.
    check_everything_arrived(report, expected(DTS.read_text()), dump.cpus, dump.messages)
    check_right_cpu(report, trace)


@pytest.mark.parametrize("implementation", ["kvm", "qemu"])
@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.file.rpartition("/")[2])
def test_every_gic_of_the_machine(tmp_path: Path, dump: Dump, implementation: str) -> None:
    path = tmp_path / "virt.dtb"
    path.write_bytes(checked_in(dump))
    check_dump(path, tmp_path / "trace", dump, "--option", f"implementation={implementation}")


@pytest.mark.parametrize("dump", [dump for dump in DUMPS if dump.options == GICV2], ids=lambda dump: str(dump.cpus))
def test_a_gicv2_without_its_frame(tmp_path: Path, dump: Dump) -> None:
    tree = read_dtb(checked_in(dump), "virt")
    gic, pcie = tree.node("/intc@8000000"), tree.node("/pcie@10000000")
    assert gic is not None
    assert pcie is not None
    del gic.children["v2m@8020000"]
    del pcie.properties["msi-map"]
    path = tmp_path / "virt.dtb"
    path.write_bytes(to_dtb(tree))
    check_dump(path, tmp_path / "trace", dump._replace(messages=0))


def test_messages_of_a_gicv3_are_lpis(tmp_path: Path) -> None:
    path = tmp_path / "virt.dtb"
    path.write_bytes(checked_in(Dump("virt-gicv3", ITS, 4)))
    report = report_of(path, EVENTS)
    (message,) = (source for source in report["sources"] if source["name"].endswith(" MSI"))
    # The translation frame is the second one of QEMU's ITS; the first LPI is 8192.
    assert message["route"].startswith("MSI 0x8090040 data 0 -> 8192")
    assert report["traps"]["sysregs"]


@pytest.mark.parametrize("other", ["gicv2", "gicv3", "rvic"])
@pytest.mark.parametrize("dump", [DUMPS[2], DUMPS[5]], ids=lambda dump: dump.file.rpartition("/")[2])
def test_a_machine_can_have_another_gic(tmp_path: Path, dump: Dump, other: str) -> None:
    path = tmp_path / "virt.dtb"
    path.write_bytes(checked_in(dump))
    report = report_of(path, "--irqchip", other, EVENTS)
    assert report["irqchip"] == other
    check_everything_arrived(report, expected(DTS.read_text()), dump.cpus)


@pytest.fixture
def dump(tmp_path: Path) -> Callable[[str, int], Path]:
    """A tree that QEMU writes now: its path, by the options of the machine and the number of CPUs."""
    if QEMU is None:
        pytest.skip("qemu-system-aarch64 is not installed")
    emulator = QEMU

    def make(options: str, cpus: int) -> Path:
        path = tmp_path / "live.dtb"
        machine = f"virt,{options},dumpdtb={path}"
        subprocess.run(
            [emulator, "-M", machine, "-smp", str(cpus), "-display", "none", "-nic", "none"],
            check=True,
            capture_output=True,
            timeout=60,
        )
        return path

    return make


def check_live(path: Path, tmp_path: Path, cpus: int, messages: int, *options: str) -> None:
    trace = tmp_path / "trace"
    report = report_of(path, EVENTS, "--trace", trace, *options)
    # Other versions of QEMU may add devices; what this one wrote is counted by dtc, if it is there.
    if (dtc := shutil.which("dtc")) is not None:
        done = subprocess.run([dtc, "-q", "-I", "dtb", "-O", "dts", path], capture_output=True, text=True, check=True)
        check_everything_arrived(report, expected(done.stdout), cpus, messages)
    check_right_cpu(report, trace)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("cpus", [1, 2, 4, 8])
def test_what_qemu_writes_now(dump: Callable[[str, int], Path], tmp_path: Path, chip: str, cpus: int) -> None:
    check_live(dump(GICV2, cpus), tmp_path, cpus, 1, "--irqchip", chip)


@pytest.mark.parametrize("cpus", [1, 3, 16, 130])
@pytest.mark.parametrize("options", [ITS, NO_ITS])
def test_what_qemu_writes_now_for_a_gicv3(
    dump: Callable[[str, int], Path], tmp_path: Path, options: str, cpus: int
) -> None:
    check_live(dump(options, cpus), tmp_path, cpus, int(options == ITS))
