"""What is done to schemas for speed changes no verdict: gates, our own keywords, and what is worked out ahead."""

from __future__ import annotations

import copy
import gzip
import json
import random
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft201909Validator, validators

from irqframe.dt import document_findings, load_bindings, machine_bindings, read_dtb, validate
from irqframe.dt._binding_file import parse_document
from irqframe.dt._instance import instances
from irqframe.dt._name_patterns import NamePatterns
from irqframe.dt._property_types import PropertyTypes
from irqframe.dt._schema_fixups import prepared
from irqframe.dt._schema_shape import is_plainly_a_schema
from irqframe.dt._select_gate import Gates, gate_of
from irqframe.dt._shipped import all_prepared, core_schemas
from irqframe.errors import InputError

DATA = Path(__file__).parent / "data"
LINUX = DATA / "linux-bindings"

Schema = dict[str, Any]


def documents() -> list[tuple[str, str]]:
    linux = [(str(path), path.read_text()) for path in sorted(LINUX.rglob("*.yaml"))]
    return [*machine_bindings(), *core_schemas(), *linux]


@pytest.fixture(scope="module")
def schemas() -> list[Schema]:
    return [prepared(parse_document(name, text).content) for name, text in documents()]


@pytest.fixture(scope="module")
def values(schemas: list[Schema]) -> list[Schema]:
    """The values of all nodes of two machines, and of nodes that have less."""
    types = PropertyTypes(schemas)
    chance = random.Random(3)
    found = []
    for name in ("virt-gicv2", "virt-gicv3"):
        tree = read_dtb(gzip.decompress((DATA / f"{name}.dtb.gz").read_bytes()), "t")
        made = instances(tree, types)
        found += [made.of(node) for node in tree.walk()]
    for value in list(found):
        for _ in range(3):
            kept = {name: item for name, item in value.items() if name == "$nodename" or chance.random() < 0.6}
            kept["$nodename"] = [chance.choice(["isa@0", "spi", "cpus", "/", "node", *value["$nodename"]])]
            found.append(kept)
    return found


def test_what_is_worked_out_ahead_is_up_to_date() -> None:
    stored = json.loads((resources.files("irqframe.bindings") / "prepared.json").read_bytes())
    assert stored == all_prepared(), "run `make prepared`"


def test_all_core_schemas_are_shipped() -> None:
    dtschema = pytest.importorskip("dtschema", reason="dtschema is not installed")
    folder = Path(dtschema.__file__).parent / "schemas"
    assert {f"schemas/{path.relative_to(folder)}" for path in folder.rglob("*.yaml")} == set(dict(core_schemas()))


def with_types(schema: Schema) -> Any:
    """The library's validator with dt-schema's keyword, and nothing of ours; what is referred to accepts everything."""
    from referencing import Registry
    from referencing.jsonschema import DRAFT201909

    registry: Any = Registry(retrieve=lambda _: DRAFT201909.create_resource(True))  # type: ignore[call-arg]
    make: Any = validators.extend(Draft201909Validator, {"typeSize": lambda *_: iter(())})
    return make(schema, registry=registry)


def test_a_gate_turns_away_nothing_that_matters(schemas: list[Schema], values: list[Schema]) -> None:
    turned_away = 0
    selecting = [schema for schema in schemas if schema.get("select") not in (None, False)]
    for schema in selecting:
        gates = Gates({"it": gate_of(schema)})
        select, whole = with_types({"$id": "x", "allOf": [schema["select"]]}), with_types(schema)
        for value in values:
            names = value.get("compatible", [])
            if list(gates.admitting(value, set(names))):
                continue
            turned_away += 1
            assert not select.is_valid(value) or whole.is_valid(value), (schema["$id"], value)
    assert len(selecting) > 50
    assert turned_away > 5000


GATES = (
    ({"select": True}, {"a": 1}, False),
    ({"select": {"required": ["a", "b"]}}, {"a": 1}, False),
    ({"select": {"required": ["a", "b"]}, "required": ["c"]}, {"a": 1, "b": 1}, True),
    ({"select": {"properties": {"compatible": {"contains": {"enum": ["x", "y"]}}}}, "required": ["c"]}, {}, True),
    (
        {"select": {"required": ["compatible"], "properties": {"compatible": {"contains": {"const": "x"}}}}},
        {"compatible": ["y"]},
        False,
    ),
    ({"select": True, "properties": {"a": {}}, "patternProperties": {"^b": {}}}, {"c": 1}, False),
    ({"select": True, "properties": {"a": {}}, "patternProperties": {"^b": {}}}, {"bc": 1}, True),
    ({"select": True, "properties": {"a": {}}, "required": ["a"]}, {"c": 1}, True),
    ({"select": True, "properties": {"$nodename": {}}}, {"c": 1}, True),
    ({"select": True, "allOf": [{"properties": {"a": {}}}]}, {"c": 1}, False),
    ({"select": True, "allOf": [{"not": {"properties": {"a": {}}}}]}, {"c": 1}, True),
    ({"select": True, "dependentRequired": {"a": ["b"]}}, {"b": 1}, False),
)


@pytest.mark.parametrize(("schema", "value", "admitted"), GATES)
def test_gates(schema: Schema, value: Schema, admitted: bool) -> None:
    gates = Gates({"it": gate_of(schema)})
    compatible = set(value.get("compatible", ()))
    assert bool(list(gates.admitting({"$nodename": ["n"], **value}, compatible))) == admitted


