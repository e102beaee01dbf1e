"""A guest's console: what is shown when, what ends the run; keys, and the terminal they come from."""

from __future__ import annotations

import os
import pty
import signal
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import pytest

from irqframe.cli import _boot_console
from irqframe.cli._boot_console import BootConsole
from irqframe.cli._terminal import Keys, Terminal

# Output


class Shown:
    def __init__(self, until: str = "") -> None:
        self.pieces: list[bytes] = []
        self.lines: list[bytes] = []
        self.ended: list[tuple[str, str]] = []
        self.console = BootConsole(
            self.pieces.append, lambda *what: self.ended.append(what), None, until, self.lines.append
        )

    def say(self, text: bytes) -> None:
        """As a serial port does, character by character."""
        for character in text:
            self.console.write(bytes((character,)))


def test_output_comes_by_the_line_and_a_prompt_when_the_port_is_looked_at() -> None:
    shown = Shown()
    shown.say(b"one\r\ntwo")
    assert shown.pieces == [b"one\r\n"] and shown.lines == [b"one"]
    assert shown.console.read(16) == b""
    assert shown.pieces == [b"one\r\n", b"two"]
    shown.console.flush()
    shown.say(b" and three\n")
    assert shown.pieces == [b"one\r\n", b"two", b" and three\n"] and shown.lines == [b"one", b"two and three"]


def test_the_text_is_seen_at_the_end_of_its_line_or_in_a_prompt() -> None:
    shown = Shown(until="login:")
    shown.say(b"no logi\nn: here\nguest login:")
    assert shown.ended == []
    shown.console.flush()
    assert shown.ended == [("until", "")]
    shown = Shown(until="power")
    shown.say(b"reboot: power")
    assert shown.ended == []
    shown.say(b" down\npower\n")
    assert shown.ended == [("until", "")]


def test_a_text_that_came_in_two_halves_is_seen() -> None:
    shown = Shown(until="login:")
    shown.say(b"log")
    shown.console.flush()
    shown.say(b"in:")
    shown.console.flush()
    assert shown.ended == [("until", "")] and shown.pieces == [b"log", b"in:"]


def test_a_line_without_end_needs_no_memory_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_boot_console, "_LONGEST", 8)
    shown = Shown()
    shown.say(b"0123456789abcdefXYZ\n")
    assert b"".join(shown.pieces) == b"0123456789abcdefXYZ\n" and shown.lines == [b"XYZ"]


def test_a_panic_is_let_finish() -> None:
    """The lines are those of a 6.1 kernel without an init."""
    shown = Shown()
    what = "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"
    shown.say(b"[    1.0] " + what.encode() + b"\r\n")
    shown.say(b"[    1.0] CPU: 0 PID: 1 Comm: swapper/0 Not tainted\n")
    assert shown.ended == []
    shown.say(b"[    1.1] ---[ end " + what.encode() + b" ]---\n")
    assert shown.ended == [("died", what)]


def test_a_panic_that_falls_silent_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    shown = Shown()
    shown.say(b"Kernel panic - not syncing: x\n")
    for text in (b"Call trace:\n", b"...\n"):
        now[0] += 1.9
        shown.console.read(1)
        assert shown.ended == []
        shown.say(text)
    now[0] += 2.1
    shown.console.read(1)
    assert shown.ended == [("died", "Kernel panic - not syncing: x")]


def test_a_key_that_ends_the_run_is_told_once() -> None:
    class Pressed:
        ended = True

        def read(self, most: int) -> bytes:
            return b""

    ended: list[str] = []
    console = BootConsole(lambda data: None, lambda reason, text: ended.append(reason), Pressed())
    console.read(1)
    console.read(1)
    assert ended == ["interrupted"]


# Keys


@pytest.mark.parametrize(
    ("typed", "sent", "ended"),
    [
        (b"ls\r", b"ls\r", False),
        (b"ab\x03cd", b"ab", True),
        (b"a\x01\x03b", b"a\x03b", False),
        (b"\x01\x01", b"\x01", False),
        (b"\x01x", b"", True),
        (b"x\x01Xy", b"x", True),
        (b"\x01c", b"c", False),
        (b"\x1a\x1c\x04", b"\x1a\x1c\x04", False),
    ],
)
@pytest.mark.parametrize("by_one", [False, True])
def test_keys_are_the_guests_or_irqframes(typed: bytes, sent: bytes, ended: bool, by_one: bool) -> None:
    keys = Keys()
    pieces = [bytes((key,)) for key in typed] if by_one else [typed]
    assert b"".join(keys.take(piece) for piece in pieces) == sent
    assert keys.ended is ended


# The terminal


@pytest.fixture
def line() -> Iterator[tuple[int, int]]:
    """A terminal: the end that a person has, and the program's."""
    person, program = pty.openpty()
    yield person, program
    for descriptor in (person, program):
        try:
            os.close(descriptor)
        except OSError:
            assert descriptor == person, "a test hangs up"


def typed(terminal: Terminal, most: int = 100) -> bytes:
    """What arrives, which takes a moment."""
    end = time.monotonic() + 5
    found = b""
    while not found and not terminal.ended and time.monotonic() < end:
        found = terminal.read(most)
    return found


def test_keys_arrive_without_return_and_without_echo(line: tuple[int, int]) -> None:
    person, program = line
    with Terminal(program) as terminal:
        assert terminal.read(10) == b""
        os.write(person, b"l")
        assert typed(terminal) == b"l"
        os.write(person, b"\x1a\r\x01\x03")
        assert typed(terminal, 1) == b"\x1a"
        assert typed(terminal) == b"\r\x03"
        os.write(program, b"out\n")
        assert os.read(person, 100) == b"out\r\n", "nothing was echoed, and lines end as on any terminal"
        os.write(person, b"\x03")
        assert typed(terminal) == b"" and terminal.ended


def test_a_key_that_ends_the_run_is_seen_behind_keys_that_nobody_reads(line: tuple[int, int]) -> None:
    person, program = line
    with Terminal(program) as terminal:
        for _ in range(20):
            os.write(person, b"k" * 400)
            assert terminal.read(0) == b""
        assert terminal.read(1) == b"k"
        os.write(person, b"\x03")
        end = time.monotonic() + 5
        while not terminal.ended and time.monotonic() < end:
            assert terminal.read(0) == b""
        assert terminal.ended
        left = terminal.read(100_000)
        assert 0 < len(left) <= 4096 and set(left) == set(b"k"), "it does not grow"


def fail() -> None:
    raise KeyError("any")


def interrupt() -> None:
    """SIGINT, which a shell may have ignored for what it starts in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("how", "error"),
    [(lambda: None, None), (fail, KeyError), (interrupt, KeyboardInterrupt)],
)
def test_the_terminal_is_as_it_was(
    line: tuple[int, int], how: Callable[[], None], error: type[BaseException] | None
) -> None:
    before = termios.tcgetattr(line[1])
    with nullcontext() if error is None else pytest.raises(error), Terminal(line[1]):
        assert termios.tcgetattr(line[1]) != before
        how()
    assert termios.tcgetattr(line[1]) == before


def test_a_terminal_that_hangs_up_is_silent(line: tuple[int, int]) -> None:
    with Terminal(line[1]) as terminal:
        os.write(line[0], b"a")
        assert typed(terminal) == b"a"
        os.close(line[0])
        assert [terminal.read(1) for _ in range(3)] == [b""] * 3
        assert not terminal.ended
