"""docs/guests.md: the registers of the test device, and the phases, are those that the code has."""

from __future__ import annotations

from pathlib import Path

from irqframe.guest.compare import PHASES
from irqframe.guest.devices._testdev import TABLE

PAGE = (Path(__file__).parents[2] / "docs" / "guests.md").read_text(encoding="utf-8")


def test_the_registers_of_the_test_device() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| 0x")]
    assert rows == [f"| 0x{offset:02X} | {register.name} | {register.page} |" for offset, register in TABLE.items()]


def test_the_phases() -> None:
    assert f"The phases that `compare` knows: {', '.join(f'{n} {name}' for n, name in PHASES.items())};" in PAGE
