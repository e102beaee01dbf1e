"""A trap, bound ahead of time: the guest is left, the trap served, and the guest entered again.

`VCpu.leave` and `VCpu.enter` say what that is. Here it stands once more for each number of arguments, as plain as can
be: most of what a trap costs is the way there and back, and on nearly every way nothing is to be done before the guest
goes on. Where there is something, `VCpu.enter` does it; a vCPU that was powered off meanwhile has a request, and so has
one with something in its inbox, for whoever posts kicks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from irqframe.flow import SysregEncoding
    from irqframe.vm._traps import Served
    from irqframe.vm._vcpu import VCpu

MASK32: Final = 0xFFFFFFFF

#: The irqchip's part in leaving or entering, or None.
Step = Callable[["VCpu"], Any] | None


class HypercallTrap(Protocol):
    """The guest executes HVC."""

    def __call__(self, x0: int, x1: int = 0, x2: int = 0, x3: int = 0) -> tuple[int, int, int, int]:
        """x0 to x3 afterwards; the function id is the low 32 bits of x0."""


class LoadTrap(Protocol):
    """The guest loads from a device."""

    def __call__(self, gpa: int, size: int = 4) -> int:
        """The value of `size` bytes."""


def hypercalls(
    vcpu: VCpu,
    known: Mapping[int, Served],
    serve: Callable[..., tuple[int, int, int, int]],
    flush: Step,
    sync: Step,
) -> HypercallTrap:
    """HVC: what is not `known` goes to `serve`: the vCPU, the function id and x1 to x3."""
    requests, enter = vcpu.requests, vcpu.enter

    def trap(x0: int, x1: int = 0, x2: int = 0, x3: int = 0) -> tuple[int, int, int, int]:
        inside = vcpu.in_guest
        if inside:
            vcpu.in_guest = False
            if sync is not None:
                sync(vcpu)
        else:
            vcpu.left -= 1
        try:
            served = known[x0]
        except KeyError:
            served = None
        if served is None:
            result = serve(vcpu, x0 & MASK32, x1, x2, x3)
        else:
            served.times += 1
            result = served.handler(vcpu, x1, x2, x3)
        if inside and not (requests or vcpu.paused):
            if flush is not None:
                flush(vcpu)
            vcpu.in_guest = True
            if not requests:
                return result
            vcpu.in_guest = False
            if sync is not None:
                sync(vcpu)
        enter()
        return result

    return trap


def loads(vcpu: VCpu, serve: Callable[..., int], flush: Step, sync: Step) -> LoadTrap:
    """Loads from devices; `serve` takes the vCPU, the address and the size."""
    requests, enter = vcpu.requests, vcpu.enter

    def trap(gpa: int, size: int = 4) -> int:
        inside = vcpu.in_guest
        if inside:
            vcpu.in_guest = False
            vcpu.left += 1
            if sync is not None:
                sync(vcpu)
        result = serve(vcpu, gpa, size)
        if inside and not (requests or vcpu.paused):
            if flush is not None:
                flush(vcpu)
            vcpu.in_guest = True
            if not requests:
                return result
            vcpu.in_guest = False
            if sync is not None:
                sync(vcpu)
        enter()
        return result

    return trap


def stores(vcpu: VCpu, serve: Callable[..., None], flush: Step, sync: Step) -> Callable[[int, int, int], None]:
    """Stores to devices; `serve` takes the vCPU, the address, the size and the value."""
    requests, enter = vcpu.requests, vcpu.enter

    def trap(gpa: int, size: int, value: int) -> None:
        inside = vcpu.in_guest
        if inside:
            vcpu.in_guest = False
            vcpu.left += 1
            if sync is not None:
                sync(vcpu)
        serve(vcpu, gpa, size, value)
        if inside and not (requests or vcpu.paused):
            if flush is not None:
                flush(vcpu)
            vcpu.in_guest = True
            if not requests:
                return
            vcpu.in_guest = False
            if sync is not None:
                sync(vcpu)
        enter()

    return trap


def register_reads(vcpu: VCpu, serve: Callable[..., int], flush: Step, sync: Step) -> Callable[[SysregEncoding], int]:
    """MRS; `serve` takes the vCPU and the encoding."""
    requests, enter = vcpu.requests, vcpu.enter

    def trap(encoding: SysregEncoding) -> int:
        inside = vcpu.in_guest
        if inside:
            vcpu.in_guest = False
            vcpu.left += 1
            if sync is not None:
                sync(vcpu)
        result = serve(vcpu, encoding)
        if inside and not (requests or vcpu.paused):
            if flush is not None:
                flush(vcpu)
            vcpu.in_guest = True
            if not requests:
                return result
            vcpu.in_guest = False
            if sync is not None:
                sync(vcpu)
        enter()
        return result

    return trap


def register_writes(
    vcpu: VCpu, serve: Callable[..., None], flush: Step, sync: Step
) -> Callable[[SysregEncoding, int], None]:
    """MSR; `serve` takes the vCPU, the encoding and the value."""
    requests, enter = vcpu.requests, vcpu.enter

    def trap(encoding: SysregEncoding, value: int) -> None:
        inside = vcpu.in_guest
        if inside:
            vcpu.in_guest = False
            vcpu.left += 1
            if sync is not None:
                sync(vcpu)
        serve(vcpu, encoding, value)
        if inside and not (requests or vcpu.paused):
            if flush is not None:
                flush(vcpu)
            vcpu.in_guest = True
            if not requests:
                return
            vcpu.in_guest = False
            if sync is not None:
                sync(vcpu)
        enter()

    return trap
