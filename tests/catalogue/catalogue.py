"""The error catalogue: for each code an input that has the fault, the command that finds it, and what that prints.

    python tests/catalogue/catalogue.py CODE...     record anew what the commands print

README.md says what the files hold. `docs/generate.py` makes docs/errors.md of them, `test_catalogue.py` runs them.
"""

from __future__ import annotations

import os
import re
import runpy
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

HERE = Path(__file__).parent
SHARED = ("rvic.dtsi", "gicv2.dtsi")
"""What several inputs include."""

ANY_LINES = "..."
"""A line of an expected output that stands for any lines."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One code.

    Attributes:
        code: the code.
        advice: what to do.
        command: what finds the fault, as it is typed.
        output: what the command prints.
    """

    code: str
    advice: str
    command: str
    output: str

    @property
    def files(self) -> list[Path]:
        """What the command reads, or what makes it."""
        return [path for path in sorted(HERE.glob(f"{self.code}.*")) if path.suffix != ".txt"]

    def text(self, output: str) -> str:
        """The file of the entry, with that output."""
        return f"{self.advice}\n\n$ {self.command}\n{output}"


def read(path: Path) -> Entry:
    """The entry in a file `CODE.txt`."""
    advice, _, transcript = path.read_text(encoding="utf-8").partition("\n\n$ ")
    command, _, output = transcript.partition("\n")
    return Entry(path.stem, advice, command, output)


def entries() -> dict[str, Entry]:
    """Every entry by its code."""
    return {path.stem: read(path) for path in sorted(HERE.glob("*.txt"))}


def printed(entry: Entry, folder: Path) -> str:
    """Run the command of an entry and return what it prints, findings and results in the order of printing.

    Args:
        entry: the entry.
        folder: an empty folder to run it in.
    """
    for path in (*entry.files, *(HERE / name for name in SHARED)):
        shutil.copy(path, folder)
    out = StringIO()
    with chdir(folder), redirect_stdout(out), redirect_stderr(out):
        for path in entry.files:
            _make(Path(path.name), entry.command)
        _run(shlex.split(entry.command))
    return out.getvalue()


def _make(path: Path, command: str) -> None:
    """Make the input that a file describes."""
    if path.suffix == ".hex":
        path.with_suffix(".dtb").write_bytes(bytes_of(path.read_text(encoding="utf-8")))
    elif path.suffix == ".py" and path.name not in command:
        runpy.run_path(path.name)


def _run(command: list[str]) -> None:
    from irqframe.cli import run
    from irqframe.cli._findings import show_findings
    from irqframe.errors import InputError

    program, *arguments = command
    if program == "irqframe":
        code = run(arguments)
        if code not in (0, 1):
            raise RuntimeError(f"exit code {code}")
        return
    try:
        runpy.run_path(arguments[0])
    except InputError as error:
        show_findings(error.findings)


def bytes_of(text: str) -> bytes:
    """Bytes from hexadecimal digits and "quoted text"; what follows a # is a comment."""
    found = bytearray()
    for line in text.splitlines():
        for quoted, digits in re.findall(r'"([^"]*)"|([0-9a-fA-F]+)', line.partition("#")[0]):
            found += quoted.encode() if quoted else bytes.fromhex(digits)
    return bytes(found)


def matches(expected: str, got: str) -> bool:
    """Whether an output is the expected one, in which a line `...` stands for any lines."""
    parts = [".*\n" if line == ANY_LINES else re.escape(f"{line}\n") for line in expected.splitlines()]
    return re.fullmatch("".join(parts), got, re.DOTALL) is not None


def record(codes: list[str]) -> Iterator[str]:
    """Write what the commands print now into the files; the codes whose output has changed."""
    for code in codes:
        entry = read(HERE / f"{code}.txt")
        with tempfile.TemporaryDirectory() as folder:
            got = printed(entry, Path(folder))
        if not matches(entry.output, got):
            (HERE / f"{code}.txt").write_text(entry.text(got), encoding="utf-8")
            yield code


if __name__ == "__main__":
    os.environ.setdefault("NO_COLOR", "1")
    for changed in record(sys.argv[1:]):
        print(changed)
