"""Who interrupts go to: phandles, interrupt parents and the cell counts of controllers and nexus nodes.

1. A node with `#interrupt-cells` is an interrupt provider: a controller (`interrupt-controller`) or a nexus
   (`interrupt-map`), DTSpec v0.4, 2.4.1 and 2.4.3.
2. A node's interrupt parent is what its own `interrupt-parent` names, else the nearest ancestor that is a provider
   or has an `interrupt-parent` (Linux, of_irq_find_parent). A controller may be its own parent, through the root.
3. A fault of a provider is reported once, whoever runs into it.
"""

from __future__ import annotations

from dataclasses import dataclass

from irqframe.dt._report import Report, cell_span, size_of
from irqframe.dt._status import absent_by
from irqframe.dt._tree import Node, Property, Tree
from irqframe.errors import Span

# Linux's MAX_PHANDLE_ARGS; no controller comes near it, and it bounds what a hostile tree can ask for.
MAX_CELLS = 16

_NO_PHANDLES = (0, 0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Reference:
    """A node that another one names, and the place where it does."""

    target: Node
    owner: Node
    span: Span


class Providers:
    """The interrupt providers of one tree."""

    def __init__(self, tree: Tree, report: Report) -> None:
        self.report = report
        self._phandles = tree.by_phandle()
        self._cells: dict[int, int | None] = {}
        # By node: the nearest ancestor that decides, because it is a provider or has an `interrupt-parent`.
        self._deciding: dict[int, Node | None] = {}
        for node in tree.walk():
            above = node.parent
            decides = above is None or above.has("#interrupt-cells") or above.has("interrupt-parent")
            self._deciding[id(node)] = above if above is None or decides else self._deciding[id(above)]

    def parent(self, node: Node, asking: Span) -> Reference | None:
        """The interrupt parent of `node`; None, with a finding, if it has none.

        Args:
            node: a device, or a controller that forwards interrupts.
            asking: where the node says that it has interrupts.
        """
        owner: Node | None = node
        if not node.has("interrupt-parent"):
            owner = self._deciding[id(node)]
            if owner is not None and owner.has("#interrupt-cells"):
                return Reference(owner, node, asking)
        if owner is None:
            self.report.add(
                "E0401",
                f"{node.path} has interrupts but no interrupt parent",
                node,
                asking,
                expected="`interrupt-parent` here or on an ancestor",
                found="none up to the root",
                hint="give the root node `interrupt-parent = <&...>;`",
                subject=id(node),
            )
            return None
        return self._named_parent(owner, owner.properties["interrupt-parent"])

    def _named_parent(self, owner: Node, prop: Property) -> Reference | None:
        if len(prop.cells) == 1:
            return self.target(owner, prop, 0, prop.cells[0])
        self.report.add(
            "E0402",
            "`interrupt-parent` is not one phandle",
            owner,
            prop.span,
            expected="1 cell",
            found=size_of(prop),
            subject=id(prop),
        )
        return None

    def target(self, owner: Node, prop: Property, cell: int, phandle: int, *, hint: str = "") -> Reference | None:
        """The node that `phandle`, cell `cell` of `prop`, stands for; None, with a finding, if there is none."""
        span = cell_span(prop, cell)
        found = None if phandle in _NO_PHANDLES else self._phandles.get(phandle)
        if found is not None:
            return Reference(found, owner, span)
        self.report.add(
            "E0403",
            f"`{prop.name}` names a phandle that no node has",
            owner,
            span,
            expected="the phandle of a node in this tree",
            found=f"{phandle:#x}",
            hint=hint,
            subject=(id(prop), cell),
        )
        return None

    def interrupt_cells(self, reference: Reference, *, hint: str = "") -> int | None:
        """`#interrupt-cells` of a provider, 0 to 16; None, with a finding, if it has none or no such number."""
        provider = reference.target
        if not provider.has("#interrupt-cells") and not _claims_to_provide(provider):
            self._not_a_provider(reference, hint)
            return None
        if id(provider) not in self._cells:
            self._cells[id(provider)] = self._read_cells(reference)
        return self._cells[id(provider)]

    def _read_cells(self, reference: Reference) -> int | None:
        provider = reference.target
        prop = provider.properties.get("#interrupt-cells")
        cells = provider.u32("#interrupt-cells")
        if cells is not None and cells <= MAX_CELLS:
            return cells
        if prop is None:
            found = "none"
        else:
            found = size_of(prop) if cells is None else str(cells)
        self.report.add(
            "E0404",
            f"{provider.path} has no {'' if prop is None else 'usable '}`#interrupt-cells`",
            provider,
            provider.span if prop is None else prop.span,
            expected=f"one cell, at most {MAX_CELLS}",
            found=found,
            hint="it says how many cells an interrupt specifier for this node has",
            related=((reference.span, "interrupts are sent to it here"),),
        )
        return None

    def _not_a_provider(self, reference: Reference, hint: str) -> None:
        self.report.add(
            "E0405",
            f"{reference.target.path} is no interrupt controller",
            reference.owner,
            reference.span,
            expected="a node with `#interrupt-cells` and `interrupt-controller` or `interrupt-map`",
            found="neither",
            hint=hint,
            related=((reference.target.span, "the node that is named"),),
            subject=(id(reference.owner), reference.span, id(reference.target)),
        )

    def unit_address_cells(self, nexus: Node) -> int | None:
        """Cells of the unit address that a device brings to `nexus`: the nearest `#address-cells` upwards, else 2.

        That is Linux's of_irq_parse_raw; the specification asks for the nexus' own.
        """
        above: Node | None = nexus
        while above is not None and not above.has("#address-cells"):
            above = above.parent
        return 2 if above is None else self._address_cells(above)

    def parent_address_cells(self, parent: Node) -> int | None:
        """Cells of a parent unit address in an interrupt map: the parent's own `#address-cells`, else 0 (Linux)."""
        return self._address_cells(parent) if parent.has("#address-cells") else 0

    def _address_cells(self, node: Node) -> int | None:
        cells = node.u32("#address-cells")
        if cells is not None and cells <= MAX_CELLS:
            return cells
        prop = node.properties["#address-cells"]
        self.report.add(
            "E0413",
            f"{node.path} has no usable `#address-cells`, which an interrupt map needs",
            node,
            prop.span,
            expected=f"one cell, at most {MAX_CELLS}",
            found=size_of(prop) if cells is None else str(cells),
            subject=id(node),
        )
        return None

    def may_end_at(self, reference: Reference) -> bool:
        """Whether interrupts can end at a provider: a controller that an operating system finds; a finding if not."""
        provider = reference.target
        if not provider.has("interrupt-controller"):
            self.report.add(
                "E0405",
                f"{provider.path} has `#interrupt-cells` but is no interrupt controller",
                provider,
                provider.span,
                expected="`interrupt-controller` or `interrupt-map`",
                found="neither",
                related=((reference.span, "interrupts are sent to it here"),),
                subject=id(provider),
            )
            return False
        return self.is_present(reference, "interrupts are", "interrupt")

    def is_present(self, reference: Reference, what: str, kind: str) -> bool:
        """Whether a controller and all above it are enabled; a finding if not.

        Args:
            reference: who sends to the controller.
            what: "interrupts are" or "messages are", for the finding.
            kind: of controller: "interrupt" or "MSI".
        """
        controller = reference.target
        off = absent_by(controller)
        if off is None:
            return True
        which = "which" if off is controller else f"in {off.path}, which"
        self.report.add(
            "E0411",
            f"{what} sent to {controller.path}, {which} is disabled",
            controller,
            off.properties["status"].span,
            expected=f'`status = "okay";`, or another {kind} parent for its users',
            found=f"an {kind} controller that no operating system will start",
            related=((reference.span, f"{what} sent to it here"),),
            subject=id(controller),
        )
        return False


def _claims_to_provide(node: Node) -> bool:
    return node.has("interrupt-controller") or node.has("interrupt-map")
