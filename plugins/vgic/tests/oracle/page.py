"""The table of exemptions as Markdown, and the page that has it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from oracle.search import EXEMPTIONS, VERSIONS

PAGE: Final = Path(__file__).parents[2] / "docs" / "oracle.md"

_BEGIN: Final = "<!-- begin exemptions -->\n"
_END: Final = "<!-- end exemptions -->"


def exemptions() -> str:
    """The whole table, a part for each version of the GIC."""
    return "\n".join(_part(version) for version in VERSIONS)


def _part(version: int) -> str:
    rows = [("name", "what", "reason", "handled", "QEMU"), *(_row(version))]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join((f"### GICv{version}", "", *lines, ""))


def _row(version: int) -> list[tuple[str, ...]]:
    return [
        (f"`{row.name}`", row.what, row.reason, row.how.value, row.qemu or "all")
        for row in EXEMPTIONS
        if row.version == version
    ]


def filled(text: str) -> str:
    """A page with the table in its place."""
    head, _, rest = text.partition(_BEGIN)
    _, _, tail = rest.partition(_END)
    return f"{head}{_BEGIN}\n{exemptions()}\n{_END}{tail}"


def main() -> None:
    """Bring the page up to date."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
