"""Places: from an offset in the text that is parsed to a file, a line and a column of what the user wrote.

1. A text is made of segments, each out of one source text: as it stands there (offsets count along), or in place of a
   macro's call (every offset means the whole call).
2. A source text may hold line markers of a preprocessor that was run before; lines are counted as they say.
3. Nothing is looked up before someone asks: most texts have no fault, and most of their words no place.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Sequence
from typing import NamedTuple

from irqframe.errors import Span

# As gcc -E writes them; the trailing numbers are flags.
_MARKER = re.compile(r'^#(?:line)?[ \t]+([0-9]{1,9})[ \t]+"((?:[^\\"\n]|\\.)*)"(?:[ \t]+[0-9]+)*[ \t\r]*$', re.M)
MARKER = re.sub(r"\((?!\?)", "(?:", _MARKER.pattern)
_ESCAPED = re.compile(r"\\(.)")
_LINE_END = re.compile(r"\n")


class _Marked(NamedTuple):
    """From `offset` on lines are counted as those of `file`, the first one as `line`."""

    offset: int
    file: str
    line: int


class SourceText:
    """A file as it was read.

    Attributes:
        name: what findings call it.
        text: all of it.
    """

    __slots__ = ("_marked", "_starts", "name", "text")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self._starts: list[int] = []
        self._marked: list[_Marked] = []

    def line_starts(self) -> list[int] | None:
        """Where each line starts; None if line markers make it count otherwise."""
        starts = self._index()
        return starts if len(self._marked) == 1 else None

    def place(self, offset: int) -> tuple[str, int, int]:
        """File, line and column of the character at `offset`."""
        starts = self._index()
        line = bisect_right(starts, offset)
        column = offset - starts[line - 1] + 1
        if len(self._marked) == 1:
            return self.name, line, column
        marked = self._marked[bisect_right(self._marked, offset, key=lambda marked: marked.offset) - 1]
        return marked.file, marked.line + line - bisect_right(starts, marked.offset), column

    def line(self, file: str, number: int) -> str | None:
        """The line that is counted as line `number` of `file`, without its line end; None if there is none."""
        starts = self._index()
        for index, marked in enumerate(self._marked):
            if marked.file != file or number < marked.line:
                continue
            at = bisect_right(starts, marked.offset) - 1 + number - marked.line
            end = self._marked[index + 1].offset if index + 1 < len(self._marked) else len(self.text) + 1
            if at < len(starts) and starts[at] < end:
                line = self.text[starts[at] : starts[at + 1] - 1 if at + 1 < len(starts) else len(self.text)]
                if not _MARKER.match(line):
                    return line.rstrip("\r")
        return None

    def _index(self) -> list[int]:
        if not self._starts:
            self._starts = [0, *(found.end() for found in _LINE_END.finditer(self.text))]
            self._marked = [_Marked(0, self.name, 1)]
            if self.text.startswith("#") or "\n#" in self.text:
                self._marked += [
                    _Marked(found.end() + 1, _ESCAPED.sub(r"\1", found[2]) or self.name, int(found[1]))
                    for found in _MARKER.finditer(self.text)
                ]
        return self._starts


class Sources:
    """Every text that a tree was read from, for the excerpts of findings.

    Args:
        others: whose texts are among them.
    """

    def __init__(self, *others: Sources) -> None:
        self._texts: list[SourceText] = [text for other in others for text in other._texts]

    def add(self, text: SourceText) -> None:
        """Enter a text."""
        self._texts.append(text)

    def line(self, span: Span) -> str:
        """The line at the start of a place, without its line end; "" if there is none."""
        if not span.line:
            return ""
        lines = (text.line(span.file, span.line) for text in reversed(self._texts))
        return next((line for line in lines if line is not None), "")


class Segment(NamedTuple):
    """A part of a text and where it comes from.

    Attributes:
        start: first offset in the text.
        source: what it comes from.
        offset: where in `source` it begins.
        end: of what stands in place of a macro's call, where the call ends in `source`; else -1.
        macro: where that macro is defined.
    """

    start: int
    source: SourceText
    offset: int
    end: int = -1
    macro: str = ""


class Places:
    """The places of one text."""

    __slots__ = ("_file", "_lines", "_segments", "_starts")

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = segments
        self._starts = [segment.start for segment in segments]
        # Of a text that stands as it was read: its name, and where its lines start.
        self._file = segments[0].source.name
        self._lines = segments[0].source.line_starts() if len(segments) == 1 and segments[0].end < 0 else None

    def span(self, start: int, end: int) -> Span:
        """The place of the characters from `start` to before `end`."""
        lines = self._lines
        if lines is None:
            return self._mapped(start, end)
        line = bisect_right(lines, start)
        before = lines[line - 1] - 1
        if line == len(lines) or end < lines[line]:
            return Span(self._file, line, start - before, line, end - before)
        end_line = bisect_right(lines, end)
        return Span(self._file, line, start - before, end_line, end - lines[end_line - 1] + 1)

    def _mapped(self, start: int, end: int) -> Span:
        first = self._segment(start)
        file, line, column = self._first(first, start)
        last = self._segment(end - 1) if end > start else first
        end_file, end_line, end_column = self._last(last, end)
        if end_file != file or (end_line, end_column) < (line, column):
            end_line, end_column = line, column + 1
        return Span(file, line, column, end_line, end_column, first.macro or last.macro)

    def _segment(self, offset: int) -> Segment:
        return self._segments[bisect_right(self._starts, offset) - 1]

    def _first(self, segment: Segment, offset: int) -> tuple[str, int, int]:
        inside = 0 if segment.end >= 0 else offset - segment.start
        return segment.source.place(segment.offset + inside)

    def _last(self, segment: Segment, end: int) -> tuple[str, int, int]:
        return segment.source.place(segment.end if segment.end >= 0 else segment.offset + end - segment.start)


class Text(NamedTuple):
    """A text that is parsed.

    Attributes:
        text: all of it.
        places: of its characters.
        macros: names of the macros that are defined at its end, for those who look for one that is not.
        reported: names of macros whose calls stand in it because they were wrong.
    """

    text: str
    places: Places
    macros: Collection[str] = ()
    reported: Collection[str] = ()

    @classmethod
    def plain(cls, source: SourceText) -> Text:
        """A source text as it stands."""
        return cls(source.text, Places((Segment(0, source, 0),)))
