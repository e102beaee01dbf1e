"""Folders of binding documents: what counts, what is left out, and what is kept between runs."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from irqframe.dt import (
    CODES,
    BindingFolders,
    document_findings,
    load_bindings,
    parse_dts,
    read_binding_folders,
    validate,
)
from irqframe.errors import Finding, InputError

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
  test,limit:
    $ref: /schemas/types.yaml#/definitions/uint32
    maximum: 4
required: [test,limit]
additionalProperties: false
"""
OTHER = GOOD.replace("good", "other")
TREE = '/dts-v1/; / { n { compatible = "test,good"; test,limit = <5>; }; o { compatible = "test,other"; }; };'

Folder = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IRQFRAME_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Makes a folder of documents, written so long ago that they are not read again."""

    def make(name: str = "bindings", **texts: str) -> Path:
        for file, text in texts.items():
            path = tmp_path / name / "test" / f"{file}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            settle(path)
        return tmp_path / name

    return make


def settle(path: Path) -> None:
    long_ago = time.time_ns() - 60 * 10**9
    os.utime(path, ns=(long_ago, long_ago))


def findings(*folders: Path, tree: str = TREE) -> list[Finding]:
    read = parse_dts(tree, "t.dts")
    bindings = load_bindings([], read_binding_folders(folders))
    return [*validate(read, bindings), *document_findings(read, bindings)]


def codes(found: list[Finding]) -> list[tuple[str, str]]:
    assert all(finding.code in CODES for finding in found)
    return [(finding.code, finding.path) for finding in found if finding.code != "E0501" or finding.path != "/"]


class Counted:
    """A progress that keeps how many documents were read."""

    total = 0

    def __call__(self, done: int, total: int) -> None:
        assert 0 < done <= total
        self.total = total


def read(folder: Path) -> int:
    counted = Counted()
    read_binding_folders([folder], counted)
    return counted.total


def test_a_tree_is_checked_with_a_folder(folder: Folder) -> None:
    found = findings(folder(good=GOOD))
    assert ("E0503", "/n") in codes(found)
    (limit,) = [finding for finding in found if finding.code == "E0503"]
    assert (limit.span.line, limit.span.column, limit.expected, limit.found) == (1, 59, "at most 4", "5")
    assert limit.hint.endswith("bindings/test/good.yaml")


def test_what_the_user_names_counts_first(folder: Folder) -> None:
    lax = GOOD.replace("maximum: 4", "maximum: 9")
    mine, other = folder("mine", good=lax), folder("other", good=GOOD)
    assert ("E0503", "/n") not in codes(findings(mine, other))
    assert ("E0503", "/n") in codes(findings(other, mine))
    read = parse_dts(TREE, "t.dts")
    ours = load_bindings([("ours.yaml", GOOD)], read_binding_folders([mine]))
    assert not [finding for finding in validate(read, ours) if finding.code == "E0503"]


def test_of_two_documents_for_one_compatible_that_of_the_user_counts(folder: Folder) -> None:
    ours = GOOD.replace("schemas/test/good", "schemas/test/ours")
    lax = folder(good=GOOD.replace("maximum: 4", "maximum: 9"))
    bindings = load_bindings([("ours.yaml", ours)], read_binding_folders([lax]))
    read = parse_dts(TREE, "t.dts")
    assert not [finding for finding in validate(read, bindings) if finding.code == "E0503"]
    assert [finding for finding in validate(read, load_bindings([("ours.yaml", ours)])) if finding.code == "E0503"]


def test_a_reference_from_one_folder_to_another(folder: Folder) -> None:
    using = OTHER.replace("$ref: /schemas/types.yaml#/definitions/uint32", "$ref: good.yaml#/properties/test,limit")
    tree = '/dts-v1/; / { o { compatible = "test,other"; test,limit = <5>; }; };'
    found = findings(folder("a", other=using), folder("b", good=GOOD), tree=tree)
    assert ("E0503", "/o") in codes(found)


LEFT_OUT = (
    ("no YAML", "a: [1\nb: 2", "E0510"),
    ("no binding", "just: text", "E0511"),
    ("no schema", GOOD.replace("maximum: 4", "maximum: four"), "E0511"),
)


@pytest.mark.parametrize(("text", "code"), [case[1:] for case in LEFT_OUT], ids=[case[0] for case in LEFT_OUT])
def test_a_document_that_cannot_be_used_is_left_out(text: str, code: str, folder: Folder) -> None:
    text = text.replace("good", "third")
    found = findings(folder(good=GOOD, broken=text), tree=TREE.replace("test,other", "test,good"))
    (warning,) = [finding for finding in found if finding.code == "W0515"]
    assert not warning.is_error
    assert warning.message == "1 document of the folder cannot be used"
    assert "broken.yaml" in warning.found
    assert ("E0503", "/n") in codes(found)


@pytest.mark.parametrize("text", ["# for test,other\na: [1\nb: 2", OTHER.replace("maximum: 4", "maximum: four")])
def test_a_document_that_the_tree_needs_must_be_usable(text: str, folder: Folder) -> None:
    found = findings(folder(good=GOOD, other=text))
    (error,) = [finding for finding in found if finding.code in ("E0510", "E0511")]
    assert error.is_error
    assert error.span.file.endswith("test/other.yaml")
    assert error.span.line > 0


def test_an_identity_twice(folder: Folder) -> None:
    found = findings(folder(a=GOOD, b=GOOD.replace("maximum: 4", "maximum: 9")))
    (warning,) = [finding for finding in found if finding.code == "W0515"]
    assert "b.yaml:3:1: the `$id` is that of" in warning.found
    assert ("E0503", "/n") in codes(found)


def test_a_reference_to_nowhere_is_told_where_it_matters(folder: Folder) -> None:
    broken = OTHER.replace("definitions/uint32", "definitions/uint33")
    place = folder(good=GOOD, other=broken)
    (warning,) = [finding for finding in findings(place) if finding.code == "W0516"]
    assert (warning.span.line, "uint33" in warning.message) == (11, True)
    assert not [f for f in findings(place, tree=TREE.replace("test,other", "test,good")) if f.code == "W0516"]


ENDLESS = (
    ("to itself", "allOf:\n  - $ref: '#'\n"),
    ("to itself below a node", "properties:\n  n:\n    type: object\n    anyOf: [{$ref: '#/properties/n'}, {}]\n"),
    ("in branches", "allOf: [{$ref: '#/$defs/a0'}]\n$defs:\n"
     + "".join(f"  a{n}: {{allOf: [{{$ref: '#/$defs/a{n + 1}'}}, {{$ref: '#/$defs/a{n + 1}'}}]}}\n" for n in range(40))
     + "  a40: {}\n"),
    ("in branches that go down", "patternProperties: {'^c': {$ref: '#/$defs/n'}}\n"
     "$defs:\n  n:\n    type: object\n    allOf:\n"
     + "      - patternProperties: {'^c': {$ref: '#/$defs/n'}}\n" * 4),
    ("by another keyword", "$recursiveRef: '#/nowhere'\n"),
)  # fmt: skip


@pytest.mark.parametrize("more", [case[1] for case in ENDLESS], ids=[case[0] for case in ENDLESS])
def test_documents_without_an_end(more: str, folder: Folder) -> None:
    text = GOOD.partition("properties:")[0] + "select:\n  required: [start]\n" + more
    deep = "c { " * 14 + "};" * 14
    tree = f"/dts-v1/; / {{ n {{ start; n {{ }}; {deep} }}; }};"
    began = time.process_time()
    found = findings(folder(good=text), tree=tree)
    assert time.process_time() - began < 20
    (warning,) = [finding for finding in found if finding.code == "W0517"]
    assert warning.span.file.endswith("good.yaml")


def test_a_property_that_no_binding_knows(folder: Folder) -> None:
    tree = '/dts-v1/; / { a { wobble = <1>; }; b { compatible = "test,good"; test,limit = <1>; wobble = <2>; }; };'
    found = findings(folder(good=GOOD), tree=tree)
    (warning,) = [finding for finding in found if finding.code == "W0518"]
    assert (warning.path, warning.found) == ("/a", "in 2 nodes")
    assert ("E0505", "/b") in codes(found)


def test_a_disabled_node_may_have_what_is_left_over(folder: Folder) -> None:
    place = folder(good=GOOD.replace("additionalProperties", "unevaluatedProperties"))
    tree = '/dts-v1/; / { n { compatible = "test,good"; test,limit = <1>; model = "m"; status = "okay"; }; };'
    assert ("E0505", "/n") in codes(findings(place, tree=tree))
    assert ("E0505", "/n") not in codes(findings(place, tree=tree.replace("okay", "disabled")))


def test_core_schemas_are_for_all_nodes_then(folder: Folder) -> None:
    tree = '/dts-v1/; / { a { compatible = "no,body"; status = <1>; }; };'
    assert ("E0502", "/a") in codes(findings(folder(good=GOOD), tree=tree))
    assert validate(parse_dts(tree, "t.dts"), load_bindings([])) == ()


# Folders that are none


def test_no_folder(tmp_path: Path, folder: Folder) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text(GOOD)
    names = ["missing", "file", "empty", "text", "a\0b"]
    with pytest.raises(InputError) as raised:
        read_binding_folders([*(tmp_path / name for name in names), folder(good=GOOD)])
    assert [finding.code for finding in raised.value.findings] == ["E0514"] * len(names)


def test_what_is_not_read_of_a_folder(folder: Folder, tmp_path: Path) -> None:
    place = folder(good=GOOD)
    (place / ".hidden.yaml").write_text("- a")
    (place / "example.yaml.example").write_text("- a")
    (place / "processed.json").write_text("- a")
    (place / "loop").symlink_to(place)
    os.mkfifo(place / "pipe.yaml")
    assert [finding.code for finding in findings(place) if finding.code == "W0515"] == []


def test_a_file_that_cannot_be_read(folder: Folder) -> None:
    place = folder(good=GOOD)
    (place / "large.yaml").write_text("# " + "x" * (1 << 20))
    (place / "latin.yaml").write_bytes(b"\xff")
    (warning,) = [finding for finding in findings(place) if finding.code == "W0515"]
    assert warning.message == "2 documents of the folder cannot be used"


# The cache


def test_documents_are_read_once(folder: Folder, cache: Path) -> None:
    place = folder(good=GOOD, other=OTHER)
    assert read(place) == 2
    assert read(place) == 0
    assert [path.name.partition("-")[0] for path in cache.iterdir()] == ["bindings"]
    before = codes(findings(place))
    assert before == codes(findings(place))


def test_only_what_changed_is_read_again(folder: Folder) -> None:
    # One that cannot be used, and comes first.
    place = folder(a="- a", good=GOOD, other=OTHER)
    assert read(place) == 3
    path = place / "test" / "good.yaml"
    path.write_text(GOOD.replace("maximum: 4", "maximum: 9999"))
    settle(path)
    assert read(place) == 1
    assert ("E0503", "/n") not in codes(findings(place))
    path.unlink()
    assert read(place) == 0
    assert ("E0503", "/n") not in codes(findings(place))
    folder(third=GOOD)
    assert read(place) == 1
    assert ("E0503", "/n") in codes(findings(place))


def test_what_was_just_changed_is_read_again(folder: Folder) -> None:
    place = folder(good=GOOD)
    read(place)
    path = place / "test" / "good.yaml"
    # One byte is another, and a clock with coarse ticks would give both the same time.
    path.write_text(GOOD.replace("maximum: 4", "maximum: 8"))
    now = path.stat().st_mtime_ns
    assert read(place) == 1
    path.write_text(GOOD.replace("maximum: 4", "maximum: 3"))
    os.utime(path, ns=(now, now))
    assert read(place) == 1


DAMAGES: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("emptied", lambda data: b""),
    ("cut in the index", lambda data: data[:300]),
    ("cut at its end", lambda data: data[:-20]),
    ("a byte of the index changed", lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:]),
    ("a byte of a document changed", lambda data: data[:-50] + bytes([data[-50] ^ 1]) + data[-49:]),
    ("of another version", lambda data: data.replace(b"irqframe-bindings ", b"irqframe-bindings 0", 1)),
    ("something else", lambda data: b"\0" * 1000),
)


@pytest.mark.parametrize("damage", [case[1] for case in DAMAGES], ids=[case[0] for case in DAMAGES])
def test_a_damaged_cache_is_as_good_as_none(damage: Callable[[bytes], bytes], folder: Folder, cache: Path) -> None:
    place = folder(good=GOOD, other=OTHER)
    before = codes(findings(place))
    (file,) = cache.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert codes(findings(place)) == before


@pytest.mark.parametrize("plain", [None, 1, [], [1, 2], [[], []], [[["a"]], [{}, {}, [{}, {}, {}]]], {"a": 1}])
def test_a_cache_of_another_shape(plain: object, folder: Folder, cache: Path) -> None:
    from irqframe.dt._binding_cache import Pack, write_pack

    place = folder(good=GOOD)
    before = codes(findings(place))
    (file,) = cache.iterdir()
    write_pack(str(file), Pack(plain, b""))
    assert codes(findings(place)) == before


PIECES = [
    b"[1]",
    b"[" * 100_000,
    b'{"properties": 5}',
    b'{"$id": "http://devicetree.org/schemas/test/good.yaml", "properties": 5}',
    b'{"$id": "http://devicetree.org/schemas/test/good.yaml", "not": ' + b'{"not":' * 500 + b"{}" + b"}" * 501,
    b'{"$id": "http://devicetree.org/schemas/test/other.yaml"}',
    b"\xff",
]


@pytest.mark.parametrize("piece", PIECES, ids=[repr(piece[:20]) for piece in PIECES])
@pytest.mark.parametrize("unchanged", [True, False])
def test_a_document_of_another_shape(piece: bytes, unchanged: bool, folder: Folder, cache: Path) -> None:
    """With everything in order that says how large it is, and what it adds up to."""
    from irqframe.dt._binding_cache import Pack, piece_of, read_pack, write_pack

    place = folder(good=GOOD)
    before = codes(findings(place))
    (file,) = cache.iterdir()
    pack = read_pack(str(file))
    assert pack is not None
    pack.index[0][0][-1] = piece_of(piece, 0)
    write_pack(str(file), Pack(pack.index, piece))
    if not unchanged:
        folder(third=OTHER.replace("other", "third"))
    assert codes(findings(place)) == before


@pytest.mark.parametrize("faults", [5, [5], [[1, 2, 3, 4]], [["E0511", "m", "", [1, 2, "x", 4]]], [["E0511"]]])
def test_faults_of_another_shape(faults: object, folder: Folder, cache: Path) -> None:
    from irqframe.dt._binding_cache import Pack, read_pack, write_pack

    place = folder(good=GOOD)
    before = codes(findings(place))
    (file,) = cache.iterdir()
    pack = read_pack(str(file))
    assert pack is not None
    pack.index[0][0][-2] = faults
    write_pack(str(file), Pack(pack.index, b""))
    folder(third=OTHER.replace("other", "third"))
    assert codes(findings(place)) == before


def test_what_nobody_needs_is_removed(folder: Folder, cache: Path) -> None:
    cache.mkdir()
    old, tag = "0" * 32, "0" * 16
    for name in (f"bindings-{old}.json", f"document-{old}-{tag}.json", "mine.json", ".writing-a", ".writing-b"):
        (cache / name).write_text("")
    settle(cache / "mine.json")
    os.utime(cache / ".writing-a", (0, 0))
    read(folder(good=GOOD))
    (written,) = cache.glob("bindings-*")
    assert sorted(path.name for path in cache.iterdir()) == sorted([written.name, "mine.json", ".writing-b"])


def test_the_oldest_are_removed(folder: Folder, cache: Path) -> None:
    places = [folder(f"f{number}", good=GOOD) for number in range(18)]
    for place in places:
        read(place)
        for path in cache.iterdir():
            os.utime(path, (path.stat().st_mtime - 10,) * 2)
    assert len(list(cache.iterdir())) == 16
    assert [read(places[number]) for number in (17, 2, 0)] == [0, 0, 1]


def test_another_version_of_a_library_reads_anew(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    import irqframe.dt._shipped as module

    place = folder(good=GOOD)
    assert [read(place), read(place)] == [1, 0]
    monkeypatch.setattr(module, "_version", lambda library: "99" if library == "ruamel.yaml" else "1")
    assert [read(place), read(place)] == [1, 0]


def test_without_a_cache(folder: Folder, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = folder(good=GOOD)
    before = codes(findings(place))
    for value in ("", "/proc/none", str(place / "test" / "good.yaml")):
        monkeypatch.setenv("IRQFRAME_CACHE_DIR", value)
        assert codes(findings(place)) == before
    monkeypatch.delenv("IRQFRAME_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "of the user"))
    assert codes(findings(place)) == before
    assert list((cache / "of the user" / "irqframe").iterdir())


def test_runs_at_once(folder: Folder, cache: Path) -> None:
    place = folder(**{f"d{number}": GOOD.replace("good", f"d{number}") for number in range(40)})
    made: list[BindingFolders] = []

    def run() -> None:
        made.append(read_binding_folders([place]))

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({json.dumps(folders.schema("http://devicetree.org/schemas/test/d7.yaml")) for folders in made}) == 1
    assert [path.name.partition("-")[0] for path in cache.iterdir()] == ["bindings"]
    assert read(place) == 0


def test_single_documents_are_kept_too(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import irqframe.dt._bindings as module

    def limit(text: str) -> object:
        bindings = load_bindings([("a.yaml", text)])
        (binding,) = [binding for binding in bindings.bindings if binding.name == "a.yaml"]
        return binding.schema["properties"]["test,limit"]["maximum"]

    read: list[str] = []
    original = module.read_document
    monkeypatch.setattr(module, "read_document", lambda name, text: read.append(name) or original(name, text))
    assert [limit(GOOD), limit(GOOD), limit(GOOD.replace("maximum: 4", "maximum: 8"))] == [4, 4, 8]
    assert read == ["a.yaml", "a.yaml"]
    (file,) = cache.iterdir()
    file.write_bytes(file.read_bytes().replace(b"8", b"9"))
    assert limit(GOOD.replace("maximum: 4", "maximum: 8")) == 8
    assert len(read) == 3
    with pytest.raises(InputError):
        load_bindings([("a.yaml", GOOD.replace("uint32", "uint33"))])
    with pytest.raises(InputError):
        load_bindings([("a.yaml", GOOD.replace("uint32", "uint33"))])
