"""Exits of a vCPU that the compiled engine serves by operations of the irqchip, without Python.

1. Nothing can be seen of it by the thread that runs the vCPU: before Python serves an exit, and when a run returns, the
   vCPU's counters and lines are as if Python had served every exit. Another thread may see them late.
2. Whatever the vCPU would have to do first makes the next exit Python's: requests, a pause, a stop that was asked for.
3. A wrapper of any callback, a trap observer, or an irqchip that synchronises at every exit has to hear of every exit:
   then there are no operations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, TypeVar

from irqframe.bits import Operation
from irqframe.errors import PluginError
from irqframe.guest.aarch64._encodings import pack
from irqframe.guest.aarch64._engine import FIQ, IRQ, Exits
from irqframe.vm import VCpu

K = TypeVar("K")
Row = tuple[int, int, Operation]
Tally = Callable[[int], None]

UNSETTLED: Final = 4
"""Bit of what `Exits.lines` returns to an engine with operations: the next exit is Python's."""

WIDEST: Final = 4
"""Bytes of the widest access that a frame is asked for."""

HYPERCALL, MMIO_READ, MMIO_WRITE, SYSREG_READ, SYSREG_WRITE = range(5)
"""Exits by their place in `Exits`."""


class Bound:
    """The operations of one vCPU.

    Args:
        vcpu: of a VM that is finalized.

    Attributes:
        rows: (exit, key, operation) for `CompiledEngine.bind`: the key is a function id, an address, or an encoding.

    Raises:
        PluginError: if a claim's operation is none.
    """

    def __init__(self, vcpu: VCpu) -> None:
        self._vcpu = vcpu
        found = [] if _is_watched(vcpu) else list(_operations(vcpu))
        self.rows: tuple[Row, ...] = tuple(row for row, _ in found)
        self._tallies = tuple(tally for _, tally in found)

    def watch(self, exits: Exits) -> Exits:
        """The exits of the vCPU, whose `lines` says too whether the next one is Python's."""
        vcpu, lines = self._vcpu, exits.lines

        def asked() -> int:
            settled = vcpu.in_guest and not vcpu.requests and not vcpu.paused
            return lines() if settled else lines() | UNSETTLED

        return exits._replace(lines=asked)

    def tell(self, lines: int, served: list[tuple[int, int]]) -> None:
        """Exits were served.

        Args:
            lines: as they are now.
            served: index of the row, and how often.
        """
        vcpu = self._vcpu
        for row, times in served:
            tally = self._tallies[row]
            tally(times)
        vcpu.irq_line = bool(lines & IRQ)
        vcpu.fiq_line = bool(lines & FIQ)


def _is_watched(vcpu: VCpu) -> bool:
    vm = vcpu.vm
    return bool(vm.flow.wrapped) or vm.trap_observer is not None or vm.flow.table.vcpu_sync_hwstate is not None


def _operations(vcpu: VCpu) -> Iterator[tuple[Row, Tally]]:
    """Rows, and what counts each one's exits."""
    vm = vcpu.vm
    for fid, function in vm.hypercalls.functions.items():
        if function.operation is not None:
            yield from _row(vcpu, HYPERCALL, fid, function.operation(vcpu), partial(_count_hypercalls, vcpu, fid))
    for frame in vm.mmio.frames:
        if frame.operations is not None:
            for offset, (load, store) in frame.operations(vcpu).items():
                gpa = frame.base + offset
                if 0 <= offset <= frame.size - WIDEST:
                    tally = partial(_count_accesses, vcpu, vcpu.mmio_counts, gpa)
                    yield from _row(vcpu, MMIO_READ, gpa, load, tally)
                    yield from _row(vcpu, MMIO_WRITE, gpa, store, tally)
    for register in vm.sysregs.claims:
        if register.operations is not None:
            packed = pack(*register.encoding)
            read, write = register.operations(vcpu)
            tally = partial(_count_accesses, vcpu, vcpu.sysreg_counts, register.encoding)
            if register.read is not None:
                yield from _row(vcpu, SYSREG_READ, packed, read, tally)
            if register.write is not None:
                yield from _row(vcpu, SYSREG_WRITE, packed, write, tally)


def _row(vcpu: VCpu, exit_: int, key: int, operation: object, tally: Tally) -> Iterator[tuple[Row, Tally]]:
    if operation is None:
        return
    if not isinstance(operation, Operation):
        raise PluginError(vcpu.vm.flow.chip_name, f"{operation!r} is no operation for an exit")
    yield (exit_, key, operation), tally


def _count_hypercalls(vcpu: VCpu, fid: int, times: int) -> None:
    vcpu.vm.hypercalls.served(vcpu, fid).times += times


def _count_accesses(vcpu: VCpu, counts: dict[K, int], key: K, times: int) -> None:
    counts[key] = counts.get(key, 0) + times
    vcpu.left += times
