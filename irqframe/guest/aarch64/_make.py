"""Makes the CPUs of a VM: each a Uc on the VM's RAM, driven by one of the two makes of the engine."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from enum import Enum
from typing import Final

from irqframe.bits import MAKE
from irqframe.errors import IrqframeError
from irqframe.guest.aarch64._bound import Bound
from irqframe.guest.aarch64._clocks import InstructionClock
from irqframe.guest.aarch64._cpu import Clock, MakeEngine
from irqframe.guest.aarch64._engine import Engine, Exits
from irqframe.guest.aarch64._frames import PAGE
from irqframe.vm import VCpu, Vm

PHYSICAL_BITS: Final = 44
"""How wide a physical address of a Cortex-A72 is (its ID_AA64MMFR0_EL1.PARange)."""


class Make(Enum):
    """What drives the CPUs."""

    COMPILED = "compiled"
    PYTHON = "python"


def available_make() -> Make:
    """The compiled one where it was built and is not refused by the environment, as for the bits."""
    return Make(MAKE)


def engine_maker(vm: Vm, clock: Clock, make: Make, *, smc: bool, operations: bool = True) -> MakeEngine:
    """What makes the engine of each vCPU of a VM.

    Args:
        vm: finalized, every frame and register claimed.
        clock: its clock.
        make: what drives the CPUs.
        smc: whether SMC is a hypercall too.
        operations: whether the compiled engine serves exits by the irqchip's operations, where it has any.

    Returns:
        The function; `VmError` ENOMEM comes out of it if the host does not give the RAM.
    """
    frames = tuple((frame.base, frame.size) for frame in vm.mmio.frames)
    served = tuple(encoding.packed for encoding in vm.sysregs.encodings)
    ram = [_mapped(vm, base, size) for base, size in vm.memory.regions]
    virtual = isinstance(clock, InstructionClock)

    def make_engine(vcpu: VCpu, exits: Exits) -> Engine:
        from irqframe.guest.aarch64._setup import make_uc

        uc, syndrome = make_uc(vcpu.mpidr, ram, counter_offset=clock.counter_offset)
        if make is Make.COMPILED:
            from irqframe.guest.aarch64._compiled import CompiledEngine

            bound = Bound(vcpu) if operations else None
            if bound is None or not bound.rows:
                return CompiledEngine(uc, syndrome, exits, frames, served, virtual=virtual, smc=smc)
            engine = CompiledEngine(uc, syndrome, bound.watch(exits), frames, served, virtual=virtual, smc=smc)
            engine.bind(bound.rows, bound.tell)
            return engine
        from irqframe.guest.aarch64._hooks import HookedEngine

        return HookedEngine(uc, syndrome, exits, frames, served, virtual=virtual, smc=smc)

    return make_engine


def connect(engines: Sequence[Engine]) -> None:
    """Let the CPUs of a VM know of each other's maintenance of TLB and code."""
    for engine in engines:
        others = tuple(other for other in engines if other is not engine)
        if others:
            engine.connect(others)


def _mapped(vm: Vm, base: int, size: int) -> tuple[int, int, int]:
    """A region as an engine maps it: its address, its size in whole pages, and where it lies in the host."""
    if base % PAGE:
        raise IrqframeError(f"the memory region at {base:#x} does not begin on a page of {PAGE:#x} bytes")
    if base + size > 1 << PHYSICAL_BITS:
        raise IrqframeError(
            f"the memory region at {base:#x} ends at {base + size:#x}; addresses of the CPU have {PHYSICAL_BITS} bits"
        )
    block = vm.memory.block(base)
    return base, -(-size // PAGE) * PAGE, ctypes.addressof(ctypes.c_char.from_buffer(block))
