"""A guest may pass any 64-bit number to any function: every answer is one of the documented ones, nothing raises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from irqframe_rvic._abi import FUNCTIONS, Reason

M64 = (1 << 64) - 1
EDGES = [
    0,
    1,
    2,
    4,
    31,
    32,
    33,
    63,
    64,
    255,
    256,
    511,
    0x7FFF_FFFF,
    1 << 31,
    1 << 32,
    (1 << 32) + 5,
    1 << 39,
    1 << 63,
    M64,
]
words = st.one_of(st.sampled_from(EDGES), st.integers(0, M64))
fids = st.one_of(
    st.sampled_from([f.fid for f in FUNCTIONS.values()]),
    st.integers(0xC500_00F0, 0xC500_0220),
    st.integers(0, M64),
)
calls = st.lists(st.tuples(st.integers(0, 1), fids, words, words, words), max_size=60)
KINDS = [{}, {"order": "fifo"}, {"level_inputs": True, "priorities": True}, {"quirks": ["as-is"], "level_inputs": True}]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=calls, raises=st.lists(st.integers(0, 31), max_size=5))
def test_any_arguments(machine: Any, kind: dict[str, Any], calls: Any, raises: list[int]) -> None:
    made = machine(**kind)
    reasons = {int(reason) for reason in Reason}
    for index, fid, x1, x2, x3 in calls:
        x0, value, *rest = made.cpu(index).hypercall(fid, x1, x2, x3)
        assert rest == [0, 0]
        assert 0 <= value < 2048
        if x0 != M64:
            assert x0 & 0xFF in reasons
            assert x0 >> 8 <= 2
            assert x0 == 0 or value == 0
    for number in raises:
        made.vm.set_irq(number, 1)
    for index in (0, 1):
        assert made.balance(index) == 0
        made.cpu(index).enter()


def test_every_function_with_every_edge(machine: Any) -> None:
    made = machine(level_inputs=True, priorities=True)
    made.enable()
    for function in FUNCTIONS.values():
        listed = {0} | {failure.result[0] for failure in function.failures}
        for x1 in EDGES:
            for x2 in EDGES:
                for x3 in (0, 32, 63, 64, 256, M64):
                    assert made.cpu(0).hypercall(function.fid, x1, x2, x3)[0] in listed, function.name
