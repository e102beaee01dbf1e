"""An ITS: registers, commands, and the translation of a message to an LPI of a CPU.

1. Registers, tables and cache change under one lock, whichever vCPU writes. While it is held, work for a vCPU is posted
   to its owner, behind the messages that came before, and never waited for; not even if the owner is the writer.
2. Who writes a register that has commands done takes the turn, and does them one after the other. Between two commands
   the lock is free: that is when a SYNC waits until the owner of a vCPU has done what was posted, and when the writer
   does what was posted to its own vCPUs. An LPI that moves is waited for too, so that the next command finds it where
   it is; and so is an inbox that fills, because the vCPU may not run. Who waits for the turn does what is posted to its
   own vCPUs meanwhile.
3. A message that was translated before is one look into a dictionary, without the lock. Entries are made under the
   lock, while the ITS is enabled; every command and every register that changes a mapping starts a new dictionary.
4. The tables are in guest memory (`_tables`), so saved state is the registers. Commands that waited when it was saved
   are done when the guest looks at GITS_CREADR, or a vCPU is loaded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from irqframe.flow import Injected, MmioClaim
from irqframe.vm import VCpu, Vm
from irqframe_vgic import _saved
from irqframe_vgic._its._commands import execute
from irqframe_vgic._its._gits import CONTROL, FRAME, QUIESCENT, TRANSLATER, TRANSLATION
from irqframe_vgic._its._parameters import ItsParameters
from irqframe_vgic._its._queue import CBASER_MASK, OFFSET_MASK, Queue, capacity
from irqframe_vgic._its._tables import Tables
from irqframe_vgic._registers import Frame
from irqframe_vgic._shared import CROWDED, patiently
from irqframe_vgic._v3._lpis import Interface

MAX_CACHED: Final = 4096
"""Translations that are remembered; one more, and all are forgotten."""

_PATIENCE: Final = 0.001
"""Seconds between two looks at the own inboxes."""

#: What a message comes to: (vCPU, its LPIs' `pend`, INTID).
Cached: TypeAlias = tuple[VCpu, Callable[[int], Injected], int]


class Gic(Protocol):
    """What the ITS needs of the GIC."""

    @property
    def cpus(self) -> Sequence[Interface]:
        """The CPU interfaces by processor number."""


class Translation(NamedTuple):
    """What an event is mapped to.

    Attributes:
        target: where the LPI goes.
        intid: the LPI.
    """

    target: Interface
    intid: int


class Its:
    """An Interrupt Translation Service.

    Args:
        vm: the VM; the tables are in its memory.
        gic: whose CPU interfaces the LPIs go to.
        base: guest physical address of the control frame; the translation frame follows it.
        parameters: what the implementation chooses.

    Attributes:
        parameters: as given.
        enabled: GITS_CTLR.Enabled.
        tables: the tables, and the GITS_BASERs that say where they are.
        queue: the command queue.
        refused: commands that were errors.
    """

    def __init__(self, vm: Vm, gic: Gic, base: int, parameters: ItsParameters) -> None:
        self._vm = vm
        self._base = base
        self.parameters = parameters
        self.enabled = False
        self.tables = Tables(vm.memory, parameters, gic.cpus)
        self.queue = Queue(vm.memory, parameters.empties_queue)
        self.refused = 0
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._cache: dict[tuple[int, int], Cached] = {}
        self._awaited: list[VCpu] = []

    @property
    def doorbell(self) -> int:
        """Guest physical address that messages are written to: GITS_TRANSLATER."""
        return self._base + FRAME + TRANSLATER

    def claim(self) -> tuple[MmioClaim, ...]:
        """The control frame and the translation frame."""
        claims = []
        for name, base, decoded in (("GITS", self._base, CONTROL), ("GITS messages", self._base + FRAME, TRANSLATION)):
            frame = Frame(self, decoded)
            claims.append(MmioClaim(name, base, FRAME, frame.read, frame.write, decoded.names))
        return tuple(claims)

    def reset(self) -> None:
        """Every register as after power-on."""
        with self._lock:
            self.enabled = False
            self.tables.reset()
            self.queue.reset()
            self.refused = 0
            self.forget()

    # Messages; any thread

    def message(self, device: int, event: int) -> Injected:
        """A device writes a message.

        Args:
            device: DeviceID, which comes with the write.
            event: EventID, the data.

        Returns:
            What became of it; POSTED if another thread owns the LPI's CPU.
        """
        found = self._cache.get((device, event)) or self._look_up(device, event)
        if isinstance(found, Injected):
            self._vm.count_drop(found)
            return found
        return self._vm.post(*found)

    def store(self, device: int, event: int) -> None:
        """A CPU writes a message: as often as the guest likes, so it waits while the LPI's CPU has much to do."""
        found = self._cache.get((device, event)) or self._look_up(device, event)
        if isinstance(found, Injected):
            self._vm.count_drop(found)
            return
        patiently(self._vm, *found)

    def _look_up(self, device: int, event: int) -> Cached | Injected:
        """Translate a message for the first time; or why it is dropped."""
        with self._lock:
            if not self.enabled:
                return Injected.DROPPED_DISABLED
            found = self.translate(device, event)
            if found is None:
                return Injected.DROPPED_UNROUTED
            if len(self._cache) >= MAX_CACHED:
                self.forget()
            cached = (found.target.vcpu, found.target.lpis.pend, found.intid)
            self._cache[device, event] = cached
            return cached

    # Registers

    @property
    def ctlr(self) -> int:
        """GITS_CTLR; a disabled ITS has nothing to finish, so Quiescent is 1."""
        return QUIESCENT | self.enabled

    def write_ctlr(self, value: int) -> None:
        """GITS_CTLR: commands that waited are done when Enabled becomes 1."""
        with self._in_turn():
            with self._lock:
                self.enabled = bool(value & 1)
                self.forget()
            self._run()

    def write_baser(self, n: int, value: int, lanes: int) -> None:
        """GITS_BASER of number n; ignored while Enabled is 1, where the effect is UNPREDICTABLE."""
        with self._lock:
            if not self.enabled and n < len(self.tables.basers):
                self.tables.basers[n].write(value, lanes)

    def write_cbaser(self, value: int, lanes: int) -> None:
        """GITS_CBASER; ignored likewise."""
        with self._lock:
            if not self.enabled:
                self.queue.write_cbaser(value, lanes)

    def write_cwriter(self, value: int, lanes: int) -> None:
        """GITS_CWRITER: the commands up to there are done, if Enabled is 1."""
        with self._in_turn():
            with self._lock:
                self.queue.write_cwriter(value, lanes)
            self._run()

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        while not self._turn.acquire(timeout=_PATIENCE):
            self._vm.drain_owned()
        try:
            yield
        finally:
            self._turn.release()

    def _run(self) -> None:
        """Do the commands that wait. GITS_CWRITER stays: there are at most as many as the queue has places for."""
        while self._do_one():
            while self._awaited:
                self._awaited.pop().call(_nothing)
            self._vm.drain_owned()

    def resume(self) -> None:
        """Do the commands that wait, unless somebody does them now."""
        if self.enabled and self.queue.waits and self._turn.acquire(blocking=False):
            try:
                self._run()
            finally:
                self._turn.release()

    def _do_one(self) -> bool:
        """Do the next command, and tell whether there was one."""
        with self._lock:
            if not self.enabled or not self.queue.waits:
                return False
            words = self.queue.front()
            if words is None or not execute(self, words):
                self.refused += 1
            self.queue.advance()
            return True

    # For the commands, which hold the lock

    def translate(self, device: int, event: int) -> Translation | None:
        """What an event is mapped to, as the tables have it now; None if it is not."""
        found = self.tables.event(device, event)
        target = None if found is None else self.tables.collection(found.collection)
        return None if found is None or target is None else Translation(target, found.intid)

    def post(self, target: Interface, work: Callable[..., Injected], *args: object) -> None:
        """Have the owner of `target` do `work(*args)`, behind what was posted before; never at once."""
        target.vcpu.post(partial(work, *args))
        if len(target.vcpu.inbox) > CROWDED:
            self.synchronise(target)

    def synchronise(self, target: Interface) -> None:
        """Before the next command, wait until the owner of `target` has done what was posted."""
        self._awaited.append(target.vcpu)

    def forget(self) -> None:
        """A mapping changes: translate every message anew."""
        self._cache = {}

    # State

    def save(self) -> dict[str, Any]:
        """The registers, as plain data."""
        with self._lock:
            return {
                "version": _saved.VERSION,
                "enabled": self.enabled,
                "cbaser": self.queue.cbaser,
                "cwriter": self.queue.cwriter,
                "creadr": self.queue.creadr,
                "basers": [baser.register for baser in self.tables.basers],
            }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what `save` returned.

        Raises:
            VmError: EINVAL for data that does not fit; nothing has changed then.
        """
        data = _saved.mapping(saved)
        enabled = _saved.flag(data, "enabled")
        cbaser = _saved.number(data, "cbaser", CBASER_MASK)
        cwriter, creadr = (_saved.number(data, name, OFFSET_MASK) for name in ("cwriter", "creadr"))
        if creadr >= capacity(cbaser):
            raise _saved.refusal("creadr", "within the queue of 'cbaser'", creadr)
        registers = _saved.items(data, "basers")
        if len(registers) != len(self.tables.basers):
            raise _saved.refusal("basers", f"{len(self.tables.basers)} registers", len(registers))
        for baser, register in zip(self.tables.basers, registers, strict=True):
            if not baser.takes(register):
                raise _saved.refusal("basers", f"tables as {baser.kind.reset:#x} is one", register)
        with self._lock:
            self.enabled = enabled
            self.queue.cbaser, self.queue.cwriter, self.queue.creadr = cbaser, cwriter, creadr
            for baser, register in zip(self.tables.basers, registers, strict=True):
                baser.register = register
            self.forget()


def _nothing() -> None:
    """What is posted after something else that is waited for."""
