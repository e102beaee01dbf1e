"""Plain data that crosses the hook spec: sources, outcomes of an injection, claims on traps, nodes to emit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any, NamedTuple, Protocol, TypeAlias

from irqframe.errors import SpecifierError


class Trigger(IntEnum):
    """How a source signals; the numbers are those of the device tree (`IRQ_TYPE_*` of Linux's irq.h binding)."""

    NONE = 0
    EDGE_RISING = 1
    EDGE_FALLING = 2
    EDGE_BOTH = 3
    LEVEL_HIGH = 4
    LEVEL_LOW = 8

    @property
    def is_level(self) -> bool:
        """Whether the line is sampled (level) rather than latched at a change (edge)."""
        return self in (Trigger.LEVEL_HIGH, Trigger.LEVEL_LOW)


class SourceKind(Enum):
    """Which number space of an irqchip a wired source belongs to."""

    PPI = "PPI"
    """Per CPU: every vCPU has a line of its own with this number."""
    SPI = "SPI"
    """Shared: one line for the whole machine, delivered where the guest routes it."""


class Source(NamedTuple):
    """A wired interrupt source, named without regard to any irqchip.

    Attributes:
        kind: per CPU or shared.
        number: for a PPI its INTID (16..31 on a GIC); for an SPI the number of the shared line, from 0
            (GIC: INTID - 32; rVID: the input). The pin of GSI routing and the default GSI are this number.
        trigger: how it signals.
    """

    kind: SourceKind
    number: int
    trigger: Trigger


class Injected(IntEnum):
    """What became of one raise; the core and the workloads account for every one of them by this.

    A reason to drop has a number of its own from DROPPED on, so that `outcome >= Injected.DROPPED` tests for all.
    """

    NOTHING = 0
    """No raise: the level was 0, or the line was high already."""
    LATCHED = 1
    """Held for delivery, as a pending state or as a line level that will be sampled."""
    COALESCED = 2
    """It was pending already: the two will be delivered as one."""
    POSTED = 3
    """Put into the inbox of the vCPU that owns the target; it counts the outcome when it drains the inbox."""
    DROPPED = 8
    """Lost by design, for a reason not listed below."""
    DROPPED_DISABLED = 9
    """The target's interface is disabled and the interrupt is no level to sample later."""
    DROPPED_UNROUTED = 10
    """The guest has routed the source to no target."""


#: The VM and the vCPU as hooks get them: `irqframe.vm.Vm` and `irqframe.vm.VCpu`. This room may not import that one.
VmRef: TypeAlias = Any
VCpuRef: TypeAlias = Any

#: A hypercall's work: (vcpu, x1, x2, x3) -> (x0, x1, x2, x3), each an unsigned 64-bit number.
HypercallHandler: TypeAlias = Callable[[VCpuRef, int, int, int], tuple[int, int, int, int]]


#: An operation of the compiled core, `irqframe.bits.Operation`. This room may not import that one.
OperationRef: TypeAlias = Any


class Hypercall(NamedTuple):
    """One function of a hypercall range.

    A claim may bring operations of the compiled core beside its Python callables. Where real code runs, the emulator's
    engine is compiled too, and nobody watches (no wrapper, no trap observer, no `irqchip_vcpu_sync_hwstate`), the exit
    is served by the operation, and Python does not hear of it before the next exit that is its own. So an operation
    does exactly what the callable does and what the irqchip's flush makes of the lines then; what it cannot do so, it
    leaves to the callable.

    Attributes:
        name: as the specification spells it.
        handler: its work.
        operation: (vcpu) -> the operation that serves this vCPU's calls, or None; asked once, when the guest is
            launched; every vCPU of the VM is run by one thread.
    """

    name: str
    handler: HypercallHandler
    operation: Callable[[VCpuRef], OperationRef | None] | None = None


@dataclass(frozen=True, slots=True)
class HypercallClaim:
    """A range of SMCCC function ids that the irqchip serves.

    Attributes:
        first: lowest id, 32 bits.
        last: highest id; an id in between that `functions` has not is answered with NOT_SUPPORTED (-1).
        functions: by function id.
    """

    first: int
    last: int
    functions: Mapping[int, Hypercall]


@dataclass(frozen=True, slots=True)
class MmioClaim:
    """A frame of guest physical addresses that the irqchip serves.

    Attributes:
        name: of the frame, for example "GICD".
        base: guest physical address of its first byte.
        size: bytes.
        read: (vcpu, offset, size) -> value; size is 1, 2, 4 or 8 bytes, the access lies inside the frame.
        write: (vcpu, offset, size, value); value is unsigned, cut to `size`.
        registers: offset -> register name, for trap counts; offsets not listed are shown as numbers.
        operations: (vcpu) -> offset -> operations for a load and for a store that begin there, None for what they do
            not serve; see `Hypercall`. They are given the size of the access, 1, 2 or 4 bytes.
    """

    name: str
    base: int
    size: int
    read: Callable[[VCpuRef, int, int], int]
    write: Callable[[VCpuRef, int, int, int], None]
    registers: Mapping[int, str] = field(default_factory=dict)
    operations: Callable[[VCpuRef], Mapping[int, tuple[OperationRef | None, OperationRef | None]]] | None = None


class SysregEncoding(NamedTuple):
    """An AArch64 system register as MRS and MSR name it (Arm ARM, "MRS")."""

    op0: int
    op1: int
    crn: int
    crm: int
    op2: int

    @property
    def packed(self) -> int:
        """One number: bits 20 to 5 of the instruction, op0 << 14 | op1 << 11 | CRn << 7 | CRm << 3 | op2."""
        return self.op0 << 14 | self.op1 << 11 | self.crn << 7 | self.crm << 3 | self.op2

    @classmethod
    def unpack(cls, packed: int) -> SysregEncoding:
        """The encoding that `packed` made a number of."""
        return cls(packed >> 14 & 3, packed >> 11 & 7, packed >> 7 & 15, packed >> 3 & 15, packed & 7)


@dataclass(frozen=True, slots=True)
class SysregClaim:
    """A system register that the irqchip serves.

    Attributes:
        name: "ICC_IAR1_EL1".
        encoding: op0, op1, CRn, CRm, op2.
        read: (vcpu) -> 64-bit value; None: reading is UNDEFINED.
        write: (vcpu, value); None: writing is UNDEFINED.
        operations: (vcpu) -> operations for MRS and for MSR, None for what they do not serve; see `Hypercall`.
    """

    name: str
    encoding: SysregEncoding
    read: Callable[[VCpuRef], int] | None = None
    write: Callable[[VCpuRef, int], None] | None = None
    operations: Callable[[VCpuRef], tuple[OperationRef | None, OperationRef | None]] | None = None


TrapClaim: TypeAlias = HypercallClaim | MmioClaim | SysregClaim


class NodeRef(Protocol):
    """What a hook may ask of a device-tree node; `irqframe.dt.Node` is one."""

    @property
    def name(self) -> str:
        """With the unit address."""

    @property
    def path(self) -> str:
        """Full path."""

    @property
    def compatible(self) -> tuple[str, ...]:
        """The strings of `compatible`, most specific first."""

    @property
    def children(self) -> Mapping[str, Any]:
        """Child nodes by name."""

    def has(self, name: str) -> bool:
        """Whether the property is there."""

    def u32(self, name: str) -> int | None:
        """A property of one cell, or None."""

    def cells(self, name: str) -> tuple[int, ...]:
        """A property's 32-bit cells, () if it has none."""

    def strings(self, name: str) -> tuple[str, ...]:
        """A property's strings, () if it has none."""


class Phandle(NamedTuple):
    """Stands in a cell of a `NodeSpec` for the phandle of the described node of that name."""

    node: str


#: A property's value in a `NodeSpec`: nothing (a flag), strings, or cells.
PropertyValue: TypeAlias = tuple[()] | tuple[str, ...] | tuple[int | Phandle, ...]


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node to emit, without phandles: the core numbers these.

    Attributes:
        name: with the unit address.
        properties: in the order of emission.
        children: nodes below it.
        serves: which sources name this node as their controller: kinds of wired sources, and "msi".
    """

    name: str
    properties: Mapping[str, PropertyValue]
    children: tuple[NodeSpec, ...] = ()
    serves: frozenset[SourceKind | str] = frozenset()


@dataclass(frozen=True, slots=True)
class DescribeRequest:
    """What a machine asks of an irqchip that shall become its interrupt controller.

    Attributes:
        mpidrs: of each vCPU, in the order of the tree; affinity bits only.
        sources: every wired source, each once.
        msis: whether a device wants message-signalled interrupts.
        address_cells: of the root, below which the nodes will stand.
        size_cells: likewise.
    """

    mpidrs: tuple[int, ...]
    sources: tuple[Source, ...]
    msis: bool = False
    address_cells: int = 2
    size_cells: int = 2

    def reg(self, address: int, size: int) -> tuple[int, ...]:
        """A range of addresses as cells of `reg`.

        Raises:
            SpecifierError: if the root's cells are too few for it.
        """
        return (*_cells(address, self.address_cells), *_cells(size, self.size_cells))


def _cells(number: int, count: int) -> tuple[int, ...]:
    if number >> 32 * count:
        raise SpecifierError(f"{number:#x} does not fit into {count} cells of the root")
    return tuple(number >> 32 * place & 0xFFFFFFFF for place in reversed(range(count)))


class RoutingKind(Enum):
    """Kind of a GSI routing entry."""

    IRQCHIP = "irqchip"
    MSI = "msi"


@dataclass(frozen=True, slots=True)
class RoutingEntry:
    """Where a GSI goes (`kvm_kernel_irq_routing_entry`).

    Attributes:
        gsi: the number that userspace raises.
        kind: a pin of the irqchip, or a message.
        pin: for IRQCHIP, the irqchip's shared line; else 0.
        address: for MSI, where the device writes; else 0.
        data: for MSI, what it writes, 32 bits; else 0.
        devid: for MSI, the DeviceID that comes with the write, or None.
    """

    gsi: int
    kind: RoutingKind
    pin: int = 0
    address: int = 0
    data: int = 0
    devid: int | None = None


@dataclass(frozen=True, slots=True)
class MessageLines:
    """The shared lines that messages to one node raise; nothing may be wired to them.

    Attributes:
        node: path of the node that takes the messages.
        lines: their numbers, as `Source.number` of an SPI.
        property: which of the node's properties says so, "" if none does.
    """

    node: str
    lines: range
    property: str = ""


@dataclass(frozen=True, slots=True)
class Lines:
    """The shared lines of an irqchip.

    Attributes:
        count: how many there are; their numbers are 0 to `count` - 1.
        messages: those that messages raise, for each node that takes messages.
    """

    count: int
    messages: tuple[MessageLines, ...] = ()


class Counters(NamedTuple):
    """What one target's irqchip state has counted since reset.

    raised + resampled = delivered + coalesced + dropped + withdrawn + still pending, whenever the target is quiet.

    Attributes:
        raised: edges, level assertions, SGIs or IPIs, MSIs that reached the target.
        delivered: acknowledged by the guest.
        coalesced: found the interrupt pending already.
        dropped: by `Injected` reason.
        withdrawn: taken back before delivery: the line fell, or the guest cleared the pending state.
        resampled: made pending again by a level that was still high; no raise of its own, but delivered once more.
    """

    raised: int
    delivered: int
    coalesced: int
    dropped: Mapping[Injected, int]
    withdrawn: int = 0
    resampled: int = 0
