"""Message-signalled interrupts: which controller takes a node's messages, by `msi-map` or `msi-parent`.

1. `msi-map` counts if both are there. Its rows have four cells: RID base, phandle, MSI base, length (Linux, of_map_id);
   the third cell is there even if the controller has no `#msi-cells`, as it is in QEMU's trees.
2. `msi-parent` is a list of phandles, each with the controller's `#msi-cells` cells after it; a zero phandle is a hole
   (Linux). A row of `msi-map` has room for one cell only.
3. A disabled controller takes nothing: a finding.
"""

from __future__ import annotations

from dataclasses import dataclass

from irqframe.dt._providers import MAX_CELLS, Providers, Reference
from irqframe.dt._report import Report, cell_span, count, size_of
from irqframe.dt._status import enabled
from irqframe.dt._tree import Node, Property, Tree
from irqframe.errors import Finding, Span

# Requester IDs of a PCI domain: bus, device and function in 16 bits.
ALL_RIDS = 0x10000

_ROW = 4
_NO_MASK = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class MsiRef:
    """A range of a node's message sources, and who takes their messages.

    The device with requester ID `rid`, masked with `mask`, sends with the MSI specifier `rid - rid_base + msi_base` if
    that lies in the range.

    Attributes:
        node: whose messages they are: a PCI host, or a device with `msi-parent`.
        controller: who takes them.
        rid_base: first requester ID of the range; 0 for `msi-parent`.
        msi_base: MSI specifier of the first; 0 if the controller has no `#msi-cells`.
        length: how many there are; 0x10000 for a PCI host with `msi-parent`, 1 for another device with it.
        mask: applied to the requester ID first.
        span: where the controller is named.
        specifier: the cells after the controller's phandle that are for it; empty if it has no `#msi-cells`.
    """

    node: Node
    controller: Node
    rid_base: int
    msi_base: int
    length: int
    mask: int
    span: Span
    specifier: tuple[int, ...]


def msi_routes(tree: Tree) -> tuple[tuple[MsiRef, ...], tuple[Finding, ...]]:
    """Every MSI route of the tree's enabled nodes, in tree order.

    Args:
        tree: a tree as it was loaded; its values may be anything.

    Returns:
        The routes, and a finding for each fault (E0403, E0411, E0420 to E0425).
    """
    report = Report()
    reader = _Reader(Providers(tree, report), report)
    found: list[MsiRef] = []
    for node in enabled(tree):
        rows, parents = node.properties.get("msi-map"), node.properties.get("msi-parent")
        if rows is not None:
            found += reader.by_map(node, rows)
        elif parents is not None:
            found += reader.by_parent(node, parents)
    return tuple(found), report.findings


class _Reader:
    def __init__(self, providers: Providers, report: Report) -> None:
        self.providers = providers
        self.report = report

    def by_map(self, node: Node, prop: Property) -> list[MsiRef]:
        cells = prop.cells
        rest = len(cells) % _ROW
        if not cells or rest:
            found = size_of(prop) if not cells else f"{count(rest, 'cell')} after the last whole row"
            span = cell_span(prop, len(cells) - rest)
            self._length(node, prop, span, "rows of 4 cells: RID base, phandle, MSI base, length", found)
        mask = self._mask(node)
        refs = []
        for start in range(0, len(cells) - rest, _ROW):
            rid, phandle, base, length = cells[start : start + _ROW]
            reference = self.providers.target(node, prop, start + 1, phandle)
            size = None if reference is None else self._msi_cells(reference)
            if reference is None or size is None or not self._rid_fits(node, prop, start, rid, mask):
                continue
            if size > 1:
                self._too_wide(node, reference, size)
                continue
            specifier = (base,) * size
            refs.append(MsiRef(node, reference.target, rid, base, length, mask, reference.span, specifier))
        return refs

    def by_parent(self, node: Node, prop: Property) -> list[MsiRef]:
        cells = prop.cells
        if not cells:
            self._length(node, prop, prop.span, "a phandle", size_of(prop))
        length = ALL_RIDS if node.strings("device_type") == ("pci",) else 1
        refs = []
        start = 0
        while start < len(cells):
            if not cells[start]:
                start += 1
                continue
            reference = self.providers.target(node, prop, start, cells[start])
            size = None if reference is None else self._msi_cells(reference)
            if reference is None or size is None:
                break
            specifier = cells[start + 1 : start + 1 + size]
            if len(specifier) < size:
                self._length(
                    node,
                    prop,
                    cell_span(prop, start),
                    f"{count(size, 'cell')} for {reference.target.path} after its phandle",
                    count(len(specifier), "cell"),
                )
                break
            base = specifier[0] if specifier else 0
            refs.append(MsiRef(node, reference.target, 0, base, length, _NO_MASK, reference.span, specifier))
            start += 1 + size
        return refs

    def _msi_cells(self, reference: Reference) -> int | None:
        """`#msi-cells` of a controller that is one and is enabled; None, with a finding, if something is wrong."""
        controller = reference.target
        if not controller.has("msi-controller"):
            self.report.add(
                "E0421",
                f"{controller.path} is no MSI controller",
                reference.owner,
                reference.span,
                expected="a node with `msi-controller`",
                found="none",
                related=((controller.span, "the node that is named"),),
                subject=(id(reference.owner), reference.span, id(controller)),
            )
            return None
        if not self.providers.is_present(reference, "messages are", "MSI"):
            return None
        cells = controller.u32("#msi-cells") if controller.has("#msi-cells") else 0
        if cells is not None and cells <= MAX_CELLS:
            return cells
        prop = controller.properties["#msi-cells"]
        self.report.add(
            "E0422",
            f"{controller.path} has no usable `#msi-cells`",
            controller,
            prop.span,
            expected=f"one cell, at most {MAX_CELLS}",
            found=size_of(prop) if cells is None else str(cells),
            subject=id(controller),
        )
        return None

    def _too_wide(self, node: Node, reference: Reference, size: int) -> None:
        declared = reference.target.properties["#msi-cells"]
        self.report.add(
            "E0425",
            f"a row of `msi-map` has room for one cell, and {reference.target.path} wants more",
            node,
            reference.span,
            expected="a controller with `#msi-cells` of 0 or 1",
            found=count(size, "cell"),
            hint="`msi-parent` can name such a controller",
            related=((declared.span, "the controller's `#msi-cells`"),),
            subject=(id(node), id(reference.target)),
        )

    def _mask(self, node: Node) -> int:
        prop = node.properties.get("msi-map-mask")
        if prop is None:
            return _NO_MASK
        if len(prop.cells) == 1:
            return prop.cells[0]
        self.report.add(
            "E0423",
            "`msi-map-mask` is not one cell",
            node,
            prop.span,
            expected="1 cell",
            found=size_of(prop),
        )
        return _NO_MASK

    def _rid_fits(self, node: Node, prop: Property, start: int, rid: int, mask: int) -> bool:
        if not rid & ~mask:
            return True
        self.report.add(
            "E0424",
            "a RID base of `msi-map` has bits that `msi-map-mask` takes away, so the row never matches",
            node,
            cell_span(prop, start),
            expected=f"bits within {mask:#x}",
            found=f"{rid:#x}",
        )
        return False

    def _length(self, node: Node, prop: Property, span: Span, expected: str, found: str) -> None:
        self.report.add(
            "E0420",
            f"`{prop.name}` has a wrong length",
            node,
            span,
            expected=expected,
            found=found,
            subject=id(prop),
        )
