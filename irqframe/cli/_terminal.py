"""The terminal as a guest's serial console: keys go to the guest one by one, as they are pressed.

1. Ctrl-C ends the run, whatever the guest would make of it; so does Ctrl-A x. Ctrl-A and any other key is that key for
   the guest: Ctrl-A Ctrl-C sends a Ctrl-C, Ctrl-A Ctrl-A a Ctrl-A.
2. Signals are not the terminal's to make meanwhile: Ctrl-Z and Ctrl-\\ are the guest's. A signal that comes from
   elsewhere is served as always.
3. Output is processed as before, so what irqframe prints itself needs no carriage returns.
4. The terminal is as it was before when the `with` ends, in whatever way; and before a signal ends the process.
5. Keys are looked at whether the guest reads any or not. What it leaves beyond `_MOST` bytes is dropped.
"""

from __future__ import annotations

import os
import select
import signal
import termios
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Final

PREFIX: Final = 0x01
"""Ctrl-A."""
INTERRUPT: Final = 0x03
"""Ctrl-C."""
END: Final = frozenset(b"xX")
"""After Ctrl-A."""

_MOST: Final = 4096

_FATAL: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""Signals that end a process that does not treat them, and that somebody may send."""


class Keys:
    """Tells the keys for the guest from those for irqframe.

    Attributes:
        ended: whether the run shall end; nothing goes to the guest any more.
    """

    __slots__ = ("_after_prefix", "ended")

    def __init__(self) -> None:
        self._after_prefix = False
        self.ended = False

    def take(self, typed: bytes) -> bytes:
        """What of it is the guest's."""
        found = bytearray()
        for key in typed:
            if self.ended:
                break
            if self._after_prefix:
                self._after_prefix = False
                if key in END:
                    self.ended = True
                else:
                    found.append(key)
            elif key == PREFIX:
                self._after_prefix = True
            elif key == INTERRUPT:
                self.ended = True
            else:
                found.append(key)
        return bytes(found)


class Terminal:
    """A terminal whose keys arrive one by one while the `with` lasts.

    Args:
        descriptor: of the terminal.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._before: list[Any] = []
        self._typed = bytearray()
        self._fatal: list[signal.Signals] = []
        self._open = True
        self._keys = Keys()

    def __enter__(self) -> Terminal:
        self._before = termios.tcgetattr(self._descriptor)
        self._fatal = [number for number in _FATAL if signal.getsignal(number) is signal.SIG_DFL]
        for number in self._fatal:
            signal.signal(number, self._die)
        flags = [*self._before[:6], list(self._before[6])]
        flags[0] &= ~(termios.BRKINT | termios.ICRNL | termios.INPCK | termios.ISTRIP | termios.IXON)
        flags[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG)
        flags[6][termios.VMIN], flags[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, flags)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore(termios.TCSADRAIN)
        for number in self._fatal:
            signal.signal(number, signal.SIG_DFL)

    @property
    def ended(self) -> bool:
        """Whether a key was pressed that ends the run."""
        return self._keys.ended

    def read(self, most: int) -> bytes:
        """Keys for the guest that were pressed, at most so many; it does not wait."""
        if self._open and select.select([self._descriptor], [], [], 0)[0]:
            self._fetch()
        found = bytes(self._typed[:most])
        del self._typed[:most]
        return found

    def _fetch(self) -> None:
        try:
            typed = os.read(self._descriptor, _MOST)
        except OSError:  # it was hung up
            typed = b""
        self._open = bool(typed)
        self._typed += self._keys.take(typed)
        del self._typed[_MOST:]

    def _restore(self, when: int) -> None:
        with suppress(termios.error):  # it was hung up
            termios.tcsetattr(self._descriptor, when, self._before)

    def _die(self, number: int, frame: FrameType | None) -> None:
        """Leave the terminal as it was, at once, then let the signal do what it does."""
        self._restore(termios.TCSANOW)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
