"""Write the generated parts of vgic.md out of the plugin's tables; with --check, only say whether they are current."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from irqframe_vgic._registers import Register
from irqframe_vgic._v2._gicc import REGISTERS as GICC
from irqframe_vgic._v2._gicd import REGISTERS as GICD
from irqframe_vgic._v2._parameters import IMPLEMENTATIONS
from irqframe_vgic._v2._v2m import REGISTERS as V2M

HEAD = ("offset", "name", "access", "bytes", "banked", "reset", "what", "page")
PAGE = Path(__file__).with_name("vgic.md")


def main() -> int:
    """Exit code 0, or 1 if --check finds the page out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    before = PAGE.read_text(encoding="utf-8")
    after = fill(fill(before, "implementations", implementations()), "registers", registers())
    if before == after:
        return 0
    if check:
        sys.stderr.write(f"{PAGE.name} is out of date: run {Path(__file__).name}\n")
        return 1
    PAGE.write_text(after, encoding="utf-8")
    return 0


def fill(text: str, name: str, content: str) -> str:
    """The text with `content` between the marks of that name."""
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    return f"{head}{begin}\n{content}\n{end}{tail}"


def implementations() -> str:
    """The parameters of every named implementation."""
    rows: list[tuple[str, ...]] = [("fact", *(f"`{name}`" for name in IMPLEMENTATIONS))]
    for field in fields(next(iter(IMPLEMENTATIONS.values()))):
        values = (getattr(parameters, field.name) for parameters in IMPLEMENTATIONS.values())
        rows.append((field.name.replace("_", " "), *(shown(field.name, value) for value in values)))
    return table(rows)


def shown(name: str, value: object) -> str:
    """A parameter's value as the page shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"0x{value:08X}" if isinstance(value, int) and name.endswith(("iidr", "reset")) else str(value)


def registers() -> str:
    """The tables of the three frames."""
    parts = []
    for title, rows in (("Distributor (GICD)", GICD), ("CPU interface (GICC)", GICC), ("GICv2m frame", V2M)):
        parts.append(f"### {title}\n\n{table([HEAD, *(row(register) for register in rows)])}")
    return "\n".join(parts)


def row(register: Register[Any, Any]) -> tuple[str, ...]:
    """A register as the page shows it."""
    *_, (last, offset, _) = register.each()
    where = f"0x{register.offset:03X}" + (f"–0x{offset:03X}" if last else "")
    reset = f"0x{register.reset:X}" if isinstance(register.reset, int) else register.reset
    name = f"{register.name}0–{last}" if last else register.name
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


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table; the first row is the head."""
    lines = ["| " + " | ".join(cells) + " |" for cells in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
