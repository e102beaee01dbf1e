"""Machines built from nothing: they run, dtc and dt-validate have nothing to say of them, and no run differs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from irqframe import InputError, Machine, PluginError, SourceKind, Trigger
from irqframe.cli import run
from irqframe.dt import load, machine_bindings, parse_dts, read_dtb, to_dtb
from irqframe.flow import discover
from irqframe.machine import Device, load_machine, pl011, plugin_bindings, virtio_mmio

CHIPS = ("gicv2", "rvic")
DEVICES = ("pl011", "virtio-mmio", "virtio-mmio")
SENSOR = Device("sensor", ("example,sensor",), 0x100, msi=True, properties={"label": "outside", "channels": [1, 2]})


def built(chip: str, cpus: int = 4) -> Machine:
    return Machine.build(chip, cpus, devices=(*DEVICES, SENSOR), bootargs="console=ttyAMA0")


@pytest.mark.parametrize("cpus", [1, 4, 8])
@pytest.mark.parametrize("chip", CHIPS)
def test_it_runs(chip: str, cpus: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "built.dtb"
    path.write_bytes(built(chip, cpus).dtb())
    assert run(["run", str(path), "--events", "2000"]) == 0
    out = capsys.readouterr().out
    assert f"{cpus} vCPU" in out
    assert "every interrupt accounted for" in out


@pytest.mark.parametrize("chip", CHIPS)
def test_dtc_has_nothing_to_say(chip: str) -> None:
    if shutil.which("dtc") is None:
        pytest.skip("dtc is not installed")
    machine = built(chip)
    for form, data in (("dts", machine.dts().encode()), ("dtb", machine.dtb())):
        done = subprocess.run(["dtc", "-I", form, "-O", "dtb"], input=data, capture_output=True, check=True)
        # The specification has `interrupt-map` in mind; a GIC whose children have addresses needs no cells for it.
        assert [line for line in done.stderr.decode().splitlines() if "interrupt_provider" not in line] == []
        assert to_dtb(read_dtb(done.stdout, "dtc")) == machine.dtb()


@pytest.mark.parametrize("cpus", [1, 8])
@pytest.mark.parametrize("chip", CHIPS)
def test_dt_validate_has_nothing_to_say(chip: str, cpus: int, tmp_path: Path) -> None:
    pytest.importorskip("dtschema", reason="dtschema is not installed")
    documents = [*machine_bindings()]
    for plugin in discover():
        if plugin.chip is not None:
            documents += [(f"interrupt-controller/{n}", text) for n, text in plugin_bindings(plugin.chip, plugin.name)]
    for name, text in documents:
        (tmp_path / "b" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "b" / name).write_text(text)
    (tmp_path / "t.dtb").write_bytes(Machine.build(chip, cpus, devices=DEVICES).dtb())
    tool = Path(sys.executable).parent / "dt-validate"
    command = [tool, "-m", "-s", tmp_path / "b", tmp_path / "t.dtb"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # Of the core schemas only those that we refer to come along, and no binding for the root node or the CPU.
    unknown = [line for line in (done.stdout + done.stderr).splitlines() if "failed to match any schema" not in line]
    assert unknown == []


def test_what_is_in_it() -> None:
    machine = built("rvic")
    assert [cpu.mpidr for cpu in machine.cpus] == [0, 1, 2, 3]
    assert {cpu.enable_method for cpu in machine.cpus} == {"psci"}
    assert [(region.address, region.size) for region in machine.memory] == [(0x40000000, 512 << 20)]
    assert machine.timer[0] is not None and machine.timer[0].number == 27
    assert machine.pmu is not None and machine.pmu.number == 23
    lines = {one.name: one.source for one in machine.sources if one.source.kind is SourceKind.SPI}
    assert [(name, source.number, source.trigger) for name, source in lines.items()] == [
        ("serial@9000000", 0, Trigger.LEVEL_HIGH),
        ("virtio@a000000", 1, Trigger.EDGE_RISING),
        ("virtio@a000200", 2, Trigger.EDGE_RISING),
        ("sensor@b000000", 3, Trigger.LEVEL_HIGH),
    ]
    assert [one.name for one in machine.msis] == ["sensor@b000000 MSI"]
    root = machine.tree.root
    assert root.children["chosen"].strings("stdout-path") == ("/serial@9000000",)
    assert root.children["chosen"].strings("bootargs") == ("console=ttyAMA0",)
    assert root.children["aliases"].strings("serial0") == ("/serial@9000000",)
    sensor = root.children["sensor@b000000"]
    assert (sensor.strings("label"), sensor.cells("channels")) == (("outside",), (1, 2))


@pytest.mark.parametrize("chip", CHIPS)
def test_the_same_call_gives_the_same_bytes(chip: str) -> None:
    assert built(chip).dtb() == built(chip).dtb()
    script = f"""
