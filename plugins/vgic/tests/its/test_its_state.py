"""Saved state of an ITS: the registers; the tables are in RAM."""

from __future__ import annotations

import json
from typing import Any

import pytest

from irqframe import Injected, VmError


def test_registers_and_ram_are_everything(bench: Any) -> None:
    made = bench().on()
    made.device(3, (0, 8200, 0), (1, 8201, 1))
    saved = json.loads(json.dumps(made.its.save()))
    other = bench()
    base, size = made.vm.memory.regions[0]
    for at in range(0, size, 1 << 20):
        other.poke(base + at, made.vm.memory.read(base + at, 1 << 20))
    for index, cpu in enumerate(other.cpus):
        other.enable_lpis(cpu, other.PEND + index * 0x1_0000)
    other.its.restore(saved)
    assert other.its.save() == saved
    assert [other.message(3, 0), other.message(3, 1)] == [Injected.LATCHED] * 2
    assert other.taken(0) == [8200] and other.taken(1) == [8201]
    assert not other.do(other.of_event("INT", 3, 1)) and other.taken(1) == [8201]


def test_a_restored_its_has_forgotten_what_it_translated(bench: Any) -> None:
    made = bench().on()
    saved = made.its.save()
    made.device(3, (0, 8200, 0))
    made.message(3, 0)
    made.its.restore(saved | {"enabled": False})
    assert made.message(3, 0) is Injected.DROPPED_DISABLED


@pytest.mark.parametrize("implementation", ["kvm", "qemu"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("version", 0),
        ("version", True),
        ("enabled", 1),
        ("cbaser", 1 << 62),
        ("cbaser", -1),
        ("cwriter", 1),
        ("cwriter", 1 << 20),
        ("creadr", 4096),
        ("creadr", 0.0),
        ("basers", None),
        ("basers", []),
        ("basers", [0, 0]),
        ("basers", [0x0107_0000_0000_0200, "0"]),
        ("basers", [0x0407_0000_0000_0200, 0x0107_0000_0000_0200]),
        ("basers", [0x0107_0000_0000_0200, 0x0407_0000_0000_0200 | 1 << 64]),
        ("basers", [0x0107_0000_0000_0200, 0x0407_0000_0000_0200, 0]),
    ],
)
def test_state_that_does_not_fit_is_refused_and_changes_nothing(
    bench: Any, name: str, value: object, implementation: str
) -> None:
    made = bench(implementation=implementation).on()
    made.device(3, (0, 8200, 0))
    before = made.its.save()
    other = bench(implementation=implementation).its.save()
    with pytest.raises(VmError, match=f"saved state: '{name}'"):
        made.its.restore(other | {name: value})
    assert made.its.save() == before
    assert made.message(3, 0) is Injected.LATCHED


def test_what_is_no_mapping_is_refused(bench: Any) -> None:
    with pytest.raises(VmError, match="a mapping"):
        bench().its.restore([])


def test_a_page_size_that_kvm_has_not_is_refused(bench: Any) -> None:
    made = bench()
    saved = made.its.save()
    with pytest.raises(VmError, match="basers"):
        made.its.restore(saved | {"basers": [saved["basers"][0] & ~(3 << 8), saved["basers"][1]]})
