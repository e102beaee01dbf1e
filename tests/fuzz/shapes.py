"""Inputs that a size makes, each of a shape that has been, or could be, worse than linear in time or memory.

The corpus holds what fuzzing comes upon with small inputs; these are what it would need large ones for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from seeds import BINDING

from irqframe import dt
from irqframe.dt import Node, Tree
from irqframe.errors import Span

# Of the inputs that are replayed, about.
SIZE = 60_000

_HERE = Span("shape")
_GIC = ("interrupt-controller@0", "arm,gic-400")


def shapes(kind: str, size: int = SIZE) -> dict[str, bytes]:
    """All inputs of a kind, by name."""
    return {name.__name__: name(size) for name in _SHAPES[kind]}


def _node(name: str, parent: Node, **cells: Iterable[int]) -> Node:
    """A child with cells; `_` in a property's name is `-`, and `N` before it `#`."""
    node = parent.add(Node(name, _HERE))
    for key, values in cells.items():
        node.set_cells(key.replace("_", "-").replace("N", "#"), *values)
    return node


def _root() -> Node:
    return Node("", _HERE)


def _written(root: Node) -> bytes:
    return dt.to_dtb(Tree(root, "shape"))


def _provider(root: Node, phandle: int, cells: int = 1, kind: str = "interrupt-controller") -> Node:
    node = _node(f"p{phandle:x}", root, phandle=[phandle], Ninterrupt_cells=[cells], Naddress_cells=[0])
    node.set(kind, b"")
    return node


# Device trees


