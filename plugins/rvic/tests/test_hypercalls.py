"""Every hypercall, every check, in order; status words are written out."""

from __future__ import annotations

from typing import Any

import pytest
from irqframe_rvic import _abi as abi

N, T, U = 64, 32, 32
BIG = 1 << 32
STRAY = 0x8000_0001
NOBODY = 0x77

BY_MPIDR = ("RVIC_SET_MASKED", "RVIC_CLEAR_MASKED", "RVIC_IS_PENDING", "RVIC_SIGNAL", "RVIC_CLEAR_PENDING")

# (function, arguments, x0, x1); vCPUs 0 and 1 exist, 0 calls and is enabled, 1 is disabled, nothing is pending.
ROWS: list[tuple[str, tuple[int, ...], int, int]] = [
    ("RVIC_VERSION", (), 0, 3),
    ("RVIC_INFO", (0,), 0, T),
    ("RVIC_INFO", (1,), 0, U),
    ("RVIC_INFO", (2,), 0x0001, 0),
    ("RVIC_INFO", (BIG,), 0x0001, 0),
    ("RVIC_INFO", ((1 << 64) - 1,), 0x0001, 0),
    ("RVIC_ENABLE", (), 0, 0),
    ("RVIC_DISABLE", (), 0, 0),
    *[(name, (NOBODY, 5), 0x0002, 0) for name in BY_MPIDR],
    *[(name, (NOBODY, N), 0x0002, 0) for name in BY_MPIDR],  # check 1 before check 2
    *[(name, (0, N), 0x0101, 0) for name in BY_MPIDR],
    *[(name, (1, N), 0x0101, 0) for name in BY_MPIDR],  # for SIGNAL: check 2 before check 3
    *[(name, (0, (1 << 64) - 1), 0x0101, 0) for name in BY_MPIDR],
    *[(name, (0, N - 1), 0, 0) for name in BY_MPIDR],
    *[(name, (1, 5), 0, 0) for name in BY_MPIDR if name != "RVIC_SIGNAL"],  # a disabled target is as good
    ("RVIC_SIGNAL", (1, 5), 0x0003, 0),
    ("RVIC_SIGNAL", (0, 0), 0, 0),
    ("RVIC_ACKNOWLEDGE", (), 0x0004, 0),
    ("RVIC_RESAMPLE", (T,), 0x0001, 0),
    ("RVIC_RESAMPLE", (N,), 0x0001, 0),
    ("RVIC_RESAMPLE", (T - 1,), 0, 0),
    ("RVID_VERSION", (), 0, 3),
    ("RVID_MAP", (U - 1, 1, N - 1), 0, 0),
    ("RVID_MAP", (0, 0, T), 0, 0),
    ("RVID_MAP", (U + 1, NOBODY, 0), 0x0001, 0),  # check 1 before 2 and 3
    ("RVID_MAP", (BIG, 0, T), 0x0001, 0),
    ("RVID_MAP", (0, 0, T - 1), 0x0201, 0),
    ("RVID_MAP", (0, 0, N), 0x0201, 0),
    ("RVID_UNMAP", (U - 1,), 0, 0),
    ("RVID_UNMAP", (U + 1,), 0x0001, 0),
    ("RVID_UNMAP", (BIG,), 0x0001, 0),
]

# What is right, where the reference departs from it.
RIGHT: list[tuple[str, tuple[int, ...], int, int]] = [
    *[(name, (STRAY, 5), 0x0001, 0) for name in BY_MPIDR],
    *[(name, (STRAY, N), 0x0001, 0) for name in BY_MPIDR],
    *[(name, (0, BIG + 5), 0x0101, 0) for name in BY_MPIDR],
    ("RVIC_RESAMPLE", (BIG + 5,), 0x0001, 0),
    ("RVID_MAP", (U, 0, T), 0x0001, 0),
    ("RVID_MAP", (0, NOBODY, T), 0x0102, 0),
    ("RVID_MAP", (0, NOBODY, 0), 0x0102, 0),  # check 2 before 3
    ("RVID_MAP", (0, STRAY, T), 0x0101, 0),
    ("RVID_MAP", (0, 0, BIG + T), 0x0201, 0),
    ("RVID_UNMAP", (U,), 0x0001, 0),
]

AS_IS: list[tuple[str, tuple[int, ...], int, int]] = [
    *[(name, (0x8000_0000, 5), 0, 0) for name in BY_MPIDR],
    *[(name, (0, BIG + 5), 0, 0) for name in BY_MPIDR],
    ("RVIC_RESAMPLE", (BIG + 5,), 0, 0),
    ("RVID_MAP", (U, 0, T), 0, 0),
    ("RVID_MAP", (0, NOBODY, T), 0x0101, 0),
    ("RVID_MAP", (0, 0x8000_0000, T), 0, 0),
    ("RVID_MAP", (0, 0, BIG + T), 0, 0),
    ("RVID_UNMAP", (U,), 0, 0),
]


def answer(made: Any, name: str, arguments: tuple[int, ...]) -> Any:
    made.enable(0)
    return made.hvc(name, *arguments)


@pytest.mark.parametrize(("name", "arguments", "x0", "x1"), ROWS + RIGHT)
def test_answers(machine: Any, name: str, arguments: tuple[int, ...], x0: int, x1: int) -> None:
    assert answer(machine(), name, arguments) == (x0, x1, 0, 0)


