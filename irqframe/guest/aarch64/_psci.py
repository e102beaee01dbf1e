"""PSCI 1.1 (Arm DEN 0022) and SMCCC 1.1 (Arm DEN 0028) on the hypercall bus: how a guest starts and stops CPUs.

1. The functions are those of `PSCI` and `SMCCC` below. Every other id is left to the bus, which answers NOT_SUPPORTED.
2. A call by a 32-bit id sees the low half of each argument.
3. A status comes back with its sign in all 64 bits of x0, as KVM's does; x1 to x3 come back 0.
4. A CPU is on or off at once: nothing is ever ON_PENDING unless the runner says so.
5. CPU_SUSPEND is a standby state, whatever is asked for: the CPU waits as in WFI, and the call returns.
6. Migration, memory protection, statistics and SYSTEM_SUSPEND, which are optional, are not there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from irqframe.flow import Hypercall, HypercallClaim, HypercallHandler
from irqframe.vm import MPIDR_AFFINITY, VCpu, Vm


class Status(IntEnum):
    """What a function returns (DEN 0022, "Return error codes")."""

    SUCCESS = 0
    NOT_SUPPORTED = -1
    INVALID_PARAMETERS = -2
    DENIED = -3
    ALREADY_ON = -4
    ON_PENDING = -5
    INTERNAL_FAILURE = -6
    NOT_PRESENT = -7
    DISABLED = -8
    INVALID_ADDRESS = -9


class Power(Protocol):
    """What the runner does when the guest asks for it; the vCPU itself is switched on and off by PSCI."""

    def cpu_on(self, vcpu_index: int, entry: int, context: int) -> int:
        """A vCPU shall begin at `entry` with `context` in x0; the status, by which it is on or stays off."""

    def cpu_off(self, vcpu: VCpu) -> None:
        """The caller stops; its call does not return."""

    def suspend(self, vcpu: VCpu) -> None:
        """The caller waits for an interrupt, then its call returns."""

    def system_off(self) -> None:
        """The machine is switched off."""

    def system_reset(self) -> None:
        """The machine begins anew."""


SIXTY_FOUR: Final = 1 << 30
"""The bit of a function id that makes it a 64-bit call (DEN 0028, "Function Identifiers")."""

VERSION: Final = 1 << 16 | 1
"""1.1, of PSCI and of SMCCC."""

AFFINITY_ON: Final = 0
AFFINITY_OFF: Final = 1
"""What AFFINITY_INFO says of a CPU."""

NO_MIGRATION: Final = 2
"""What MIGRATE_INFO_TYPE says: there is no trusted operating system that would have to move."""

VENDOR_RESET: Final = 1 << 31
"""From here on, types of SYSTEM_RESET2 are a vendor's; 0 is a warm reset, and there is no other."""

_MASK32: Final = 0xFFFFFFFF
_MASK64: Final = (1 << 64) - 1


