"""Files of costs: what they mean, and that one which is wrong is one error with its file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from irqframe.errors import IrqframeError
from irqframe.guest import TrapCounts
from irqframe.guest.compare import Bill, Costs, read_costs, shipped_costs

GOOD = """
unit = "cycles"

[[model]]
name = "plain"
hypercall = 10
mmio = 20.5
sysreg = { cost = 30, source = "a paper" }

[[model]]
name = "fine"
about = "some are served"
hypercall = 10
mmio = 20
sysreg = 30

[model.names]
"ICC_SGI*" = 5
"GET" = 7

[model.served]
"ICC_*" = 1
"GICC_???" = 2
"""

TRAPS = TrapCounts(
    {"GET": 1, "PUT": 2},
    {"GICC_IAR": 4, "GICC_EOIR": 8, "GICD_SGIR": 16},
    {"ICC_SGI1R_EL1": 32, "ICC_IAR1_EL1": 64},
)


@pytest.fixture
def costs(tmp_path: Path) -> Costs:
    return written(tmp_path, GOOD)


def written(folder: Path, text: str | bytes) -> Costs:
    path = folder / "my.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_costs(path)


def test_kinds_alone(costs: Costs) -> None:
    assert costs.unit == "cycles"
    plain = costs.models[0]
    assert plain.about == ""
    assert plain.kinds["sysreg"].source == "a paper"
    assert plain.bill(TRAPS) == Bill(127, 3 * 10 + 28 * 20.5 + 96 * 30)


def test_patterns_change_the_cost_of_a_trap_or_make_it_none(costs: Costs) -> None:
    """The first that fits: SGIs are `names`, the other ICC_* `served`; GICC_EOIR is longer than its pattern."""
    fine = costs.models[1]
    served = 64 + 4
    assert fine.bill(TRAPS) == Bill(127 - served, 7 + 2 * 10 + 4 * 2 + 24 * 20 + 32 * 5 + 64 * 1)


def test_nothing_costs_nothing(costs: Costs) -> None:
    assert costs.models[1].bill(TrapCounts()) == Bill(0, 0)


def test_the_shipped_file_says_where_each_figure_comes_from() -> None:
    costs = shipped_costs()
    assert (costs.file, costs.unit) == ("costs.toml", "ns")
    assert [model.name for model in costs.models] == ["emulated", "hardware GIC"]
    for model in costs.models:
        assert model.about
        for table in (model.kinds, model.names, model.served):
            assert all(cost.source for cost in table.values())
    emulated, hardware = costs.models
    assert emulated.served == {}
    assert emulated.bill(TRAPS).traps == 127
    assert hardware.bill(TRAPS).traps == 3 + 16 + 32
    assert hardware.kinds["hypercall"].value == emulated.kinds["hypercall"].value


MODEL = '[[model]]\nname = "m"\nhypercall = 1\nmmio = 1\nsysreg = 1\n'
UNIT = 'unit = "ns"\n'


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("unit = ", "Invalid value (at end of document)"),
        ("", "unit"),
        (MODEL, "unit"),
        ("unit = 7\n" + MODEL, "unit"),
        ('unit = ""\n' + MODEL, "unit"),
        (f'unit = "{"x" * 81}"\n' + MODEL, "unit"),
        ('unit = "a\\nb"\n' + MODEL, "unit"),
        ('unit = "\\u001b[31m"\n' + MODEL, "unit"),
        (UNIT, "model"),
        (UNIT + "model = []", "model"),
        (UNIT + "model = 1", "model"),
        (UNIT + "model = [1]", "model[0]"),
        (UNIT + "[model]\nname = 'm'", "model"),
        (UNIT + MODEL * 9, "model"),
        (UNIT + MODEL * 2, "model[1].name"),
        (UNIT + "other = 1\n" + MODEL, "other"),
        (UNIT + MODEL.replace("mmio = 1\n", ""), "model[0].mmio"),
        (UNIT + MODEL.replace('"m"', "1"), "model[0].name"),
        (UNIT + MODEL.replace("name", "nome"), "model[0].nome"),
        (UNIT + MODEL.replace("mmio = 1", "mmio = true"), "model[0].mmio"),
        (UNIT + MODEL.replace("mmio = 1", "mmio = '1'"), "model[0].mmio"),
        (UNIT + MODEL.replace("mmio = 1", "mmio = [1]"), "model[0].mmio"),
        (UNIT + MODEL.replace("mmio = 1", "mmio = -1"), "model[0].mmio"),
        (UNIT + MODEL.replace("mmio = 1", "mmio = nan"), "model[0].mmio"),
        (UNIT + MODEL.replace("mmio = 1", "mmio = inf"), "model[0].mmio"),
        (UNIT + MODEL.replace("mmio = 1", "mmio = 1e13"), "model[0].mmio"),
        (UNIT + MODEL.replace("mmio = 1", f"mmio = {'9' * 400}"), "model[0].mmio"),
        (UNIT + MODEL.replace("mmio = 1", "mmio = 2020-09-03"), "model[0].mmio"),
        (UNIT + MODEL.replace("mmio = 1", "mmio = {}"), "model[0].mmio.cost"),
        (UNIT + MODEL.replace("mmio = 1", "mmio = { cost = 1, sorce = 'x' }"), "model[0].mmio.sorce"),
        (UNIT + MODEL.replace("mmio = 1", "mmio = { cost = 1, source = 1 }"), "model[0].mmio.source"),
        (UNIT + MODEL + "names = 1", "model[0].names"),
        (UNIT + MODEL + "[model.names]\nGICC = 'x'", "model[0].names.'GICC'"),
        (UNIT + MODEL + "[model.served]\n'' = 1", "model[0].served.''"),
        (UNIT + MODEL + "[model.served]\n'*a*a*a*a*a' = 1", "model[0].served.'*a*a*a*a*a'"),
        (UNIT + MODEL + f"[model.served]\n{'a' * 81} = 1", f"model[0].served.'{'a' * 80}'"),
        (UNIT + MODEL + "[model.served]\n" + "".join(f"a{n} = 1\n" for n in range(257)), "model[0].served"),
        (UNIT + MODEL.replace("mmio = 1", f"mmio = {'9' * 5000}"), ""),
        (UNIT + MODEL.replace("mmio = 1", f"mmio = {'[' * 100_000}"), ""),
        (UNIT + f"x = {'{a=' * 5000}", ""),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(IrqframeError) as caught:
        written(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'my.toml'}: {key}")
    assert len(message.removeprefix(str(tmp_path))) < 300
    assert "\n" not in message


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"unit = '\xff'", "byte 8 is no UTF-8"), (b"#" * ((1 << 20) + 1), "it has more than 1048576 bytes")],
)
def test_what_is_no_text(tmp_path: Path, data: bytes, why: str) -> None:
    with pytest.raises(IrqframeError) as caught:
        written(tmp_path, data)
    assert str(caught.value) == f"{tmp_path / 'my.toml'}: {why}"


@pytest.mark.parametrize(("name", "why"), [("none.toml", "No such file"), (".", "Is a directory"), ("a\0b", "null")])
def test_what_cannot_be_read(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(IrqframeError, match=why):
        read_costs(tmp_path / name)
