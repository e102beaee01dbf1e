"""Makes the Uc that an engine drives: a Cortex-A72 at EL1h, as firmware hands it to an operating system.

1. EL2 and EL3 are there and empty. Non-secure state, EL1 in AArch64, HVC enabled: SCR_EL3 and HCR_EL2 say so. Without
   them HVC is UNDEFINED and the page-table walker takes EL1 for AArch32.
2. VMPIDR_EL2 is what MPIDR_EL1 reads at EL1.
3. No address ends an emulation: with one, Unicorn would walk the guest's page tables for it at every stop.
4. Syndrome and fault address of an exception are in the saved context only, at an offset that belongs to the build of
   the library: it is found by executing an SVC whose immediate is known.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from unicorn import UC_ARCH_ARM64, UC_HOOK_INTR, UC_MODE_ARM, Uc, arm64_const, unicorn_const

from irqframe.errors import GuestError
from irqframe.guest.aarch64._encodings import CNTVOFF_EL2, HCR_EL2, SCR_EL3, VMPIDR_EL2
from irqframe.guest.aarch64._frames import PAGE
from irqframe.guest.aarch64._registers import PC, Registers

SCR_NS_HCE_RW: Final = 1 << 0 | 1 << 8 | 1 << 10
"""SCR_EL3: lower levels are Non-secure, HVC is enabled, EL2 is AArch64 (Arm ARM, "SCR_EL3")."""
HCR_RW: Final = 1 << 31
"""HCR_EL2: EL1 is AArch64 (Arm ARM, "HCR_EL2")."""
MPIDR_RES1: Final = 1 << 31

_SVC: Final = 0xD4000001
_SVC_IMMEDIATE: Final = 0x1234
_SVC_SYNDROME: Final = 0x15 << 26 | 1 << 25 | _SVC_IMMEDIATE


def make_uc(mpidr: int, ram: Sequence[tuple[int, int, int]], *, counter_offset: int = 0) -> tuple[Uc, int]:
    """Make and set up one CPU.

    Args:
        mpidr: its affinity, bits 0xFF00FFFFFF.
        ram: (guest physical address, size, address of the buffer) of each range.
        counter_offset: CNTVOFF_EL2, which real time subtracts from the host's counter.

    Returns:
        The Uc, and the offset of the syndrome in the bytes of its context.

    Raises:
        GuestError: if the library does not keep the syndrome where a context has it.
    """
    uc = Uc(UC_ARCH_ARM64, UC_MODE_ARM)
    uc.ctl_set_cpu_model(arm64_const.UC_CPU_ARM64_A72)
    registers = Registers(uc)
    registers.system_write(SCR_EL3, SCR_NS_HCE_RW)
    registers.system_write(HCR_EL2, HCR_RW)
    registers.system_write(VMPIDR_EL2, mpidr | MPIDR_RES1)
    registers.system_write(CNTVOFF_EL2, counter_offset)
    for base, size, buffer in ram:
        uc.mem_map_ptr(base, size, unicorn_const.UC_PROT_ALL, buffer)
    uc.ctl_exits_enabled(True)
    uc.ctl_set_exits([])
    scratch = max((base + size for base, size, _ in ram), default=0)
    offset = _syndrome_offset(uc, scratch)
    registers.write(PC, 0)
    return uc, offset


def _syndrome_offset(uc: Uc, scratch: int) -> int:
    contexts: list[bytes] = []

    def take(uc: Uc, number: int, _data: object) -> None:
        contexts.append(bytes(uc.context_save()))
        uc.emu_stop()

    uc.mem_map(scratch, PAGE)
    uc.mem_write(scratch, struct.pack("<I", _SVC | _SVC_IMMEDIATE << 5))
    hook = uc.hook_add(UC_HOOK_INTR, take)
    uc.emu_start(scratch, 0)
    uc.hook_del(hook)
    uc.mem_unmap(scratch, PAGE)
    uc.ctl_flush_tb()
    offset = contexts[0].find(struct.pack("<I", _SVC_SYNDROME)) if contexts else -1
    if offset < 0:
        raise GuestError("this build of Unicorn does not keep the syndrome of an exception in the CPU's context")
    return offset
