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


def on_terminal(
    line: list[str], *, out: bool, err: bool, term: str = "xterm", width: int = 200
) -> tuple[int, str, str, str]:
    """Run a command with standard output or standard error on a terminal.

    Returns:
        Exit code, what the terminal got, and what standard output and standard error got where they are pipes.
    """
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, width))
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


@pytest.mark.parametrize("width", [80, 100, 132, 200])
@pytest.mark.parametrize("arguments", [("run", "--events", "300"), ("inspect",)], ids=["run", "inspect"])
def test_no_cell_is_folded_however_narrow_the_terminal_is(
    command: list[str], virt_dts: Path, arguments: tuple[str, ...], width: int
) -> None:
    name, *options = arguments
    line = [*command, name, str(virt_dts), *options]
    seen = without_escapes(on_terminal(line, out=True, err=False, width=width)[1])
    plain = subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stdout
    # The same cells, in the same order.
    rows = [text.split() for text in seen.splitlines() if text and not set(text) <= set("─ ")]
    assert rows == [text.split() for text in plain.splitlines() if text]


def without_escapes(seen: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", seen).replace("\r", "")


def test_a_table_that_fits_has_a_line_below_its_head(command: list[str], virt_dts: Path) -> None:
    line = [*command, "run", str(virt_dts), "--events", "300"]
    assert re.search(r"─{20}", on_terminal(line, out=True, err=False)[1])
    assert "─" not in subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stdout


def test_a_table_that_does_not_fit_is_plain_with_a_bold_head(command: list[str], virt_dts: Path) -> None:
    line = [*command, "run", str(virt_dts), "--events", "300"]
    seen = on_terminal(line, out=True, err=False, width=80)[1]
    assert re.search(r"^\x1b\[1msource  .*\x1b\[0m\r$", seen, re.MULTILINE)
    plain = subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stdout
    assert without_escapes(seen) == plain


def test_the_width_of_the_table_decides(command: list[str]) -> None:
    """A table that is exactly as wide as the terminal fits; on one that is a column narrower, it does not."""
    script = (
        "from irqframe.cli._tables import print_table;"
        "print_table(('a', 'b'), [('x' * 40, '1'), ('y', '22')], right=(1,))"
    )
    line = [command[0], "-c", script]
    rich = next(width for width in range(43, 50) if "─" in on_terminal(line, out=True, err=False, width=width)[1])
    fits = without_escapes(on_terminal(line, out=True, err=False, width=rich)[1])
    assert max(len(text) for text in fits.splitlines()) == rich
    assert "x" * 40 in fits


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
