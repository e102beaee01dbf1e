"""Finding nodes as libfdt finds them, which is how overlays name what they mean.

1. A name without a unit address means the first child with that name, whatever its unit address is.
2. A path that does not begin with `/` begins with an alias, whose path does; one slash is as good as several.
3. A child that an overlay brings stands before all others from then on.
"""

from __future__ import annotations

from irqframe.dt._tree import Node, Property, Tree

_ALIAS_MAX = 4096


class Paths:
    """Look-ups in one tree, which grows by `add` only."""

    def __init__(self, tree: Tree) -> None:
        self.root = tree.root
        self._first: dict[Node, dict[str, Node]] = {}

    def child(self, node: Node, name: str) -> Node | None:
        """The child that `name` means."""
        return node.children.get(name) if "@" in name else self._by_basename(node).get(name)

    def at(self, path: str) -> Node | None:
        """The node that `path` means."""
        alias, _, rest = path.partition("/")
        if not alias:
            return self._below(self.root, path) if path else None
        aliases = self.child(self.root, "aliases")
        prop = aliases.properties.get(alias) if aliases is not None else None
        start = c_string(prop) if prop is not None and len(prop.data) <= _ALIAS_MAX else None
        if start is None or not start.startswith("/"):
            return None
        node = self._below(self.root, start)
        return self._below(node, rest) if node is not None else None

    def add(self, node: Node, child: Node) -> Node:
        """Give `node` a child of a new name, which counts as its first."""
        self._by_basename(node)[child.basename] = child
        return node.add(child)

    def _below(self, node: Node, path: str) -> Node | None:
        found: Node | None = node
        for name in path.split("/"):
            if name and found is not None:
                found = self.child(found, name)
        return found

    def _by_basename(self, node: Node) -> dict[str, Node]:
        known = self._first.get(node)
        if known is None:
            known = self._first[node] = {}
            for child in node.children.values():
                known.setdefault(child.basename, child)
        return known


def c_string(prop: Property | None) -> str | None:
    """A value up to its first NUL, as text; None if there is no value, or no NUL in it."""
    if prop is None:
        return None
    text, nul, _ = prop.data.partition(b"\0")
    return text.decode("utf-8", "replace") if nul else None
