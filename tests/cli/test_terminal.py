"""What is drawn on a terminal only: progress, and tables with lines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("needs a pseudo-terminal", allow_module_level=True)

import pty
import termios

ESCAPE = "\x1b["


def on_terminal(line: list[str], *, out: bool, err: bool, term: str = "xterm") -> tuple[int, str, str, str]:
    """Run a command with standard output or standard error on a terminal of 200 columns.

    Returns:
        Exit code, what the terminal got, and what standard output and standard error got where they are pipes.
    """
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, 200))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "LINES")}
    with subprocess.Popen(
        line,
        stdin=subprocess.DEVNULL,
        stdout=theirs if out else subprocess.PIPE,
        stderr=theirs if err else subprocess.PIPE,
        env=environment | {"TERM": term},
    ) as running:
        os.close(theirs)
        seen = bytearray()
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # EIO: the other side was closed
                break
            if not data:
                break
            seen += data
        os.close(ours)
        piped_out, piped_err = running.communicate(timeout=60)
    return running.returncode, seen.decode(), (piped_out or b"").decode(), (piped_err or b"").decode()


def test_progress_is_drawn_on_a_terminal(command: list[str], virt_dts: Path) -> None:
    line = [*command, "run", str(virt_dts), "--events", "3000"]
    code, seen, out, _ = on_terminal(line, out=False, err=True)
    assert code == 0
    assert "running" in seen
    assert "/3000" in seen
    assert "every interrupt accounted for" in out
    assert ESCAPE not in out


def test_no_progress_elsewhere(command: list[str], virt_dts: Path) -> None:
    line = [*command, "run", str(virt_dts), "--events", "3000"]
    code, seen, _, err = on_terminal(line, out=True, err=False)
    assert code == 0
    assert "running" not in seen + err
    assert ESCAPE not in err
    assert "every interrupt accounted for" in seen


def test_tables_have_a_line_below_their_head_on_a_terminal(command: list[str], virt_dts: Path) -> None:
    line = [*command, "run", str(virt_dts), "--events", "300"]
    seen = on_terminal(line, out=True, err=False)[1]
    assert re.search(r"─{20}", seen)
    plain = subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "─" not in plain
    # The same cells, in the same order.
    words = [text.split() for text in re.sub(r"\x1b\[[0-9;]*m", "", seen).replace("\r", "").splitlines()]
    rows = [row for row in words if row and not set("".join(row)) <= set("─ ")]
    assert rows == [text.split() for text in plain.splitlines() if text]


def test_a_dumb_terminal_gets_plain_tables(command: list[str], virt_dts: Path) -> None:
    line = [*command, "inspect", str(virt_dts)]
    seen = on_terminal(line, out=True, err=False, term="dumb")[1]
    plain = subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stdout
    assert seen.replace("\r\n", "\n") == plain


def test_a_dtb_is_not_written_to_a_terminal(command: list[str], virt_dts: Path) -> None:
    code, seen, _, err = on_terminal([*command, "dtb", str(virt_dts)], out=True, err=False)
    assert (code, seen) == (2, "")
    assert "Error: a DTB is not text; name a file with -o" in err


def test_dts_is_written_to_a_terminal(command: list[str], virt_dts: Path) -> None:
    code, seen, _, err = on_terminal([*command, "dts", str(virt_dts)], out=True, err=False)
    assert (code, err) == (0, "")
    assert seen.startswith("/dts-v1/;")
