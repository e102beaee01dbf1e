"""The other end of a guest's serial port: shown as it comes, and looked through for what ends the run.

1. Output is shown by the line; what has no end yet, a prompt, is shown when the guest's port is next looked at.
2. Every finished line is looked through before the guest executes its next instruction, so what a line ends, ends
   there. Unfinished ones are looked through when they are shown.
3. A panic of Linux ends the run after its last line, or when nothing has come for a while: what it says is wanted.
4. What ends the run is told once, by the word for it: "until", "died" or "interrupted".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

PANIC: Final = b"Kernel panic - not syncing"
"""kernel/panic.c, since 2.5."""
PANIC_END: Final = b"---[ end Kernel panic"
"""Its last line."""
GRACE: Final = 2.0
"""How long a panic that has no last line may be silent before the run ends, seconds of the host."""

_LONGEST: Final = 1 << 16
"""A line without end is looked through in pieces of this size."""

#: What ends the run: (word, what there is to say of it).
End = Callable[[str, str], object]


class Input(Protocol):
    """What keys are read from."""

    @property
    def ended(self) -> bool:
        """Whether a key was pressed that ends the run."""

    def read(self, most: int) -> bytes:
        """Keys for the guest, at most so many; b"" for none now."""


class BootConsole:
    """A console.

    Args:
        show: where the guest's output goes.
        end: told what ends the run.
        keys: where the guest's input comes from; None: nowhere.
        until: the text that ends the run; "" if none does.
        on_line: told each finished line, without its end.

    Attributes:
        keys: as given; it may be connected later.
    """

    def __init__(
        self,
        show: Callable[[bytes], object],
        end: End,
        keys: Input | None = None,
        until: str = "",
        on_line: Callable[[bytes], object] | None = None,
    ) -> None:
        self._show = show
        self._end: End | None = end
        self.keys = keys
        self._until = until.encode()
        self._on_line = on_line
        self._line = bytearray()
        self._shown = 0
        self._panic = ""
        self._spoke = 0.0

    # What the serial port calls

    def write(self, data: bytes) -> None:
        """What the guest printed."""
        self._line += data
        if b"\n" in data:
            self._finish()
        elif len(self._line) >= _LONGEST:
            self.flush()
            self._line.clear()
            self._shown = 0

    def read(self, most: int) -> bytes:
        """What was typed, at most so many bytes."""
        self.flush()
        if self._panic and time.monotonic() - self._spoke > GRACE:
            self._tell("died", self._panic)
        if self.keys is None:
            return b""
        typed = self.keys.read(most)
        if self.keys.ended:
            self._tell("interrupted", "")
        return typed

    # What the run asks

    @property
    def begun(self) -> bool:
        """Whether there is a line that is not finished."""
        return bool(self._line)

    def flush(self) -> None:
        """Show what there is of a line that is not finished, and look through it."""
        if len(self._line) > self._shown:
            self._out(bytes(self._line[self._shown :]))
            self._shown = len(self._line)
            self._look(bytes(self._line))

    def _finish(self) -> None:
        *lines, rest = bytes(self._line).split(b"\n")
        whole = len(self._line) - len(rest)
        self._out(bytes(self._line[self._shown : whole]))
        self._line[:] = rest
        self._shown = 0
        for line in lines:
            line = line.rstrip(b"\r")
            self._look(line)
            if self._on_line is not None:
                self._on_line(line)

    def _out(self, data: bytes) -> None:
        self._show(data)
        self._spoke = time.monotonic()

    def _look(self, line: bytes) -> None:
        if PANIC in line:
            self._panic = self._panic or line[line.index(PANIC) :].decode(errors="replace")
            if PANIC_END in line:
                self._tell("died", self._panic)
        if self._until and self._until in line:
            self._tell("until", "")

    def _tell(self, reason: str, text: str) -> None:
        if self._end is not None:
            end, self._end = self._end, None
            end(reason, text)
