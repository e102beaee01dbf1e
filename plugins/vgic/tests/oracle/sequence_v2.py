"""Random histories of a GICv2."""

from __future__ import annotations

from oracle.operations import GICC
from oracle.sequence import BITS, MASKS, PRIORITIES, SPECIAL, Action, Sequence


class SequenceV2(Sequence):
    """One history."""

    def actions(self) -> tuple[Action, ...]:
        """The distributor, the CPU interfaces, lines."""
        return (
            (20, self._line),
            (22, self._acknowledge),
            (14, self._end),
            (5, self._deactivate),
            (8, self._send),
            (8, self._bit),
            (2, self._word_of_bits),
            (5, self._priority),
            (4, self._target),
            (2, self._config),
            (4, self._interface),
            (1, self._control),
            (1, self._active_priorities),
            (2, self._sgi_sources),
            (12, self._read),
            (4, self._read_interface),
            (2, self._anything),
        )

    def set_up(self) -> None:
        """Everything enabled, with random groups, priorities, targets and triggers."""
        random = self._random
        both = random.random() < 0.5
        self._write(0x000, 3, 0)
        for cpu in range(self._cpus):
            control = 3 | (random.random() < 0.8) << 2 | (random.random() < 0.5) << 3
            control |= (random.random() < 0.3) << 4 | (random.random() < 0.4) << 9
            self._write(GICC + 0x04, 0xFF, cpu)
            self._write(GICC, control, cpu)
            self._write(GICC + 0x08, random.randrange(8), cpu)
            self._write(GICC + 0x1C, random.randrange(8), cpu)
            self._write(0x080, self._groups(both), cpu)
            self._write(0x100, 0xFFFF_FFFF, cpu)
            for intid in self._sgis + self._ppis:
                self._write(0x400 + intid, random.choice(PRIORITIES), cpu, 1)
        for intid in self._spis:
            word = intid // 32 * 4
            self._write(0x080 + word, self._groups(both), 0)
            self._write(0xC00 + intid // 16 * 4, random.choice((0, 0xAAAA_AAAA, random.getrandbits(32))), 0)
            self._write(0x400 + intid, random.choice(PRIORITIES), 0, 1)
            self._write(0x800 + intid, 1 << self._cpu(), 0, 1)
            self._write(0x100 + word, 1 << intid % 32, 0)

    # What devices and systems do

    def _acknowledge(self) -> None:
        cpu = self._cpu()
        value = self._load(GICC + 0x0C, cpu)
        if value is not None and value & 0x3FF < SPECIAL:
            self._acknowledged[cpu].append(value)

    def _end(self) -> None:
        cpu, random = self._cpu(), self._random
        running = self._acknowledged[cpu]
        if random.random() < 0.04:
            self._write(GICC + 0x10, self._any() | random.randrange(8) << 10, cpu)
        elif running:
            value = running.pop(random.randrange(len(running)) if random.random() < 0.05 else -1)
            self._write(GICC + 0x10, value, cpu)
            self._ended[cpu].append(value)

    def _deactivate(self) -> None:
        cpu, random = self._cpu(), self._random
        ended = self._ended[cpu]
        if random.random() < 0.1:
            self._write(GICC + 0x1000, self._any(), cpu)
        elif ended:
            self._write(GICC + 0x1000, ended.pop(random.randrange(len(ended))), cpu)

    def _send(self) -> None:
        random = self._random
        where = random.choice((random.getrandbits(self._cpus) << 16, 1 << 24, 2 << 24, random.getrandbits(10) << 16))
        self._write(0xF00, where | random.choice(self._sgis))

    def _bit(self) -> None:
        intid = self._any()
        register = self._random.choice(BITS)
        if register == 0x080:
            before = self._load(register + intid // 32 * 4)
            self._write(register + intid // 32 * 4, (before or 0) ^ 1 << intid % 32)
        else:
            self._write(register + intid // 32 * 4, 1 << intid % 32)

    def _word_of_bits(self) -> None:
        self._write(self._random.choice(BITS) + self._any() // 32 * 4, self._value())

    def _priority(self) -> None:
        random, intid = self._random, self._any()
        if random.random() < 0.8:
            self._write(0x400 + intid, random.choice(PRIORITIES), None, 1)
        else:
            self._write(0x400 + (intid & ~3), int.from_bytes(random.choices(PRIORITIES, k=4), "little"))

    def _target(self) -> None:
        random, intid = self._random, self._any()
        targets = [random.choice((0, 1 << self._cpu(), 1 << self._cpu(), 1 << self._cpu())) for _ in range(4)]
        if random.random() < 0.05:
            targets[0] = random.choice((random.getrandbits(self._cpus), random.getrandbits(8)))
        if random.random() < 0.8:
            self._write(0x800 + intid, targets[0], None, 1)
        else:
            self._write(0x800 + (intid & ~3), int.from_bytes(bytes(targets), "little"))

    def _config(self) -> None:
        intid = self._any()
        at = 0xC00 + intid // 16 * 4
        if self._random.random() < 0.3:
            self._write(at, self._value())
        else:
            self._write(at, (self._load(at) or 0) ^ 2 << intid % 16 * 2)

    def _interface(self) -> None:
        random = self._random
        at, value = random.choice(
            (
                (0x00, 3 | random.getrandbits(11) & 0x21C),
                (0x00, random.getrandbits(32)),
                (0x04, random.choice(MASKS)),
                (0x04, random.choice(MASKS)),
                (0x08, random.randrange(8)),
                (0x1C, random.randrange(8)),
                (0x08, random.getrandbits(32)),
            )
        )
        self._write(GICC + at, value)

    def _control(self) -> None:
        self._write(0x000, self._random.choice((0, 1, 2, 3, 3, 3, 3, 0xFFFF_FFFF)))

    def _active_priorities(self) -> None:
        at = self._random.choice((0xD0, 0xE0)) + 4 * self._random.randrange(4)
        self._write(GICC + at, self._random.choice((0, self._value())))

    def _sgi_sources(self) -> None:
        random = self._random
        sgi = random.choice(self._sgis)
        sources = random.getrandbits(self._cpus)
        if random.random() < 0.8:
            self._write(random.choice((0xF10, 0xF20)) + sgi, sources, None, 1)
        else:
            self._write(0xF10 + (sgi & ~3), self._value())

    # Looking

    def _read(self) -> None:
        random, intid = self._random, self._any()
        kind = random.random()
        if kind < 0.6:
            self._load(random.choice(BITS) + intid // 32 * 4)
        elif kind < 0.8:
            self._load(random.choice((0x400, 0x800)) + intid, None, 1)
        elif kind < 0.9:
            self._load(random.choice((0x400, 0x800)) + (intid & ~3))
        else:
            self._load(random.choice((0x000, 0x004, 0xC00 + intid // 16 * 4, 0xF10, 0xF24)))

    def _read_interface(self) -> None:
        self._load(
            GICC
            + self._random.choice((0x00, 0x04, 0x08, 0x14, 0x14, 0x18, 0x18, 0x1C, 0x20, 0x28, 0xD0, 0xD8, 0xE0, 0xFC))
        )

    def _anything(self) -> None:
        """Any access, anywhere in the two frames."""
        random = self._random
        size = random.choice((1, 2, 4, 4, 4, 8))
        frame, end = random.choice(((0, 0x1000), (GICC, 0x2000)))
        at = frame + random.randrange(0, end, size)
        if random.random() < 0.6:
            self._load(at, None, size)
        else:
            self._write(at, self._value() & (1 << 8 * size) - 1, None, size)
