"""The nodes that make a machine: CPUs, memory, the per-CPU timer and the performance monitor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from irqframe.dt._addresses import address_cells, number, reg, size_cells
from irqframe.dt._interrupts import InterruptRef
from irqframe.dt._report import Report, count, size_of
from irqframe.dt._status import enabled, is_enabled
from irqframe.dt._tree import Node, Property, Tree
from irqframe.errors import Finding, Span

# Aff3 and Aff2..Aff0, the bits that identify a CPU: MPIDR_EL1, and MPIDR_HWID_BITMASK in Linux.
AFFINITY_BITS = 0xFF_00FF_FFFF

_TIMERS = ("arm,armv8-timer", "arm,armv7-timer")

# Order of `interrupts` in the binding of the timer, which is also the order of its `interrupt-names`.
_TIMER_NAMES = ("sec-phys", "phys", "virt", "hyp-phys", "hyp-virt")


@dataclass(frozen=True, slots=True)
class Cpu:
    """One enabled CPU.

    Attributes:
        node: /cpus/cpu@...
        mpidr: its affinity, Aff3 in bits 39:32 and Aff2..Aff0 in bits 23:0.
        enable_method: "psci", "spin-table", ... or "".
        span: of `reg`.
    """

    node: Node
    mpidr: int
    enable_method: str
    span: Span


@dataclass(frozen=True, slots=True)
class Region:
    """A range of addresses, in bytes."""

    address: int
    size: int


@dataclass(frozen=True, slots=True)
class TimerNode:
    """The generic timer and those of its interrupts that resolved.

    Attributes:
        node: the timer.
        sec_phys: secure physical timer, and so on for the others; None if the tree has none.
    """

    node: Node
    sec_phys: InterruptRef | None
    phys: InterruptRef | None
    virt: InterruptRef | None
    hyp_phys: InterruptRef | None
    hyp_virt: InterruptRef | None

    @property
    def interrupts(self) -> tuple[InterruptRef, ...]:
        """Those that are there, in the order of the binding."""
        every = (self.sec_phys, self.phys, self.virt, self.hyp_phys, self.hyp_virt)
        return tuple(ref for ref in every if ref is not None)


@dataclass(frozen=True, slots=True)
class PmuNode:
    """The performance monitor and its interrupts: one per-CPU interrupt, or one for each CPU."""

    node: Node
    interrupts: tuple[InterruptRef, ...]


def cpus(tree: Tree) -> tuple[tuple[Cpu, ...], tuple[Finding, ...]]:
    """The enabled CPUs of /cpus, in tree order.

    Args:
        tree: a tree as it was loaded; its values may be anything.

    Returns:
        The CPUs, and a finding for each without a usable `reg` (E0430), with bits outside of the affinity (E0431) or
        with the affinity of an earlier one (E0432), and for a tree without any (E0433).
    """
    report = Report()
    parent = tree.root.children.get("cpus")
    nodes = [] if parent is None else [node for node in parent.children.values() if _is_cpu(node)]
    found: dict[int, Cpu] = {}
    for node in filter(is_enabled, nodes):
        cpu = _cpu(report, node)
        if cpu is not None and _is_new(report, cpu, found.get(cpu.mpidr)):
            found[cpu.mpidr] = cpu
    if not found and not report.findings:
        where = parent or tree.root
        report.add(
            "E0433", "the machine has no CPU", where, where.span, expected="an enabled /cpus/cpu@N", found="none"
        )
    return tuple(found.values()), report.findings


def _is_cpu(node: Node) -> bool:
    return node.basename == "cpu" or node.strings("device_type") == ("cpu",)


def _cpu(report: Report, node: Node) -> Cpu | None:
    prop = node.properties.get("reg")
    wanted = address_cells(node.parent)
    cells = node.cells("reg")
    if prop is None or not cells or len(cells) != wanted:
        report.add(
            "E0430",
            f"{node.path} has no {'' if prop is None else 'usable '}`reg`",
            node,
            node.span if prop is None else prop.span,
            expected=f"its MPIDR in {count(wanted, 'cell')} (#address-cells of /cpus)",
            found=_length(prop),
        )
        return None
    mpidr = number(cells)
    if mpidr & ~AFFINITY_BITS:
        report.add(
            "E0431",
            f"`reg` of {node.path} has bits that no MPIDR affinity has",
            node,
            prop.span_at(0),
            expected=f"bits within {AFFINITY_BITS:#x}",
            found=f"{mpidr:#x}",
        )
        return None
    methods = node.strings("enable-method")
    return Cpu(node, mpidr, methods[0] if methods else "", prop.span)


def _length(prop: Property | None) -> str:
    """How long a property is, in cells if it is cells."""
    return "none" if prop is None else size_of(prop)


def _is_new(report: Report, cpu: Cpu, earlier: Cpu | None) -> bool:
    if earlier is None:
        return True
    report.add(
        "E0432",
        f"{cpu.node.path} has the `reg` of another CPU",
        cpu.node,
        cpu.span,
        expected="an MPIDR of its own",
        found=f"{cpu.mpidr:#x}",
        related=((earlier.span, f"{earlier.node.path} has it too"),),
    )
    return False


def memory(tree: Tree) -> tuple[tuple[Region, ...], tuple[Finding, ...]]:
    """The memory of the machine: each enabled child of the root with `device_type = "memory"`, in tree order.

    Returns:
        The regions that are not empty, and a finding for each node whose `reg` is missing or does not divide (E0434).
    """
    report = Report()
    regions: list[Region] = []
    for node in tree.root.children.values():
        if node.strings("device_type") == ("memory",) and is_enabled(node):
            pairs = reg(node)
            regions += [Region(address, size) for address, size in pairs if size]
            if not pairs:
                _no_memory(report, node)
    return tuple(regions), report.findings


def _no_memory(report: Report, node: Node) -> None:
    prop = node.properties.get("reg")
    width = address_cells(node.parent) + size_cells(node.parent)
    report.add(
        "E0434",
        f"{node.path} has no {'' if prop is None else 'usable '}`reg`",
        node,
        node.span if prop is None else prop.span,
        expected=f"rows of {count(width, 'cell')}: address and size",
        found=_length(prop),
    )


def timer(tree: Tree, refs: tuple[InterruptRef, ...]) -> TimerNode | None:
    """The first enabled generic timer, or None.

    Args:
        tree: the tree.
        refs: its interrupts, from `interrupts`.

    Returns:
        The timer, its interrupts by `interrupt-names` if it has them, else by position in the binding's order.
    """
    node = _first(tree, lambda compatible: compatible in _TIMERS)
    if node is None:
        return None
    own = [ref for ref in refs if ref.node is node and not ref.unit]
    if node.has("interrupt-names"):
        by_name = {ref.name: ref for ref in own}
    else:
        by_name = {_TIMER_NAMES[ref.index]: ref for ref in own if ref.index < len(_TIMER_NAMES)}
    return TimerNode(node, *(by_name.get(name) for name in _TIMER_NAMES))


def pmu(tree: Tree, refs: tuple[InterruptRef, ...]) -> PmuNode | None:
    """The first enabled performance monitor, or None; a node without `compatible`, as QEMU writes it, is none.

    Args:
        tree: the tree.
        refs: its interrupts, from `interrupts`.
    """
    node = _first(tree, lambda compatible: compatible.endswith(("-pmu", "-pmuv3")))
    return None if node is None else PmuNode(node, tuple(ref for ref in refs if ref.node is node))


def _first(tree: Tree, wanted: Callable[[str], bool]) -> Node | None:
    return next((node for node in enabled(tree) if any(map(wanted, node.compatible))), None)
