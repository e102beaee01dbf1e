"""What comes out of the preprocessor: one text, and where each part of it is from."""

from __future__ import annotations

from irqframe.dt._places import Places, Segment, SourceText, Text


class Output:
    """A text that grows.

    Attributes:
        size: how many characters it has.
        last: the last of them, "" at the start.
    """

    def __init__(self) -> None:
        self.size = 0
        self.last = ""
        self._parts: list[str] = []
        self._segments: list[Segment] = []

    def copy(self, source: SourceText, start: int, end: int) -> None:
        """Append a part of a source text as it stands."""
        if start < end:
            self._segments.append(Segment(self.size, source, start))
            self._append(source.text[start:end])

    def replace(self, source: SourceText, start: int, end: int, made: str, macro: str) -> None:
        """Append what stands for a macro's call from `start` to before `end`; `macro` says where it is defined."""
        if made:
            self._segments.append(Segment(self.size, source, start, end, macro))
            self._append(made)

    def end_line(self, source: SourceText) -> None:
        """See to it that what comes next begins a line."""
        if self.last not in ("", "\n"):
            self._segments.append(Segment(self.size, source, len(source.text)))
            self._append("\n")

    def text(self, source: SourceText) -> Text:
        """All of it; `source` is what it is from if it is empty."""
        return Text("".join(self._parts), Places(self._segments or [Segment(0, source, 0)]))

    def _append(self, part: str) -> None:
        self._parts.append(part)
        self.size += len(part)
        self.last = part[-1]
