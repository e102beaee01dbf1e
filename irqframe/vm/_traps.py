"""The trap buses: who serves a hypercall, an MMIO access or a system register of the guest.

1. Claims are made before the guest runs, and two that overlap are refused.
2. A hypercall that nobody claims is answered with SMCCC NOT_SUPPORTED, -1 in x0 (SMC Calling Convention, section 5).
3. An access that nobody claims is a fault: `VmError` for MMIO, `UndefinedInstructionError` for a system register.
4. Traps are counted per vCPU, by the thread that owns it.
"""

from __future__ import annotations

import errno
from bisect import bisect_right
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from irqframe.errors import VmError
from irqframe.flow import Hypercall, HypercallClaim, HypercallHandler, MmioClaim, SysregClaim, SysregEncoding

if TYPE_CHECKING:
    from irqframe.vm._vcpu import VCpu

T = TypeVar("T")

MASK64: Final = (1 << 64) - 1

NOT_SUPPORTED: Final = (MASK64, 0, 0, 0)
"""What x0 to x3 hold after a hypercall that nobody serves."""

ACCESS_SIZES: Final = (1, 2, 4, 8)


class UndefinedInstructionError(VmError):
    """The guest used a system register that is not there, or in a direction that it does not have."""


class OverlapError(VmError):
    """Two frames lie on the same address; its errno is EEXIST.

    Attributes:
        frames: name and first address of the two, the later one first.
    """

    def __init__(self, one: MmioClaim, other: MmioClaim) -> None:
        super().__init__(errno.EEXIST, f"{one.name} at {one.base:#x} overlaps {other.name} at {other.base:#x}")
        self.frames = ((one.name, one.base), (other.name, other.base))


class Served:
    """A function that a vCPU has called.

    Attributes:
        handler: what serves it.
        times: how often it did.
    """

    __slots__ = ("handler", "times")

    def __init__(self, handler: HypercallHandler) -> None:
        self.handler = handler
        self.times = 0


class HypercallBus:
    """Hypercalls by function id."""

    def __init__(self) -> None:
        self._claims: list[HypercallClaim] = []
        self._functions: dict[int, Hypercall] = {}

    def claim(self, claim: HypercallClaim) -> None:
        """Serve a range of function ids.

        Raises:
            VmError: EINVAL if the range is not one of 32-bit ids, or a function lies outside of it; EEXIST if it
                overlaps another.
        """
        if not 0 <= claim.first <= claim.last < 1 << 32:
            raise VmError(errno.EINVAL, f"{claim.first:#x}..{claim.last:#x} is no range of function ids")
        for fid in claim.functions:
            if not claim.first <= fid <= claim.last:
                raise VmError(errno.EINVAL, f"function {fid:#x} is outside of {claim.first:#x}..{claim.last:#x}")
        for other in self._claims:
            if claim.first <= other.last and other.first <= claim.last:
                raise VmError(errno.EEXIST, f"function ids from {claim.first:#x} on are claimed already")
        self._claims.append(claim)
        for fid, function in claim.functions.items():
            self._functions[fid] = function

    @property
    def functions(self) -> Mapping[int, Hypercall]:
        """Every function that is served, by its id."""
        return MappingProxyType(self._functions)

    def call(self, vcpu: VCpu, fid: int, x1: int, x2: int, x3: int) -> tuple[int, int, int, int]:
        """Serve a hypercall.

        Args:
            vcpu: who makes it.
            fid: function id, the low 32 bits of x0.
            x1: first argument, 64 bits; so are the others.
            x2: second argument.
            x3: third argument.

        Returns:
            x0 to x3 afterwards.
        """
        try:
            served = vcpu.hypercalls[fid]
        except KeyError:
            served = None
        if served is None:
            return self._first_call(vcpu, fid, x1, x2, x3)
        served.times += 1
        return served.handler(vcpu, x1, x2, x3)

    def observed_call(
        self, observer: TrapObserver, vcpu: VCpu, fid: int, x1: int, x2: int, x3: int
    ) -> tuple[int, int, int, int]:
        """`call`, seen by an observer once it is counted."""
        served = self._count(vcpu, fid)
        observer(vcpu, "hypercall", self.name(fid))
        return NOT_SUPPORTED if served is None else served.handler(vcpu, x1, x2, x3)

    def _first_call(self, vcpu: VCpu, fid: int, x1: int, x2: int, x3: int) -> tuple[int, int, int, int]:
        served = self._count(vcpu, fid)
        return NOT_SUPPORTED if served is None else served.handler(vcpu, x1, x2, x3)

    def _count(self, vcpu: VCpu, fid: int) -> Served | None:
        if fid not in self._functions:
            vcpu.unknown_hypercalls += 1
            return None
        served = self.served(vcpu, fid)
        served.times += 1
        return served

    def served(self, vcpu: VCpu, fid: int) -> Served:
        """A function of the bus as a vCPU has it, which has not called it perhaps."""
        return vcpu.hypercalls.setdefault(fid, Served(self._functions[fid].handler))

    def name(self, fid: int) -> str:
        """Name of a function, its id in hexadecimal if nobody serves it."""
        function = self._functions.get(fid)
        return function.name if function is not None else f"{fid:#x}"


