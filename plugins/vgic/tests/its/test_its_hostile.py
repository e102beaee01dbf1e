"""Whatever a guest does to the registers, the queue and the tables: nothing is raised, and the accounts stay right."""

from __future__ import annotations

import random
from typing import Any

import pytest
from irqframe_vgic._its._gits import REGISTERS

OFFSETS = sorted({offset for register in REGISTERS for _, offset, _ in register.each()})


def number(chance: random.Random) -> int:
    return chance.choice(
        (
            0,
            (1 << 64) - 1,
            1 << chance.randrange(64),
            chance.getrandbits(64),
            chance.randrange(40),
            8192 + chance.randrange(40),
            chance.randrange(0x4000_0000, 0x4200_0000),
            1 << 63 | chance.randrange(0x4000_0000, 0x4200_0000) & ~0xFFF,
        )
    )


def command(chance: random.Random, made: Any) -> tuple[int, ...]:
    """One that may be right, or has a part that is not, or is nothing at all."""
    device, event, collection = chance.randrange(4), chance.randrange(6), chance.randrange(4)
    words = list(
        chance.choice(
            (
                made.mapd(device, made.TABLES + chance.randrange(16) * 0x100, chance.randrange(1, 6)),
                made.mapd(device, 0, valid=0),
                made.mapc(collection, chance.randrange(4), chance.randrange(2)),
                made.mapti(device, event, 8192 + chance.randrange(64), collection),
                made.mapi(device, event, collection),
                made.movi(device, event, collection),
                made.movall(chance.randrange(4), chance.randrange(4)),
                made.invall(collection),
                made.sync(chance.randrange(4)),
                *(made.of_event(name, device, event) for name in ("INT", "INT", "CLEAR", "DISCARD", "INV")),
            )
        )
    )
    if chance.random() < 0.3:
        words[chance.randrange(4)] ^= 1 << chance.randrange(64)
    if chance.random() < 0.1:
        words[chance.randrange(4)] = number(chance)
    return tuple(words)


def start(chance: random.Random, made: Any) -> None:
    """Set up what may make sense."""
    made.w(0, 0, 4)
    pages = chance.randrange(3) << 8 | chance.choice((0, 0, 1, 0xFF))
    indirect = chance.randrange(2) << 62
    made.w(0x100, 1 << 63 | indirect | made.DEVICES | pages)
    made.w(0x108, 1 << 63 | made.COLLECTIONS | pages)
    made.w(0x80, 1 << 63 | made.QUEUE)
    made.w(0x88, 0)
    made.w(0, 1, 4)
    for index, cpu in enumerate(made.cpus):
        cpu.lpis.write_enable(False)
        made.enable_lpis(cpu, made.PEND + index * 0x1_0000, chance.choice((14, 14, 16, 10)))


def disturb(chance: random.Random, made: Any) -> None:
    """Change memory that the ITS and the redistributors take for theirs."""
    area = chance.choice((made.PROP, made.PEND, made.DEVICES, made.COLLECTIONS, made.TABLES))
    for _ in range(8):
        at = area + 8 * chance.choice((chance.randrange(64), 128 + chance.randrange(8), chance.randrange(0x2000)))
        made.poke(at, number(chance).to_bytes(8, "little"))


def step(chance: random.Random, made: Any) -> None:
    cpu = chance.randrange(len(made.cpus))
    match chance.randrange(12):
        case 0 | 1 | 2 | 3:
            at = made.r(0x88) % 4096
            for _ in range(chance.randrange(1, 20)):
                made.poke(made.QUEUE + at, b"".join(word.to_bytes(8, "little") for word in command(chance, made)))
                at = (at + 32) % 4096
            made.w(0x88, at, cpu=cpu)
        case 4:
            made.w(chance.choice(OFFSETS) & ~7 | chance.choice((0, 0, 4)), number(chance), 4, cpu=cpu)
            made.w(chance.choice(OFFSETS) & ~7, number(chance), chance.choice((1, 2, 8)), cpu=cpu)
        case 5:
            made.r(chance.choice(OFFSETS) & ~7, chance.choice((1, 2, 4, 8)), cpu)
        case 6:
            disturb(chance, made)
        case 7 | 8:
            made.message(chance.randrange(5), chance.randrange(6))
            made.w(0x10040, chance.randrange(8), chance.choice((1, 2, 4, 8)))
        case 9:
            made.iar(cpu)
        case 10:
            lpis = made.cpus[cpu].lpis
            lpis.write_propbaser(number(chance), number(chance))
            lpis.write_pendbaser(number(chance), number(chance))
            lpis.write_enable(bool(chance.randrange(2)))
        case 11 if chance.random() < 0.3:
            start(chance, made)


@pytest.mark.parametrize("implementation", ["kvm", "qemu"])
@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_raised(bench: Any, seed: int, implementation: str) -> None:
    chance = random.Random(seed)
    made = bench(3, implementation).on()
    for turn in range(2500):
        step(chance, made)
        assert made.balanced(), turn
    assert all(not vcpu.inbox_errors for vcpu in made.vm.vcpus)


@pytest.mark.parametrize("seed", range(4))
def test_state_goes_round_at_any_time(bench: Any, seed: int) -> None:
    """What continues after a restore does what continues without."""
    chance = random.Random(seed)
    made, other = bench(3).on(), bench(3)
    for _ in range(400):
        step(chance, made)
    base, size = made.vm.memory.regions[0]
    for at in range(0, size, 1 << 16):
        other.poke(base + at, made.vm.memory.read(base + at, 1 << 16))
    other.vm.restore_state(made.vm.save_state())
    state = chance.getstate()
    for _ in range(400):
        chance.setstate(state)
        step(chance, made)
        chance.setstate(state)
        step(chance, other)
        state = chance.getstate()
        assert made.vm.save_state() == other.vm.save_state()
