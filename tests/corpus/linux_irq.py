"""The interrupt tree as Linux 6.1 walks it, function by function, over a DTB: the witness for ours.

`parse_one` is of_irq_parse_one, `parse_raw` of_irq_parse_raw, `find_parent` of_irq_find_parent (drivers/of/irq.c), and
`count` of_irq_count; `messages` reads what of_map_id and of_msi_get_domain read. Where Linux returns an error,
`NoInterruptError` says which.
"""

from __future__ import annotations

from collections.abc import Iterator

from blob import Blob, Node

MAX_PHANDLE_ARGS = 16

#: of_irq_imap_abusers: controllers that read their `interrupt-map` themselves, in a way of their own.
ABUSERS = (
    "CBEA,platform-spider-pic",
    "sti,platform-spider-pic",
    "realtek,rtl-intc",
    "fsl,ls1021a-extirq",
    "fsl,ls1043a-extirq",
    "fsl,ls1088a-extirq",
    "renesas,rza1-irqc",
)

Found = tuple[str, tuple[int, ...]]


class NoInterruptError(Exception):
    """Linux finds no interrupt there."""


class LinuxTree:
    """A tree with its phandles."""

    def __init__(self, blob: Blob) -> None:
        self.nodes = list(blob.root.walk())
        self.by_path = {node.path: node for node in self.nodes}
        self.phandles: dict[int, Node] = {}
        for node in self.nodes:
            phandle = node.u32("phandle") or node.u32("linux,phandle")
            if phandle:
                self.phandles.setdefault(phandle, node)

    def find_parent(self, child: Node | None) -> Node | None:
        """The interrupt parent of a node."""
        while child is not None:
            named = child.u32("interrupt-parent")
            child = child.parent if named is None else self.phandles.get(named)
            if child is not None and "#interrupt-cells" in child.properties:
                return child
        return None

    def count(self, node: Node) -> int:
        """How many interrupts a node has, resolved or not; -1 if where one ends cannot be told."""
        if "interrupts-extended" in node.properties:
            return self._count_extended(node)
        cells = len(node.properties.get("interrupts", b"")) // 4
        parent = self.find_parent(node)
        size = parent.u32("#interrupt-cells") if parent is not None else None
        return -1 if cells and not size else cells // size if size else 0

    def _count_extended(self, node: Node) -> int:
        cells = cells_of(node, "interrupts-extended")
        at = index = 0
        while at < len(cells):
            target = self.phandles.get(cells[at])
            size = target.u32("#interrupt-cells") if target is not None else None
            if cells[at] and size is None:
                return -1
            at += 1 + (size or 0)
            index += 1
        return index

    def parse_one(self, node: Node, index: int) -> Found | None:
        """Interrupt `index` of a node: path of the controller and the cells it takes; None for a hole."""
        address = cells_of(node, "reg") if "reg" in node.properties else None
        if "interrupts-extended" in node.properties:
            entry = self._entry(node, index)
            return None if entry is None else self.parse_raw(address, *entry)
        parent = self.find_parent(node)
        size = parent.u32("#interrupt-cells") if parent is not None else None
        if parent is None or size is None:
            raise NoInterruptError("no interrupt parent")
        args = cells_of(node, "interrupts")[index * size : (index + 1) * size]
        if len(args) < size:
            raise NoInterruptError("short")
        return self.parse_raw(address, parent, args)

    def _entry(self, node: Node, wanted: int) -> tuple[Node, tuple[int, ...]] | None:
        cells = cells_of(node, "interrupts-extended")
        at = 0
        for _ in range(wanted):
            at += 1 + (self.phandles[cells[at]].u32("#interrupt-cells") or 0 if cells[at] else 0)
        if not cells[at]:
            return None
        target = self.phandles[cells[at]]
        size = target.u32("#interrupt-cells") or 0
        args = cells[at + 1 : at + 1 + size]
        if len(args) < size:
            raise NoInterruptError("short")
        return target, args

    def parse_raw(self, address: tuple[int, ...] | None, start: Node, args: tuple[int, ...]) -> Found:
        """Follow a specifier from `start`, with the unit address of the device, to its controller."""
        node: Node | None = start
        size = address_size = 0
        while node is not None and "#interrupt-cells" not in node.properties:
            node = self.find_parent(node)
        if node is None or (size := node.u32("#interrupt-cells") or 0) != len(args):
            raise NoInterruptError("no usable #interrupt-cells")
        address_size = address_cells(node)
        if address_size + size > MAX_PHANDLE_ARGS:
            raise NoInterruptError("too many cells")
        unit = ((address or ()) + (0,) * address_size)[:address_size] + args
        while node is not None:
            is_controller = "interrupt-controller" in node.properties
            has_map = "interrupt-map" in node.properties
            if is_controller and (not has_map or is_abuser(node)):
                return node.path, args
            if address_size and address is None:
                raise NoInterruptError("no reg")
            if not has_map:
                node = self.find_parent(node)
                continue
            row = self._row(node, unit, address_size + size)
            if row is None:
                if is_controller:
                    return node.path, args
                raise NoInterruptError("no row")
            parent, unit, address_size = row
            args = unit[address_size:]
            size = len(args)
            if parent is node:
                return node.path, args
            node = parent
        raise NoInterruptError("no controller")

    def _row(self, nexus: Node, unit: tuple[int, ...], width: int) -> tuple[Node, tuple[int, ...], int] | None:
        """The first row of a map that matches: parent, its unit address and specifier, cells of the address."""
        mask = cells_of(nexus, "interrupt-map-mask") or (0xFFFFFFFF,) * width
        for row, parent, cells, address_size in self.rows(nexus, width):
            if all(not (a ^ b) & m for a, b, m in zip(unit, row, mask, strict=False)) and is_available(parent):
                return parent, cells, address_size
        return None

    def rows(self, nexus: Node, width: int) -> Iterator[tuple[tuple[int, ...], Node, tuple[int, ...], int]]:
        """All rows of a map: unit, parent, its unit address and specifier, cells of the address."""
        cells = cells_of(nexus, "interrupt-map")
        at = 0
        while len(cells) - at > width + 1:
            unit = cells[at : at + width]
            parent = self.phandles.get(cells[at + width])
            if parent is None:
                raise NoInterruptError("no parent of a row")
            size = parent.u32("#interrupt-cells")
            address_size = parent.u32("#address-cells") or 0
            at += width + 1
            if size is None or address_size + size > min(MAX_PHANDLE_ARGS, len(cells) - at):
                raise NoInterruptError("malformed row")
            yield unit, parent, cells[at : at + address_size + size], address_size
            at += address_size + size

    def messages(self, node: Node) -> list[tuple[str, int, int]]:
        """Who takes the messages of a node: path, first requester ID of the range, first cell of the MSI specifier."""
        found = []
        rows = cells_of(node, "msi-map")
        if "msi-map" in node.properties:
            for at in range(0, len(rows) // 4 * 4, 4):
                rid, phandle, base, _ = rows[at : at + 4]
                found.append((self.phandles[phandle].path, rid, base))
            return found
        parents = cells_of(node, "msi-parent")
        at = 0
        while at < len(parents):
            target = self.phandles[parents[at]]
            size = target.u32("#msi-cells") or 0
            found.append((target.path, 0, parents[at + 1] if size else 0))
            at += 1 + size
        return found


def address_cells(node: Node) -> int:
    """The nearest `#address-cells` upwards, else 2."""
    above: Node | None = node
    while above is not None and "#address-cells" not in above.properties:
        above = above.parent
    return 2 if above is None else above.u32("#address-cells") or 0


def is_abuser(node: Node) -> bool:
    """of_device_compatible_match with of_irq_imap_abusers."""
    names = node.properties.get("compatible", b"").decode(errors="replace").split("\0")
    return any(name in ABUSERS for name in names)


def cells_of(node: Node, name: str) -> tuple[int, ...]:
    """All whole cells of a property."""
    data = node.properties.get(name, b"")
    return tuple(int.from_bytes(data[i : i + 4], "big") for i in range(0, len(data) // 4 * 4, 4))


def is_available(node: Node) -> bool:
    """of_device_is_available: by the node's own status."""
    status = node.properties.get("status")
    return status is None or (len(status) > 0 and status.partition(b"\0")[0] in (b"okay", b"ok"))


def exists(node: Node | None) -> bool:
    """Whether Linux makes a device of a node: it and all above are available."""
    while node is not None:
        if not is_available(node):
            return False
        node = node.parent
    return True
