"""From a machine to a VM: what the tree says is what the VM has, and what the irqchip refuses is a finding."""

from __future__ import annotations

import errno
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from irqframe import Irqchip, PluginError, hookimpl
from irqframe.dt import load
from irqframe.errors import InputError, VmError
from irqframe.flow import ALL_QUIRKS
from irqframe.machine import Machine, build, load_machine, split_quirks
from irqframe.vm import QUIRKS, VirtualClock, Vm

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def rvic() -> Machine:
    return load_machine(load(str(ROOT / "docs" / "examples" / "virt-rvic.dts")))


@pytest.fixture(scope="module")
def gic() -> Machine:
    return load_machine(load(str(ROOT / "tests" / "dt" / "data" / "virt-gicv2.dts")))


def changed(machine: Machine, **hooks: Any) -> Machine:
    methods = {f"irqchip_{name}": hookimpl(hook) for name, hook in hooks.items()}
    return replace(machine, chip=type("Changed", (machine.chip,), methods))


def test_the_vm_has_what_the_tree_says(rvic: Machine) -> None:
    vm = build(rvic)
    assert vm.finalized
    assert [vcpu.mpidr for vcpu in vm.vcpus] == [0x0, 0x1, 0x100, 0x101]
    assert not any(vcpu.powered_off for vcpu in vm.vcpus)
    for vcpu in vm.vcpus:
        assert [timer.intid for timer in vcpu.timers] == [27, 30]
        assert vcpu.pmu is not None
        assert vcpu.pmu.intid == 23
    assert isinstance(vm.clock, VirtualClock)
    assert isinstance(vm.flow.chip, rvic.chip)
    assert vm.flow.chip_name == "rvic"


def test_what_the_tree_does_not_have_the_vm_has_not(gic: Machine) -> None:
    vm = build(gic)
    assert gic.pmu is None
    assert all(vcpu.pmu is None for vcpu in vm.vcpus)


def test_memory_is_that_of_the_tree(gic: Machine) -> None:
    vm = build(gic)
    (region,) = gic.memory
    vm.memory.write(region.address + region.size - 4, b"abcd")
    assert vm.memory.read(region.address + region.size - 4, 4) == b"abcd"
    with pytest.raises(VmError):
        vm.memory.read(region.address + region.size, 1)


def test_time_can_be_given(gic: Machine) -> None:
    clock = VirtualClock()
    assert build(gic, clock=clock).clock is clock


def test_nothing_is_wrapped_unless_somebody_asks(gic: Machine) -> None:
    assert not build(gic).flow.wrapped


def test_wrappers_are_made_of_the_vm_before_its_cpus(gic: Machine) -> None:
    seen: list[int] = []

    class Observer:
        def __init__(self, vm: Vm) -> None:
            assert not vm.vcpus
            assert not vm.finalized

        @hookimpl(wrapper=True)
        def irqchip_vcpu_init(self, vcpu: Any) -> Generator[None, None, None]:
            yield
            seen.append(vcpu.index)

    vm = build(gic, wrappers=[Observer])
    assert seen == [0, 1, 2, 3]
    assert vm.flow.wrapped == {"vcpu_init"}


def test_what_must_be_prepared_is_prepared_before_the_seal(gic: Machine) -> None:
    seen: list[tuple[bool, int]] = []
    build(gic, prepare=lambda vm: seen.append((vm.finalized, len(vm.vcpus))))
    assert seen == [(False, 4)]


# Quirks and options


def test_quirks_go_to_whom_they_belong(rvic: Machine, gic: Machine) -> None:
    core = next(iter(QUIRKS))
    assert split_quirks(gic.chip, frozenset({core})) == (frozenset(), {core})
    # The reference's own irqchip has the core's quirks too.
    assert split_quirks(rvic.chip, frozenset({"K28", core})) == ({"K28", core}, {core})


def test_a_quirk_that_nobody_has_goes_to_the_irqchip_which_refuses_it(rvic: Machine) -> None:
    assert split_quirks(rvic.chip, frozenset({"nope"})) == ({"nope"}, frozenset())
    with pytest.raises(VmError, match="has no quirk 'nope'") as caught:
        build(rvic, quirks=["nope"])
    assert caught.value.errno == errno.EINVAL


def test_as_is_is_all_of_both(rvic: Machine) -> None:
    assert split_quirks(rvic.chip, frozenset({ALL_QUIRKS})) == ({ALL_QUIRKS}, frozenset(QUIRKS))


def test_quirks_arrive(rvic: Machine) -> None:
    core = next(iter(QUIRKS))
    vm = build(rvic, quirks=["K28", core])
    assert vm.quirks == {core}
    assert isinstance(vm.flow.chip, Irqchip)
    assert vm.flow.chip.quirk("K28")


def test_options_arrive(rvic: Machine) -> None:
    chip = build(rvic, options={"order": "fifo"}).flow.chip
    assert isinstance(chip, Irqchip)
    assert chip.chosen["order"] == "fifo"
    with pytest.raises(VmError, match="is one of lowest, fifo, not 'x'"):
        build(rvic, options={"order": "x"})


# What goes wrong


def test_what_the_irqchip_refuses_of_its_nodes_is_a_finding(rvic: Machine) -> None:
    def configure(self: Any, vm: Vm, nodes: Any) -> None:
        raise VmError(errno.EINVAL, "no")

    with pytest.raises(InputError) as caught:
        build(changed(rvic, configure=configure))
    (finding,) = caught.value.findings
    assert (finding.code, finding.path) == ("E0607", "/rvic")
    assert finding.message == "rvic refuses the machine: no"
    assert finding.span.line


def test_what_it_raises_by_mistake_is_its_own_fault(rvic: Machine) -> None:
    def configure(self: Any, vm: Vm, nodes: Any) -> None:
        raise KeyError("oops")

    with pytest.raises(PluginError, match=r"plugin 'rvic': configure raised KeyError: 'oops' at .*test_build\.py:\d+"):
        build(changed(rvic, configure=configure))


def test_an_irqchip_that_finalizes_the_vm_itself_is_not_finalized_twice(rvic: Machine) -> None:
    def configure(self: Any, vm: Vm, nodes: Any) -> None:
        own: Any = rvic.chip
        own.irqchip_configure(self, vm, nodes)
        vm.finalize()

    assert build(changed(rvic, configure=configure)).finalized
