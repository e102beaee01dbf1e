"""Binding documents from what an irqchip says of itself, for those that bring none.

An irqchip is asked to describe itself to a small machine and to a large one. What both nodes have is required, what one
has is allowed; a value that is the same in both is the only one. What nobody can know from that (what a property means,
which numbers are right) is left open: the document is a start, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from irqframe.dt import Node, Tree, reg, to_dts
from irqframe.errors import Span, SpecifierError
from irqframe.flow import DescribeRequest, Flow, Plugin, Source, SourceKind, Trigger
from irqframe.machine._binding_yaml import FOLDER, Block, yaml_document
from irqframe.machine._describe import Described, ask_describe
from irqframe.machine._guest_nodes import PMU_SOURCE, TIMER_SOURCES

_SPI = Source(SourceKind.SPI, 1, Trigger.EDGE_RISING)
_LEVEL = Source(SourceKind.SPI, 2, Trigger.LEVEL_HIGH)
_SMALL = DescribeRequest((0,), ())
_LARGE = DescribeRequest((0, 1, 2, 3), (*TIMER_SOURCES, PMU_SOURCE, _SPI, _LEVEL), True, address_cells=1, size_cells=1)

_PHANDLE = re.compile(r"^ *(linux,)?phandle = <.*>;\n", re.MULTILINE)
# Properties of the core schemas, whose types are known there.
_KNOWN = ("interrupt-controller", "interrupt-parent", "ranges", "dma-coherent", "interrupts")


def made_bindings(plugin: Plugin, missing: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """(path, YAML text) of a document for each of the `compatible` strings.

    Args:
        plugin: the irqchip.
        missing: those of its strings that no document of its own is for.

    Raises:
        PluginError: if the irqchip breaks the hook spec.
    """
    described = [one for request in (_SMALL, _LARGE) if (one := _described(plugin, request)) is not None]
    every = [node for one in described for top in one.nodes for node in top.walk()]
    # What it describes under another name stands for what it does not describe.
    first = next((node.compatible for node in every if node.has("interrupt-controller")), ())
    documents = []
    for name in missing:
        nodes = [node for node in every if name in node.compatible]
        example = _example(described[-1]) if nodes else ""
        alike = nodes or [node for node in every if node.compatible == first]
        documents.append((f"{FOLDER}/{name}.yaml", _document(plugin, name, alike, example)))
    return tuple(documents)


def scaffold(compatible: str) -> str:
    """The document of an interrupt controller that does not exist yet: a frame, lines, two cells in a specifier."""
    cells = ["The number of the line.", "The trigger type, 1 for a rising edge and 4 for a high level."]
    properties: dict[str, Any] = {
        "compatible": {"const": compatible},
        "reg": {"maxItems": 1},
        "interrupt-controller": True,
        "#interrupt-cells": {"const": 2, "description": Block(" ".join(cells))},
        "#address-cells": {"const": 0},
    }
    example = (
        "interrupt-controller@8000000 {\n"
        f'    compatible = "{compatible}";\n'
        "    reg = <0x8000000 0x1000>;\n"
        "    interrupt-controller;\n"
        "    #interrupt-cells = <2>;\n"
        "    #address-cells = <0>;\n"
        "};\n"
    )
    description = "What it is, how many interrupts it takes from whom, and what sets it apart."
    required = ["compatible", "reg", "interrupt-controller", "#interrupt-cells"]
    return yaml_document(compatible, f"Interrupt controller {compatible}", description, properties, required, [example])


def _described(plugin: Plugin, request: DescribeRequest) -> Described | None:
    flow = Flow()
    if plugin.chip is None:
        return None
    flow.register_chip(plugin.chip(), plugin.name)
    tree = Tree(Node("", Span(plugin.name)), plugin.name)
    tree.root.set_cells("#address-cells", request.address_cells)
    tree.root.set_cells("#size-cells", request.size_cells)
    try:
        described = ask_describe(flow, request, tree)
    except SpecifierError:
        return None
    for node in described.nodes:
        tree.root.add(node)
        for each in node.walk():
            each.labels.append(re.sub(r"\W", "_", each.basename) or "node")
    return described


def _document(plugin: Plugin, compatible: str, nodes: Sequence[Node], example: str) -> str:
    if nodes:
        names = list(dict.fromkeys(name for node in nodes for name in node.properties if name != "phandle"))
        required = [name for name in names if all(node.has(name) for node in nodes)]
        properties = {name: _schema(name, nodes, compatible) for name in names}
    else:
        required = ["compatible", "interrupt-controller", "#interrupt-cells"]
        properties = {
            "compatible": {"const": compatible},
            "reg": True,
            "interrupt-controller": True,
            "#interrupt-cells": {"enum": [1, 2, 3, 4]},
            "#address-cells": {"enum": [0, 1, 2]},
            "interrupts": True,
        }
    children = dict.fromkeys(child.basename for node in nodes for child in node.children.values())
    text = (
        f"Made by irqframe from what the irqchip {plugin.name} ({plugin.distribution or plugin.value}) says of itself."
    )
    if plugin.chip is not None and plugin.chip.__doc__:
        text = f"{plugin.chip.__doc__.strip().partition(chr(10))[0]} {text}"
    return yaml_document(
        compatible,
        f"Interrupt controller {compatible}",
        text,
        properties,
        required,
        [example] if example else [],
        tuple(children),
    )


def _schema(name: str, nodes: Sequence[Node], compatible: str) -> Any:
    """What can be said of a property that the nodes have."""
    values = [node.properties[name] for node in nodes if node.has(name)]
    data = {value.data for value in values}
    cells = values[0].cells
    if name == "compatible":
        listed = values[0].strings
        several = len(listed) > 1 and compatible in listed
        return {"items": [{"const": text} for text in listed]} if several else {"const": compatible}
    if name == "reg":
        counts = [len(reg(node)) for node in nodes if node.has(name)]
        return ({"minItems": min(counts)} if min(counts) < max(counts) else {}) | {"maxItems": max(counts)}
    if name.startswith("#") and name.endswith("-cells"):
        numbers = sorted({value.cells[0] for value in values if value.cells})
        return {"const": numbers[0]} if len(numbers) == 1 else {"enum": numbers}
    if name in _KNOWN:
        return True
    if name == "msi-controller":
        return {"type": "boolean"}
    kind = "uint32" if len(cells) == 1 else "uint32-array"
    if data == {b""}:
        return {"description": "A flag.", "type": "boolean"}
    if all(value.strings and all(value.strings) for value in values):
        kind = "string" if len(values[0].strings) == 1 else "string-array"
    return {"description": "Its meaning is not known.", "$ref": f"/schemas/types.yaml#/definitions/{kind}"}


def _example(described: Described) -> str:
    """The described nodes as source, with labels in place of numbers."""
    root = described.nodes[0].parent
    if root is None:
        return ""
    lines = _PHANDLE.sub("", to_dts(Tree(root, "example"))).split("{\n", 1)[1].splitlines(keepends=True)
    inner = [line[4:] for line in lines[:-1]]
    return "".join(line for line in inner if not line.startswith(("#address-cells", "#size-cells")))