class MmioBus:
    """Memory-mapped frames by guest physical address."""

    def __init__(self) -> None:
        self._frames: list[MmioClaim] = []
        self._bases: list[int] = []

    def claim(self, claim: MmioClaim) -> None:
        """Serve a frame.

        Raises:
            VmError: EINVAL for a frame that is no address range.
            OverlapError: if it overlaps another.
        """
        if claim.size <= 0 or claim.base < 0 or claim.base + claim.size > 1 << 64:
            raise VmError(errno.EINVAL, f"{claim.name}: {claim.base:#x} of {claim.size:#x} bytes is no address range")
        at = bisect_right(self._bases, claim.base)
        for other in self._frames[max(at - 1, 0) : at + 1]:
            if claim.base < other.base + other.size and other.base < claim.base + claim.size:
                raise OverlapError(claim, other)
        self._frames.insert(at, claim)
        self._bases.insert(at, claim.base)

    @property
    def frames(self) -> tuple[MmioClaim, ...]:
        """Every frame that is served, by address."""
        return tuple(self._frames)

    def find(self, gpa: int, size: int) -> MmioClaim | None:
        """The frame that the access lies in, or None."""
        at = bisect_right(self._bases, gpa) - 1
        if at < 0:
            return None
        frame = self._frames[at]
        return frame if gpa + size <= frame.base + frame.size else None

    def read(self, vcpu: VCpu, gpa: int, size: int) -> int:
        """Serve a load.

        Args:
            vcpu: who makes it.
            gpa: guest physical address.
            size: bytes, 1, 2, 4 or 8.

        Returns:
            The value, unsigned.

        Raises:
            VmError: EINVAL for another size, EFAULT if nobody claims the address.
        """
        frame = self._frame(vcpu, gpa, size)
        return frame.read(vcpu, gpa - frame.base, size)

    def write(self, vcpu: VCpu, gpa: int, size: int, value: int) -> None:
        """Serve a store; `value` is cut to `size` bytes.

        Raises:
            VmError: EINVAL for a size that is not 1, 2, 4 or 8, EFAULT if nobody claims the address.
        """
        frame = self._frame(vcpu, gpa, size)
        frame.write(vcpu, gpa - frame.base, size, value & (1 << 8 * size) - 1)

    def name(self, gpa: int) -> str:
        """Name of the register at an address, or that the byte at the address is part of; else frame and offset."""
        frame = self.find(gpa, 1)
        if frame is None:
            return f"{gpa:#x}"
        offset = gpa - frame.base
        registers = frame.registers
        return registers.get(offset) or registers.get(offset & ~3) or f"{frame.name}+{offset:#x}"

    def _frame(self, vcpu: VCpu, gpa: int, size: int) -> MmioClaim:
        if size not in ACCESS_SIZES:
            raise VmError(errno.EINVAL, f"access of {size} bytes; a CPU makes accesses of 1, 2, 4 or 8")
        frame = self.find(gpa, size)
        if frame is None:
            raise VmError(errno.EFAULT, f"nothing serves {size} bytes at {gpa:#x}")
        counts = vcpu.mmio_counts
        counts[gpa] = counts.get(gpa, 0) + 1
        return frame


class SysregBus:
    """System registers by encoding."""

    def __init__(self) -> None:
        self._registers: dict[SysregEncoding, SysregClaim] = {}

    def claim(self, claim: SysregClaim) -> None:
        """Serve a system register.

        Raises:
            VmError: EEXIST if somebody does.
        """
        if claim.encoding in self._registers:
            raise VmError(errno.EEXIST, f"{claim.name} is claimed already")
        self._registers[claim.encoding] = claim

    @property
    def encodings(self) -> tuple[SysregEncoding, ...]:
        """Every register that is served."""
        return tuple(self._registers)

    @property
    def claims(self) -> tuple[SysregClaim, ...]:
        """The claims on them."""
        return tuple(self._registers.values())

    def read(self, vcpu: VCpu, encoding: SysregEncoding) -> int:
        """Serve an MRS.

        Raises:
            UndefinedInstructionError: if nobody serves the register, or it cannot be read.
        """
        register = self._registers.get(encoding)
        if register is None or register.read is None:
            raise self._undefined(encoding, "read")
        self._count(vcpu, encoding)
        return register.read(vcpu)

    def write(self, vcpu: VCpu, encoding: SysregEncoding, value: int) -> None:
        """Serve an MSR.

        Raises:
            UndefinedInstructionError: if nobody serves the register, or it cannot be written.
        """
        register = self._registers.get(encoding)
        if register is None or register.write is None:
            raise self._undefined(encoding, "written")
        self._count(vcpu, encoding)
        register.write(vcpu, value & MASK64)

    def name(self, encoding: SysregEncoding) -> str:
        """Name of a register, `S3_0_C12_C12_0` style if nobody serves it."""
        register = self._registers.get(encoding)
        if register is not None:
            return register.name
        return "S{}_{}_C{}_C{}_{}".format(*encoding)

    def _undefined(self, encoding: SysregEncoding, verb: str) -> UndefinedInstructionError:
        return UndefinedInstructionError(errno.ENXIO, f"system register {self.name(encoding)} cannot be {verb}")

    @staticmethod
    def _count(vcpu: VCpu, encoding: SysregEncoding) -> None:
        counts = vcpu.sysreg_counts
        counts[encoding] = counts.get(encoding, 0) + 1


#: A trap as an observer sees it: (vcpu, what, name), before it is served.
TrapObserver = Callable[["VCpu", str, str], None]


def observed(
    observer: TrapObserver, what: str, name: Callable[[Any], str], serve: Callable[..., T]
) -> Callable[..., T]:
    """A bus operation that an observer sees before it is served.

    Args:
        observer: told who, what and which.
        what: kind of the trap.
        name: key (function id, address or encoding) -> name.
        serve: the operation: (vcpu, key, ...).

    Returns:
        The operation, observed.
    """

    def call(vcpu: VCpu, key: Any, *args: Any) -> T:
        observer(vcpu, what, name(key))
        return serve(vcpu, key, *args)

    return call
