"""A system register as a row of a table, and the claim on its traps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from irqframe.bits import Operation, accessing
from irqframe.flow import SysregClaim, SysregEncoding, VCpuRef
from irqframe_vgic._v3._interface import CpuInterface


@dataclass(frozen=True, slots=True)
class SystemRegister:
    """A system register.

    Attributes:
        name: as the architecture spells it.
        place: CRn, CRm and op2 of its encoding; op0 is 3 and op1 is 0.
        about: what it holds and how a write acts.
        page: title of its page in the architecture's register descriptions.
        read: (CPU interface) -> value; None: write-only.
        write: (CPU interface, value); None: read-only.
        reset: value after reset; a text where it is the implementation's.
    """

    name: str
    place: tuple[int, int, int]
    about: str
    page: str
    read: Callable[[CpuInterface], int] | None = None
    write: Callable[[CpuInterface, int], None] | None = None
    reset: int | str = 0

    @property
    def encoding(self) -> SysregEncoding:
        """op0, op1, CRn, CRm, op2."""
        return SysregEncoding(3, 0, *self.place)

    @property
    def access(self) -> str:
        """RW, RO or WO."""
        return {(True, True): "RW", (True, False): "RO", (False, True): "WO"}[bool(self.read), bool(self.write)]


def claim(register: SystemRegister) -> SysregClaim:
    """The claim on the traps of a register."""
    return SysregClaim(
        register.name, register.encoding, _reader(register.read), _writer(register.write), _operations(register)
    )


def _reader(read: Callable[[CpuInterface], int] | None) -> Callable[[VCpuRef], int] | None:
    if read is None:
        return None

    def serve(vcpu: VCpuRef) -> int:
        return read(vcpu.chip)

    return serve


def _writer(write: Callable[[CpuInterface, int], None] | None) -> Callable[[VCpuRef, int], None] | None:
    if write is None:
        return None

    def serve(vcpu: VCpuRef, value: int) -> None:
        write(vcpu.chip, value)

    return serve


def _operations(register: SystemRegister) -> Callable[[VCpuRef], tuple[Operation | None, Operation | None]]:
    """What makes of a vCPU what the compiled core serves by itself, an MRS or an MSR."""

    def make(vcpu: VCpuRef) -> tuple[Operation | None, Operation | None]:
        operation = accessing(register.name, vcpu.chip)
        return (operation, None) if register.read is not None else (None, operation)

    return make
