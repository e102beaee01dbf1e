"""Patterns in bounded time: the verdicts are those of Python's `re`, which is asked the same where it can answer."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irqframe.dt import load_bindings
from irqframe.dt._linear_patterns import Pattern, _run
from irqframe.errors import InputError

# As bindings of Linux have them.
IN_USE = [
    "^([rs]-)?(([a-z0-9]{3,}|[a-oq-z][a-z0-9]*?)?-)+?(p[a-ilm][0-9]*?-)??pins?$",
    "^pwm(@.*|-[0-9a-f])*$",
    "^[a-zA-Z0-9][a-zA-Z0-9,+\\-._]{0,63}@[0-9a-fA-F]+(,[0-9a-fA-F]+)*$",
    "(?<!,nr)-gpios?$",
    "(?<!(rvell,wakeup-gap|refresh-interval))-ms$",
    "^rv(?:64|32)imaf?d?q?c?b?k?j?p?v?h?(?:[hsxz](?:[a-z])+)?(?:_[hsxz](?:[a-z])+)*$",
    "^ppmu-event[0-9]+(-[a-z0-9]+){,2}$",
    "^(?!.)|x",
]

ATOMS = st.sampled_from(["a", "b", "c", ".", "[ab]", "[^a]", "[]a-]", "\\-", "\\w", "^", "$", "\\b", "(?=a)", "(?<!b)"])
REPEATS = st.sampled_from(["", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{,2}", "{2,}", "{0}"])


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    group = st.tuples(st.sampled_from(["(", "(?:"]), inner, st.just(")"), REPEATS).map("".join)
    choice = st.lists(inner, min_size=2, max_size=3).map("|".join)
    return group | choice | st.tuples(inner, inner).map("".join)


def repeated(atom: str, repeat: str) -> str:
    # `re` does not repeat what takes no character.
    return atom if atom[:1] in "^$" or atom.startswith(("\\b", "(?")) else atom + repeat


PATTERNS = st.recursive(st.builds(repeated, ATOMS, REPEATS), grown, max_leaves=8)


def slow(pattern: Pattern, text: str) -> bool:
    """By the simulation, however short the text is."""
    return _run(pattern._program, text)


@settings(deadline=None, max_examples=500)
@given(PATTERNS, st.lists(st.text("abc-\n", max_size=9), min_size=1, max_size=5))
def test_verdicts_are_those_of_re(text: str, subjects: list[str]) -> None:
    pattern = Pattern(text)
    for subject in subjects:
        expected = re.search(text, subject) is not None
        assert slow(pattern, subject) is expected
        assert pattern.search(subject) is expected


@pytest.mark.parametrize("text", IN_USE)
@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_patterns_in_use(text: str, data: st.DataObject) -> None:
    pattern = Pattern(text)
    for subject in (data.draw(st.from_regex(text)), data.draw(st.text("pwm@-0,_inse\n", max_size=9))):
        assert slow(pattern, subject) is (re.search(text, subject) is not None)


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("^(a+)+$", "a" * 60_000 + "!"),
        ("^(a|aa)*$", "a" * 20_000 + "!"),
        ("^(a|aa)*$", "a" * 50 + "!"),
        ("^(a+)*$", "a" * 30 + "!"),
        ("^pwm(@.*|-[0-9a-f])*$", "pwm" + "@" * 200 + "\n\n"),
        ("a?" * 30 + "a" * 30, "a" * 29),
        ("[a-z]+x", "a" * 60_000),
        (".*.*.*.*x", "a" * 60_000),
        ("^(a{0,10}){0,20}$", "a" * 4_000),
        ("(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)c", "ab" * 500),
        ("((a*)*)*b", "a" * 1_000),
        ("(a*a*)*b", "a" * 1_000),
    ],
)
def test_time_is_bounded(text: str, subject: str) -> None:
    start = time.process_time()
    assert not Pattern(text).search(subject)
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    "text",
    ["(a)\\1", "(?P<x>a)(?P=x)", "(?i)a", "(?!a*)b", "((a{0,1000}){0,1000}){0,1000}", "a*+", "(" * 60 + ")" * 60],
)
def test_refused(text: str) -> None:
    with pytest.raises(re.error):
        Pattern(text)


def test_a_binding_with_a_pattern_that_is_refused() -> None:
    text = (
        "$id: http://devicetree.org/schemas/x.yaml#\n"
        "$schema: http://devicetree.org/meta-schemas/core.yaml#\n"
        "properties:\n  compatible: { const: x }\n  a:\n    pattern: '(a)\\1'\n"
    )
    with pytest.raises(InputError) as caught:
        load_bindings([("x.yaml", text)])
    (finding,) = caught.value.findings
    assert finding.code == "E0511"
    assert finding.span.line == 6
    assert "its time could not be bounded" in finding.message
