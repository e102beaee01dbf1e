"""dt-validate as a witness: on a corpus of trees, valid and changed in one place, we complain of the same nodes.

Its verdicts are recorded, see agreement/record.py; some are asked for anew, all with IRQFRAME_LIVE_WITNESS set.
What differs on purpose:

1. That a property is not of the right type, of which no schema gives the type, is no fault of the tree to us. It is a
   warning (W0518), as it may be misspelt. Where schemas give it one number and many, dtschema takes either by chance.
2. Where none of some alternatives fits, dt-validate complains of the node that has the alternatives, and we of what is
   wrong in the closest one, which can be further down.
3. Lists of addresses that do not divide into rows are a fault (E0508), which no schema can tell.
4. What the interrupt tree reports (E04xx), a list that does not divide for example, is not reported again.
5. A `compatible` that is no strings is said to be that, and no binding is applied. For dt-validate it fits each binding
   whose `select` wants one of its strings to be this or that, and so its children may be wrong too.
6. An unknown child is reported there, and by dt-validate at its parent.
"""

from __future__ import annotations

import json
import os
import runpy
import shutil
from collections import defaultdict
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from irqframe.dt import BindingSet, interrupts, load_bindings, read_binding_folders, read_dtb, validate

pytest.importorskip("dtschema", reason="dtschema is not installed")

HERE = Path(__file__).parent / "agreement"
RECORD: Any = runpy.run_path(str(HERE / "record.py"), run_name="record")
OR_BELOW: str = RECORD["OR_BELOW"]

LIVE = "IRQFRAME_LIVE_WITNESS"
LINUX = "IRQFRAME_LINUX_BINDINGS"

# One case in so many is checked with dt-validate itself.
SAMPLE = 29

CORPUS = list(RECORD["cases"].cases())


def by_source() -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for case in CORPUS:
        found[case.name.partition(": ")[0]].append(case)
    return found


@pytest.fixture(scope="module")
def recorded() -> dict[str, list[Any]]:
    stored: dict[str, list[Any]] = json.loads(RECORD["VERDICTS"].read_text())
    return stored


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made: dict[str, Path] = RECORD["folders"](tmp_path_factory.mktemp("bindings"))
    return made


@pytest.fixture(scope="module")
def bindings(folders: dict[str, Path]) -> dict[str, BindingSet]:
    return {name: load_bindings([], read_binding_folders([folder])) for name, folder in folders.items()}


def difference(data: bytes, bindings: BindingSet, theirs: list[str]) -> tuple[set[str], set[str]]:
    """The nodes that only we complain of, and only they, by the rules above."""
    tree = read_dtb(data, "t")
    mine: dict[str, set[str]] = defaultdict(set)
    for finding in validate(tree, bindings):
        path = finding.path
        if finding.code == "E0505" and finding.message.startswith(f"{path} is not known"):
            path = path.rpartition("/")[0] or "/"
        if finding.is_error:
            mine[path].add(finding.code)
    exact = {path for path in theirs if not path.endswith(OR_BELOW)}
    above = {path.removesuffix(OR_BELOW) for path in theirs} - exact
    matched = {path for path in mine if any(path == top or path.startswith(f"{top}/") for top in above)}
    theirs_only = exact - mine.keys()
    theirs_only |= {top for top in above if not any(path == top or path.startswith(f"{top}/") for path in mine)}
    theirs_only -= {finding.path for finding in interrupts(tree)[1]}
    nameless = tuple(f"{node.path}/" for node in tree.walk() if node.has("compatible") and not node.compatible)
    theirs_only = {path for path in theirs_only if not path.startswith(nameless)}
    mine_only = {path for path, codes in mine.items() if codes != {"E0508"}} - exact - matched
    return mine_only, theirs_only


def test_the_corpus_is_large_enough(recorded: dict[str, list[Any]]) -> None:
    verdicts = [verdict for _, verdict in recorded.values() if verdict is not None]
    assert len(verdicts) > 1000
    assert sum(not verdict for verdict in verdicts) > 300
    assert sum(bool(verdict) for verdict in verdicts) > 300
    assert len(recorded) - len(verdicts) < len(recorded) / 10
    assert metadata.version("dtschema") == RECORD["WITNESS"]


def test_the_sources_are_valid(recorded: dict[str, list[Any]]) -> None:
    verdicts = [recorded[source][1] for source in by_source()]
    assert len(verdicts) > 60
    # Linux's examples were not all written for today's core schemas.
    assert sum(verdict != [] for verdict in verdicts) < len(verdicts) / 8


@pytest.mark.parametrize("source", by_source())
def test_same_verdict(source: str, recorded: dict[str, list[Any]], bindings: dict[str, BindingSet]) -> None:
    differing = {}
    for case in by_source()[source]:
        checksum, theirs = recorded[case.name]
        assert checksum == RECORD["checksum"](case), f"{case.name}: run tests/dt/agreement/record.py"
        if theirs is None:
            continue
        found = difference(case.data, bindings[case.bindings], theirs)
        if any(found):
            differing[case.name] = found
    assert differing == {}


@pytest.mark.parametrize("name", ["ours", "linux"])
def test_the_record_is_true(name: str, folders: dict[str, Path], recorded: dict[str, list[Any]]) -> None:
    corpus = [case for case in CORPUS if case.bindings == name and recorded[case.name][1] is not None]
    asked = corpus if LIVE in os.environ else corpus[::SAMPLE]
    assert RECORD["witnessed"](folders[name], asked) == {case.name: recorded[case.name][1] for case in asked}


def test_all_of_linuxs_interrupt_controllers(tmp_path: Path) -> None:
    """With the documents that may not be shipped, too."""
    if LINUX not in os.environ:
        pytest.skip(f"{LINUX} does not name a folder of Linux's bindings")
    root = Path(os.environ[LINUX])
    for name in ("interrupt-controller", "arm/keystone"):
        shutil.copytree(root / name, tmp_path / name, ignore=shutil.ignore_patterns("*.txt"))
    documents = [(str(path), path.read_text()) for path in sorted((tmp_path / "interrupt-controller").glob("*.yaml"))]
    corpus = list(RECORD["cases"].cases_of_examples("linux", documents))
    verdicts = RECORD["witnessed"](tmp_path, corpus)
    bindings = load_bindings([], read_binding_folders([tmp_path]))
    assert len(documents) > 40
    assert len(corpus) > 300
    differing = {}
    for case in corpus:
        if verdicts[case.name] is not None and any(found := difference(case.data, bindings, verdicts[case.name])):
            differing[case.name] = found
    assert differing == {}
