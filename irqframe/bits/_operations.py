"""Operations of compiled targets: what serves an exit of a guest without Python.

They are for the `operation` and the `operations` of claims on traps; `irqframe.flow.Hypercall` says when they are used.
Each does what the target's method of that name does, if the target is enabled. There are none without the compiled
make.
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
else:

    class Operation:
        """Stands for those that there are not."""

    class Directory:
        """Stands for those that there are not."""

    _TARGETS = ()

__all__ = ["Directory", "Operation", "acknowledging", "directory", "pending", "unmasking"]

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