NAMES = ["a,b", "ab", "a", "xa,b", "a,", "vdd-supply", "supply", "-supply", "a.b", "", "pinctrl-0", "a|b"]
PATTERNS = ["^a,.*", "^a.*", "-supply$", "^a\\.b$", "^pinctrl-[0-9]+$", "^(a|x).*", "^a|b.*", ".*,.*", "^a$.*"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_name_patterns(pattern: str) -> None:
    import re

    several = NamePatterns([pattern, "^nothing,.*", "^nobody$"])
    for name in NAMES:
        assert several.match(name) == (re.search(pattern, name) is not None), name


def test_keywords_of_our_own_find_the_same(values: list[Schema]) -> None:
    """Against the library's: how many errors, and where."""
    from irqframe.dt._schema_registry import SchemaRegistry

    by_id = {schema["$id"]: schema for schema in map(prepared, contents())}
    registry = SchemaRegistry(by_id.get)

    def retrieve(name: str) -> Any:
        from referencing.jsonschema import DRAFT201909

        return DRAFT201909.create_resource(by_id[name])

    from referencing import Registry

    theirs: Any = Registry(retrieve=retrieve)  # type: ignore[call-arg]
    make: Any = validators.extend(Draft201909Validator, {"typeSize": lambda *_: iter(())})
    compared = 0
    for name in [name for name in by_id if "types.yaml" not in name][::3]:
        stock = make(by_id[name], registry=theirs)
        for value in values[::7]:
            mine = registry.errors(name, "", value)
            others = [error for error in stock.iter_errors(value) if error.validator != "typeSize"]
            ours = [error for error in mine if error.validator != "typeSize"]
            assert sorted(map(places, ours)) == sorted(map(places, others)), (name, value)
            compared += len(mine)
    assert registry.broken == {}
    assert compared > 1000


def contents() -> Iterator[Schema]:
    for name, text in documents():
        yield parse_document(name, text).content


def places(error: Any) -> tuple[str, ...]:
    return (str(tuple(error.absolute_path)), str(error.validator), str(tuple(error.absolute_schema_path)))


VALUES: tuple[Any, ...] = (
    True, False, None, 0, -1, 1.5, "x", "object", [], {}, [1], ["a"], ["a", "a"], [{}], [True], {"a": 1}, {"a": ["b"]},
    {"a": {}}, {"$ref": "#"}, {"$ref": "#/nope"}, {"$ref": 1}, "http://[bad", {"items": []}, {"oneOf": [True]},
    {"const": []}, {"enum": []}, {"pattern": "a"}, {"minItems": -1}, {"required": [[1]]}, {"$recursiveRef": "#"},
    {"$recursiveRef": "y"}, {"$id": "http://x/y", "$ref": "z"}, {"oneOf": [{"const": 1}, {"const": "a", "x": 1}]},
)  # fmt: skip
KEYS = (
    "$ref", "oneOf", "anyOf", "allOf", "items", "select", "if", "then", "else", "properties", "patternProperties",
    "dependencies", "dependentRequired", "required", "const", "enum", "minItems", "additionalProperties", "interrupts",
    "unevaluatedProperties", "reg", "$nodename", "compatible", "type", "not", "contains", "definitions", "$anchor",
)  # fmt: skip


def slots(value: Any) -> Iterator[tuple[Any, Any]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in steps:
        yield value, step
        yield from slots(item)


def spoilt(chance: random.Random, content: Schema) -> Schema:
    made = copy.deepcopy(content)
    for _ in range(chance.randint(1, 3)):
        holder, step = chance.choice(list(slots(made)))
        if chance.random() < 0.5:
            holder[step] = copy.deepcopy(chance.choice(VALUES))
        elif isinstance(holder, dict):
            holder[chance.choice(KEYS)] = copy.deepcopy(chance.choice(VALUES))
    return made


def test_what_is_plainly_a_schema_is_one() -> None:
    chance = random.Random(4)
    meta = copy.deepcopy(dict(Draft201909Validator.META_SCHEMA))
    meta["properties"]["select"] = {"$recursiveRef": "#"}
    judge = Draft201909Validator(meta)
    originals = [{key: item for key, item in each.items() if key not in ("$id", "$schema")} for each in contents()]
    assert all(is_plainly_a_schema(each) for each in originals)
    refused = 0
    for _ in range(1500):
        made = spoilt(chance, chance.choice(originals[:30]))
        if is_plainly_a_schema(made):
            assert judge.is_valid(made), made
        else:
            refused += 1
    assert 100 < refused < 1400


def test_any_document_ends_in_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRQFRAME_CACHE_DIR", "")
    chance = random.Random(5)
    originals = [(name, {**parse_document(name, text).content, "examples": []}) for name, text in machine_bindings()]
    tree = read_dtb(gzip.decompress((DATA / "virt-gicv2.dtb.gz").read_bytes()), "t")
    for node in [node for node in tree.walk() if node.compatible == ("virtio,mmio",)][1:]:
        del tree.root.children[node.name]
    accepted = 0
    for _ in range(250):
        name, content = chance.choice(originals)
        try:
            bindings = load_bindings([(name, json.dumps(spoilt(chance, content)))])
        except InputError:
            continue
        accepted += 1
        validate(tree, bindings)
        document_findings(tree, bindings)
    assert accepted > 20
