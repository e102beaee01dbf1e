"""JSON lines: one event per line, as {"ns": .., "vcpu": .., "kind": .., "intid": .., "source": ..}."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO

from irqframe.observe._event import Event


class JsonLines:
    """Writes events to a text stream.

    Args:
        stream: where to; it is neither opened nor closed here.

    Attributes:
        written: how many events.
    """

    __slots__ = ("_write", "written")

    def __init__(self, stream: IO[str]) -> None:
        self._write = stream.write
        self.written = 0

    def record(self, ns: int, vcpu: int, kind: str, intid: int, source: str) -> None:
        """Write one event; what the stream raises (OSError) comes through."""
        self.written += 1
        self._write(
            f'{{"ns": {ns}, "vcpu": {vcpu}, "kind": {json.dumps(kind)}, '
            f'"intid": {intid}, "source": {json.dumps(source)}}}\n'
        )


def read_events(stream: IO[str]) -> Iterator[Event]:
    """Read back what `JsonLines` wrote.

    Raises:
        ValueError: naming the line, for one that is no event.
    """
    for number, line in enumerate(stream, start=1):
        try:
            fields = json.loads(line)
            yield Event(*(fields[name] for name in Event._fields))
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"line {number} is no event") from None
