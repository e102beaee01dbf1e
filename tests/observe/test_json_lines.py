"""The JSON-lines sink, against the json module."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqframe.observe import Event, JsonLines, read_events

TEXTS = st.text(st.characters(exclude_categories=("Cs",)))


@given(st.lists(st.builds(Event, st.integers(0), st.integers(-1), TEXTS, st.integers(-1), TEXTS)))
def test_what_is_written_reads_back(events: list[Event]) -> None:
    stream = io.StringIO()
    sink = JsonLines(stream)
    for event in events:
        sink.record(*event)
    assert sink.written == len(events)
    assert list(read_events(io.StringIO(stream.getvalue(), newline="\n"))) == events


def test_each_line_is_one_json_object_with_the_documented_keys() -> None:
    stream = io.StringIO()
    JsonLines(stream).record(5, 1, "raise", 33, 'uart "0"')
    line = stream.getvalue()
    assert line.endswith("\n")
    assert json.loads(line) == {"ns": 5, "vcpu": 1, "kind": "raise", "intid": 33, "source": 'uart "0"'}


@pytest.mark.parametrize("text", ["{", '{"ns": 1}', "[1, 2]", "3"])
def test_a_line_that_is_no_event_is_named(text: str) -> None:
    good = '{"ns": 1, "vcpu": 0, "kind": "raise", "intid": 1, "source": ""}\n'
    with pytest.raises(ValueError, match="line 2 is no event"):
        list(read_events(io.StringIO(good + text + "\n")))
