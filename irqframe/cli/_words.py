"""Words that several commands print."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 CPU", "2 CPUs"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def legible(text: str) -> str:
    """A text of one line without the characters that a terminal would obey or cannot show."""
    return text if text.isprintable() else "".join(one if one.isprintable() else "\ufffd" for one in text)
