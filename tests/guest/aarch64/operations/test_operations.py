"""Exits that compiled operations serve: nothing can be seen of it, neither by the guest nor by anybody else.

The same guest runs with operations and without, in virtual time, and everything that it leaves behind is compared; so
is what Python sees of the vCPUs whenever the guest prints or asks for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from irqframe.bits import LowestFirst, acknowledging
from irqframe.errors import PluginError
from irqframe.flow import (
    Hypercall,
    HypercallClaim,
    MmioClaim,
    SysregClaim,
    SysregEncoding,
    TrapClaim,
    hookimpl,
)
from irqframe.guest.aarch64 import Ended, Reason
from irqframe.guest.aarch64._bound import HYPERCALL, MMIO_READ, MMIO_WRITE, SYSREG_READ, SYSREG_WRITE, UNSETTLED, Bound
from irqframe.guest.aarch64._encodings import pack
from irqframe.guest.aarch64._engine import IRQ, Exits
from irqframe.machine import build
from irqframe.vm import VCpu, Vm

IMPDEF = SysregEncoding(3, 7, 15, 0, 0)
LOOK = 0x8600_0001


@pytest.mark.parametrize(
    ("irqchip", "options"),
    [("rvic", {"order": "lowest"}), ("rvic", {"order": "fifo"}), ("gicv2", {}), ("gicv3", {})],
)
@pytest.mark.parametrize("cpus", [1, 4, 8])
@pytest.mark.parametrize(("image", "append"), [("tests.img", "n=40 handled"), ("workload.img", "n=30 handled")])
def test_a_guest_leaves_the_same_behind(
    both: Any,
    machine_of: Any,
    bare_metal: Path,
    image: str,
    append: str,
    cpus: int,
    irqchip: str,
    options: dict[str, str],
) -> None:
    one, _ = both(machine_of(irqchip, cpus), bare_metal / image, append, options=options)
    assert one.ended == Ended(Reason.TEST)
    assert b"passed" in one.console or b"workload done" in one.console
    assert len(one.looks) > 10
    assert one.native > 30


# Who hears of every exit


class Wraps:
    @hookimpl(wrapper=True)
    def irqchip_vcpu_pending_irq(self, vcpu: VCpu) -> Any:
        return (yield)


def observe(vm: Vm) -> None:
    vm.trap_observer = lambda *_: None


SERVED = {
    "rvic": {(HYPERCALL, name) for name in ("RVIC_ACKNOWLEDGE", "RVIC_CLEAR_MASKED", "RVIC_SIGNAL")},
    "gicv2": {(MMIO_READ, name) for name in ("GICC_IAR", "GICC_AIAR")}
    | {(MMIO_WRITE, name) for name in ("GICC_EOIR", "GICC_AEOIR", "GICC_DIR")},
    "gicv3": {(SYSREG_READ, name) for name in ("ICC_IAR0_EL1", "ICC_IAR1_EL1")}
    | {(SYSREG_WRITE, name) for name in ("ICC_EOIR0_EL1", "ICC_EOIR1_EL1", "ICC_DIR_EL1")},
}
"""What operations serve of each irqchip, by the exit and the name."""


def name_of(vm: Vm, exit_: int, key: int) -> str:
    if exit_ == HYPERCALL:
        return vm.hypercalls.name(key)
    return vm.mmio.name(key) if exit_ in (MMIO_READ, MMIO_WRITE) else vm.sysregs.name(SysregEncoding.unpack(key))


@pytest.mark.parametrize(
    "how", [{"wrappers": [lambda _: Wraps()]}, {"prepare": observe}, {"quirks": ["K9"]}, {}], ids=["w", "o", "q", ""]
)
@pytest.mark.parametrize(("irqchip", "served"), SERVED.items())
def test_who_watches_hears_of_every_exit(
    machine_of: Any, irqchip: str, how: dict[str, Any], served: set[tuple[int, str]]
) -> None:
    if "quirks" in how and irqchip != "rvic":
        pytest.skip("it has no quirks")
    vm = build(machine_of(irqchip, 2), **how)
    for vcpu in vm.vcpus:
        rows = [(exit_, name_of(vm, exit_, key)) for exit_, key, _ in Bound(vcpu).rows]
        assert len(rows) == len(set(rows))
        assert set(rows) == (set() if how else served)
    vm.destroy()


def claims(operation: Any) -> dict[str, TrapClaim]:
    """One of each kind, with an operation for everything it could have one for, and more."""

    def read(*_: int) -> int:
        return 0

    def write(*_: int) -> None: ...

    pair = operation, operation
    both_ends = {0: pair, 0xC: (operation, None), 0xD: pair, 0x10: pair, -4: pair, 8: (None, None)}
    return {
        "hypercall": HypercallClaim(
            LOOK, LOOK, {LOOK: Hypercall("LOOK", lambda *_: (0, 0, 0, 0), lambda vcpu: operation)}
        ),
        "frame": MmioClaim("FRAME", 0x0D00_0000, 0x10, read, write, operations=lambda vcpu: both_ends),
        "register": SysregClaim("S3_7_C15_C0_0", IMPDEF, read, None, operations=lambda vcpu: pair),
    }


def test_what_claims_bring_is_bound_where_python_would_serve_it(machine_of: Any) -> None:
    target = LowestFirst(8)
    operation = acknowledging(target, disabled=(1,), nothing=(2,))

    def prepare(vm: Vm) -> None:
        for claim in claims(operation).values():
            vm.claim(claim)

    vm = build(machine_of("rvic", 1), quirks=["K9"], prepare=prepare)
    bound = Bound(vm.vcpus[0])
    assert [row[:2] for row in bound.rows] == [
        (HYPERCALL, LOOK),
        (MMIO_READ, 0x0D00_0000),
        (MMIO_WRITE, 0x0D00_0000),
        (MMIO_READ, 0x0D00_000C),
        (SYSREG_READ, pack(*IMPDEF)),
    ]
    vcpu = vm.vcpus[0]
    vcpu.left, vcpu.mmio_counts[0x0D00_0000] = 5, 2
    bound.tell(2, [(0, 3), (1, 1), (2, 4), (4, 7)])
    assert (vcpu.exits, vcpu.irq_line, vcpu.fiq_line) == (20, False, True)
    assert vcpu.hypercall_counts == {LOOK: 3}
    assert vcpu.mmio_counts == {0x0D00_0000: 7}
    assert vcpu.sysreg_counts == {IMPDEF: 7}
    vm.destroy()


@pytest.mark.parametrize("kind", ["hypercall", "frame", "register"])
def test_what_is_no_operation_is_the_plugins_fault(machine_of: Any, kind: str) -> None:
    vm = build(machine_of("gicv2", 1), prepare=lambda vm: vm.claim(claims("no")[kind]))
    with pytest.raises(PluginError, match=r"'gicv2': 'no' is no operation"):
        Bound(vm.vcpus[0])
    vm.destroy()


def test_lines_say_whether_the_vcpu_is_settled(machine_of: Any) -> None:
    vm = build(machine_of("rvic", 1))
    vcpu = vm.vcpus[0]
    exits = Exits(*[lambda *_: None] * 5, lambda: IRQ)  # type: ignore[arg-type]
    lines = Bound(vcpu).watch(exits).lines
    with vm.adopted():
        assert lines() == IRQ | UNSETTLED
        vcpu.enter()
        assert lines() == IRQ
        vcpu.kick()
        assert lines() == IRQ | UNSETTLED
        vcpu.enter()
        vcpu.post(lambda: None)
        assert lines() == IRQ | UNSETTLED
        vcpu.enter()
        assert lines() == IRQ
        vcpu.paused = True
        assert lines() == IRQ | UNSETTLED
        vcpu.paused = False
    vm.destroy()
