"""A recording read back step by step is what the plain reader of JSON lines gives, whatever the text."""

from __future__ import annotations

import io
import json
from itertools import pairwise
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqframe.errors import Finding, InputError
from irqframe.observe import KINDS, Event, JsonLines, Steps, read_events
from irqframe.observe import _recording as module

STEPS = ("raise", "deliver", "move", "off", "on")
TRAPS = ("hypercall", "mmio read", "mmio write", "sysreg read", "sysreg write")
CALLS = ("irqfd_set_irq", "inject_irq")

Told = tuple[int, str, str, bool]

sources = st.one_of(
    st.sampled_from(["disk LATCHED", "disk", "pci dev 0 INTA, pci dev 1 INTB", ""]), st.text(max_size=9)
)
events = st.builds(
    Event,
    st.integers(0, 2**70),
    st.integers(-1, 2**17),
    st.sampled_from([*KINDS, *CALLS]),
    st.integers(-1, 2**32),
    sources,
)


def steps(text: str | bytes, stream: IO[bytes] | None = None) -> list[Told]:
    data = text.encode() if isinstance(text, str) else text
    return [tuple(step) for step in Steps(stream or io.BytesIO(data), "trace.jsonl")]


def refused(text: str | bytes) -> Finding:
    with pytest.raises(InputError) as caught:
        steps(text)
    (finding,) = caught.value.findings
    return finding


def written(listed: list[Event]) -> str:
    stream = io.StringIO()
    lines = JsonLines(stream)
    for event in listed:
        lines.record(*event)
    return stream.getvalue()


def expected(text: str) -> list[Told]:
    """The same, from the plain reader."""
    found = []
    trapped = False
    for event in read_events(io.StringIO(text, newline="\n")):
        if event.kind in STEPS:
            found.append((event.vcpu, event.kind, event.source, trapped))
            trapped = False
        trapped = trapped or event.kind in TRAPS
    return found


@given(st.lists(events, max_size=30))
def test_steps_are_those_of_the_plain_reader(listed: list[Event]) -> None:
    text = written(listed)
    assert steps(text) == expected(text)


@given(st.lists(events, max_size=30), st.integers(1, 200))
def test_where_a_piece_ends_makes_no_difference(listed: list[Event], size: int) -> None:
    class Short(io.BytesIO):
        def read(self, most: int | None = -1) -> bytes:
            return super().read(size)

    text = written(listed)
    assert steps(text, Short(text.encode())) == steps(text)
    assert steps(text.removesuffix("\n")) == steps(text)


@given(st.lists(events, max_size=10))
def test_how_the_json_is_written_makes_no_difference(listed: list[Event]) -> None:
    # A lone surrogate has no UTF-8.
    kept = [event for event in listed if event.source.encode(errors="replace").decode() == event.source]
    other = "".join(
        json.dumps({"more": [1], **dict(reversed(event._asdict().items()))}, ensure_ascii=event.vcpu % 2 == 0) + "\r\n"
        for event in kept
    )
    assert steps(other) == steps(written(kept))


@given(st.binary(max_size=300))
def test_any_bytes_are_steps_or_one_finding(data: bytes) -> None:
    try:
        steps(data)
    except InputError as error:
        (finding,) = error.findings
        assert finding.code in ("E0002", "E0701")
        assert finding.span.line > 0 and finding.excerpt


@given(st.lists(events, min_size=1, max_size=8), st.data())
def test_a_line_that_was_changed_is_an_event_or_is_named(listed: list[Event], data: st.DataObject) -> None:
    text = bytearray(written(listed).encode())
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.integers(0, 255))
    try:
        steps(bytes(text))
    except InputError as error:
        (finding,) = error.findings
        # A line feed that was put there, or taken away, moves what is behind it.
        assert abs(finding.span.line - 1 - text[:at].count(b"\n")) <= 1


GOOD = '{"ns": 0, "vcpu": 1, "kind": "raise", "intid": 2, "source": "disk LATCHED"}\n'


@pytest.mark.parametrize(
    ("line", "message", "column"),
    [
        ("", "this line is no JSON", 1),
        ("hello", "this line is no JSON", 1),
        ('{"ns": 0,, }', "this line is no JSON", 10),
        (GOOD[:-2], "this line is no JSON", 75),
        ("[" * 5000, "this line is no JSON", 1),
        ("1" * 5000, "this line is no JSON", 1),
        ("[]", "this line is no event", 1),
        ("3", "this line is no event", 1),
        ('{"ns": 0, "vcpu": 1, "kind": "raise", "intid": 2}', "this line is no event", 1),
        ('{"ns": 0, "vcpu": 1.5, "kind": "raise", "intid": 2, "source": ""}', "this line is no event", 1),
        ('{"ns": 0, "vcpu": true, "kind": "raise", "intid": 2, "source": ""}', "this line is no event", 1),
        ('{"ns": 0, "vcpu": 1, "kind": "raise", "intid": 2, "source": null}', "this line is no event", 1),
        ("x" * (1 << 16) + "x", "this line is longer than 64 KiB", 1),
        ("x" * (1 << 20), "this line is longer than 64 KiB", 1),
    ],
)
def test_a_line_that_is_no_event_is_named(line: str, message: str, column: int) -> None:
    finding = refused(GOOD * 2 + line + "\n" + GOOD)
    assert (finding.code, finding.message) == ("E0701", message)
    assert (finding.span.file, finding.span.line, finding.span.column) == ("trace.jsonl", 3, column)


def test_what_is_no_text_is_named() -> None:
    finding = refused(GOOD.encode() + '{"ns": 0, "é'.encode() + b'\xff": 1}\n')
    assert (finding.code, finding.span.line, finding.span.column) == ("E0002", 2, 13)


def test_every_line_is_looked_at_and_what_stands_before_a_bad_one_was_given() -> None:
    found = []
    with pytest.raises(InputError):
        for step in Steps(io.BytesIO((GOOD * 7 + "x\n" + GOOD).encode()), "trace"):
            found.append(step)
    assert len(found) == 7


def test_memory_does_not_grow_with_the_number_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KNOWN_MAX", 8)
    listed = [Event(0, 0, "raise", 1, f"disk{number} LATCHED") for number in range(100)]
    read = Steps(io.BytesIO(written(listed + listed).encode()), "trace")
    assert [step.source for step in read] == [event.source for event in listed + listed]
    assert len(read._known) <= 8
    long = "x" * 2000
    assert next(iter(Steps(io.BytesIO(GOOD.replace("disk", long).encode()), "trace"))).source == f"{long} LATCHED"


def test_long_runs_of_traps_take_time_in_proportion() -> None:
    """A way of reading that tries each line in more than one way would not come back."""
    trap = '{"ns": 0, "vcpu": 1, "kind": "hypercall", "intid": -1, "source": "RVIC_INFO"}\n'
    call = trap.replace("hypercall", "inject_irq")
    found = steps((trap + call) * 20_000 + GOOD + call * 20_000 + GOOD)
    assert [step[3] for step in found] == [True, False]
    assert refused(trap * 20_000 + "{\n").span.line == 20_001


def test_how_much_was_read_is_told() -> None:
    read = Steps(io.BytesIO(GOOD.encode() * 20_000), "trace")
    seen = [read.read for _ in read]
    assert seen[-1] == len(GOOD) * 20_000
    assert all(a <= b for a, b in pairwise(seen)) and seen[0] < seen[-1]
