"""Random histories against a naive model: it keeps one record per interrupt and looks at all of them every time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

CPUS = 3
SGIS = [0, 5, 15]
PPIS = [16, 27]
SPIS = [32, 40, 63, 64, 159]
LINED = PPIS + SPIS
ALL = SGIS + LINED
PRIORITIES = [0x00, 0x20, 0x28, 0x40, 0x80, 0xA0, 0xF0, 0xF8]

cpus = st.integers(0, CPUS - 1)


@dataclass
class Interrupt:
    enabled: bool = False
    latch: bool = False
    line: bool = False
    edge: bool = False
    active: bool = False
    group: int = 0
    priority: int = 0
    targets: int = 0
    sources: set[int] = field(default_factory=set)

    @property
    def pending(self) -> bool:
        return self.latch or bool(self.sources) or (self.line and not self.edge)


@dataclass
class Interface:
    ctlr: int = 0
    pmr: int = 0
    bpr: int = 2
    abpr: int = 3
    running: list[tuple[int, int]] = field(default_factory=list)

    @property
    def running_priority(self) -> int:
        return min((priority for priority, _ in self.running), default=256)

    def group_mask(self, group: int) -> int:
        if group and not self.ctlr & 1 << 4:
            return 0xFF & ~((1 << self.abpr) - 1)
        return 0xFF & ~((1 << self.bpr + 1) - 1)


class Naive:
    def __init__(self) -> None:
        self.ctlr = 0
        self.cpus = [Interface() for _ in range(CPUS)]
        self.private = [{i: Interrupt() for i in SGIS + PPIS} for _ in range(CPUS)]
        self.shared = {i: Interrupt() for i in SPIS}
        for bank in self.private:
            for i in SGIS:
                bank[i].enabled = bank[i].edge = True

    def at(self, intid: int, cpu: int) -> Interrupt:
        return self.shared[intid] if intid >= 32 else self.private[cpu][intid]

    def best(self, cpu: int) -> int | None:
        found = []
        for intid in ALL:
            one = self.at(intid, cpu)
            if not one.enabled or not one.pending or one.active or not self.ctlr >> one.group & 1:
                continue
            if intid >= 32 and not one.targets >> cpu & 1:
                continue
            found.append((one.priority, intid))
        return min(found)[1] if found else None

    def signalled(self, cpu: int) -> int | None:
        intid = self.best(cpu)
        if intid is None:
            return None
        one, interface = self.at(intid, cpu), self.cpus[cpu]
        if not interface.ctlr >> one.group & 1 or one.priority >= interface.pmr:
            return None
        mask = interface.group_mask(one.group) | 0x100
        return intid if one.priority & mask < interface.running_priority & mask else None

    def pins(self, cpu: int) -> tuple[bool, bool]:
        intid = self.signalled(cpu)
        if intid is None:
            return False, False
        fiq = self.at(intid, cpu).group == 0 and bool(self.cpus[cpu].ctlr & 1 << 3)
        return not fiq, fiq

    def acknowledge(self, cpu: int, aliased: bool) -> int:
        intid = self.signalled(cpu)
        if intid is None:
            return 1023
        one, interface = self.at(intid, cpu), self.cpus[cpu]
        if aliased and not one.group:
            return 1023
        if not aliased and one.group and not interface.ctlr & 1 << 2:
            return 1022
        source = 0
        if intid < 16:
            source = min(one.sources)
            one.sources.remove(source)
        one.latch = False
        one.active = True
        level = (one.priority & interface.group_mask(one.group), one.group)
        if level not in interface.running:
            interface.running.append(level)
        return source << 10 | intid

    def end(self, cpu: int, value: int, aliased: bool) -> None:
        intid, interface = value & 0x3FF, self.cpus[cpu]
        one = self.at(intid, cpu)
        if not interface.running or (aliased and not one.group):
            return
        mine = [level for level in interface.running if level[1] == one.group]
        if mine:
            interface.running.remove(min(mine))
        if not interface.ctlr & 1 << 9:
            one.active = False


class Comparison(RuleBasedStateMachine):
    def __init__(self, board: Any) -> None:
        super().__init__()
        self.naive = Naive()
        self.board = board(CPUS)
        self.acknowledged: list[tuple[int, int]] = []

    @initialize()
    def switch_on(self) -> None:
        self.write_distributor(3)
        for cpu in range(CPUS):
            self.write_ctlr(cpu, 0b0111)
            self.write_pmr(cpu, 0xF8)
            for intid in SGIS + PPIS:
                self.write_priority(intid, cpu, 0x80)
            for intid in LINED:
                self.write_enable(intid, cpu, True)
        for intid in SPIS:
            self.write_targets(intid, 0, 0b010)

    @rule(value=st.integers(0, 3))
    def write_distributor(self, value: int) -> None:
        self.board.w(0x000, value)
        self.naive.ctlr = value

    @rule(cpu=cpus, value=st.sampled_from([0b0001, 0b0011, 0b0111, 0b1111, 0b1_0111, 0b10_0000_0111, 0b0110]))
    def write_ctlr(self, cpu: int, value: int) -> None:
        self.board.cw(0x00, value, cpu)
        self.naive.cpus[cpu].ctlr = value

    @rule(cpu=cpus, value=st.sampled_from([0x30, 0x88, 0xF0, 0xF8]))
    def write_pmr(self, cpu: int, value: int) -> None:
        self.board.cw(0x04, value, cpu)
        self.naive.cpus[cpu].pmr = value

    @rule(cpu=cpus, bpr=st.integers(0, 7), abpr=st.integers(0, 7))
    def write_binary_points(self, cpu: int, bpr: int, abpr: int) -> None:
        self.board.cw(0x08, bpr, cpu)
        self.board.cw(0x1C, abpr, cpu)
        self.naive.cpus[cpu].bpr = max(bpr, 2)
        self.naive.cpus[cpu].abpr = max(abpr, 3)

    @rule(intid=st.sampled_from(ALL), cpu=cpus, priority=st.sampled_from(PRIORITIES))
    def write_priority(self, intid: int, cpu: int, priority: int) -> None:
        self.board.w(0x400 + intid, priority, cpu, size=1)
        self.naive.at(intid, cpu).priority = priority

    @rule(intid=st.sampled_from(ALL), cpu=cpus, on=st.booleans())
    def write_enable(self, intid: int, cpu: int, on: bool) -> None:
        self.board.set_bit(0x100 if on else 0x180, intid, cpu)
        self.naive.at(intid, cpu).enabled = on

    @rule(intid=st.sampled_from(ALL), cpu=cpus, on=st.booleans())
    def write_pending(self, intid: int, cpu: int, on: bool) -> None:
        self.board.set_bit(0x200 if on else 0x280, intid, cpu)
        if intid >= 16:
            self.naive.at(intid, cpu).latch = on

    @rule(intid=st.sampled_from(ALL), cpu=cpus, on=st.booleans())
    def write_active(self, intid: int, cpu: int, on: bool) -> None:
        self.board.set_bit(0x300 if on else 0x380, intid, cpu)
        self.naive.at(intid, cpu).active = on

    @rule(intid=st.sampled_from(ALL), cpu=cpus, group=st.integers(0, 1))
    def write_group(self, intid: int, cpu: int, group: int) -> None:
        address, bit = 0x080 + intid // 32 * 4, 1 << intid % 32
        before = self.board.r(address, cpu)
        self.board.w(address, before | bit if group else before & ~bit, cpu)
        self.naive.at(intid, cpu).group = group

    @rule(intid=st.sampled_from(LINED), cpu=cpus, edge=st.booleans())
    def write_config(self, intid: int, cpu: int, edge: bool) -> None:
        address, bit = 0xC00 + intid // 16 * 4, 2 << intid % 16 * 2
        before = self.board.r(address, cpu)
        self.board.w(address, before | bit if edge else before & ~bit, cpu)
        self.naive.at(intid, cpu).edge = edge

    @rule(intid=st.sampled_from(SPIS), cpu=cpus, mask=st.integers(0, (1 << CPUS) - 1))
    def write_targets(self, intid: int, cpu: int, mask: int) -> None:
        self.board.w(0x800 + intid, mask, cpu, size=1)
        self.naive.at(intid, cpu).targets = mask

    @rule(intid=st.sampled_from(LINED), cpu=cpus, level=st.integers(0, 1))
    def set_line(self, intid: int, cpu: int, level: int) -> None:
        self.board.line(intid, level, cpu)
        one = self.naive.at(intid, cpu)
        one.line = bool(level)
        one.latch = one.latch or (one.edge and bool(level))

    @rule(sgi=st.sampled_from(SGIS), cpu=cpus, mask=st.integers(0, 255))
    def send(self, sgi: int, cpu: int, mask: int) -> None:
        self.board.send(sgi, mask, cpu)
        for target in range(CPUS):
            if mask >> target & 1:
                self.naive.private[target][sgi].sources.add(cpu)

    @rule(sgi=st.sampled_from(SGIS), cpu=cpus, sources=st.integers(0, 255), on=st.booleans())
    def write_sgi_sources(self, sgi: int, cpu: int, sources: int, on: bool) -> None:
        self.board.w((0xF20 if on else 0xF10) + sgi, sources, cpu, size=1)
        named = {source for source in range(CPUS) if sources >> source & 1}
        one = self.naive.private[cpu][sgi]
        one.sources = one.sources | named if on else one.sources - named

    @rule(cpu=cpus, aliased=st.booleans())
    def acknowledge(self, cpu: int, aliased: bool) -> None:
        value = self.board.cr(0x20 if aliased else 0x0C, cpu)
        assert value == self.naive.acknowledge(cpu, aliased)
        if value & 0x3FF < 1020:
            self.acknowledged.append((cpu, value))

    @precondition(lambda self: self.acknowledged)
    @rule(data=st.data(), aliased=st.booleans())
    def end(self, data: st.DataObject, aliased: bool) -> None:
        at = data.draw(st.integers(0, len(self.acknowledged) - 1))
        cpu, value = self.acknowledged.pop(at)
        self.board.cw(0x24 if aliased else 0x10, value, cpu)
        self.naive.end(cpu, value, aliased)

    @rule(intid=st.sampled_from(ALL), cpu=cpus)
    def deactivate(self, intid: int, cpu: int) -> None:
        self.board.deactivate(intid, cpu)
        if self.naive.cpus[cpu].ctlr & 1 << 9:
            self.naive.at(intid, cpu).active = False

    @invariant()
    def pins_are_the_same(self) -> None:
        for cpu in range(CPUS):
            assert self.board.pins(cpu) == self.naive.pins(cpu)

    @invariant()
    def state_is_the_same(self) -> None:
        for cpu in range(CPUS):
            running = self.naive.cpus[cpu].running_priority
            assert self.board.cr(0x14, cpu) == min(running, 0xFF)
            for intid in ALL:
                one = self.naive.at(intid, cpu)
                assert self.board.bit(0x200, intid, cpu) == one.pending
                assert self.board.bit(0x300, intid, cpu) == one.active

    @invariant()
    def accounts_balance(self) -> None:
        for cpu in range(CPUS):
            assert self.board.owed(cpu) == self.board.waiting(cpu)
        gic = self.board.vm.chip_data
        for block in (*gic.blocks.values(), *(cpu.private for cpu in gic.cpus)):
            sgis = 0xFFFF if block.first == 0 else 0
            assert not block.owed & ~block.pending
            assert not block.pending & ~block.active & ~block.owed & ~sgis


def test_any_history_is_that_of_the_naive_model(board: Any) -> None:
    run_state_machine_as_test(
        lambda: Comparison(board),
        settings=settings(
            max_examples=60, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
