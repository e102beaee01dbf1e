"""Random histories of a GICv3: distributor, redistributors, system registers, LPIs and the ITS."""

from __future__ import annotations

from random import Random

from oracle.operations import MRS, MSR, Op, gicr
from oracle.sequence import BITS, MASKS, PRIORITIES, SPECIAL, Action, Do, Sequence
from oracle.sequence_its import ItsGuest
from oracle.sysregs import ICC

_SHOWN = (
    "PMR",
    "RPR",
    "RPR",
    "HPPIR0",
    "HPPIR1",
    "BPR0",
    "BPR1",
    "CTLR",
    "SRE",
    "IGRPEN0",
    "IGRPEN1",
    "AP0R0",
    "AP1R0",
)


class SequenceV3(Sequence):
    """One history.

    Args:
        random: where chance comes from.
        do: does an operation.
        cpus: how many CPUs there are.
    """

    def __init__(self, random: Random, do: Do, cpus: int) -> None:
        super().__init__(random, do, cpus)
        self._its = ItsGuest(random, do, cpus) if random.random() < 0.6 else None
        self._groups_of: list[dict[int, int]] = [{} for _ in range(cpus)]

    def actions(self) -> tuple[Action, ...]:
        """The frames, the system registers, lines; and the ITS in some."""
        own: tuple[Action, ...] = (
            (18, self._line),
            (24, self._acknowledge),
            (14, self._end),
            (5, self._deactivate),
            (8, self._send),
            (9, self._bit),
            (2, self._word_of_bits),
            (5, self._priority),
            (4, self._route),
            (2, self._config),
            (5, self._interface),
            (1, self._control),
            (1, self._active_priorities),
            (10, self._read),
            (6, self._read_interface),
            (2, self._anything),
            (1, self._any_sysreg),
        )
        return own + (self._its.actions() if self._its is not None else ())

    # Words

    def _frame(self, cpu: int, intid: int) -> int:
        """Offset of the frame with the registers of an INTID."""
        return gicr(cpu, sgi=True) if intid < 32 else 0

    def _msr(self, name: str, value: int, cpu: int) -> None:
        self._do(Op(MSR, cpu, ICC[name], value))

    def _mrs(self, name: str, cpu: int) -> int | None:
        return self._do(Op(MRS, cpu, ICC[name]))

    def set_up(self) -> None:
        """Everything enabled, with random groups, priorities, routes and triggers."""
        random = self._random
        both = random.random() < 0.5
        self._write(0x000, 0x13, 0)
        for cpu in range(self._cpus):
            self._set_up_cpu(cpu, both)
        for intid in self._spis:
            word = intid // 32 * 4
            self._write(0x080 + word, self._groups(both), 0)
            self._write(0xC00 + intid // 16 * 4, random.choice((0, 0xAAAA_AAAA, random.getrandbits(32))), 0)
            self._write(0x400 + intid, random.choice(PRIORITIES), 0, 1)
            self._write(0x6000 + 8 * intid, self._cpu(), 0, 8)
            self._write(0x100 + word, 1 << intid % 32, 0)
        if self._its is not None:
            self._its.set_up()

    def _set_up_cpu(self, cpu: int, both: bool) -> None:
        random = self._random
        self._write(gicr(cpu) + 0x14, 0, cpu)
        self._msr("PMR", 0xFF, cpu)
        self._msr("IGRPEN0", 1, cpu)
        self._msr("IGRPEN1", 1, cpu)
        self._msr("CTLR", (random.random() < 0.4) << 1 | (random.random() < 0.3), cpu)
        self._msr("BPR0", random.randrange(8), cpu)
        self._msr("BPR1", random.randrange(8), cpu)
        frame = gicr(cpu, sgi=True)
        self._write(frame + 0x080, self._groups(both), cpu)
        self._write(frame + 0x100, 0xFFFF_FFFF, cpu)
        self._write(frame + 0xC04, random.choice((0, 0xAAAA_AAAA, random.getrandbits(32))), cpu)
        for intid in self._sgis + self._ppis:
            self._write(frame + 0x400 + intid, random.choice(PRIORITIES), cpu, 1)

    # What systems do

    def _acknowledge(self) -> None:
        cpu, group = self._cpu(), self._random.randrange(2)
        value = self._mrs(f"IAR{group}", cpu)
        if value is not None and not SPECIAL <= value < 1024:
            self._acknowledged[cpu].append(value)
            self._groups_of[cpu][value] = group

    def _end(self) -> None:
        cpu, random = self._cpu(), self._random
        running = self._acknowledged[cpu]
        if random.random() < 0.04:
            self._msr(f"EOIR{random.randrange(2)}", self._any(), cpu)
        elif running:
            value = running.pop(random.randrange(len(running)) if random.random() < 0.05 else -1)
            group = self._groups_of[cpu][value] ^ (random.random() < 0.05)
            self._msr(f"EOIR{group}", value, cpu)
            self._ended[cpu].append(value)

    def _deactivate(self) -> None:
        cpu, random = self._cpu(), self._random
        ended = self._ended[cpu]
        if random.random() < 0.1:
            self._msr("DIR", self._any(), cpu)
        elif ended:
            self._msr("DIR", ended.pop(random.randrange(len(ended))), cpu)

    def _send(self) -> None:
        random = self._random
        where = random.choice((random.getrandbits(self._cpus), 1 << 40, random.getrandbits(16)))
        if random.random() < 0.05:
            where |= 1 << random.choice((16, 32, 44, 48))
        register = random.choice(("SGI1R", "SGI1R", "SGI0R", "ASGI1R"))
        self._msr(register, where | random.choice(self._sgis) << 24, self._cpu())

    def _bit(self) -> None:
        intid, register = self._any(), self._random.choice(BITS)
        at = self._frame(self._cpu(), intid) + register + intid // 32 * 4
        if register == 0x080:
            self._write(at, (self._load(at) or 0) ^ 1 << intid % 32)
        else:
            self._write(at, 1 << intid % 32)

    def _word_of_bits(self) -> None:
        intid = self._any()
        frame = self._frame(self._cpu(), intid)
        self._write(frame + self._random.choice(BITS) + intid // 32 * 4, self._value())

    def _priority(self) -> None:
        random, intid = self._random, self._any()
        at = self._frame(self._cpu(), intid) + 0x400
        if random.random() < 0.8:
            self._write(at + intid, random.choice(PRIORITIES), None, 1)
        else:
            self._write(at + (intid & ~3), int.from_bytes(random.choices(PRIORITIES, k=4), "little"))

    def _route(self) -> None:
        random, intid = self._random, self._any()
        route = random.choice((self._cpu(), self._cpu(), self._cpu(), 1 << 31, 0xFF, random.getrandbits(40)))
        at = 0x6000 + 8 * intid
        if random.random() < 0.8:
            self._write(at, route, None, 8)
        else:
            self._write(at, route & 0xFFFF_FFFF, None, 4)
            self._write(at + 4, route >> 32, None, 4)

    def _config(self) -> None:
        intid = self._any()
        at = self._frame(self._cpu(), intid) + 0xC00 + intid // 16 * 4
        if self._random.random() < 0.3:
            self._write(at, self._value())
        else:
            self._write(at, (self._load(at) or 0) ^ 2 << intid % 16 * 2)

    def _interface(self) -> None:
        random = self._random
        name, value = random.choice(
            (
                ("CTLR", random.getrandbits(2)),
                ("CTLR", random.getrandbits(32)),
                ("PMR", random.choice(MASKS)),
                ("PMR", random.choice(MASKS)),
                ("BPR0", random.randrange(8)),
                ("BPR1", random.randrange(8)),
                ("IGRPEN0", random.choice((0, 1, 1))),
                ("IGRPEN1", random.choice((0, 1, 1))),
                ("SRE", random.getrandbits(32)),
            )
        )
        self._msr(name, value, self._cpu())

    def _control(self) -> None:
        self._write(0x000, self._random.choice((0, 1, 2, 3, 3, 3, 3, 0x53, 0xFFFF_FFFF)))

    def _active_priorities(self) -> None:
        random = self._random
        name = random.choice(("AP0R0", "AP1R0", "AP0R0", "AP1R0", "AP0R1", "AP1R2"))
        self._msr(name, random.choice((0, self._value())), self._cpu())

    # Looking

    def _read(self) -> None:
        random, intid = self._random, self._any()
        frame, kind = self._frame(self._cpu(), intid), random.random()
        if kind < 0.6:
            self._load(frame + random.choice(BITS) + intid // 32 * 4)
        elif kind < 0.7:
            self._load(frame + 0x400 + intid, None, 1)
        elif kind < 0.8:
            self._load(frame + 0x400 + (intid & ~3))
        elif kind < 0.9:
            self._load(0x6000 + 8 * intid, None, random.choice((4, 8)))
        else:
            self._load(random.choice((0x000, 0x004, 0x008, frame + 0xC00 + intid // 16 * 4, 0xFFE8, gicr(self._cpu()))))

    def _read_interface(self) -> None:
        self._mrs(self._random.choice(_SHOWN), self._cpu())

    def _anything(self) -> None:
        """Any access, anywhere in the distributor's frame or a redistributor's."""
        random = self._random
        size = random.choice((1, 2, 4, 4, 4, 8))
        frame = random.choice((0, gicr(self._cpu()), gicr(self._cpu(), sgi=True)))
        end = random.choice((0x10, 0x80, 0x100, 0x1000, 0x1_0000))
        at = frame + random.randrange(0, end, size)
        if random.random() < 0.5:
            self._load(at, None, size)
        else:
            self._write(at, self._value() & (1 << 8 * size) - 1, None, size)
            self._load(at, None, size)

    def _any_sysreg(self) -> None:
        """A system register the wrong way round, or one that there is not."""
        random = self._random
        at = random.choice(tuple(ICC.values()))
        if random.random() < 0.5:
            self._do(Op(MRS, self._cpu(), at))
        else:
            self._do(Op(MSR, self._cpu(), at, self._value()))