@pytest.mark.parametrize(("name", "arguments", "x0", "x1"), ROWS + AS_IS)
def test_answers_as_is(machine: Any, name: str, arguments: tuple[int, ...], x0: int, x1: int) -> None:
    assert answer(machine(quirks=["as-is"]), name, arguments) == (x0, x1, 0, 0)


def test_disabled_caller_cannot_acknowledge_or_signal_itself(machine: Any) -> None:
    made = machine()
    assert made.hvc("RVIC_ACKNOWLEDGE") == (0x0003, 0, 0, 0)
    assert made.hvc("RVIC_SIGNAL", 0, 5) == (0x0003, 0, 0, 0)
    assert not made.pending(5)


def test_function_ids_are_those_of_the_series() -> None:
    names = ["VERSION", "INFO", "ENABLE", "DISABLE", "SET_MASKED", "CLEAR_MASKED", "IS_PENDING", "SIGNAL"]
    names += ["CLEAR_PENDING", "ACKNOWLEDGE", "RESAMPLE"]
    assert {abi.FID[f"RVIC_{name}"]: name for name in names} == {0xC500_0200 + n: name for n, name in enumerate(names)}
    assert [abi.FID[f"RVID_{name}"] for name in ("VERSION", "MAP", "UNMAP")] == [0xC500_0100, 0xC500_0101, 0xC500_0102]


def test_ids_outside_of_the_ranges_are_not_supported(machine: Any) -> None:
    cpu = machine().cpu(0)
    for fid in (0xC500_00FF, 0xC500_0103, 0xC500_01FF, 0xC500_020B, 0x8400_0000):
        assert cpu.hypercall(fid) == ((1 << 64) - 1, 0, 0, 0)


def test_function_id_is_the_low_half_of_x0(machine: Any) -> None:
    assert machine().cpu(0).hypercall(0xDEAD_0000_0000_0000 | abi.FID["RVIC_VERSION"]) == (0, 3, 0, 0)


def test_traps_have_the_names_of_the_specification(machine: Any) -> None:
    bus = machine().vm.hypercalls
    assert bus.name(0xC500_0209) == "RVIC_ACKNOWLEDGE"
    assert bus.name(0xC500_0101) == "RVID_MAP"


def test_failures_are_documented_in_the_order_of_the_checks(machine: Any) -> None:
    """The table that the page is made from agrees with what was found above."""
    listed = {name: [failure.result[0] for failure in f.failures] for name, f in abi.FUNCTIONS.items()}
    for name in BY_MPIDR:
        assert listed[name] == [0x0001, 0x0002, 0x0101] + ([0x0003] if name == "RVIC_SIGNAL" else [])
    assert listed["RVID_MAP"] == [0x0001, 0x0101, 0x0102, 0x0201]
    assert listed["RVIC_ACKNOWLEDGE"] == [0x0003, 0x0004]
    assert listed["RVIC_RESAMPLE"] == [0x0001, 0x0003]


def test_own_operations_set_the_line_at_once_and_others_leave_it(machine: Any) -> None:
    made = machine()
    made.enable()
    claims = made.chip.irqchip_trap_claims(made.vm)
    handlers = {function.name: function.handler for claim in claims for function in claim.functions.values()}
    own, other = made.cpu(0), made.cpu(1)

    def line(name: str, *arguments: int, by: Any = own) -> bool:
        handlers[name](by, *(*arguments, 0, 0, 0)[:3])  # without the entry that follows a trap
        return own.irq_line

    assert not line("RVIC_SIGNAL", 0, 7)
    assert line("RVIC_CLEAR_MASKED", 0, 7)
    assert not line("RVIC_SET_MASKED", 0, 7)
    assert line("RVIC_CLEAR_MASKED", 0, 7)
    assert not line("RVIC_DISABLE")
    assert line("RVIC_ENABLE")
    assert not line("RVIC_ACKNOWLEDGE")
    own.requests.clear()
    handlers["RVIC_SIGNAL"](other, 0, 8, 0)
    assert not own.requests  # masked: nothing changes
    handlers["RVIC_CLEAR_MASKED"](other, 0, 8, 0)
    assert not own.irq_line
    assert own.requests
    own.enter()
    assert own.irq_line
    handlers["RVIC_CLEAR_PENDING"](other, 0, 8, 0)
    assert own.irq_line  # K23: stale until the next entry,
    assert own.requests  # which the kick brings about
    own.enter()
    assert not own.irq_line


def test_remote_operation_without_a_change_does_not_kick(machine: Any) -> None:
    made = machine()
    made.enable()
    made.deliverable(5, cpu=1)
    made.cpu(1).enter()
    made.ok("RVIC_CLEAR_MASKED", made.mpidr(1), 6)
    made.ok("RVIC_SIGNAL", made.mpidr(1), 6)
    made.ok("RVIC_IS_PENDING", made.mpidr(1), 6)
    made.hvc("RVIC_SIGNAL", made.mpidr(1), N)
    assert not made.cpu(1).requests


@pytest.mark.parametrize("mpidrs", [(0x0, 0x1_0000_0000), (0x100, 0xFF_00FF_FFFF), (0x3, 0x2)])
def test_sparse_affinities(machine: Any, mpidrs: tuple[int, int]) -> None:
    made = machine(mpidrs=mpidrs)
    made.enable()
    made.deliverable(9, cpu=1)
    assert made.ack(cpu=0) is None
    assert made.ack(cpu=1) == 9