import sys
from irqframe import Machine
sys.stdout.buffer.write(Machine.build({chip!r}, 4, devices={DEVICES!r}).dtb())
"""
    command = [sys.executable, "-c", script]
    outs = {
        subprocess.run(command, capture_output=True, check=True, env={"PYTHONHASHSEED": seed}).stdout
        for seed in ("1", "2")
    }
    assert outs == {Machine.build(chip, 4, devices=DEVICES).dtb()}


@pytest.mark.parametrize("chip", CHIPS)
def test_either_form_loads_again(chip: str, tmp_path: Path) -> None:
    machine = built(chip)
    path = tmp_path / "t.dtb"
    path.write_bytes(machine.dtb())
    for tree in (load(path), parse_dts(machine.dts(), "t")):
        again = load_machine(tree)
        assert again.irqchip == chip
        assert [one.source for one in again.sources] == [one.source for one in machine.sources]


def test_places_and_lines_that_are_asked_for_are_kept() -> None:
    devices = [virtio_mmio(line=1), virtio_mmio(address=0xA000000, line=None), pl011(line=0), virtio_mmio()]
    machine = Machine.build("gicv2", [0x100, 0x200], (0x80000000, 1 << 30), devices)
    assert [cpu.mpidr for cpu in machine.cpus] == [0x100, 0x200]
    assert machine.memory[0].address == 0x80000000
    spis = {one.name: one.source.number for one in machine.sources if one.source.kind is SourceKind.SPI}
    assert spis == {"virtio@a000200": 1, "virtio@a000000": 2, "serial@9000000": 0, "virtio@a000400": 3}


def test_many_cpus_have_affinities_in_clusters() -> None:
    machine = Machine.build("rvic", 40)
    assert [cpu.mpidr for cpu in machine.cpus][14:18] == [14, 15, 0x100, 0x101]


def test_an_affinity_above_32_bits() -> None:
    machine = Machine.build("rvic", [0, 1 << 32])
    assert machine.cpus[1].mpidr == 1 << 32
    assert machine.tree.node("/cpus/cpu@100000000") is not None


def test_neither_timer_nor_pmu() -> None:
    machine = Machine.build("rvic", timer=False, pmu=False)
    assert (machine.timer, machine.pmu) == ((None, None), None)


def test_no_device_at_all() -> None:
    assert {one.source.kind for one in Machine.build("gicv2", devices=()).sources} == {SourceKind.PPI}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"cpus": 0}, "one CPU or more"),
        ({"cpus": [0, 1, 0]}, "the same MPIDR"),
        ({"devices": ["pl012"]}, "no device 'pl012'; by name there are pl011, virtio-mmio"),
        ({"devices": [pl011(0x40000000)]}, "serial at 0x40000000 would lie on memory at 0x40000000"),
        ({"devices": [pl011(0x8000800)]}, "serial at 0x8000800 would lie on /intc@8000000 at 0x8000000"),
        ({"devices": [pl011(0x9000000), virtio_mmio(0x9000100)]}, "virtio at 0x9000100 would lie on serial"),
        ({"memory": 0}, "no address and size"),
        ({"devices": [Device("a", ("b,c",), 0), Device("a", ("b,c",), 0)]}, "two nodes would have the name 'a'"),
    ],
)
def test_what_cannot_be(arguments: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Machine.build("gicv2", **arguments)  # type: ignore[arg-type]


def test_what_the_irqchip_refuses() -> None:
    with pytest.raises(InputError, match=r"E0608: .*: SPI 5000 .* is outside what the GIC serves"):
        Machine.build("gicv2", devices=[pl011(line=5000)])
    with pytest.raises(InputError, match="E0608: a GICv2 has 8 CPU interfaces, not 9"):
        Machine.build("gicv2", 9)
    with pytest.raises(PluginError, match="not installed"):
        Machine.build("gicv9")
