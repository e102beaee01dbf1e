"""The dumps, in the columns of the reference; the examples are its own."""

from __future__ import annotations

from typing import Any

from irqframe_rvic import Rvic

from irqframe.vm import Vm


def dump(made: Any) -> dict[str, str]:
    return dict(made.vm.flow.call("debugfs", made.vm))


def test_state_and_interrupts(machine: Any) -> None:
    made = machine(2, ids=(0, 7), timers=True, order="fifo")
    made.cpu(0).load()
    made.enable(0)
    for intid in (40, 20):
        made.deliverable(intid)
    made.ok("RVIC_SIGNAL", 0, 5)
    made.vm.inject(0, 21, 1)
    made.cpu(0).put()
    files = dump(made)
    assert files["rvic-0/state"] == "Enabled\n32 Trusted\n64 Total\n40: [0] P m 0x0 L Q\n20: [0] P m 0x0 L Q\n"
    assert files["rvic-7/state"] == "Disabled\n32 Trusted\n64 Total\n"
    lines = files["rvic-0/irqs"].splitlines()
    assert len(lines) == 64
    assert lines[5] == "5: [0] P M 0x0 L i"
    assert lines[21] == "21: [0] P M 0x0 H i"
    assert lines[27] == "27: [1] p M _get_level x i"
    assert lines[63] == "63: [0] p M 0x0 L i"


def test_level_input_shows_its_level(machine: Any) -> None:
    made = machine(level_inputs=True)
    made.enable(0)
    made.ok("RVID_SET_TRIGGER", 3, 4)
    made.ok("RVID_MAP", 3, 0, 40)
    made.vm.set_irq(3, 1)
    made.ok("RVIC_CLEAR_MASKED", 0, 40)
    assert dump(made)["rvic-0/state"].splitlines()[3:] == ["40: [0] P m 0x0 H Q"]


def test_order_with_priorities(machine: Any) -> None:
    made = machine(priorities=True)
    made.enable(0)
    made.ok("RVIC_SET_PRIORITY", 0, 20, 9)
    for intid in (20, 50, 40):
        made.deliverable(intid)
    queued = dump(made)["rvic-0/state"].splitlines()[3:]
    assert [line.split(":")[0] for line in queued] == ["40", "50", "20"]


def test_rvid(machine: Any) -> None:
    made = machine(2)
    made.ok("RVID_MAP", 12, made.mpidr(0), 63)
    made.ok("RVID_MAP", 3, made.mpidr(1), 35)
    assert dump(made)["rvid"] == "32 Trusted\n64 Total\n   3: vcpu-1 35\n  12: vcpu-0 63\n"


def test_nothing_before_nr_irqs() -> None:
    vm = Vm(timer_intids=(None, None), pmu_intid=None)
    vm.create_irqchip(Rvic(), "rvic")
    vm.create_vcpu()
    assert vm.flow.call("debugfs", vm) == {}
    vm.set_device_attr(0, 0, 512 << 16 | 32)
    assert vm.flow.call("debugfs", vm) == {"rvid": "32 Trusted\n512 Total\n"}