def deep_and_wide(size: int) -> bytes:
    """Long paths, many times over."""
    root = _root()
    node = root
    for _ in range(3):
        node = _node("n" * 250, node)
    for number in range(size // 40):
        _node(f"{number:x}", node, interrupts=[1])
    return _written(root)


def paths_too_long(size: int) -> bytes:
    """The same without a bound of the reader's: each finding would have a path of 28 kB."""
    root = _root()
    node = root
    for _ in range(size // 260 % 120):
        node = _node("n" * 250, node)
    for number in range(size // 10):
        _node(f"{number:x}", node, interrupts=[1])
    return _written(root)


def deep_nodes_of_a_binding(size: int) -> bytes:
    root = _root()
    node = root
    for _ in range(120):
        node = _node("bus@0", node, ranges=[0] * (size // 480 // 3 * 3), Naddress_cells=[1])
        node.set_strings("compatible", "simple-bus")
    return _written(root)


def long_reg_before_a_map(size: int) -> bytes:
    """Each of many interrupts asks for the unit address of a device that has many."""
    root = _root()
    _provider(root, 1, 0, "interrupt-map").set_cells("#address-cells", 2)
    _node("d", root, reg=range(size // 8), interrupts_extended=[1] * (size // 8))
    return _written(root)


def cell_counts_of_many_cells(size: int) -> bytes:
    """Each row of a map asks for the cell counts of a parent that has too many."""
    root = _root()
    _provider(root, 1).set_cells("#address-cells", *range(size // 8))
    _provider(root, 2, 1, "interrupt-map").set_cells("interrupt-map", *[1] * (size // 8))
    _node("d", root, interrupt_parent=[2], interrupts=[1])
    return _written(root)


def chain_of_maps(size: int) -> bytes:
    """Many rows, each through as many maps as there may be."""
    root = _root()
    for phandle in range(1, 16):
        rows = (size - 3000) // 32 if phandle == 1 else 1
        node = _provider(root, phandle, 1, "interrupt-map")
        node.set_cells("interrupt-map", *[cell for row in range(rows) for cell in (row, phandle + 1, 0)])
        node.set_cells("interrupt-map-mask", 0xFFFFFFFF if phandle == 1 else 0)
    _provider(root, 16).set_strings("compatible", "arm,gic-400")
    _node("d", root, interrupt_parent=[1], interrupts=range(size // 32))
    return _written(root)


def circle_of_maps(size: int) -> bytes:
    root = _root()
    count = size // 96
    for phandle in range(1, count + 1):
        _provider(root, phandle, 0, "interrupt-map").set_cells("interrupt-map", phandle % count + 1)
    return _written(root)


def phandles_of_nobody(size: int) -> bytes:
    root = _root()
    for number in range(size // 64):
        _node(f"{number:x}", root, interrupt_parent=[number + 9], interrupts=[1], msi_parent=[number + 9])
    return _written(root)


def many_interrupts(size: int) -> bytes:
    root = _root()
    controller = _node(_GIC[0], root, phandle=[1], Ninterrupt_cells=[3], reg=[0, 4096, 4096, 0, 8192, 4096])
    controller.set("interrupt-controller", b"")
    controller.set_strings("compatible", _GIC[1])
    cells = [cell for number in range(size // 12) for cell in (0, number % 900, 4)]
    device = _node("d", root, interrupt_parent=[1], interrupts=cells)
    device.set_strings("interrupt-names", *[""] * (size // 12))
    return _written(root)


def many_msis(size: int) -> bytes:
    root = _root()
    controller = _node("m", root, phandle=[1])
    controller.set("msi-controller", b"")
    controller.set_cells("#msi-cells", *range(size // 12))
    _node("d", root, msi_map=[0, 1, 0, 1] * (size // 48))
    _node("e", root, msi_parent=[1] * (size // 12))
    return _written(root)


def many_windows(size: int) -> bytes:
    """Each address of a device is looked for in all of the ranges of its bus."""
    root = _root()
    root.set_cells("#address-cells", 1)
    rows = [cell for number in range(size // 24) for cell in (number * 16, number * 16, 1)]
    bus = _node("bus", root, Naddress_cells=[1], Nsize_cells=[1], ranges=rows)
    _node("d", bus, reg=[255 * 16, 1] * (size // 16))
    return _written(root)


def many_clocks(size: int) -> bytes:
    root = _root()
    device = _node("d", root, phandle=[1], clocks=[1] * (size // 8))
    device.set_strings("compatible", "arm,pl011", "arm,primecell")
    device.set_cells("#clock-cells", *range(size // 8))
    return _written(root)


def many_cpus(size: int) -> bytes:
    root = _root()
    cpus = _node("cpus", root, Naddress_cells=[1])
    for number in range(size // 40):
        _node(f"cpu@{number:x}", cpus, reg=[number // 2])
    return _written(root)


def much_memory(size: int) -> bytes:
    root = _root()
    root.set_cells("#address-cells", 1)
    node = _node("memory@0", root, reg=[cell for number in range(size // 8) for cell in (number * 4096, 4096)])
    node.set_strings("device_type", "memory")
    return _written(root)


def many_properties(size: int) -> bytes:
    root = _root()
    node = _node(_GIC[0], root)
    node.set_strings("compatible", _GIC[1])
    for number in range(size // 18):
        node.set(f"{number:x}", b"")
    return _written(root)


def many_names_of_a_pattern(size: int) -> bytes:
    """What a closed schema allows by a pattern."""
    root = _root()
    node = _node(_GIC[0], root)
    node.set_strings("compatible", _GIC[1])
    for number in range(size // 32):
        node.set(f"pinctrl-{number}", b"")
    return _written(root)


def many_children(size: int) -> bytes:
    root = _root()
    node = _node(_GIC[0], root)
    node.set_strings("compatible", _GIC[1])
    for number in range(size // 18):
        _node(f"{number:x}", node)
    return _written(root)


def many_strings(size: int) -> bytes:
    root = _root()
    _node(_GIC[0], root).set("compatible", b"arm,gic-400\0" + b"a\0" * (size // 2))
    return _written(root)


def one_long_string(size: int) -> bytes:
    root = _root()
    _node(_GIC[0], root).set_strings("compatible", _GIC[1], "a" * size, "pci" * (size // 3))
    return _written(root)


# Source texts


def _text(body: str) -> bytes:
    return f"/dts-v1/; / {{ {body} }};".encode()


def many_labels(size: int) -> bytes:
    return _text("".join(f"l{n}: n{n} {{ p = <&l{n // 2}>; }};" for n in range(size // 32)))


def many_unknown_labels(size: int) -> bytes:
    return _text("l: n { };" + "".join(f"p{n} = <&l{n}>;" for n in range(size // 18)))


def label_looks_like_many(size: int) -> bytes:
    """One that is not there, among many that it might mean."""
    return _text("p = <&" + "l" * 200 + ">;" + "".join(f"l{n:0200}: n{n} {{ }};" for n in range(size // 220)))


def findings_on_a_long_line(size: int) -> bytes:
    return _text("".join(f"p{n} = <1;" for n in range(size // 12)))


def nested_expressions(size: int) -> bytes:
    return _text("p = <" + "(1 + " * (size // 10) + "1" + ")" * (size // 10) + ">;")


def ternaries(size: int) -> bytes:
    return _text("p = <(" + "1 ? 2 : " * (size // 8) + "3)>;")


def nested_nodes(size: int) -> bytes:
    return _text("n { " * (size // 4))


def includes_itself(size: int) -> bytes:
    return _text('/include/ "self.dtsi" ' * (size // 24))


def takes_in_files(size: int) -> bytes:
    return _text("".join(f'p{n} = /incbin/("data.bin"), /incbin/("/dev/zero");' for n in range(size // 52)))


def deletions(size: int) -> bytes:
    blocks = "".join(f"/ {{ l: n {{ m{n} {{ }}; }}; }};\n/delete-node/ &l;\n" for n in range(size // 48))
    return f"/dts-v1/; / {{ }};\n{blocks}".encode()


def line_markers(size: int) -> bytes:
    return ('# 1 "' + "\\" * 40 + '"\n').encode() * (size // 48)


def unended(size: int) -> bytes:
    return _text('p = "' + "\\" * (size // 2) + "\n/*" + "*" * (size // 2))


# Bindings


def _binding(more: str) -> bytes:
    return (BINDING + more).encode()


def many_wrong_schemas(size: int) -> bytes:
    return _binding("definitions:\n" + "".join(f"  p{n}: 5\n" for n in range(size // 20)))


def many_wrong_patterns(size: int) -> bytes:
    return _binding("allOf:\n" + ' - pattern: "("\n' * (size // 40))


def aliases(size: int) -> bytes:
    rows = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]\n" for n in range(1, size // 2000))
    return _binding("a0: &a0 [x]\n" + rows)


def merge_keys(size: int) -> bytes:
    rows = "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 8)}]}}\n" for n in range(1, size // 2000))
    return _binding("a0: &a0 {x: y}\n" + rows)


def nested_lists(size: int) -> bytes:
    return _binding("a: " + "[" * size)


def long_numbers(size: int) -> bytes:
    return _binding("definitions: {a: {maxItems: 0x" + "f" * size + "}}\n")


def odd_numbers(size: int) -> bytes:
    items = "{minItems: 2.0, maxItems: 3.0, items: {minItems: 1.0, maxItems: 2.0}}"
    return _binding(f"patternProperties: {{z: {items}}}\ndefinitions: {{a: {{minimum: .nan, maximum: .inf}}}}\n")


def many_fragments(size: int) -> bytes:
    """An overlay of small changes, all to one node."""
    root = _root()
    for index in range(size // 100):
        fragment = _node(f"fragment@{index}", root)
        fragment.set_strings("target-path", "/soc")
        _node("__overlay__", fragment).set_cells(f"p{index}", index)
    return _written(root)


def many_fixups(size: int) -> bytes:
    """An overlay whose one property is full of references to the base."""
    root = _root()
    count = size // 40
    fragment = _node("fragment@0", root)
    fragment.set_strings("target-path", "/soc")
    _node("__overlay__", fragment, p=[0xFFFFFFFF] * count)
    places = (f"/fragment@0/__overlay__:p:{4 * index}" for index in range(count))
    _node("__fixups__", root).set_strings("a", *places)
    return _written(root)


_SHAPES: Mapping[str, tuple[Callable[[int], bytes], ...]] = MappingProxyType(
    {
        "overlay": (deep_and_wide, many_fragments, many_fixups),
        "dtb": (
            deep_and_wide,
            paths_too_long,
            deep_nodes_of_a_binding,
            long_reg_before_a_map,
            cell_counts_of_many_cells,
            chain_of_maps,
            circle_of_maps,
            phandles_of_nobody,
            many_interrupts,
            many_msis,
            many_windows,
            many_clocks,
            many_cpus,
            much_memory,
            many_properties,
            many_names_of_a_pattern,
            many_children,
            many_strings,
            one_long_string,
        ),
        "dts": (
            many_labels,
            many_unknown_labels,
            label_looks_like_many,
            findings_on_a_long_line,
            nested_expressions,
            ternaries,
            nested_nodes,
            includes_itself,
            takes_in_files,
            deletions,
            line_markers,
            unended,
        ),
        "yaml": (
            many_wrong_schemas,
            many_wrong_patterns,
            aliases,
            merge_keys,
            nested_lists,
            long_numbers,
            odd_numbers,
        ),
    }
)
