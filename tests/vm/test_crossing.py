"""What a trap does around its service, by every kind of trap: as leaving and entering the guest do it."""

from __future__ import annotations

import errno
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from irqframe.errors import VmError
from irqframe.flow import Hypercall, HypercallClaim, MmioClaim, SysregClaim, SysregEncoding
from irqframe.vm import VCpu, Vm

REGISTER = SysregEncoding(3, 0, 12, 12, 0)
FUNCTION = 0xC5000200
AROUND = ["vcpu_sync_hwstate", "vcpu_flush_hwstate"]

TRAPS: dict[str, Callable[[VCpu], object]] = {
    "hypercall": lambda vcpu: vcpu.hypercall(FUNCTION),
    "unknown hypercall": lambda vcpu: vcpu.hypercall(FUNCTION + 1),
    "load": lambda vcpu: vcpu.mmio_read(0x8000000),
    "store": lambda vcpu: vcpu.mmio_write(0x8000000, 4, 1),
    "register read": lambda vcpu: vcpu.sysreg_read(REGISTER),
    "register write": lambda vcpu: vcpu.sysreg_write(REGISTER, 1),
}
SERVED = [name for name in TRAPS if name != "unknown hypercall"]


class Made:
    """A vCPU in the guest, and what happens while one of its traps is served."""

    def __init__(self, chip: Any, make_vm: Callable[..., Vm]) -> None:
        self.chip = chip
        self.meanwhile: Callable[[], object] = int

        def serve(*_: object) -> int:
            chip.log.append(("served",))
            self.meanwhile()
            return 0

        def call(*_: object) -> tuple[int, int, int, int]:
            return serve(), 0, 0, 0

        chip.claims += [
            HypercallClaim(FUNCTION, FUNCTION, {FUNCTION: Hypercall("F", call)}),
            MmioClaim("frame", 0x8000000, 0x1000, serve, serve),
            SysregClaim("REGISTER", REGISTER, serve, serve),
        ]
        self.vcpu = make_vm(chip).vcpus[0]
        self.vcpu.load()
        self.vcpu.enter()
        chip.log.clear()


@pytest.fixture
def made(chip: Any, make_vm: Callable[..., Vm]) -> Iterator[Made]:
    made = Made(chip, make_vm)
    yield made
    made.vcpu.put()


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS)
def test_the_guest_is_left_and_entered_once(made: Made, trap: Callable[[VCpu], object]) -> None:
    trap(made.vcpu)
    assert [name for name in made.chip.names() if name != "served"] == AROUND
    assert made.vcpu.in_guest
    assert made.vcpu.exits == 1


@pytest.mark.parametrize("trap", [TRAPS[name] for name in SERVED], ids=SERVED)
def test_a_trap_is_served_outside_of_the_guest(made: Made, trap: Callable[[VCpu], object]) -> None:
    seen: list[bool] = []
    made.meanwhile = lambda: seen.append(made.vcpu.in_guest)
    trap(made.vcpu)
    assert seen == [False]
    assert made.chip.names() == [AROUND[0], "served", AROUND[1]]


@pytest.mark.parametrize("trap", [TRAPS[name] for name in SERVED], ids=SERVED)
def test_what_was_asked_for_meanwhile_is_done_before_the_guest_goes_on(
    made: Made, trap: Callable[[VCpu], object]
) -> None:
    made.meanwhile = lambda: made.vcpu.post(lambda: made.chip.log.append(("posted",)))
    trap(made.vcpu)
    assert made.chip.names() == [AROUND[0], "served", "posted", AROUND[1]]
    assert made.vcpu.in_guest
    assert not made.vcpu.requests


@pytest.mark.parametrize("trap", [TRAPS[name] for name in SERVED], ids=SERVED)
@pytest.mark.parametrize("how", ["powered off", "paused"])
def test_who_must_not_go_on_does_not(made: Made, trap: Callable[[VCpu], object], how: str) -> None:
    off = made.vcpu.power_off if how == "powered off" else lambda: setattr(made.vcpu, "paused", True)
    made.meanwhile = off
    trap(made.vcpu)
    assert not made.vcpu.in_guest
    made.meanwhile = int
    made.chip.log.clear()
    trap(made.vcpu)
    assert made.chip.names() == ["served"]
    assert not made.vcpu.in_guest


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS)
def test_a_kick_after_the_flush_makes_another_round(made: Made, trap: Callable[[VCpu], object]) -> None:
    original = made.chip.record
    kicks = [1]

    def kick_once(name: str, *what: Any) -> None:
        original(name, *what)
        if name == "vcpu_flush_hwstate" and kicks:
            kicks.pop()
            made.vcpu.kick()

    made.chip.record = kick_once
    trap(made.vcpu)
    assert [name for name in made.chip.names() if name != "served"] == [*AROUND, *AROUND]
    assert made.vcpu.in_guest
    assert made.vcpu.exits == 1


def test_what_a_first_call_raises_is_all_that_is_told(made: Made) -> None:
    """The traps look for the function first, and its absence is no error that anybody need see."""

    def refuse() -> None:
        raise VmError(errno.EIO, "the irqchip refuses")

    made.meanwhile = refuse
    with pytest.raises(VmError) as raised:
        made.vcpu.hypercall(FUNCTION)
    assert raised.value.__context__ is None
    assert made.vcpu.exits == 1


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS)
@pytest.mark.parametrize("inside", [True, False])
def test_an_exit_counts_though_its_observer_fails(
    chip: Any, make_vm: Callable[..., Vm], trap: Callable[[VCpu], object], inside: bool
) -> None:
    made = Made(chip, make_vm)
    vcpu = made.vcpu

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    vcpu.vm.trap_observer = fail
    vcpu.bind()
    if not inside:
        vcpu.leave()
    before = vcpu.exits
    with pytest.raises(OSError, match="no space"):
        trap(vcpu)
    assert vcpu.exits - before == inside
    vcpu.put()


def test_another_thread_may_count_exits_while_functions_are_called_for_the_first_time(made: Made) -> None:
    bus = made.vcpu.vm.hypercalls
    first, count = 0xC600_0000, 3000
    functions = {first + n: Hypercall(f"F{n}", lambda *_: (0, 0, 0, 0)) for n in range(count)}
    bus.claim(HypercallClaim(first, first + count, functions))
    failures: list[BaseException] = []
    stop = threading.Event()

    def look() -> None:
        try:
            while not stop.is_set():
                assert 0 <= made.vcpu.exits <= count
        except BaseException as error:
            failures.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        looker = threading.Thread(target=look)
        looker.start()
        for fid in functions:
            made.vcpu.hypercall(fid)
        stop.set()
        looker.join()
    finally:
        sys.setswitchinterval(interval)
    assert failures == []
    assert made.vcpu.exits == count
