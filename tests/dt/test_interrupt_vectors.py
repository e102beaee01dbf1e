"""The published test vectors of the interrupt tree, against what they say and against what Linux's code answered."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from irqframe.dt import Tree, cpus, interrupts, intx_routes, load, msi_ranges, msi_routes
from irqframe.errors import Finding

DATA = Path(__file__).parent / "data" / "interrupt-tree"
NAMES = sorted(path.stem for path in DATA.glob("*.dts"))
KEYS = ["interrupts", "rows", "pins", "messages", "msi_parents", "msi_ranges", "cpus", "faults"]

Answer = tuple[str, str, int]


def vector(name: str) -> dict[str, Any]:
    made = json.loads((DATA / f"{name}.json").read_text())
    return {**{key: [] for key in [*KEYS, "departs"]}, **made}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def tree_of(name: str) -> Tree:
    return load(str(DATA / f"{name}.dts"))


def requests(said: dict[str, Any]) -> list[tuple[str, int]]:
    """The requester IDs that Linux was asked about."""
    return [(line.split()[1], int(line.split()[2])) for line in said["linux"] if line.startswith("msi ")]


def messages(tree: Tree, asked: list[tuple[str, int]]) -> Iterator[list[Any]]:
    routes, _ = msi_routes(tree)
    for path, rid in asked:
        for route in routes:
            offset = (rid & route.mask) - route.rid_base
            if route.node.path == path and 0 <= offset < route.length:
                yield [path, rid, route.controller.path, offset + route.msi_base]
                break


def faults(tree: Tree, said: dict[str, Any]) -> list[dict[str, Any]]:
    found: tuple[Finding, ...] = (*interrupts(tree)[1], *intx_routes(tree)[1], *msi_routes(tree)[1])
    found += msi_ranges(tree)[1] + (cpus(tree)[1] if said["cpus"] else ())
    return sorted(({"code": one.code, "line": one.span.line} for one in found), key=lambda one: one["line"])


def test_a_vector_resolves_as_it_says(name: str) -> None:
    said, tree = vector(name), tree_of(name)
    refs, _ = interrupts(tree)
    devices = [ref for ref in refs if not ref.unit]
    rows = [ref for ref in refs if ref.unit]
    routes, _ = msi_routes(tree)
    found = {
        "interrupts": [[r.node.path, r.index, r.controller.path, list(r.specifier)] for r in devices],
        "rows": [[r.node.path, r.index, r.controller.path, list(r.specifier)] for r in rows],
        "pins": [[r.node.path, r.pin, r.controller.path, list(r.specifier)] for r in intx_routes(tree)[0]],
        "messages": list(messages(tree, requests(said))),
        "msi_parents": [
            [r.node.path, r.controller.path, list(r.specifier)] for r in routes if not r.node.has("msi-map")
        ],
        "msi_ranges": [[r.node.path, r.controller.path, list(r.first), r.length] for r in msi_ranges(tree)[0]],
        "cpus": [[c.node.path, c.mpidr] for c in cpus(tree)[0]],
        "faults": faults(tree, said),
    }
    assert found == {key: said[key] for key in KEYS}


def test_linux_answers_the_same(name: str) -> None:
    said, tree = vector(name), tree_of(name)
    expected: dict[Answer, tuple[str, list[int]]] = {}
    for kind, key in (("irq", "interrupts"), ("pin", "pins")):
        expected |= {(kind, path, index): (to, cells) for path, index, to, cells in said[key]}
    expected |= {("msi", path, rid): (to, [base]) for path, rid, to, base in said["messages"]}
    answered: dict[Answer, tuple[str, list[int]]] = {}
    for line in said["linux"]:
        kind, path, index, verdict, *rest = line.split()
        if verdict == "ok" and not (kind == "pin" and states_its_pin(tree, path)):
            answered[kind, path, int(index)] = (rest[0], [int(cell) for cell in rest[1:]])
    differ = {key[1:] for key in expected.keys() | answered.keys() if expected.get(key) != answered.get(key)}
    assert said["linux"] or name == "map-circle" or not expected
    assert differ == {tuple(one) for one in said["departs"]}


def states_its_pin(tree: Tree, path: str) -> bool:
    node = tree.node(path)
    return node is not None and node.has("interrupts")


def test_each_vector_has_its_tree_and_its_reasons(name: str) -> None:
    said = json.loads((DATA / f"{name}.json").read_text())
    text = (DATA / f"{name}.dts").read_text()
    assert said["title"] in " ".join(text.partition("*/")[0].replace(" *", "").split())
    assert said["cites"]
    assert set(said) <= {"title", "cites", "linux", "departs", *KEYS}
    assert len(list(DATA.glob("*.json"))) == len(NAMES)


def test_dtc_takes_every_vector(name: str, tmp_path: Path) -> None:
    if shutil.which("dtc") is None:
        pytest.skip("dtc is not installed")
    out = tmp_path / "t.dtb"
    subprocess.run(["dtc", "-q", "-O", "dtb", "-o", out, DATA / f"{name}.dts"], check=True)
    tree, own = load(str(out)), tree_of(name)
    assert [ref.specifier for ref in interrupts(tree)[0]] == [ref.specifier for ref in interrupts(own)[0]]
