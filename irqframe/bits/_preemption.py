"""What one CPU of a GIC is signalled, and how it acknowledges and ends interrupts that preempt each other.

1. `place` follows every change of an interrupt, and `update` follows that: it decides what is signalled. What waits is
   kept in order, so that is a look at the most urgent interrupt, and never a search.
2. Priorities compare strictly: a value must be lower than the mask and, in the bits that count for preemption now,
   lower than the running priority. The running priority is that of the lowest bit of the active priorities.
3. `take`, `end`, `finish` and `release` do a whole access of the guest, or nothing: they leave to the caller what
   concerns anybody but this CPU. That is an interrupt which other CPUs can take too, and one whose end matters outside:
   a watched one, or a shared one that is level-triggered, whose device may listen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from irqframe.bits._bank import Account, Bank
from irqframe.bits._priority import Priority
from irqframe.bits._target import ACTIVE, GROUP_OFF, MASKED, PENDING, UNTARGETED

IDLE: Final = 256
"""Running priority when nothing runs, and that of an interrupt that there is not: less urgent than any."""

NOWHERE: Final = 0
"""It cannot be delivered here."""
AMONG_OTHERS: Final = 1
"""It can, and elsewhere as well, or somebody else changes its bank."""
ALONE: Final = 2
"""It can, and nowhere else, and the thread that runs this CPU changes it."""

NOTHING: Final = -1
"""Nothing is signalled."""
REFUSED: Final = -2
"""What is signalled is of another group."""
LEFT: Final = -3
"""Left to the caller."""

_SOURCE: Final = 10


class _Waiting(Priority):
    """What was placed: a state byte per INTID, and those that are deliverable in order."""

    __slots__ = ()

    def put(self, intid: int, byte: int) -> None:
        """Give an interrupt a new state."""
        before = self.state[intid]
        self.state[intid] = byte
        if byte == PENDING:
            self._enter(intid)
        elif before == PENDING:
            self._leave(intid)


class Preemption:
    """The state of one CPU, as far as it selects; a subclass that is told of the lines overrides `drive`.

    Args:
        banks: the interrupts, by INTID / 32.
        own: numbers of those banks that are the CPU's own; the others are shared.
        intids: size of the number space.
        group_bits: how many bits of a priority can count for preemption, 1 to 7.
        account: where it is counted what becomes of them.

    Raises:
        ValueError: if `group_bits` is another number, or a bank is beyond `intids`.

    Attributes:
        pmr: priority mask.
        groups: bitmap of the groups that are signalled here.
        passed: bitmap of the groups that come here at all.
        masks: per group, the bits of a priority that count for preemption.
        held: nothing comes here.
        fiq_group0: whether Group 0 goes to FIQ.
        split: whether an end drops the priority only, and `release` deactivates.
        takes: bitmap of the groups that a plain acknowledge takes.
        sources: per interrupt from 0 on, which senders wait for delivery, or None: such interrupts are delivered once
            for each of their senders.
        account: as given.
        active: per group, a bit for each priority that runs.
        running: the running priority, 256 if idle.
        best: INTID that is signalled, -1 if none.
        irq: whether the IRQ line is driven; `fiq` likewise.
        acknowledged: how often each INTID was acknowledged, whatever was reset since.
    """

    __slots__ = (
        "_active",
        "_alone",
        "_banks",
        "_intids",
        "_offered",
        "_offered_intid",
        "_shift",
        "_waiting",
        "account",
        "acknowledged",
        "best",
        "fiq",
        "fiq_group0",
        "groups",
        "held",
        "irq",
        "masks",
        "passed",
        "pmr",
        "running",
        "sources",
        "split",
        "takes",
    )

    account: Account
    sources: bytearray | None

    def __init__(
        self, banks: Mapping[int, Bank], own: Sequence[int], intids: int, group_bits: int, account: Account
    ) -> None:
        if not 1 <= group_bits <= 7 or any(not 0 <= number <= intids - 1 >> 5 for number in banks):
            raise ValueError(f"1 to 7 bits can count for preemption, not {group_bits}, and banks are within {intids}")
        self._banks = dict(banks)
        self._alone = {number: 0xFFFF_FFFF if number in own else 0 for number in banks}
        self._waiting = _Waiting(intids, MASKED | UNTARGETED)
        self._intids = intids
        self._shift = 8 - group_bits
        self._offered, self._offered_intid = IDLE, -1
        self._active = [0, 0]
        self.account = account
        self.acknowledged: dict[int, int] = defaultdict(int)
        self.sources = None
        self.masks: tuple[int, int] = (0, 0)
        self.pmr = self.groups = self.passed = self.takes = 0
        self.held = self.split = self.fiq_group0 = False
        self.running = IDLE
        self.best = -1
        self.irq = self.fiq = False

    @property
    def active(self) -> list[int]:
        return list(self._active)

    @active.setter
    def active(self, groups: Sequence[int]) -> None:
        self._active = list(groups)
        self._recompute()

    # Selection

    def place(self, bank: Bank, n: int, reach: int) -> None:
        """Bring up to date where the n-th interrupt of a bank stands; `update` must follow.

        Args:
            bank: of `banks`.
            n: 0 to 31.
            reach: NOWHERE, AMONG_OTHERS or ALONE; always ALONE for one of the CPU's own.
        """
        bit = 1 << n
        intid = bank.first + n
        byte = 0 if bank.enabled & bit else MASKED
        if (bank.latch | bank.line & ~bank.edge) & bit:
            byte |= PENDING
        if bank.active & bit:
            byte |= ACTIVE
        if not self.passed >> (bank.group >> n & 1) & 1:
            byte |= GROUP_OFF
        if reach != ALONE:
            self._alone[intid >> 5] &= ~bit
            if not reach:
                byte |= UNTARGETED
        else:
            self._alone[intid >> 5] |= bit
        waiting = self._waiting
        if waiting.priority[intid] != bank.priority[n]:
            waiting.set_priority(intid, bank.priority[n])
        if waiting.state[intid] != byte:
            waiting.put(intid, byte)

    def reaches(self, intid: int) -> bool:
        """Whether an interrupt was placed as one that can be delivered here."""
        return not self._waiting.state[intid] & UNTARGETED

    def offer(self, priority: int, intid: int) -> None:
        """An interrupt of Group 1 that is in no bank waits, the most urgent of such; `update` must follow.

        Args:
            priority: its priority, 256 if there is none.
            intid: its INTID, which is beyond all banks.
        """
        self._offered, self._offered_intid = priority, intid

    def first_priority(self) -> int:
        """Priority of the most urgent interrupt that waits, 256 if there is none."""
        if self.held:
            return IDLE
        priority = self._waiting.first_priority()
        return priority if priority <= self._offered else self._offered

    def first(self) -> int:
        """Its INTID, the lowest among equals and banks first, -1 if there is none."""
        if self.held:
            return -1
        if self._offered < self._waiting.first_priority():
            return self._offered_intid
        return self._waiting.first()

    def group_of(self, intid: int) -> int:
        """0 or 1; what is in no bank is in Group 1."""
        bank = self._banks.get(intid >> 5)
        return 1 if bank is None else bank.group >> (intid & 31) & 1

    def update(self) -> None:
        """Decide what is signalled, and drive the lines."""
        priority = self.first_priority()
        self.best = -1
        irq = fiq = False
        if priority < self.pmr:
            intid = self.first()
            group = self.group_of(intid)
            mask = self.masks[group] | IDLE
            if self.groups >> group & 1 and priority & mask < self.running & mask:
                self.best = intid
                fiq = not group and self.fiq_group0
                irq = not fiq
        if irq != self.irq or fiq != self.fiq:
            rises = (irq and not self.irq) or (fiq and not self.fiq)
            self.irq = irq
            self.fiq = fiq
            self.drive(irq, fiq, rises)

    def drive(self, irq: bool, fiq: bool, rises: bool) -> None:
        """The lines have changed; `rises`: one of them went high."""

    # Acknowledge and end, step by step

    def level(self, priority: int, group: int) -> int:
        """The group priority level of a priority: its bit in the active priorities."""
        return (priority & self.masks[group]) >> self._shift

    def run(self, intid: int, priority: int, group: int) -> None:
        """An interrupt of this priority and group was acknowledged; `update` must follow."""
        self.account.delivered += 1
        self.acknowledged[intid] += 1
        self._active[group] |= 1 << self.level(priority, group)
        self._recompute()

    def drop(self, group: int) -> None:
        """The most urgent running priority of a group ends; `update` must follow."""
        running = self._active[group]
        self._active[group] = running & running - 1 if running else 0
        self._recompute()

    def _recompute(self) -> None:
        running = self._active[0] | self._active[1]
        self.running = (running & -running).bit_length() - 1 << self._shift if running else IDLE

    # Whole accesses

    def take(self, groups: int) -> int:
        """Acknowledge what is signalled, if its group is in the bitmap `groups`.

        Returns:
            Its INTID, and from bit 10 on the sender that was delivered; else NOTHING, REFUSED or LEFT.
        """
        intid = self.best
        if intid < 0:
            return NOTHING
        bank = self._banks.get(intid >> 5)
        n = intid & 31
        group = 1 if bank is None else bank.group >> n & 1
        if not groups >> group & 1:
            return REFUSED
        if bank is None or not self._alone[intid >> 5] >> n & 1:
            return LEFT
        bit = 1 << n
        taken = intid
        sources = self.sources
        if sources is not None and intid < len(sources):
            senders = sources[intid]
            sources[intid] = senders & senders - 1
            if senders:
                taken |= (senders & -senders).bit_length() - 1 << _SOURCE
            if not sources[intid]:
                bank.latch &= ~bit
            bank.active |= bit
        else:
            bank.deliver(bit)
        self.run(intid, self._waiting.priority[intid], group)
        self.place(bank, n, ALONE)
        self.update()
        return taken

    def end(self, intid: int, groups: int) -> bool:
        """End an interrupt, if its group is in the bitmap `groups`; no effect if there is no such, or nothing runs.

        Returns:
            False if it is left to the caller: nothing has changed.
        """
        if intid >= self._intids or self.running == IDLE:
            return True
        group = self.group_of(intid)
        return not groups >> group & 1 or self.finish(intid, group)

    def finish(self, intid: int, group: int) -> bool:
        """Drop the most urgent running priority of a group and, unless `split` is set, deactivate an interrupt.

        Returns:
            False if it is left to the caller: nothing has changed.
        """
        bank = None if self.split else self._banks.get(intid >> 5)
        if bank is not None and not self._ends_here(bank, intid):
            return False
        self.drop(group)
        if bank is not None:
            self._deactivate(bank, intid)
        self.update()
        return True

    def release(self, intid: int) -> bool:
        """Deactivate an interrupt, if `split` is set; no effect if there is no such.

        Returns:
            False if it is left to the caller: nothing has changed.
        """
        bank = self._banks.get(intid >> 5) if self.split and intid < self._intids else None
        if bank is None:
            return True
        if not self._ends_here(bank, intid):
            return False
        self._deactivate(bank, intid)
        self.update()
        return True

    def _ends_here(self, bank: Bank, intid: int) -> bool:
        bit = 1 << (intid & 31)
        if not self._alone[intid >> 5] & bit:
            return False
        outside = bank.watched | ~bank.edge if bank.shared else bank.watched
        return not bank.active & outside & bit

    def _deactivate(self, bank: Bank, intid: int) -> None:
        n = intid & 31
        bit = 1 << n
        if bank.active & bit:
            bank.active &= ~bit
            bank.settle(bit, self.account)
            self.place(bank, n, ALONE)
