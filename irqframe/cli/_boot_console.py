"""The other end of a guest's serial port: shown as it comes, and looked through for what ends the run.

1. Output is shown by the line; what has no end yet, a prompt, is shown when the guest's port is next looked at.
2. Every finished line is looked through before the guest executes its next instruction, so what a line ends, ends
   there. Unfinished ones are looked through when they are shown.
3. A panic of Linux ends the run after its last line, or when nothing has come for a while: what it says is wanted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

PANIC: Final = b"Kernel panic - not syncing"
"""kernel/panic.c, since 2.5."""
PANIC_END: Final = b"---[ end Kernel panic"
"""Its last line."""
GRACE: Final = 2.0
"""How long a panic that has no last line may be silent before the run ends, seconds of the host."""

_LONGEST: Final = 1 << 16
"""A line without end is looked through in pieces of this size."""

#: Whatever keys are read from: most -> at most so many bytes, b"" for none now.
Input = Callable[[int], bytes]


class BootConsole:
    """A console.

    Args:
        show: where the guest's output goes.
        keys: where its input comes from; None: nowhere.
        until: the text that ends the run; "" if none does.
        on_line: told each finished line, without its end.

    Attributes:
        seen: whether `until` was on the console.
        panic: the line of Linux's panic, "" if there was none.
        panicked: whether the panic has said all that it will say.
    """

    def __init__(
        self,
        show: Callable[[bytes], object],
        keys: Input | None = None,
        until: str = "",
        on_line: Callable[[bytes], object] | None = None,
    ) -> None:
        self._show = show
        self._keys = keys
        self._until = until.encode()
        self._on_line = on_line
        self._line = bytearray()
        self._shown = 0
        self._ended = False
        self._spoke = 0.0
        self.seen = False
        self.panic = ""

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
        return self._keys(most) if self._keys is not None else b""

    # What the run asks

    @property
    def panicked(self) -> bool:
        """Whether there is a panic that will say no more."""
        return bool(self.panic) and (self._ended or time.monotonic() - self._spoke > GRACE)

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
        if self._until and self._until in line:
            self.seen = True
        if PANIC in line:
            if PANIC_END in line:
                self._ended = True
            self.panic = self.panic or line[line.index(PANIC) :].decode(errors="replace")
