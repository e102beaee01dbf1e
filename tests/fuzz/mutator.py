"""Changes of a device tree that leave its DTB whole: damage of single bytes seldom gets past the reader."""

from __future__ import annotations

import random
from collections.abc import Callable

from seeds import CELL_PROPERTIES, FLAGS, NODES, STRING_PROPERTIES

from irqframe import dt
from irqframe.dt import Node, Tree
from irqframe.errors import InputError

_CELLS = (0, 1, 2, 3, 4, 5, 8, 15, 16, 17, 27, 31, 32, 64, 0xFF, 0x1000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def mutate(data: bytes, longest: int, seed: int, other: Callable[[bytes, int], bytes]) -> bytes:
    """A changed DTB.

    Args:
        data: any bytes.
        longest: how many bytes the result may have.
        seed: decides what is changed.
        other: changes bytes as bytes; what is no tree goes there, and now and then what is.
    """
    chance = random.Random(seed)
    tree = _tree(data) if chance.random() < 0.9 else None
    if tree is None:
        return other(data, longest)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        chance.choice(_CHANGES)(tree, chance)
    try:
        made = dt.to_dtb(tree)
    except InputError:
        return other(data, longest)
    return made if len(made) <= longest else other(data, longest)


def _tree(data: bytes) -> Tree | None:
    try:
        return dt.read_dtb(data, "mutated")
    except InputError:
        return None


def _any_node(tree: Tree, chance: random.Random) -> Node:
    return chance.choice(list(tree.walk()))


def _cell(tree: Tree, chance: random.Random) -> int:
    phandles = list(tree.by_phandle())
    return chance.choice(phandles) if phandles and chance.random() < 0.5 else chance.choice(_CELLS)


def _change_cell(tree: Tree, chance: random.Random) -> None:
    node = _any_node(tree, chance)
    props = [prop for prop in node.properties.values() if len(prop.data) >= 4]
    if props:
        prop = chance.choice(props)
        at = 4 * chance.randrange(len(prop.data) // 4)
        node.set(prop.name, prop.data[:at] + _cell(tree, chance).to_bytes(4, "big") + prop.data[at + 4 :])


def _resize(tree: Tree, chance: random.Random) -> None:
    node = _any_node(tree, chance)
    if node.properties:
        prop = chance.choice(list(node.properties.values()))
        data = prop.data
        size = chance.choice((0, 1, len(data) - 4, len(data) - 1, len(data) + 4, 2 * len(data), 8 * len(data)))
        node.set(prop.name, (data * 8 + bytes(8))[: max(size, 0)])


def _set_cells(tree: Tree, chance: random.Random) -> None:
    cells = [_cell(tree, chance) for _ in range(chance.choice((1, 1, 1, 2, 3, 4, 6, 9)))]
    _any_node(tree, chance).set_cells(chance.choice(CELL_PROPERTIES), *cells)


def _set_strings(tree: Tree, chance: random.Random) -> None:
    name = chance.choice(list(STRING_PROPERTIES))
    values = STRING_PROPERTIES[name]
    _any_node(tree, chance).set_strings(name, *chance.choices(values, k=chance.choice((1, 1, 2, 3))))


def _set_flag(tree: Tree, chance: random.Random) -> None:
    _any_node(tree, chance).set(chance.choice(FLAGS), b"")


def _give_phandle(tree: Tree, chance: random.Random) -> None:
    _any_node(tree, chance).set_cells("phandle", tree.free_phandle())


def _drop_property(tree: Tree, chance: random.Random) -> None:
    node = _any_node(tree, chance)
    if node.properties:
        del node.properties[chance.choice(list(node.properties))]


def _drop_node(tree: Tree, chance: random.Random) -> None:
    node = _any_node(tree, chance)
    if node.parent is not None:
        del node.parent.children[node.name]


def _add_node(tree: Tree, chance: random.Random) -> None:
    parent = _any_node(tree, chance)
    parent.add(Node(chance.choice(NODES), parent.span))


def _move_node(tree: Tree, chance: random.Random) -> None:
    node, target = _any_node(tree, chance), _any_node(tree, chance)
    if node.parent is not None and all(below is not target for below in node.walk()):
        del node.parent.children[node.name]
        target.add(node)


def _copy_property(tree: Tree, chance: random.Random) -> None:
    node, target = _any_node(tree, chance), _any_node(tree, chance)
    if node.properties:
        prop = chance.choice(list(node.properties.values()))
        target.set(prop.name, prop.data)


_CHANGES = (
    _change_cell, _change_cell, _resize, _set_cells, _set_cells, _set_strings, _set_flag, _give_phandle,
    _drop_property, _drop_node, _add_node, _move_node, _copy_property,
)  # fmt: skip
