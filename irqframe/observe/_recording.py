"""A recording read back for what was done in it: raises, deliveries, moves, CPUs off and on; all else is passed over.

1. It is read piece by piece: what it costs in memory does not depend on its length.
2. Lines as `JsonLines` writes them are told apart by one regular expression, many in one match. Any other line is read
   as JSON, and is an event if it has an event's fields, each of its type; what other keys it has does not matter.
3. A trap is told by the step behind it only: whether a guest has left its code since the step before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import IO, Any, Final, NamedTuple, NoReturn

from irqframe.errors import Finding, InputError, Span

LINE_MAX: Final = 1 << 16
"""Bytes of a line, its end not counted; the names in it are a device tree's."""
PIECE: Final = 1 << 16
"""Bytes that are read at a time."""
KNOWN_MAX: Final = 1 << 14
"""How many steps that differ are remembered."""
LONG: Final = 1 << 10
"""Bytes of a source, beyond which a step is not remembered."""

STEPS: Final = ("raise", "deliver", "move", "off", "on")
"""Kinds of events that are steps."""
TRAPS: Final = ("hypercall", "mmio read", "mmio write", "sysreg read", "sysreg write")
"""Kinds that are traps."""

_TEXT: Final = rb"[ !#-\[\]-~]{0,65000}"  # with all that stands around it no more than LINE_MAX
_NUMBER: Final = rb"-?(?:0|[1-9]\d{0,19})"


def _line(kind: bytes, source: bytes = _TEXT) -> bytes:
    """A line; `kind` begins with the vCPU's number."""
    head = rb'\{"ns": ' + _NUMBER + rb', "vcpu": ' + kind
    return head + rb'", "intid": ' + _NUMBER + rb', "source": "' + source + rb'"\}\n'


def _of(kinds: tuple[str, ...]) -> bytes:
    return b"(?:" + "|".join(kinds).encode() + b")"


_TRAP: Final = _line(_NUMBER + rb', "kind": "' + _of(TRAPS))
_CALL: Final = _line(_NUMBER + rb', "kind": "(?!' + _of(STEPS + TRAPS) + rb'")[a-z_]+')
_STEP: Final = _line(b"(" + _NUMBER + rb'), "kind": "(' + _of(STEPS) + rb")", b"(" + _TEXT + b")")
_PASSED: Final = b"(?:(" + _TRAP + b")|" + _CALL + b")"
_LINES: Final = re.compile(rb"^(?:" + _PASSED + rb"*" + _STEP + rb"|" + _PASSED + rb"+)", re.MULTILINE)


class Step(NamedTuple):
    """An event that is a step.

    Attributes:
        vcpu: the event's.
        kind: one of `STEPS`.
        source: the event's.
        trapped: whether a trap was recorded since the step before.
    """

    vcpu: int
    kind: str
    source: str
    trapped: bool


_Key = tuple[bytes, bytes, bytes, bool]


class Steps:
    """The steps of a recording, in order.

    Args:
        stream: where it is read; it is neither opened nor closed here.
        file: as it is named to the user.

    Attributes:
        file: as given.
        read: how many bytes were read so far.
    """

    def __init__(self, stream: IO[bytes], file: str) -> None:
        self._stream = stream
        self._lines = 0
        self._trapped = False
        self._known: dict[_Key, Step] = {}
        self.file = file
        self.read = 0

    def __iter__(self) -> Iterator[Step]:
        """
        Raises:
            InputError: at the first line that is no event (E0701) or no UTF-8 text (E0002).
            OSError: what the stream raises.
        """
        rest = b""
        while piece := self._stream.read(PIECE):
            self.read += len(piece)
            whole, newline, last = piece.rpartition(b"\n")
            if newline:
                yield from self._piece(rest + whole + newline)
                rest = last
            else:
                rest += last
            if len(rest) > LINE_MAX:
                self._too_long(rest)
        if rest:
            yield from self._piece(rest + b"\n")

    def _piece(self, piece: bytes) -> Iterator[Step]:
        """The steps of whole lines."""
        at = 0
        known = self._known
        for match in _LINES.finditer(piece):
            start, end = match.span()
            if start != at:
                yield from self._others(piece, at, start)
            at = end
            trap, vcpu, kind, source, trap_alone = match.groups()
            trapped = self._trapped or trap is not None or trap_alone is not None
            self._trapped = trapped and kind is None
            if kind is None:
                continue
            key = (vcpu, kind, source, trapped)
            step = known.get(key)
            if step is None:
                step = self._learn(Step(int(vcpu), kind.decode(), source.decode(), trapped), key)
            yield step
        if at != len(piece):
            yield from self._others(piece, at, len(piece))
        self._lines += piece.count(b"\n")

    def _learn(self, step: Step, key: _Key) -> Step:
        """Most steps of a recording are as one before."""
        if len(self._known) == KNOWN_MAX:
            self._known.clear()
        if len(step.source) <= LONG:
            self._known[key] = step
        return step

    def _others(self, piece: bytes, start: int, end: int) -> Iterator[Step]:
        """The steps of lines that are not as `JsonLines` writes them, or whose names need more than ASCII."""
        number = self._lines + piece.count(b"\n", 0, start)
        while start < end:
            newline = piece.index(b"\n", start)
            number += 1
            event = self._event(piece[start:newline], number)
            start = newline + 1
            if event["kind"] in STEPS:
                yield Step(event["vcpu"], event["kind"], event["source"], self._trapped)
                self._trapped = False
            elif event["kind"] in TRAPS:
                self._trapped = True

    def _event(self, line: bytes, number: int) -> dict[str, Any]:
        if len(line) > LINE_MAX:
            self._too_long(line, number)
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            shown = line.decode(errors="replace")
            column = len(line[: error.start].decode()) + 1
            self._refuse("E0002", "this is not UTF-8 text", number, column, shown)
        try:
            event = json.loads(text)
        except json.JSONDecodeError as error:
            self._refuse("E0701", "this line is no JSON", number, error.colno, text)
        except (ValueError, RecursionError):
            self._refuse("E0701", "this line is no JSON", number, 1, text)
        wrong = _wrong(event)
        if wrong:
            self._refuse("E0701", "this line is no event", number, 1, text, wrong)
        assert isinstance(event, dict)
        return event

    def _too_long(self, line: bytes, number: int = 0) -> NoReturn:
        start = line[:LINE_MAX].decode(errors="replace")
        self._refuse("E0701", f"this line is longer than {LINE_MAX >> 10} KiB", number or self._lines + 1, 1, start)

    def _refuse(self, code: str, message: str, line: int, column: int, text: str, expected: str = "") -> NoReturn:
        # An excerpt that is empty would be looked for in the file, however large.
        span = Span(self.file, line, column, line, column + 1)
        hint = "`irqframe run --trace FILE` records events" if code == "E0701" else ""
        finding = Finding(code, message, span, expected=expected, hint=hint, excerpt=text or " ")
        raise InputError([finding]) from None


_FIELDS: Final = (("ns", int), ("vcpu", int), ("kind", str), ("intid", int), ("source", str))


def _wrong(event: object) -> str:
    """What is expected of an event and not so; "" if it is one."""
    if not isinstance(event, dict):
        return "an object with ns, vcpu, kind, intid and source"
    for name, kind in _FIELDS:
        if type(event.get(name)) is not kind:
            return f"`{name}`, {'a whole number' if kind is int else 'a text'}"
    return ""
