"""Operations on QEMU's GIC, from every CPU.

1. A small program (`stub.S`) runs on each emulated CPU. It takes entries from a ring in RAM that this process shares:
   one is the instructions of an operation, done by the CPU that it names, after which the others say what their lines
   are. So many operations cost one hand-over.
2. While nothing waits for it, QEMU is stopped: its CPUs never sleep by themselves, and a process that always runs gets
   the processor late when it is shared.
3. A device's line is set over the test protocol, which the ring cannot do: the operations before it end first.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple

from oracle import stub
from oracle.operations import LINE, MRS, MSR, READ, STORE, UNDEFINED, Op, Outcome
from oracle.qemu import QEMU, SPIS, OracleError, Qemu

_GICD: Final = 0x0800_0000
_CPU_ON: Final = 0xC400_0003
_TIMEOUT: Final = 20.0
# So often a short batch is waited for awake; a longer one asleep, for this process and QEMU may have to share a core.
_SPINS: Final = 20
_NAP: Final = 20e-6


class _Entry(NamedTuple):
    cpu: int
    code: int
    x0: int = 0
    x1: int = 0


class _Done(NamedTuple):
    x0: int
    syndrome: int
    lines: int


class Witness:
    """QEMU's GIC of one version with so many CPUs.

    Args:
        version: 2 or 3.
        cpus: 1 to 8.
        qemu: the program.
    """

    def __init__(self, version: int, cpus: int, qemu: str = QEMU) -> None:
        self._version = version
        self._cpus = cpus
        file, name = tempfile.mkstemp(prefix="gic", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        self._path = Path(name)
        os.ftruncate(file, stub.SIZE)
        self._ram = mmap.mmap(file, stub.SIZE)
        os.close(file)
        # Stores through this view are single stores of 8 bytes; those of `struct` with a byte order are not.
        self._words = memoryview(self._ram).cast("Q")
        self._code: dict[tuple[int, ...], int] = {}
        self._next_code = stub.THUNKS
        self._count = 0
        program = stub.program()
        self._ram[stub.STUB : stub.STUB + len(program)] = program
        self._qemu = Qemu(version, cpus, self._path, qemu)
        try:
            self._power_on()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Witness:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End QEMU, and take its memory away."""
        self._qemu.close()
        self._path.unlink(missing_ok=True)

    def reset(self) -> None:
        """As after power-on. What QEMU forgets of that, the active priorities of a GICv2, is cleared."""
        self._qemu.proceed()
        self._qemu.execute("system_reset", until="RESET")
        tables = stub.TABLES - stub.RAM
        self._ram[tables : tables + stub.TABLES_SIZE] = bytes(stub.TABLES_SIZE)
        self._power_on()
        if self._version == 2:
            clears = (Op("w", cpu, at) for cpu in range(self._cpus) for at in range(0x1_00D0, 0x1_00F0, 4))
            self.run(clears)

    def run(self, ops: Iterable[Op]) -> list[Outcome]:
        """Do the operations, in order.

        Raises:
            OracleError: QEMU died or hung.
        """
        outcomes: list[Outcome] = []
        waiting: list[Op] = []
        per_op = self._cpus
        for op in ops:
            if op.kind == LINE:
                outcomes += self._flush(waiting)
                waiting = []
                self._set_line(op)
                outcomes.append(Outcome(None, self._pins(self._hand_over(self._looks(-1)))))
                continue
            waiting.append(op)
            if (len(waiting) + 1) * per_op > stub.RING:
                outcomes += self._flush(waiting)
                waiting = []
        return [*outcomes, *self._flush(waiting)]

    def _flush(self, ops: list[Op]) -> Iterator[Outcome]:
        if not ops:
            return
        entries = [entry for op in ops for entry in (self._entry(op), *self._looks(op.cpu))]
        done = self._hand_over(entries)
        for at, op in enumerate(ops):
            mine = done[at * self._cpus : (at + 1) * self._cpus]
            pins = self._pins([*mine[1 : op.cpu + 1], mine[0], *mine[op.cpu + 1 :]])
            yield Outcome(_value(op, mine[0]), None if op.kind == STORE else pins)

    def _looks(self, but: int) -> list[_Entry]:
        nothing = self._address(stub.NOTHING)
        return [_Entry(cpu, nothing) for cpu in range(self._cpus) if cpu != but]

    def _entry(self, op: Op) -> _Entry:
        code = self._address(stub.instructions(op))
        if op.kind in (MRS, MSR):
            return _Entry(op.cpu, code, op.value)
        return _Entry(op.cpu, code, op.at if op.kind == STORE else _GICD + op.at, op.value)

    @staticmethod
    def _pins(done: list[_Done]) -> int:
        # ISR_EL1 has IRQ in bit 7 and FIQ in bit 6.
        return sum((each.lines >> 6 & 3) << 2 * cpu for cpu, each in enumerate(done))

    def _set_line(self, op: Op) -> None:
        if not 16 <= op.at < 32 + SPIS:
            raise ValueError(f"INTID {op.at} has no line")
        self._qemu.proceed()
        self._qemu.set_line(op.at - 32 if op.at >= 32 else SPIS + 32 * op.cpu + op.at, op.value)

    # The ring

    def _address(self, code: tuple[int, ...]) -> int:
        """Where these instructions are; always at a place that was never run, for QEMU keeps what it has translated."""
        address = self._code.get(code)
        if address is None:
            data = stub.words(code)
            self._ram[self._next_code : self._next_code + len(data)] = data
            self._code[code] = address = stub.RAM + self._next_code
            self._next_code += len(data)
        return address

    def _hand_over(self, entries: list[_Entry]) -> list[_Done]:
        ram, first = self._ram, self._count
        for n, entry in enumerate(entries, first):
            struct.pack_into("<4Q", ram, stub.ENTRIES + n % stub.RING * stub.ENTRY, *entry)
        self._count += len(entries)
        self._qemu.proceed()
        self._words[stub.COUNT // 8] = self._count
        self._wait()
        self._qemu.pause()
        return [
            _Done(*struct.unpack_from("<3Q", ram, stub.ENTRIES + n % stub.RING * stub.ENTRY + 32))
            for n in range(first, self._count)
        ]

    def _wait(self) -> None:
        words, turn = self._words, stub.TURN // 8
        for _ in range(_SPINS):
            if words[turn] == self._count:
                return
            os.sched_yield()
        end = time.monotonic() + _TIMEOUT
        while words[turn] != self._count:
            time.sleep(_NAP)
            if not self._qemu.alive or time.monotonic() > end:
                raise OracleError("QEMU hangs" if self._qemu.alive else f"QEMU died: {self._qemu.last_words()}")

    def _power_on(self) -> None:
        """Start the CPUs but the first, as PSCI does it."""
        size = 8 if self._version == 2 else 16
        for cpu in range(1, self._cpus):
            mpidr = cpu // size << 8 | cpu % size
            done = self._hand_over([_Entry(0, self._address(stub.start(cpu)), _CPU_ON, mpidr)])[0]
            if done.x0 or done.syndrome:
                raise OracleError(f"CPU {cpu} does not start: {done}")


def _value(op: Op, done: _Done) -> int | None:
    if done.syndrome:
        if done.syndrome >> 26:
            raise OracleError(f"{op} ended in the exception {done.syndrome:#x}")
        return UNDEFINED
    return done.x0 if op.kind in (READ, MRS) else None
