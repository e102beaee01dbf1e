"""Set-up of the irqchip: the device attributes NR_IRQS and INIT, or the device tree's properties instead.

Order: create the irqchip, NR_IRQS, INIT, with the vCPUs made before INIT. One made between the two is initialised at
its creation; INIT then skips it.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from irqframe.errors import VmError
from irqframe.flow import Lines, MessageLines, NodeRef
from irqframe_rvic._instance import numbers
from irqframe_rvic._vm_data import DEFAULT_TOTAL, DEFAULT_TRUSTED, MAX_TOTAL, Extensions, VmData, check_limits

if TYPE_CHECKING:
    from irqframe.vm import Vm

RVIC_NODE: Final = "arm,rvic"
RVID_NODE: Final = "arm,rvid"


class Group(IntEnum):
    """Attribute groups (KVM_DEV_ARM_RVIC_GRP_*); the attribute number is 0 in both."""

    NR_IRQS = 0
    """A 32-bit value: T in bits 15:0, N in bits 31:16."""
    INIT = 1
    """No value."""


def check_attr(group: int, attr: int) -> Group:
    """The group of an attribute; ENXIO for one that is not there."""
    if group not in tuple(Group) or attr != 0:
        raise VmError(errno.ENXIO, f"there is no attribute {attr} in group {group}; there are 0:0 NR_IRQS and 1:0 INIT")
    return Group(group)


def vm_data(vm: Vm) -> VmData:
    """The VM's data; ENXIO before NR_IRQS."""
    data = vm.chip_data
    if not isinstance(data, VmData):
        raise VmError(errno.ENXIO, "NR_IRQS is not set")
    return data


def set_nr_irqs(vm: Vm, trusted: int, total: int, extensions: Extensions, order: str, quirks: frozenset[str]) -> None:
    """Say how many interrupts there are; once.

    Raises:
        VmError: EBUSY if it was done, EINVAL for numbers outside of the limits.
    """
    if vm.chip_data is not None:
        raise VmError(errno.EBUSY, "NR_IRQS is set already")
    check_limits(trusted, total, quirks)
    vm.chip_data = VmData(vm, trusted, total, extensions, order, quirks)


def initialise(vm: Vm, quirks: frozenset[str]) -> None:
    """INIT without finalizing: give every vCPU its rVIC, and every input its GSI.

    Raises:
        VmError: ENXIO before NR_IRQS, EBUSY if it was done, EINVAL without a vCPU, or what routing refuses.
    """
    data = vm_data(vm)
    strict = "K4" in quirks
    empty_again = "K20" in quirks and not vm.vcpus
    if data.initialised and not strict and not empty_again:
        raise VmError(errno.EBUSY, "the irqchip is initialised already")
    if not vm.vcpus and "K20" not in quirks:
        raise VmError(errno.EINVAL, "the VM has no vCPU, and none can be added after INIT")
    for vcpu in vm.vcpus:
        if vcpu.chip is None:
            data.make_instance(vcpu)
        elif strict:
            raise VmError(errno.EINVAL, f"vCPU {vcpu.index} has an rVIC already")
    vm.routing.set_default(data.inputs)
    data.initialised = True


def get_nr_irqs(vm: Vm) -> int:
    """The packed numbers; ENXIO before they are set."""
    data = vm_data(vm)
    return data.total << 16 | data.trusted


def from_nodes(nodes: Sequence[NodeRef], quirks: frozenset[str]) -> tuple[int, int, Extensions]:
    """Read T, N and the extensions out of the device tree's nodes.

    Args:
        nodes: one rVIC, and at most one rVID.
        quirks: under D9, an MSI range beyond the inputs is accepted; under K7, T = N.

    Raises:
        VmError: EINVAL for other nodes, numbers outside of the limits, or an MSI range beyond the inputs.
    """
    rvic = _one(nodes, RVIC_NODE, least=1)
    rvid = _one(nodes, RVID_NODE, least=0)
    assert rvic is not None
    trusted = _number(rvic, "irqframe,nr-trusted", DEFAULT_TRUSTED)
    total = _number(rvic, "irqframe,nr-total", DEFAULT_TOTAL)
    check_limits(trusted, total, quirks)  # before what would only follow from it
    msis = msi_range(rvid) if rvid is not None else range(0)
    if rvid is not None and msis.stop > total - trusted and "D9" not in quirks:
        raise VmError(errno.EINVAL, f"{rvid.path}: msi-range ends at input {msis.stop - 1}; {numbers(total - trusted)}")
    level_inputs = rvid is not None and rvid.has("irqframe,level-inputs")
    return trusted, total, Extensions(level_inputs, rvic.has("irqframe,priorities"), msis)


def lines(nodes: Sequence[NodeRef]) -> Lines:
    """The inputs that nodes stand for, and those of them that messages raise; what is wrong is left out."""
    try:
        trusted, total, _ = from_nodes(nodes, frozenset({"D9"}))
    except VmError:
        return Lines(MAX_TOTAL)
    messages = [(node, msi_range(node)) for node in nodes if RVID_NODE in node.compatible]
    return Lines(
        total - trusted, tuple(MessageLines(node.path, inputs, "msi-range") for node, inputs in messages if inputs)
    )


def msi_range(rvid: NodeRef) -> range:
    """The inputs of an rVID node that take messages; empty if it is no MSI controller.

    Raises:
        VmError: EINVAL for an MSI controller whose `msi-range` is missing or not two cells.
    """
    if not rvid.has("msi-controller"):
        return range(0)
    cells = rvid.cells("msi-range")
    if len(cells) != 2:
        raise VmError(errno.EINVAL, f"{rvid.path}: msi-range must be <base nr>, two cells, not {len(cells)}")
    return range(cells[0], cells[0] + cells[1])


def _one(nodes: Sequence[NodeRef], compatible: str, least: int) -> NodeRef | None:
    found = [node for node in nodes if compatible in node.compatible]
    if not least <= len(found) <= 1:
        paths = ", ".join(node.path for node in found) or "none"
        wanted = "one node" if least else "at most one node"
        raise VmError(errno.EINVAL, f"expected {wanted} that is {compatible!r}, found {paths}")
    return found[0] if found else None


def _number(node: NodeRef, name: str, default: int) -> int:
    if not node.has(name):
        return default
    value = node.u32(name)
    if value is None:
        raise VmError(errno.EINVAL, f"{node.path}: {name} must be one cell")
    return value
