"""dtschema as a witness: our reading of its dialect is the same as its own, schema by schema and value by value."""

from __future__ import annotations

import copy
import gzip
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from irqframe.dt import load_bindings, machine_bindings, read_dtb, validate
from irqframe.dt._binding_file import Document, parse_document
from irqframe.dt._bindings import BindingSet
from irqframe.dt._decode import stride
from irqframe.dt._instance import instances
from irqframe.dt._property_types import PropertyTypes
from irqframe.dt._schema_fixups import prepared

dtschema: Any = pytest.importorskip("dtschema", reason="dtschema is not installed")

ROOT = Path(__file__).parents[2]
DATA = Path(__file__).parent / "data"
TREES = ["virt-gicv2.dtb.gz", "virt-gicv3.dtb.gz"]


def ours() -> list[tuple[str, str]]:
    plugins = sorted(ROOT.glob("plugins/*/irqframe_*/bindings/*.yaml"))
    return [*machine_bindings(), *((f"interrupt-controller/{path.name}", path.read_text()) for path in plugins)]


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our documents in folders by their `$id`, as Linux has its own."""
    folder = tmp_path_factory.mktemp("bindings")
    for name, text in ours():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture(scope="module")
def witness(laid_out: Path) -> Any:
    return dtschema.DTValidator([str(laid_out)])


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    """All core schemas of dtschema, the ones we do not ship too, and ours."""
    core = Path(dtschema.__file__).parent / "schemas"
    texts = [(str(path), path.read_text()) for path in sorted(core.rglob("*.yaml"))]
    return [parse_document(name, text) for name, text in [*texts, *ours()]]


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).parent / str(command[0])
    return subprocess.run([tool, *command[1:]], capture_output=True, text=True, check=False)


def test_the_documents_are_valid(laid_out: Path) -> None:
    done = run("dt-doc-validate", laid_out)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_schemas_mean_the_same(documents: list[Document]) -> None:
    assert len(documents) > 60
    for document in documents:
        theirs = document.content | {"$id": document.id}
        theirs = {key: value for key, value in theirs.items() if key not in ("title", "$schema")}
        mine = prepared(document.content)
        dtschema.fixups.fixup_schema(theirs)
        assert mine == theirs | {"type": "object"}, document.name


# What no document that is here has.
RARE: tuple[dict[str, Any], ...] = (
    {"properties": {"fsl,pins": {"$ref": "/schemas/types.yaml#/definitions/uint32-matrix", "items": {"maxItems": 6}}}},
    {"properties": {"qcom,board-id": {"minItems": 1, "description": "x"}}},
    {"properties": {"compatible": {"oneOf": [{"const": "a,b", "deprecated": True}, {"const": "c,d"}]}}},
    {"properties": {"label": {"anyOf": [{"const": "a", "description": "x"}, {"const": "b", "description": "y"}]}}},
    {"dependencies": {"interrupt-controller": ["interrupts"]}},
    {"dependencies": {"a": ["b"], "c": {"required": ["d"]}}},
    {"dependentRequired": {"interrupts": ["a"]}, "properties": {"interrupts": {"maxItems": 1}}},
    {"properties": {"max-hz": {"minItems": 1, "maxItems": 4}, "x-microvolt": {"minimum": 3}, "y-us": {"maximum": 9}}},
    {"properties": {"reg": {"items": [{"description": "a"}, {"description": "b"}]}, "ranges": True}},
    {"properties": {"a": {"type": "object", "properties": {"clocks": {"maxItems": 2}}, "additionalProperties": False}}},
)


@pytest.mark.parametrize("content", RARE, ids=str)
def test_rare_schemas_mean_the_same(content: dict[str, Any]) -> None:
    head = {"$id": "http://devicetree.org/schemas/test.yaml"}
    theirs = copy.deepcopy(head | content)
    dtschema.fixups.fixup_schema(theirs)
    assert prepared(head | content) == theirs | {"type": "object"}


def test_properties_have_the_same_types(documents: list[Document], witness: Any) -> None:
    types = PropertyTypes(prepared(document.content) for document in documents)
    more = ["foo-supply", "vdd-microvolt", "x-gpios", "#foo-cells", "max-ms", "unknown", "wobble-hz", "clock-names"]
    for name in [*witness.props, *more]:
        known = types.of(name)
        assert known.types == witness.property_get_type(name) - {"node", None}, name
        size = witness.property_get_type_dim(name)
        assert (known.rows, known.columns) == (size or (None, None)), name


def leaves(value: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        if isinstance(item, dict):
            yield from leaves(item, f"{path}/{key}")
        else:
            yield f"{path}:{key}", item


@pytest.mark.parametrize("name", TREES)
def test_values_are_decoded_in_the_same_way(name: str, documents: list[Document], witness: Any) -> None:
    data = gzip.decompress((DATA / name).read_bytes())
    dtschema.dtb.phandles.clear()
    theirs = dict(leaves(witness.decode_dtb(data)[0], ""))
    tree = read_dtb(data, name)
    decoded = instances(tree, PropertyTypes(prepared(document.content) for document in documents))
    mine = dict(leaves(decoded.by_node[id(tree.root)], ""))
    assert len(mine) > 200
    assert not decoded.unknown
    assert mine == theirs


ROWS = """/dts-v1/;
/ {
    #address-cells = <1>;
    #size-cells = <1>;
    one: one { phandle = <0x10>; #interconnect-cells = <1>; #clock-cells = <2>; #reset-cells = <0>; };
    two: two { phandle = <0x20>; #interconnect-cells = <2>; };
    node {
        interconnects = <&one 1 &two 2 3>, <&two 4 5 &one 6>;
        clocks = <&one 1 2>, <&one 3 4>;
        assigned-clocks = <&one 1 2>, <0x99 1>;
        resets = <&one>, <&one>;
        power-domains = <0x99 1>;
        iommus = <0>;
        memory-region = <&one &two>;
    };
    odd { interconnects = <&one 1 &two 2 3 &one 7>; clocks = <0x99 1 2>; assigned-clocks = <0x99>; };
};
"""


def test_rows_that_other_nodes_decide(documents: list[Document], witness: Any) -> None:
    from irqframe.dt import parse_dts, to_dtb

    data = to_dtb(parse_dts(ROWS, "t.dts"))
    dtschema.dtb.phandles.clear()
    theirs = dict(leaves(witness.decode_dtb(data)[0], ""))
    tree = read_dtb(data, "t")
    decoded = instances(tree, PropertyTypes(prepared(document.content) for document in documents))
    mine = dict(leaves(decoded.by_node[id(tree.root)], ""))
    assert not decoded.unknown
    assert mine == theirs
    assert mine["/node:interconnects"] == [[0x10, 1, 0x20, 2, 3], [0x20, 4, 5, 0x10, 6]]


def test_rows_that_several_widths_fit() -> None:
    limits = [(0, 0), (1, 1), (1, 0), (2, 2), (1, 3), (2, 4), (3, 0), (4, 4)]
    for length in range(1, 25):
        for rows in limits:
            for columns in limits:
                # Rows of no cells are an exception there.
                theirs = dtschema.dtb.get_stride(length, (rows, columns)) or length
                assert stride(length, rows, columns) == theirs


def test_examples(laid_out: Path, tmp_path: Path) -> None:
    if shutil.which("dtc") is None:
        pytest.skip("dtc is not installed")
    blobs = []
    for path in sorted(laid_out.rglob("*.yaml")):
        source = run("dt-extract-example", path).stdout
        assert "example-0" in source
        blob = tmp_path / f"{path.stem}.dtb"
        subprocess.run(["dtc", "-q", "-O", "dtb", "-o", blob], input=source, text=True, check=True)
        blobs.append(blob)
    done = run("dt-validate", "-s", laid_out, *blobs)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# A change of one property: node, property, new value as cells or strings, None for none.
Change = tuple[str, str, tuple[int, ...] | tuple[str, ...] | None]

# Both must find these, or both not.
CHANGES: tuple[Change, ...] = (
    ("/intc@8000000", "#interrupt-cells", (2,)),
    ("/intc@8000000", "#size-cells", (3,)),
    ("/intc@8000000", "compatible", ("arm,gic-400", "arm,cortex-a9-gic")),
    ("/intc@8000000", "compatible", ("arm,gic-400", "arm,cortex-a15-gic")),
    ("/intc@8000000", "made-up", (1,)),
    ("/intc@8000000", "status", ("okay",)),
    ("/intc@8000000", "status", ("maybe",)),
    ("/intc@8000000", "reg", (0, 0x8000000, 0, 0x10000)),
    ("/intc@8000000/v2m@8020000", "arm,msi-base-spi", (31,)),
    ("/intc@8000000/v2m@8020000", "arm,msi-base-spi", (48,)),
    ("/intc@8000000/v2m@8020000", "msi-controller", (1,)),
    ("/intc@8000000/v2m@8020000", "compatible", ("arm,gic-v2m",)),
    ("/timer", "always-on", (1,)),
    ("/timer", "interrupts", (1, 13, 4) * 6),
    ("/timer", "interrupts", (1, 13, 4)),
    ("/timer", "interrupt-names", ("phys", "virt")),
    ("/timer", "interrupt-names", ("phys", "phys")),
    ("/timer", "interrupt-names", ("phys", "spurious")),
    ("/timer", "clock-frequency", (24000000,)),
    ("/timer", "clock-frequency", (1, 2, 3)),
    ("/timer", "compatible", ("arm,armv8-timer", "arm,armv8-timer")),
    ("/psci", "method", ("hvc", "smc")),
    ("/psci", "method", ("smc",)),
    ("/psci", "method", (1,)),
    ("/psci", "cpu_on", (1, 2)),
    ("/psci", "cpu_up", (1,)),
    ("/cpus", "#size-cells", (1,)),
    ("/cpus/cpu@0", "enable-method", ("psci", "psci", "psci")),
    ("/cpus/cpu@0", "reg", (0, 1)),
    ("/cpus/cpu@0", "cpu-release-addr", (0, 1)),
    ("/cpus/cpu@0", "next-level-cache", ("no",)),
    ("/pl011@9000000", "interrupts", (0, 1, 4, 0, 2, 4)),
    ("/pl011@9000000", "clock-names", ("uartclk",)),
    ("/pl011@9000000", "clocks", (0x8000, 0x8000, 0x8000)),
    ("/pl011@9000000", "compatible", ("arm,pl011",)),
    ("/pl061@9030000", "#gpio-cells", (3,)),
    ("/pl061@9030000", "gpio-controller", (3,)),
    ("/pcie@10000000", "bus-range", (0, 256)),
    ("/pcie@10000000", "bus-range", (0,)),
    ("/pcie@10000000", "ranges", (0x5000000, 0, 0, 0, 0, 0, 1)),
    ("/pcie@10000000", "interrupt-map-mask", (0x1800, 1, 0, 7)),
    ("/pcie@10000000", "interrupt-map-mask", (0x1800, 0, 0, 7, 7)),
    ("/pcie@10000000", "linux,pci-domain", (1, 2)),
    ("/pcie@10000000", "msi-parent", (0x8006,)),
    ("/pcie@10000000", "unheard-of", (1,)),
    ("/virtio_mmio@a000000", "compatible", ("virtio,mmio", "virtio,mmio2")),
    ("/virtio_mmio@a000000", "dma-coherent", ("yes",)),
    ("/virtio_mmio@a000000", "extra", (1,)),
    ("/gpio-keys/poweroff", "linux,code", (116, 117)),
    ("/apb-pclk", "#clock-cells", (1,)),
    ("/apb-pclk", "clock-output-names", ("a", "b")),
    ("/fw-cfg@9020000", "reg", (0, 0x9020000, 0, 0x18, 0, 0, 0, 0)),
)


# Where we differ: the change, whether we find it, and why.
DIFFERENT: tuple[tuple[Change, bool, str], ...] = (
    (
        ("/intc@8000000", "interrupt-controller", (1,)),
        True,
        "dtschema prints that it cannot decode it, which is no error of the node",
    ),
    (
        ("/gpio-keys/poweroff", "label", (1,)),
        False,
        "only the binding of its parent is for this node, and we do not apply core schemas alone",
    ),
)


def changed(change: Change | None, removed: tuple[str, str] | None) -> bytes:
    from irqframe.dt import to_dtb

    tree = read_dtb(gzip.decompress((DATA / TREES[0]).read_bytes()), "t")
    path, name = change[:2] if change is not None else removed or ("/", "")
    node = tree.node(path)
    assert node is not None
    if change is None:
        node.properties.pop(name, None)
    elif change[2] and isinstance(change[2][0], str):
        node.set_strings(name, *(str(text) for text in change[2]))
    else:
        node.set_cells(name, *(int(cell) for cell in change[2] or ()))
    return to_dtb(tree)


def their_verdict(witness: Any, data: bytes) -> set[str]:
    """Paths of the nodes that dtschema complains of, by the rules of dt-validate."""
    dtschema.dtb.phandles.clear()
    found: set[str] = set()

    def check(node: dict[str, Any], name: str, path: str) -> None:
        whole = node | {"$nodename": [name]}
        for error in witness.iter_errors(whole):
            # A compatible that no schema has is no error.
            if error.schema_file == "generated-compatibles":
                continue
            found.add("/".join([path.rstrip("/"), *_children(node, error.absolute_path)]) or "/")
        for child, value in node.items():
            if isinstance(value, dict):
                check(value, child, f"{path.rstrip('/')}/{child}")

    check(witness.decode_dtb(data)[0], "/", "/")
    return found


def _children(node: Any, path: Any) -> list[str]:
    names = []
    for step in path:
        node = node.get(step)
        if not isinstance(node, dict):
            break
        names.append(str(step))
    return names


@pytest.fixture(scope="module")
def bindings() -> BindingSet:
    return load_bindings(ours())


def our_verdict(bindings: BindingSet, data: bytes) -> set[str]:
    return {finding.path for finding in validate(read_dtb(data, "t"), bindings)}


# Not among them: #interrupt-cells and #address-cells, without which dtschema fills the memory, and #gpio-cells, without
# which it stops.
REMOVALS = (
    ("/intc@8000000", "reg"),
    ("/intc@8000000", "interrupt-controller"),
    ("/intc@8000000/v2m@8020000", "msi-controller"),
    ("/timer", "interrupts"),
    ("/psci", "method"),
    ("/cpus/cpu@0", "compatible"),
    ("/pcie@10000000", "device_type"),
    ("/pcie@10000000", "ranges"),
    ("/pl011@9000000", "interrupts"),
    ("/pl011@9000000", "clocks"),
    ("/gpio-keys/poweroff", "linux,code"),
    ("/gpio-keys/poweroff", "gpios"),
    ("/memory@40000000", "reg"),
)

# `bank-width` has no type in any of these schemas; dtschema takes that for a fault of the tree, we do not.
UNTYPED = {"/flash@0"}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{change[0]} {change[1]} {change[2]}")
def test_same_verdict_on_a_change(change: Change, bindings: BindingSet, witness: Any) -> None:
    data = changed(change, None)
    assert our_verdict(bindings, data) == their_verdict(witness, data) - UNTYPED


@pytest.mark.parametrize("removed", REMOVALS, ids=lambda removed: f"{removed[0]} without {removed[1]}")
def test_same_verdict_without_a_property(removed: tuple[str, str], bindings: BindingSet, witness: Any) -> None:
    data = changed(None, removed)
    assert our_verdict(bindings, data) == their_verdict(witness, data) - UNTYPED


@pytest.mark.parametrize(("change", "found", "reason"), DIFFERENT, ids=[case[2] for case in DIFFERENT])
def test_another_verdict(change: Change, found: bool, reason: str, bindings: BindingSet, witness: Any) -> None:
    data = changed(change, None)
    assert our_verdict(bindings, data) == ({change[0]} if found else set())
    assert their_verdict(witness, data) - UNTYPED == (set() if found else {change[0]})
