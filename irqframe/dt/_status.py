"""Which nodes exist for an operating system: `status` (DTSpec 2.3.4), read as Linux reads it.

1. No `status`, "okay" and "ok" mean present; any other value, an unreadable one included, means absent.
2. An absent node takes its subtree with it: Linux creates no device below it.
"""

from __future__ import annotations

from collections.abc import Iterator

from irqframe.dt._tree import Node, Tree


def is_enabled(node: Node) -> bool:
    """Whether the node's own `status` lets an operating system use it."""
    status = node.properties.get("status")
    return status is None or status.data.partition(b"\0")[0] in (b"okay", b"ok")


def absent_by(node: Node) -> Node | None:
    """The node that takes `node` away from an operating system: the nearest disabled one, itself or above; or None."""
    above: Node | None = node
    while above is not None and is_enabled(above):
        above = above.parent
    return above


def enabled(tree: Tree) -> Iterator[Node]:
    """Every node that is enabled and has no disabled ancestor, parents before children, in order."""
    stack = [tree.root]
    while stack:
        node = stack.pop()
        if is_enabled(node):
            yield node
            stack.extend(reversed(node.children.values()))