class Psci:
    """The functions, at work for one VM.

    Args:
        vm: whose CPUs they start and stop.
        power: the runner.
    """

    def __init__(self, vm: Vm, power: Power) -> None:
        self._vm = vm
        self._power = power
        for table, base in ((PSCI, 0x8400_0000), (PSCI, 0x8400_0000 | SIXTY_FOUR), (SMCCC, 0x8000_0000)):
            vm.hypercalls.claim(self._claim(table, base))

    def _claim(self, table: Mapping[int, Function], base: int) -> HypercallClaim:
        functions = {
            base + number: Hypercall(function.name, self._handler(function, base))
            for number, function in table.items()
            if function.wide or not base & SIXTY_FOUR
        }
        return HypercallClaim(base, base + 0x1F, functions)

    def _handler(self, function: Function, base: int) -> HypercallHandler:
        mask = _MASK64 if base & SIXTY_FOUR else _MASK32

        def handle(vcpu: VCpu, x1: int, x2: int, x3: int) -> tuple[int, int, int, int]:
            return function.work(self, vcpu, x1 & mask, x2 & mask, x3 & mask) & _MASK64, 0, 0, 0

        return handle

    # The functions: (vcpu, x1, x2, x3) -> status or value

    def _version(self, vcpu: VCpu, x1: int, x2: int, x3: int) -> int:
        return VERSION

    def _cpu_suspend(self, vcpu: VCpu, x1: int, x2: int, x3: int) -> int:
        self._power.suspend(vcpu)
        return Status.SUCCESS

    def _cpu_off(self, vcpu: VCpu, x1: int, x2: int, x3: int) -> int:
        self._power.cpu_off(vcpu)
        vcpu.power_off()
        return Status.SUCCESS

    def _cpu_on(self, vcpu: VCpu, target_cpu: int, entry: int, context: int) -> int:
        target = self._target(target_cpu)
        if target is None:
            return Status.INVALID_PARAMETERS
        if not target.powered_off:
            return Status.ALREADY_ON
        if entry % 4 or not self._in_memory(entry):
            return Status.INVALID_ADDRESS
        status = self._power.cpu_on(target.index, entry, context)
        if status == Status.SUCCESS:
            target.power_on()
        return status

    def _affinity_info(self, vcpu: VCpu, target_affinity: int, lowest_level: int, x3: int) -> int:
        target = self._target(target_affinity)
        if target is None or lowest_level:
            return Status.INVALID_PARAMETERS
        return AFFINITY_OFF if target.powered_off else AFFINITY_ON

    def _migrate_info_type(self, vcpu: VCpu, x1: int, x2: int, x3: int) -> int:
        return NO_MIGRATION

    def _system_off(self, vcpu: VCpu, x1: int, x2: int, x3: int) -> int:
        self._power.system_off()
        return Status.INTERNAL_FAILURE  # what a guest sees that runs on nevertheless

    def _system_reset(self, vcpu: VCpu, x1: int, x2: int, x3: int) -> int:
        self._power.system_reset()
        return Status.INTERNAL_FAILURE

    def _system_reset2(self, vcpu: VCpu, reset_type: int, cookie: int, x3: int) -> int:
        if reset_type & _MASK32 and not reset_type & VENDOR_RESET:
            return Status.INVALID_PARAMETERS
        return self._system_reset(vcpu, reset_type, cookie, x3)

    def _psci_features(self, vcpu: VCpu, function_id: int, x2: int, x3: int) -> int:
        here = _known(function_id, PSCI, 0x8400_0000) or function_id == SMCCC_VERSION
        return Status.SUCCESS if here else Status.NOT_SUPPORTED

    def _arch_features(self, vcpu: VCpu, function_id: int, x2: int, x3: int) -> int:
        return Status.SUCCESS if _known(function_id, SMCCC, 0x8000_0000) else Status.NOT_SUPPORTED

    # Helpers

    def _target(self, affinity: int) -> VCpu | None:
        return None if affinity & ~MPIDR_AFFINITY else self._vm.vcpu_by_mpidr(affinity)

    def _in_memory(self, address: int) -> bool:
        return any(base <= address < base + size for base, size in self._vm.memory.regions)


class Function(NamedTuple):
    """One function.

    Attributes:
        name: as the specification spells it.
        work: (psci, vcpu, x1, x2, x3) -> x0.
        wide: whether it has a 64-bit id too.
    """

    name: str
    work: Callable[[Psci, VCpu, int, int, int], int]
    wide: bool = False


PSCI: Final[Mapping[int, Function]] = MappingProxyType(
    {
        0x00: Function("PSCI_VERSION", Psci._version),
        0x01: Function("CPU_SUSPEND", Psci._cpu_suspend, wide=True),
        0x02: Function("CPU_OFF", Psci._cpu_off),
        0x03: Function("CPU_ON", Psci._cpu_on, wide=True),
        0x04: Function("AFFINITY_INFO", Psci._affinity_info, wide=True),
        0x06: Function("MIGRATE_INFO_TYPE", Psci._migrate_info_type),
        0x08: Function("SYSTEM_OFF", Psci._system_off),
        0x09: Function("SYSTEM_RESET", Psci._system_reset),
        0x0A: Function("PSCI_FEATURES", Psci._psci_features),
        0x12: Function("SYSTEM_RESET2", Psci._system_reset2, wide=True),
    }
)
"""PSCI, by the number of the function: 0x84000000 and more for 32 bits, 0xC4000000 and more for 64."""

SMCCC_VERSION: Final = 0x8000_0000

SMCCC: Final[Mapping[int, Function]] = MappingProxyType(
    {
        0x00: Function("SMCCC_VERSION", Psci._version),
        0x01: Function("SMCCC_ARCH_FEATURES", Psci._arch_features),
    }
)
"""The calling convention's own functions, from 0x80000000 on."""


def _known(function_id: int, table: Mapping[int, Function], base: int) -> bool:
    """Whether there is such a function in a table."""
    function = table.get((function_id & ~SIXTY_FOUR) - base)
    return function is not None and (function.wide or not function_id & SIXTY_FOUR)
