"""The workload on every irqchip: what each kind of interrupt takes is what its driver does, counted by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from irqframe.flow import Trigger
from irqframe.guest.compare import Measured, Program, measure
from irqframe.machine import Device, Machine

pytest.importorskip("unicorn", reason="unicorn is not installed")

TESTDEV = Device(
    "testdev", ("irqframe,testdev",), lines=((None, Trigger.EDGE_RISING), (None, Trigger.LEVEL_HIGH)), msi=True
)
IRQCHIPS = ("rvic", "gicv2", "gicv3")
N = 12

#: Of each phase, the traps that one interrupt takes: those of tests/guests/rvic.c, gicv2.c, gicv3.c between the raise
#: and the end.
TAKEN = {
    "rvic": {
        "timer": ("RVIC_ACKNOWLEDGE", "RVIC_RESAMPLE", "RVIC_CLEAR_MASKED"),
        "IPI": ("RVIC_SIGNAL", "RVIC_ACKNOWLEDGE", "RVIC_CLEAR_MASKED"),
        "wired edge": ("RVIC_ACKNOWLEDGE", "RVIC_CLEAR_MASKED"),
        "wired level": ("RVIC_ACKNOWLEDGE", "RVIC_RESAMPLE", "RVIC_CLEAR_MASKED"),
        "MSI": ("RVIC_ACKNOWLEDGE", "RVIC_CLEAR_MASKED"),
    },
    "gicv2": {
        "timer": ("GICC_IAR", "GICC_EOIR"),
        "IPI": ("GICD_SGIR", "GICC_IAR", "GICC_EOIR"),
        "wired edge": ("GICC_IAR", "GICC_EOIR"),
        "wired level": ("GICC_IAR", "GICC_EOIR"),
        "MSI": ("GICC_IAR", "GICC_EOIR"),
    },
    "gicv3": {
        "timer": ("ICC_IAR1_EL1", "ICC_EOIR1_EL1"),
        "IPI": ("ICC_SGI1R_EL1", "ICC_IAR1_EL1", "ICC_EOIR1_EL1"),
        "wired edge": ("ICC_IAR1_EL1", "ICC_EOIR1_EL1"),
        "wired level": ("ICC_IAR1_EL1", "ICC_EOIR1_EL1"),
        "MSI": ("ICC_IAR1_EL1", "ICC_EOIR1_EL1"),
    },
}


def machine(irqchip: str, cpus: int) -> Machine:
    return Machine.build(irqchip, cpus, devices=("pl011", TESTDEV), memory=64 << 20)


def measured(irqchip: str, cpus: int = 2, program: Program | None = None) -> Measured:
    return measure(machine(irqchip, cpus), program or Program(), N)


@pytest.mark.parametrize("cpus", [1, 4])
@pytest.mark.parametrize("irqchip", IRQCHIPS)
def test_each_kind_takes_what_the_driver_does(irqchip: str, cpus: int) -> None:
    found = measured(irqchip, cpus)
    assert found.passed
    assert found.console.endswith("workload done\n")
    assert [phase.name for phase in found.phases] == list(TAKEN[irqchip])
    for phase in found.phases:
        counts = {**phase.traps.hypercalls, **phase.traps.mmio, **phase.traps.sysregs}
        assert counts == dict.fromkeys(TAKEN[irqchip][phase.name], N)
        assert phase.interrupts == N
        assert phase.latency is not None
        assert phase.latency.samples == N
        # From the raise to HANDLED: the exception, the registers that are saved, and one acknowledge.
        assert 30 < phase.latency.median <= phase.latency.most < 150
        assert 80 < phase.instructions / N < 400
        # Only while every vCPU sleeps does the clock go on without instructions.
        assert (phase.ns > phase.instructions) is (phase.name == "timer")
    assert found.interrupts == 5 * N
    assert found.instructions < found.ns


@pytest.mark.parametrize("irqchip", IRQCHIPS)
def test_it_is_the_same_each_time(irqchip: str) -> None:
    assert measured(irqchip) == measured(irqchip)


def test_time_is_limited_in_virtual_time() -> None:
    found = measured("gicv2", program=Program(append="n=1000000 handled", seconds=0.002))
    assert not found.passed
    assert (found.ended.reason.value, found.ended.text) == ("timeout", "0.002 s of virtual time are over")
    assert 2_000_000 <= found.ns < 4_100_000


def test_a_phase_that_never_ends_is_not_reported() -> None:
    found = measured("gicv2", program=Program(append="n=1000000 handled", seconds=0.002))
    assert found.phases == ()
    assert found.interrupts > 10


def test_another_program_is_measured_over_its_whole_run(bare_metal: Path) -> None:
    found = measured("rvic", program=Program(bare_metal / "tests.img", append="tests=ipi n=20"))
    assert found.passed
    assert found.phases == ()
    assert found.traps.hypercalls["RVIC_SIGNAL"] == 2 * 2 * 20 + 1
    assert found.interrupts == 2 * 2 * 20 + 1
    assert "PSCI" not in " ".join(found.traps.hypercalls)
    assert found.traps.mmio == {}
