"""Both makes of what one CPU of a GIC is signalled: the same results, and the same state after every step."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from irqframe.bits import BITMAPS
from irqframe.bits._bank import Account, Bank
from irqframe.bits._preemption import Preemption

native: Any = pytest.importorskip("irqframe._native")

GROUP_BITS = 5
NUMBERS = (0, 1, 3, 70)
INTIDS = 70 * 32 + 32
OFFERED = 8192
GROUPS = st.integers(0, 1)
PLACES = st.integers(0, 3)
#: Few, so that they meet.
INTERRUPT = st.sampled_from((0, 1, 2, 16, 31))
PRIORITY = st.sampled_from((0, 0x48, 0x50, 0x80, 0xA0, 0xF8, 0xFF))
WHICH = st.sampled_from((*NUMBERS, 2, 256))


def driven(base: Any) -> Any:
    class Driven(base):  # type: ignore[misc]
        """Hears of its lines."""

        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.lines: list[tuple[bool, bool, bool]] = []

        def drive(self, irq: bool, fiq: bool, rises: bool) -> None:
            self.lines.append((irq, fiq, rises))

    return Driven


class One:
    """One make: four banks, two of them the CPU's own, and what signals them."""

    def __init__(self, make: tuple[Any, Any, Any], sources: bool) -> None:
        preemption, bank, account = make
        self.account = account()
        self.banks = [bank(32 * number, 20 if number == 3 else 32, shared=number in (1, 3)) for number in NUMBERS]
        self.banks[0].apart = 0b11 if sources else 0
        by_number = dict(zip(NUMBERS, self.banks, strict=True))
        self.cpu = driven(preemption)(by_number, (0, 70), INTIDS, GROUP_BITS, self.account)
        if sources:
            self.cpu.sources = bytearray(16)

    def state(self) -> dict[str, Any]:
        cpu = self.cpu
        names = (
            "pmr",
            "groups",
            "passed",
            "takes",
            "masks",
            "held",
            "split",
            "fiq_group0",
            "active",
            "running",
            "best",
        )
        counts = ("raised", "delivered", "coalesced", "withdrawn", "resampled")
        return {
            **{name: getattr(cpu, name) for name in (*names, "sources", "lines", "acknowledged")},
            "first": (cpu.first_priority(), cpu.first()),
            "counts": {name: getattr(self.account, name) for name in counts},
            "banks": [
                {name: getattr(bank, name) for name in (*BITMAPS, "pending", "valid", "apart", "watched", "priority")}
                for bank in self.banks
            ],
            "reaches": [cpu.reaches(32 * number + n) for number in NUMBERS for n in (0, 1, 2, 16, 31)],
        }


