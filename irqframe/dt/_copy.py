"""A tree of one's own, to write in."""

from __future__ import annotations

from irqframe.dt._tree import Node, Tree


def copy_tree(tree: Tree) -> Tree:
    """A tree of its own, equal in everything; the texts it was read from, which nobody changes, are shared."""
    root = _copy_node(tree.root)
    stack = [(tree.root, root)]
    while stack:
        before, after = stack.pop()
        for child in before.children.values():
            stack.append((child, after.add(_copy_node(child))))
    return Tree(root, tree.file, list(tree.reservations), tree.boot_cpu, tree.sources, tree.warnings)


def _copy_node(node: Node) -> Node:
    properties = {prop.name: prop.copy() for prop in node.properties.values()}
    return Node(node.name, node.span, None, properties, {}, list(node.labels))
