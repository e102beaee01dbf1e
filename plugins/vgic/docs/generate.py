"""Write the generated parts of the pages out of the plugin's tables; with --check, say whether they are current."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from irqframe_vgic._its import _gits
from irqframe_vgic._its import _parameters as its
from irqframe_vgic._its._commands import COMMANDS
from irqframe_vgic._registers import Register
from irqframe_vgic._v2 import _gicc, _gicd, _v2m
from irqframe_vgic._v2 import _parameters as gicv2
from irqframe_vgic._v3 import _gicd as gicd3
from irqframe_vgic._v3 import _gicr, _icc
from irqframe_vgic._v3 import _parameters as gicv3

GICV2_FRAMES = (
    ("Distributor (GICD)", _gicd.REGISTERS),
    ("CPU interface (GICC)", _gicc.REGISTERS),
    ("GICv2m frame", _v2m.REGISTERS),
)
GICV3_FRAMES = (
    ("Distributor (GICD)", gicd3.REGISTERS),
    ("Redistributor (GICR), RD frame", _gicr.RD_REGISTERS),
    ("Redistributor (GICR), SGI frame", _gicr.SGI_REGISTERS),
    ("ITS (GITS), control frame", _gits.REGISTERS),
    ("ITS (GITS), translation frame", _gits.TRANSLATION_REGISTERS),
)
IN_HEX = ("iidr", "reset", "ctlr", "typer", "mask")
HEAD = ("offset", "name", "access", "bytes", "banked", "reset", "what", "page")
HEAD3 = ("offset", "name", "access", "widths", "reset", "what", "page")
DOCS = Path(__file__).parent


def main() -> int:
    """Exit code 0, or 1 if --check finds a page out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    stale = [name for name, parts in pages().items() if rewrite(DOCS / name, parts, check)]
    if stale and check:
        sys.stderr.write(f"{', '.join(stale)} out of date: run {Path(__file__).name}\n")
        return 1
    return 0


def pages() -> dict[str, dict[str, str]]:
    """Of each page, its generated parts by name."""
    return {
        "gicv2.md": {
            "implementations": implementations(gicv2.IMPLEMENTATIONS),
            "registers": frames(row, HEAD, GICV2_FRAMES),
        },
        "gicv3.md": {
            "implementations": implementations(gicv3.IMPLEMENTATIONS),
            "its": implementations(its.IMPLEMENTATIONS),
            "registers": frames(row3, HEAD3, GICV3_FRAMES),
            "sysregs": sysregs(),
            "commands": commands(),
        },
    }


def rewrite(page: Path, parts: Mapping[str, str], check: bool) -> bool:
    """Whether a page is out of date; it is written unless this is a check."""
    before = after = page.read_text(encoding="utf-8")
    for name, content in parts.items():
        after = fill(after, name, content)
    if after != before and not check:
        page.write_text(after, encoding="utf-8")
    return after != before


def fill(text: str, name: str, content: str) -> str:
    """The text with `content` between the marks of that name."""
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    return f"{head}{begin}\n{content}\n{end}{tail}"


def implementations(named: Mapping[str, Any]) -> str:
    """The parameters of every named implementation."""
    rows: list[tuple[str, ...]] = [("fact", *(f"`{name}`" for name in named))]
    for field in fields(next(iter(named.values()))):
        values = [getattr(parameters, field.name) for parameters in named.values()]
        if not any(isinstance(value, tuple) for value in values):
            rows.append((field.name.replace("_", " "), *(shown(field.name, value) for value in values)))
    return table(rows)


def shown(name: str, value: object) -> str:
    """A parameter's value as the page shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"0x{value:08X}" if isinstance(value, int) and name.endswith(IN_HEX) else str(value)


def frames(
    show: Callable[[Register[Any, Any]], tuple[str, ...]],
    head: tuple[str, ...],
    tables: Sequence[tuple[str, Sequence[Register[Any, Any]]]],
) -> str:
    """The tables of several frames."""
    return "\n".join(f"### {title}\n\n{table([head, *map(show, rows)])}" for title, rows in tables)


def row(register: Register[Any, Any]) -> tuple[str, ...]:
    """A register as the page shows it."""
    last, offset, _ = list(register.each())[-1]
    several = register.words > 1
    where = f"0x{register.offset:03X}" + (f"–0x{offset:03X}" if several else "")
    reset = f"0x{register.reset:X}" if isinstance(register.reset, int) else register.reset
    number = f"{register.first}–{last}" if several else str(register.first)
    name = f"{register.name}{number}{register.suffix}" if register.words else register.name
    reset = "" if register.access == "WO" else reset
    return (
        where,
        name,
        register.access,
        ", ".join(map(str, register.widths)),
        register.banked,
        reset,
        register.about,
        register.page,
    )


def row3(register: Register[Any, Any]) -> tuple[str, ...]:
    """A register as the page of the GICv3 shows it, where nothing is banked."""
    where, name, access, _, _, reset, about, page = row(register)
    return where, name, access, "/".join(map(str, register.widths)), reset, about, page


def sysregs() -> str:
    """The system registers."""
    head = ("op1, CRn, CRm, op2", "name", "access", "reset", "what", "page")
    served = {claim.name for one in gicv3.IMPLEMENTATIONS.values() for claim in _icc.claims(one)}
    return table([head, *(sysreg(one, one.name in served) for one in _icc.REGISTERS)])


def sysreg(one: _icc.SystemRegister, served: bool) -> tuple[str, ...]:
    """A system register as the page shows it, and whether any implementation has it."""
    reset = f"0x{one.reset:X}" if isinstance(one.reset, int) else one.reset
    return (
        ", ".join(map(str, one.encoding[1:])),
        one.name,
        one.access if served else "UNDEFINED",
        reset if served and one.access != "WO" else "",
        one.about if served else "is there with more group bits than the implementations here have",
        one.page,
    )


def commands() -> str:
    """The commands of an ITS."""
    rows = [
        (f"0x{one.opcode:02X}", one.name, ", ".join(field.name for field in one.fields), one.about) for one in COMMANDS
    ]
    return table([("opcode", "name", "fields", "what"), *rows])


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table; the first row is the head."""
    lines = ["| " + " | ".join(cells) + " |" for cells in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
