"""The irqchip against a naive model: sets and lists, written from the specification alone, in two makes.

`Naive` is what is right; `NaiveAsIs` keeps a queue as the reference does, with its defects K9, K10 and K11.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

T, N = 32, 64
U = N - T
ok = (0, 0, 0, 0)
disabled = (0x0003, 0, 0, 0)

cpus = st.integers(0, 1)
# Few interrupts, so that they meet: an IPI, two lines, two untrusted ones, and now and then any.
intids = st.one_of(st.sampled_from([3, 20, 21, 40, 41]), st.integers(0, N - 1))
inputs = st.one_of(st.sampled_from([0, 1]), st.integers(0, U - 1))


class Naive:
    """One rVIC, as it should be."""

    fifo = False

    def __init__(self) -> None:
        self.enabled = False
        self.pending: list[int] = []  # in the order in which they became deliverable, as far as they are
        self.masked = set(range(N))
        self.lines: set[int] = set()

    def queue(self) -> list[int]:
        waiting = [intid for intid in self.pending if intid not in self.masked]
        return waiting if self.fifo else sorted(waiting)

    def signalled(self) -> bool:
        return self.enabled and bool(self.queue())

    def pend(self, intid: int) -> None:
        if intid not in self.pending:
            self.pending.append(intid)

    def signal(self, intid: int) -> Any:
        if not self.enabled:
            return disabled
        self.pend(intid)
        return ok

    def raise_(self, intid: int) -> None:
        if self.enabled:
            self.pend(intid)

    def clear(self, intid: int) -> None:
        if intid in self.pending:
            self.pending.remove(intid)

    def mask(self, intid: int) -> None:
        self.masked.add(intid)

    def unmask(self, intid: int) -> None:
        if intid in self.masked:
            self.masked.remove(intid)
            if intid in self.pending:  # takes its place now
                self.pending.remove(intid)
                self.pending.append(intid)

    def ack(self) -> Any:
        if not self.enabled:
            return disabled
        if not self.queue():
            return (0x0004, 0, 0, 0)
        intid = self.queue()[0]
        self.pending.remove(intid)
        self.masked.add(intid)
        return (0, intid, 0, 0)

    def enable(self) -> None:
        if not self.enabled:
            self.enabled = True
            for intid in sorted(self.lines):
                self.pend(intid)

    def disable(self) -> None:
        self.enabled = False

    def resample(self, intid: int) -> Any:
        if not self.enabled:
            return disabled
        if intid in self.lines:
            self.pend(intid)
        return ok


class NaiveFifo(Naive):
    fifo = True


class NaiveAsIs(NaiveFifo):
    """One rVIC, as the reference makes it."""

    def __init__(self) -> None:
        super().__init__()
        self.queued: list[int] = []

    def queue(self) -> list[int]:
        return self.queued

    def _dequeue(self, intid: int) -> None:
        if intid in self.queued:
            self.queued.remove(intid)

    def pend(self, intid: int) -> None:
        super().pend(intid)
        if intid not in self.masked and intid not in self.queued:
            self.queued.append(intid)

    def clear(self, intid: int) -> None:
        super().clear(intid)
        self._dequeue(intid)

    def mask(self, intid: int) -> None:
        super().mask(intid)
        self._dequeue(intid)

    def unmask(self, intid: int) -> None:
        was = intid in self.masked
        self.masked.discard(intid)
        if was and intid in self.pending and self.enabled:
            self.queued.append(intid)

    def ack(self) -> Any:
        answer = super().ack()
        if answer[0] == 0:
            self._dequeue(answer[1])
        return answer

    def enable(self) -> None:
        self.enabled = True

    def resample(self, intid: int) -> Any:
        if intid in self.lines:
            self.raise_(intid)
        return ok


class Against(RuleBasedStateMachine):
    """Do the same to both, and compare all that a guest and a hypervisor can see."""

    naive: type[Naive] = Naive
    kind: dict[str, Any]
    make: Any

    @initialize()
    def start(self) -> None:
        self.stack = ExitStack()
        self.made = self.make(**self.kind)
        self.stack.enter_context(self.made.vm.adopted())
        self.rvics = [self.naive(), self.naive()]
        self.map: dict[int, tuple[int, int]] = {}
        self.unrouted = 0

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            self.stack.close()

    def hvc(self, name: str, *arguments: int, cpu: int) -> Any:
        return self.made.hvc(name, *arguments, cpu=cpu)

    @rule(cpu=cpus, at=cpus, intid=intids)
    def signal(self, cpu: int, at: int, intid: int) -> None:
        assert self.hvc("RVIC_SIGNAL", at, intid, cpu=cpu) == self.rvics[at].signal(intid)

    @rule(cpu=cpus, at=cpus, intid=intids)
    def clear_pending(self, cpu: int, at: int, intid: int) -> None:
        assert self.hvc("RVIC_CLEAR_PENDING", at, intid, cpu=cpu) == ok
        self.rvics[at].clear(intid)

    @rule(cpu=cpus, at=cpus, intid=intids)
    def set_masked(self, cpu: int, at: int, intid: int) -> None:
        assert self.hvc("RVIC_SET_MASKED", at, intid, cpu=cpu) == ok
        self.rvics[at].mask(intid)

    @rule(cpu=cpus, at=cpus, intid=intids)
    def clear_masked(self, cpu: int, at: int, intid: int) -> None:
        assert self.hvc("RVIC_CLEAR_MASKED", at, intid, cpu=cpu) == ok
        self.rvics[at].unmask(intid)

    @rule(cpu=cpus)
    def acknowledge(self, cpu: int) -> None:
        assert self.hvc("RVIC_ACKNOWLEDGE", cpu=cpu) == self.rvics[cpu].ack()

    @rule(cpu=cpus)
    def enable(self, cpu: int) -> None:
        assert self.hvc("RVIC_ENABLE", cpu=cpu) == ok
        self.rvics[cpu].enable()

    @rule(cpu=cpus)
    def disable(self, cpu: int) -> None:
        assert self.hvc("RVIC_DISABLE", cpu=cpu) == ok
        self.rvics[cpu].disable()

    @rule(cpu=cpus, intid=st.sampled_from([20, 21]))
    def resample(self, cpu: int, intid: int) -> None:
        assert self.hvc("RVIC_RESAMPLE", intid, cpu=cpu) == self.rvics[cpu].resample(intid)

    @rule(cpu=cpus, intid=st.sampled_from([20, 21]), level=st.booleans())
    def line(self, cpu: int, intid: int, level: bool) -> None:
        self.made.vm.inject(cpu, intid, int(level))
        (self.rvics[cpu].lines.add if level else self.rvics[cpu].lines.discard)(intid)
        if level:
            self.rvics[cpu].raise_(intid)

    @rule(number=inputs, cpu=cpus, intid=st.integers(T, N - 1))
    def map_input(self, number: int, cpu: int, intid: int) -> None:
        assert self.hvc("RVID_MAP", number, cpu, intid, cpu=1 - cpu) == ok
        self.map[number] = (cpu, intid)

    @rule(number=inputs)
    def unmap_input(self, number: int) -> None:
        assert self.hvc("RVID_UNMAP", number, cpu=0) == ok
        self.map.pop(number, None)

    @rule(number=inputs, level=st.booleans())
    def raise_input(self, number: int, level: bool) -> None:
        self.made.vm.set_irq(number, int(level))
        if level and number in self.map:
            cpu, intid = self.map[number]
            self.rvics[cpu].raise_(intid)
        elif level:
            self.unrouted += 1

    @precondition(lambda self: hasattr(self, "made"))
    @invariant()
    def same(self) -> None:
        for index, rvic in enumerate(self.rvics):
            state = self.made.cpu(index).chip.target.state
            assert {n for n in range(N) if state[n] & 1} == set(rvic.pending)
            assert {n for n in range(N) if state[n] & 2} == rvic.masked
            assert self.made.vm.flow.table.vcpu_pending_irq(self.made.cpu(index)) == rvic.signalled()
            self.made.cpu(index).enter()
            assert self.made.cpu(index).irq_line == rvic.signalled()
            assert self.made.balance(index) == 0
            queued = self.made.vm.flow.call("debugfs", self.made.vm)[f"rvic-{index}/state"].splitlines()[3:]
            assert [int(line.split(":")[0]) for line in queued] == rvic.queue()
        assert sum(self.made.vm.dropped.values()) == self.unrouted


CASES = {
    "lowest": (Naive, {}),
    "fifo": (NaiveFifo, {"order": "fifo"}),
    "as-is": (NaiveAsIs, {"quirks": ["as-is"]}),
    "priorities": (Naive, {"priorities": True, "level_inputs": True}),
}


@pytest.mark.parametrize("case", CASES)
def test_against_the_naive_model(machine: Any, case: str) -> None:
    model, kind = CASES[case]

    class Machine(Against):
        pass

    Machine.naive, Machine.kind = model, kind
    Machine.make = staticmethod(lambda **kwargs: machine(adopt=False, **kwargs))
    Machine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
    Machine.TestCase("runTest").debug()
