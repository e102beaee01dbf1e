"""Binding documents: reading them, which apply to a node, and the ones that irqframe ships."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from irqframe.dt import CODES, Node, load_bindings, machine_bindings, parse_dts
from irqframe.errors import InputError

ROOT = Path(__file__).parents[2]

GOOD = """\
%YAML 1.2
---
$id: http://devicetree.org/schemas/test/good.yaml#
$schema: http://devicetree.org/meta-schemas/core.yaml#
title: A device
maintainers: [nobody <nobody@example.org>]
properties:
  compatible:
    const: test,good
  reg:
    maxItems: 1
additionalProperties: false
"""

BAD = (
    ("a tab", "a:\n\t- b\n", "E0510", (2, 1)),
    ("an open list", "a: [1, 2\nb: 3\n", "E0510", (2, 2)),
    ("a key twice", "a: 1\na: 2\n", "E0510", (2, 1)),
    ("a date", GOOD.replace("A device", "2020-01-01"), "E0510", (0, 0)),
    ("a number as a key", "1: 2\n", "E0510", (0, 0)),
    ("aliases that grow", "a: &a [1,2,3,4,5,6,7,8,9]\n" + "".join(
        f"{x}: &{x} [{', '.join(f'*{y}' for _ in range(9))}]\n" for y, x in zip("abcdefgh", "bcdefghi", strict=True)
    ), "E0510", (0, 0)),
    ("nested without end", "a: " + "[" * 5000, "E0510", None),
    ("a list", "- a\n", "E0511", (0, 0)),
    ("nothing", "", "E0511", (0, 0)),
    ("no $id", GOOD.replace("$id:", "id:"), "E0511", (0, 0)),
    ("an $id that is none", GOOD.replace("http://devicetree.org/schemas/test/good.yaml#", "good"), "E0511", (3, 1)),
    ("another dialect", GOOD.replace("meta-schemas/core", "meta-schemas/toast"), "E0511", (4, 1)),
    ("a pattern that is none", GOOD.replace("const: test,good", "pattern: '(['"), "E0511", (9, 5)),
    ("a name that is no pattern", GOOD + "patternProperties:\n  '*':\n    type: object\n", "E0511", (14, 3)),
    ("a schema that is none", GOOD.replace("maxItems: 1", "maxItems: many"), "E0511", (11, 5)),
    ("a $ref to nowhere", GOOD.replace("maxItems: 1", "$ref: other.yaml#"), "E0512", (11, 5)),
    ("a $ref to no such part", GOOD.replace("maxItems: 1", "$ref: types.yaml#/definitions/x"), "E0512", (11, 5)),
)  # fmt: skip


@pytest.mark.parametrize(("text", "code", "place"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_documents(text: str, code: str, place: tuple[int, int] | None) -> None:
    with pytest.raises(InputError) as raised:
        load_bindings([("t.yaml", text)])
    (finding,) = raised.value.findings
    assert finding.code == code
    assert code in CODES
    assert finding.span.file == "t.yaml"
    assert place is None or (finding.span.line, finding.span.column) == place


def test_all_documents_are_reported_together() -> None:
    with pytest.raises(InputError) as raised:
        load_bindings([("a.yaml", "- a"), ("b.yaml", "\t"), ("c.yaml", GOOD)])
    assert [(finding.span.file, finding.code) for finding in raised.value.findings] == [
        ("a.yaml", "E0511"),
        ("b.yaml", "E0510"),
    ]


def test_two_documents_of_one_id() -> None:
    with pytest.raises(InputError) as raised:
        load_bindings([("a.yaml", GOOD), ("b.yaml", GOOD)])
    (finding,) = raised.value.findings
    assert (finding.code, finding.message, finding.span.line) == ("E0513", "the `$id` is that of a.yaml already", 3)


def test_a_document_takes_the_place_of_a_core_schema() -> None:
    core = resources.files("irqframe.bindings") / "schemas" / "memory.yaml"
    bindings = load_bindings([("mine.yaml", core.read_text().replace("/memory nodes", "Mine"))])
    assert [binding.name for binding in bindings.bindings if binding.id.endswith("/memory.yaml")] == ["mine.yaml"]


NAMED = GOOD.replace("good", "named").replace("compatible:\n    const: test,named", "$nodename:\n    pattern: '^name@'")
SELECTED = GOOD.replace("good", "selected") + (
    "select:\n  properties:\n    compatible:\n      contains: {const: 'test,shared'}\n  required: [compatible]\n"
)
PAIR = GOOD.replace("const: test,good", "enum: [test,pair, simple-bus]").replace("good", "pair")

SELECTIONS = (
    ("the compatible", 'compatible = "test,good";', ["good"]),
    ("the first known compatible", 'compatible = "test,unknown", "test,good", "test,pair";', ["good"]),
    ("a select", 'compatible = "test,other", "test,shared";', ["selected"]),
    ("a select beside the compatible", 'compatible = "test,good", "test,shared";', ["good", "selected"]),
    ("a compatible that selects nothing", 'compatible = "simple-bus";', []),
    ("nothing known", 'compatible = "test,unknown";', []),
    ("no strings", "compatible = <1>;", []),
)


def first_node(text: str) -> Node:
    return next(iter(parse_dts(text, "t.dts").root.children.values()))


@pytest.mark.parametrize(("body", "expected"), [case[1:] for case in SELECTIONS], ids=[case[0] for case in SELECTIONS])
def test_selection(body: str, expected: list[str]) -> None:
    documents = {"good": GOOD, "named": NAMED, "selected": SELECTED, "pair": PAIR}
    bindings = load_bindings(documents.items())
    selected = bindings.select(first_node(f"/dts-v1/; / {{ node {{ {body} }}; }};"))
    assert [binding.name for binding in selected if not binding.for_all_nodes] == expected
    # The core schemas for all nodes come along, and never alone.
    assert any(binding.for_all_nodes for binding in selected) == bool(expected)


def test_selection_by_name() -> None:
    bindings = load_bindings([("named", NAMED)])
    selected = bindings.select(first_node("/dts-v1/; / { name@1 { }; };"))
    assert [binding.name for binding in selected if not binding.for_all_nodes] == ["named"]


def shipped() -> list[tuple[str, str]]:
    plugins = sorted(ROOT.glob("plugins/*/irqframe_*/bindings/*.yaml"))
    return [*machine_bindings(), *((path.name, path.read_text()) for path in plugins)]


def test_what_is_shipped() -> None:
    names = {name for name, _ in shipped()}
    assert {"arm,rvic.yaml", "arm,rvid.yaml", "arm,gic.yaml", "timer/arm,arch_timer.yaml", "arm/cpus.yaml"} <= names
    assert not any(name.startswith("schemas/") for name in names)
    # A `$ref` that leads nowhere would be refused here.
    load_bindings(shipped())


@pytest.mark.parametrize("name", [name for name, _ in shipped()])
def test_the_head_of_a_document(name: str) -> None:
    text = dict(shipped())[name]
    assert text.startswith("# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)\n%YAML 1.2\n---\n$id: ")
    place = name if "/" in name else f"interrupt-controller/{name}"
    assert f"$id: http://devicetree.org/schemas/{place}#\n" in text
    for key in ("title", "maintainers", "examples"):
        assert re.search(f"^{key}:", text, re.MULTILINE)


def test_the_core_schemas_are_those_of_dtschema() -> None:
    dtschema = pytest.importorskip("dtschema", reason="dtschema is not installed")
    installed = Path(dtschema.__file__).parent / "schemas"
    folder = ROOT / "bindings" / "schemas"
    for path in folder.rglob("*.yaml"):
        assert path.read_bytes() == (installed / path.relative_to(folder)).read_bytes(), path.name


def test_licences_are_shipped() -> None:
    package = resources.files("irqframe.bindings")
    assert "GNU GENERAL PUBLIC LICENSE" in (package / "LICENSE.GPL-2.0").read_text()
    for name in ("LICENSE.BSD-2-Clause", "schemas/LICENSE.BSD-2-Clause"):
        assert "Redistributions in binary form" in package.joinpath(name).read_text()


def test_every_package_is_in_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found = {str(path.parent.relative_to(ROOT)).replace("/", ".") for path in ROOT.glob("irqframe/**/__init__.py")}
    assert found <= set(project["tool"]["setuptools"]["packages"])
