"""Operations of the compiled make: what serves an exit of a guest without Python.

They are for the `operation` and the `operations` of claims on traps; `irqframe.flow.Hypercall` says when they are used.
Those of a target do what its method of that name does, if the target is enabled. Those of a GIC access a register of
its CPU interface. There are none without the compiled make.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from irqframe.bits._make import is_compiled

if TYPE_CHECKING or is_compiled():
    from irqframe import _native

    Directory = _native.Directory
    Operation = _native.Operation
    _TARGETS = (_native.LowestFirst, _native.Fifo, _native.Priority)
    _PREEMPTION = _native.Preemption
else:

    class Operation:
        """Stands for those that there are not."""

    class Directory:
        """Stands for those that there are not."""

    _TARGETS = _PREEMPTION = ()

__all__ = ["Directory", "Operation", "accessing", "acknowledging", "directory", "pending", "unmasking"]

Words = tuple[int, ...]
"""What x0 to x3 hold afterwards; those left out are 0."""


def directory(targets: Mapping[int, Any]) -> Directory | None:
    """Targets by the number with which a guest names them, for `pending` and `unmasking`.

    Args:
        targets: by numbers of 64 bits, unsigned.

    Returns:
        None unless all targets are compiled.
    """
    return Directory(dict(targets)) if all(isinstance(each, _TARGETS) for each in targets.values()) else None


def acknowledging(target: Any, *, disabled: Words, nothing: Words) -> Operation | None:
    """A hypercall that acknowledges the next interrupt of `target`: x0 is 0 then, and x1 its INTID.

    `Operation.counts` tells how often it handed out each INTID; `Target.reset` does not change that.

    Args:
        target: of the vCPU that calls.
        disabled: what is answered while the target is not enabled.
        nothing: what is answered if nothing is deliverable.

    Returns:
        None if the target is not compiled.
    """
    return _native.acknowledging(target, disabled, nothing) if isinstance(target, _TARGETS) else None


def pending(own: Any, targets: Directory | None, *, disabled: Words) -> Operation | None:
    """A hypercall that pends the INTID x2 of the target that x1 names: x0 is 0 then.

    What is none of them, and what changes the line of another vCPU, is left to Python.

    Args:
        own: target of the vCPU that calls.
        targets: all that can be named.
        disabled: what is answered if the target is not enabled.

    Returns:
        None if the targets are not compiled.
    """
    return _native.pending(own, targets, disabled) if targets is not None else None


def unmasking(own: Any, targets: Directory | None) -> Operation | None:
    """A hypercall that unmasks the INTID x2 of the target that x1 names, enabled or not; as `pending` otherwise."""
    return _native.unmasking(own, targets) if targets is not None else None


def accessing(register: str, cpu: Any) -> Operation | None:
    """An access of a register of a GIC's CPU interface, as far as it is this CPU's alone.

    A load or MRS acknowledges what is signalled, a store or MSR ends it. Left to Python is what concerns other CPUs or
    a device that listens, an interrupt that is in no bank, and everything while the line of a watched interrupt is
    high. Loads and stores are 4 bytes wide. `Preemption.acknowledged` counts on, and `drive` is not called.

    Args:
        register: GICC_IAR, GICC_EOIR, GICC_AIAR, GICC_AEOIR or GICC_DIR; ICC_IAR0_EL1, ICC_EOIR0_EL1, ICC_IAR1_EL1,
            ICC_EOIR1_EL1 or ICC_DIR_EL1.
        cpu: a `Preemption` that does nothing else at these registers than `plugins/vgic` does.

    Returns:
        None for every other register, and if the CPU's state is not compiled.
    """
    return _native.accessing(register, cpu) if isinstance(cpu, _PREEMPTION) else None
