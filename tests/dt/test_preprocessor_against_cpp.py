"""The preprocessor against gcc's: the same words, or both refuse."""

from __future__ import annotations

import json
from importlib import util
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from irqframe.dt._collected import Collected
from irqframe.dt._cpp_tokens import tokens
from irqframe.dt._places import SourceText
from irqframe.dt._preprocessor import preprocess
from irqframe.errors import InputError

DATA = Path(__file__).parent / "data" / "cpp"


def _recorder() -> ModuleType:
    spec = util.spec_from_file_location("record_cpp", DATA / "record.py")
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RECORD = _recorder()
CASES: dict[str, str] = RECORD.cases()
EXPECTED: dict[str, list[str] | None] = json.loads((DATA / "expected.json").read_text())

needs_cpp = pytest.mark.skipif(not RECORD.has_cpp(), reason="gcc's cpp is not installed")


def _ours(text: str) -> tuple[list[str] | None, Collected]:
    report = Collected()
    source = SourceText(str(DATA / "case.dts"), text)
    try:
        made = preprocess(source, [str(DATA / "sub")], (), report).text
    except InputError:
        return None, report
    return None if report.findings else [token.text for token in tokens(made)], report


@pytest.mark.parametrize("name", CASES)
def test_same_as_cpp(name: str) -> None:
    made, report = _ours(CASES[name])
    assert made == EXPECTED[name], report.findings


@needs_cpp
def test_expected_is_what_cpp_says() -> None:
    for name, text in CASES.items():
        assert RECORD.preprocessed(text) == EXPECTED[name], name


# Texts at random: a few macros, calls of them, conditions.


def _one_of(words: str) -> st.SearchStrategy[str]:
    return st.sampled_from(words.split())


_NAMES = _one_of("A B C F G H x y __LINE__ F( G( H(")
_OTHERS = _one_of("0 1 0x1F 1E 10UL .5 'a' \"sA\" + - * / < > = ( ) , ; & | @ { } [ ] : ? ! ~ ^ ## << ==")
_WORDS = st.lists(_NAMES | _OTHERS, max_size=8).map(" ".join)
_TIGHT = st.lists(_NAMES | _OTHERS, max_size=4).map("".join).filter(lambda text: "/*" not in text and "//" not in text)
_BODY = st.lists(_NAMES | _OTHERS | st.sampled_from(["#x", "x##y", "#y", "x##1"]), max_size=6).map(" ".join)
_REST_USES = st.sampled_from(["__VA_ARGS__", ", ## __VA_ARGS__", "#__VA_ARGS__"])
_REST = st.lists(_NAMES | _REST_USES, max_size=5).map(" ".join)
_DEFINE = st.one_of(
    st.builds("#define {} {}".format, st.sampled_from("ABC"), _WORDS),
    st.builds("#define F(x) {}".format, _BODY.filter(lambda body: "y" not in body)),
    st.builds("#define G(x, y) {}".format, _BODY),
    st.builds("#define H(x, ...) {}".format, _REST),
    st.builds("#undef {}".format, st.sampled_from("ABCFGH")),
)
_CONDITION = st.lists(
    _one_of("1 0 2 3U -1 A B F(1) 'a' (1) defined(A) + - * / % << >> && || == < ? : ! ~"), min_size=1, max_size=7
)
_GROUP = st.builds("#if {}\n1\n#else\n2\n#endif".format, _CONDITION.map(" ".join))
_TEXT = st.lists(_DEFINE | _WORDS | _TIGHT | _GROUP, min_size=1, max_size=8).map("\n".join)

# gcc carries out directives among the arguments of a macro; here that is a finding.
_DEPARTURE = "a directive stands among"


@needs_cpp
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(_TEXT)
def test_random_texts_same_as_cpp(text: str) -> None:
    text = f"#define Z\n{text}\n"
    made, report = _ours(text)
    if not any(_DEPARTURE in finding.message for finding in report.findings):
        assert made == RECORD.preprocessed(text)
