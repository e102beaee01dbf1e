"""Each code has an example, and the example prints what the catalogue says."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from irqframe import dt, machine, observe

HERE = Path(__file__).parent
CATALOGUE = SimpleNamespace(**runpy.run_path(str(HERE / "catalogue.py"), run_name="catalogue"))
ENTRIES = CATALOGUE.entries()
CODES = {**dt.CODES, **machine.CODES, **observe.CODES}


@pytest.mark.parametrize("code", ENTRIES)
def test_an_example_prints_what_the_catalogue_says(
    code: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IRQFRAME_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
    entry = ENTRIES[code]
    if entry.command.startswith("irqframe bindings check"):
        pytest.importorskip("dtschema", reason="dtschema is not installed")
    got = CATALOGUE.printed(entry, tmp_path)
    assert CATALOGUE.matches(entry.output, got), got


def test_every_code_has_an_example() -> None:
    assert ENTRIES.keys() == CODES.keys()


def test_every_file_belongs_to_an_example() -> None:
    known = {*ENTRIES, "README", "catalogue", "test_catalogue", *(name.partition(".")[0] for name in CATALOGUE.SHARED)}
    files = [path.name for path in HERE.iterdir() if path.is_file()]
    assert [name for name in files if name.partition(".")[0] not in known] == []


@pytest.mark.parametrize("code", ENTRIES)
def test_an_example_is_about_its_code(code: str) -> None:
    entry = ENTRIES[code]
    kind = "warning" if code.startswith("W") else "error"
    assert f"{kind}[{code}]: " in entry.output
    assert entry.advice.endswith((".", ".txt")) and "\n\n" not in entry.advice
    assert code in entry.command or not entry.files


# What the examples are written in


def test_bytes_are_digits_and_quoted_text() -> None:
    text = '0001 "ab" 00  # comment 99\n\nff 10'
    assert CATALOGUE.bytes_of(text) == b"\0\1ab\0\xff\x10"


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\nb\n", "a\nb\nc\n", False),
        ("a\n...\nd\n", "a\nb\nc\nd\n", True),
        ("a\n...\n", "a\nb\nc\n", True),
        ("a\n...\nd\n", "a\nb\n", False),
        ("a.c\n", "abc\n", False),
    ],
)
def test_a_line_of_dots_stands_for_any_lines(expected: str, got: str, same: bool) -> None:
    assert CATALOGUE.matches(expected, got) is same