class TwoMakes(RuleBasedStateMachine):
    @initialize(sources=st.booleans())
    def start(self, sources: bool) -> None:
        self.ones = [
            One((Preemption, Bank, Account), sources),
            One((native.Preemption, native.Bank, native.Account), sources),
        ]
        self.both(lambda one: setattr(one.cpu, "masks", (0xF8, 0xF0)))
        for name, value in (("pmr", 0xF8), ("groups", 3), ("passed", 3), ("takes", 3)):
            self.both(lambda one, name=name, value=value: setattr(one.cpu, name, value))
        for at in range(len(NUMBERS)):
            self.enable(at)

    def both(self, work: Any) -> Any:
        results = [work(one) for one in self.ones]
        assert results[0] == results[1]
        return results[0]

    def placed(self, at: int, n: int, work: Any, reach: int = 2) -> None:
        """A change of an interrupt as the model makes it: placed, and decided upon."""

        def all_of_it(one: One) -> Any:
            outcome = work(one)
            one.cpu.place(one.banks[at], n, reach)
            one.cpu.update()
            return outcome

        self.both(all_of_it)

    # Interrupts

    @rule(at=PLACES, n=INTERRUPT, level=st.booleans(), every=st.booleans(), reach=st.sampled_from((2, 2, 2, 1, 0)))
    def line(self, at: int, n: int, level: bool, every: bool, reach: int) -> None:
        self.placed(at, n, lambda one: one.banks[at].set_line(1 << n, level, one.account, every), reach)

    @rule(at=PLACES, n=INTERRUPT)
    def pend(self, at: int, n: int) -> None:
        self.placed(at, n, lambda one: one.banks[at].pend(1 << n, one.account))

    @rule(n=INTERRUPT.filter(lambda n: n < 16), sources=st.sampled_from((1, 2, 128, 0x81)))
    def send(self, n: int, sources: int) -> None:
        def work(one: One) -> None:
            if one.cpu.sources is not None:
                one.cpu.sources[n] |= sources
                one.banks[0].set("latch", 1 << n)

        self.placed(0, n, work)

    @rule(at=PLACES, n=INTERRUPT, name=st.sampled_from(BITMAPS), on=st.booleans(), settles=st.booleans())
    def change(self, at: int, n: int, name: str, on: bool, settles: bool) -> None:
        def work(one: One) -> None:
            (one.banks[at].set if on else one.banks[at].clear)(name, 1 << n)
            if settles:
                one.banks[at].settle(1 << n, one.account)

        self.placed(at, n, work)

    @rule(at=PLACES)
    def enable(self, at: int) -> None:
        def work(one: One) -> None:
            one.banks[at].set("enabled", one.banks[at].valid)
            for n in range(32):
                one.cpu.place(one.banks[at], n, 2)

        self.placed(at, 0, work)

    @rule(at=PLACES, n=INTERRUPT, priority=PRIORITY)
    def prioritise(self, at: int, n: int, priority: int) -> None:
        self.placed(at, n, lambda one: one.banks[at].priority.__setitem__(n, priority))

    @rule(at=PLACES, watched=st.integers(0, 0xFFFF_FFFF))
    def watch(self, at: int, watched: int) -> None:
        self.both(lambda one: setattr(one.banks[at], "watched", watched))

    @rule(at=PLACES, n=INTERRUPT)
    def deliver(self, at: int, n: int) -> None:
        """And nobody is told."""
        self.both(lambda one: one.banks[at].deliver(1 << n))

    @rule(priority=st.sampled_from((0x40, 0xA0, 256, 256)))
    def offer(self, priority: int) -> None:
        def work(one: One) -> None:
            one.cpu.offer(priority, OFFERED if priority < 256 else -1)
            one.cpu.update()

        self.both(work)

    # The CPU

    @rule(name=st.sampled_from(("held", "split", "fiq_group0")), on=st.sampled_from((False, False, False, True)))
    def flag(self, name: str, on: bool) -> None:
        self.both(lambda one: setattr(one.cpu, name, on))

    @rule(name=st.sampled_from(("groups", "passed", "takes")), value=st.sampled_from((3, 3, 3, 3, 2, 1, 0)))
    def groups(self, name: str, value: int) -> None:
        self.both(lambda one: setattr(one.cpu, name, value))

    @rule(pmr=st.sampled_from((0, 0x50, 0xF8, 0xF8, 0xFF)), masks=st.sampled_from(((0xF8, 0xF0), (0x80, 0xC0), (0, 0))))
    def registers(self, pmr: int, masks: tuple[int, int]) -> None:
        def work(one: One) -> None:
            one.cpu.pmr, one.cpu.masks = pmr, masks
            one.cpu.update()

        self.both(work)

    @rule(group0=st.sampled_from((0, 0, 0, 1 << 31, 5)), group1=st.one_of(st.just(0), st.integers(0, (1 << 128) - 1)))
    def write_active(self, group0: int, group1: int) -> None:
        self.both(lambda one: setattr(one.cpu, "active", [group0, group1]))

    @rule(number=WHICH, n=INTERRUPT, priority=PRIORITY, group=GROUPS)
    def run_one(self, number: int, n: int, priority: int, group: int) -> None:
        self.both(lambda one: one.cpu.run(32 * number + n, priority, group))
        self.both(lambda one: one.cpu.level(priority, group))

    @rule(group=GROUPS)
    def drop(self, group: int) -> None:
        self.both(lambda one: one.cpu.drop(group))

    @rule()
    def update(self) -> None:
        self.both(lambda one: one.cpu.update())

    # Whole accesses

    @rule(groups=st.sampled_from((1, 2, 3, 3, 3)))
    def take(self, groups: int) -> None:
        self.both(lambda one: one.cpu.take(groups))

    @rule(at=PLACES, n=INTERRUPT, senders=st.sampled_from((0, 1, 128, 0x81)), priority=PRIORITY, split=st.booleans())
    def from_raise_to_end(self, at: int, n: int, senders: int, priority: int, split: bool) -> None:
        """With nothing in the way but what waits already."""

        def work(one: One) -> list[Any]:
            cpu, bank = one.cpu, one.banks[at]
            cpu.held, cpu.groups, cpu.passed, cpu.pmr, cpu.masks = False, 3, 3, 0xFF, (0xF8, 0xF0)
            cpu.active, cpu.split = [0, 0], split
            bank.set("enabled", 1 << n)
            bank.clear("active", 1 << n)
            bank.priority[n] = priority
            if cpu.sources is not None and at == 0 and n < 16:
                cpu.sources[n] |= senders
                bank.set("latch", 1 << n)
            else:
                bank.pend(1 << n, one.account)
            cpu.place(bank, n, 2)
            cpu.update()
            seen = [taken := cpu.take(3), one.state()]
            intid = taken & 0x3FF if taken >= 0 else bank.first + n
            return [*seen, cpu.end(intid, 3), one.state(), cpu.release(intid)]

        self.both(work)

    @rule(number=WHICH, n=INTERRUPT, groups=st.sampled_from((1, 2, 3, 3)))
    def end(self, number: int, n: int, groups: int) -> None:
        self.both(lambda one: one.cpu.end(32 * number + n, groups))

    @rule(number=WHICH, n=INTERRUPT, group=GROUPS)
    def finish(self, number: int, n: int, group: int) -> None:
        self.both(lambda one: one.cpu.finish(32 * number + n, group))

    @rule(number=WHICH, n=INTERRUPT)
    def release(self, number: int, n: int) -> None:
        self.both(lambda one: one.cpu.release(32 * number + n))
        self.both(lambda one: one.cpu.group_of(32 * number + n))

    @invariant()
    def same(self) -> None:
        if hasattr(self, "ones"):
            self.both(lambda one: one.state())


TestTwoMakes = TwoMakes.TestCase
TestTwoMakes.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
