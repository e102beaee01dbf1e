"""The scripted guest's driver, the part for the rVIC: CPUs, per-CPU interrupts, IPIs, and the exception.

- INTIDs 0 to 15 are IPIs, 16 to T-1 per-CPU interrupts, T to N-1 are given to inputs, one each, as they are requested.
- One acknowledge per exception: what else is deliverable keeps the IRQ line asserted and makes another exception.
- The end of an interrupt is CLEAR_MASKED, which undoes the mask that the acknowledge made; for a level-triggered one
  RESAMPLE before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from irqframe.errors import GuestError
from irqframe.flow import Source, SourceKind
from irqframe.guest import Driver, ScriptedCpu
from irqframe.vm import Vm
from irqframe_rvic._abi import FID, FUNCTIONS, NO_INTERRUPTS, Reason
from irqframe_rvic._instance import IPIS

ACKNOWLEDGE: Final = FID["RVIC_ACKNOWLEDGE"]
CLEAR_MASKED: Final = FID["RVIC_CLEAR_MASKED"]
RESAMPLE: Final = FID["RVIC_RESAMPLE"]
SIGNAL: Final = FID["RVIC_SIGNAL"]

NOTHING_TO_TAKE: Final = NO_INTERRUPTS[0]
MIN_VERSION: Final = 0x0000_0003


@dataclass(slots=True)
class Route:
    """An untrusted INTID in use.

    Attributes:
        hwirq: the INTID.
        number: the input it is for.
        target: index of the CPU that takes it (the effective affinity).
        level: whether it is level-triggered.
        masked: by the driver, as opposed to an acknowledge.
        priority: with the priorities extension.
    """

    hwirq: int
    number: int
    target: int
    level: bool
    masked: bool = False
    priority: int = 0


class RvicPart(Driver):
    """Driver of the rVICs.

    Args:
        vm: the VM, finalized.

    Attributes:
        trusted: T, from probe on; `untrusted`, U, likewise.
        routes: untrusted INTIDs in use.
        online: indices of the CPUs that are up.
    """

    ipis = IPIS

    def __init__(self, vm: Vm) -> None:
        super().__init__(vm)
        self.trusted = 0
        self.untrusted = 0
        self.routes: dict[int, Route] = {}
        self.online: set[int] = set()
        self._mpidrs = [vcpu.mpidr for vcpu in vm.vcpus]
        self._level: list[bool] = []
        self._masked: list[list[bool]] = []

    # Probe and hotplug

    def probe(self, cpu: ScriptedCpu) -> None:
        """Ask for the version and the sizes.

        Raises:
            GuestError: if it is another version, or was probed before.
        """
        self._check_first_probe()
        self._check_version("rVIC", self._call(cpu, "RVIC_VERSION"))
        self.trusted = self._call(cpu, "RVIC_INFO", 0)
        self.untrusted = self._call(cpu, "RVIC_INFO", 1)
        self._level = [False] * (self.trusted + self.untrusted)
        self._masked = [[True] * self.trusted for _ in self._mpidrs]

    def starting(self, cpu: ScriptedCpu) -> None:
        """Everything masked and nothing pending, then enable; an rVIC does not do that by itself. IPIs are unmasked."""
        self._call(cpu, "RVIC_DISABLE")
        for intid in range(self.trusted + self.untrusted):
            self._call(cpu, "RVIC_SET_MASKED", cpu.mpidr, intid)
            self._call(cpu, "RVIC_CLEAR_PENDING", cpu.mpidr, intid)
        self._call(cpu, "RVIC_ENABLE")
        self._refill_masks(cpu.index)
        self.online.add(cpu.index)
        for ipi in range(self.ipis):
            self._unmask_percpu(cpu, ipi)

    def dying(self, cpu: ScriptedCpu) -> None:
        """Disable; nothing is delivered to this CPU any more, and signals to it are refused."""
        self.online.discard(cpu.index)
        self._call(cpu, "RVIC_DISABLE")

    # The exception

    def handle_irq(self, cpu: ScriptedCpu) -> None:
        """One acknowledge, then what the INTID's class asks for; an IPI ends before its handler runs."""
        hvc = cpu.hvc
        x0, intid, _, _ = hvc(ACKNOWLEDGE)
        if x0:
            if x0 != NOTHING_TO_TAKE:
                raise self._refused(cpu, "RVIC_ACKNOWLEDGE", (), x0)
            self.spurious += 1
            return
        handler = self.handler
        if intid < IPIS:
            hvc(CLEAR_MASKED, cpu.mpidr, intid)
            handler(cpu, intid)
        else:
            handler(cpu, intid)
            if self._level[intid]:
                hvc(RESAMPLE, intid)
            if intid < self.trusted:
                if not self._masked[cpu.index][intid]:
                    hvc(CLEAR_MASKED, cpu.mpidr, intid)
            elif intid in self.routes:
                route = self.routes[intid]
                if not route.masked:
                    hvc(CLEAR_MASKED, self._mpidrs[route.target], intid)

    # Per-CPU interrupts and IPIs

    def request_percpu(self, cpu: ScriptedCpu, source: Source) -> int:
        """Unmask a trusted INTID on the calling CPU.

        Raises:
            GuestError: for an INTID that is no per-CPU interrupt.
        """
        intid = source.number
        if source.kind is not SourceKind.PPI or intid < IPIS:
            raise GuestError(f"{source} is no per-CPU interrupt of a device; those are INTIDs from {IPIS} on")
        if intid >= self.trusted:
            return self._request_untrusted(cpu, source)
        self._level[intid] = source.trigger.is_level
        self._unmask_percpu(cpu, intid)
        return intid

    def send_ipi(self, cpu: ScriptedCpu, targets: Sequence[int], ipi: int) -> None:
        """One RVIC_SIGNAL per CPU.

        Raises:
            GuestError: if there is no such IPI, or a CPU is off.
        """
        if not 0 <= ipi < self.ipis:
            raise GuestError(f"there is no IPI {ipi}; there are 0 to {self.ipis - 1}")
        hvc = cpu.hvc
        for target in targets:
            mpidr = self._mpidrs[target]
            x0, _, _, _ = hvc(SIGNAL, mpidr, ipi)
            if x0:
                raise self._refused(cpu, "RVIC_SIGNAL", (mpidr, ipi), x0)

    def is_masked(self, cpu_index: int, hwirq: int) -> bool:
        """Whether the driver masked an interrupt; the mask that an acknowledge makes is not meant."""
        if hwirq < self.trusted:
            return self._masked[cpu_index][hwirq]
        return self.routes[hwirq].masked

    # Steps of the above

    def _check_first_probe(self) -> None:
        if self.trusted:
            raise GuestError("the rVIC was probed before; there is only one")

    def _check_version(self, what: str, version: int) -> None:
        major, minor = version >> 16, version & 0xFFFF
        if major != MIN_VERSION >> 16 or minor < MIN_VERSION & 0xFFFF:
            raise GuestError(f"{what} has version {major}.{minor}; this driver knows 0.3 and later 0.x")

    def _refill_masks(self, cpu_index: int) -> None:
        self._masked[cpu_index] = [True] * self.trusted

    def _unmask_percpu(self, cpu: ScriptedCpu, intid: int) -> None:
        self._masked[cpu.index][intid] = False
        self._call(cpu, "RVIC_CLEAR_MASKED", cpu.mpidr, intid)

    def _request_untrusted(self, cpu: ScriptedCpu, source: Source) -> int:
        raise GuestError(f"INTID {source.number} is not trusted; the rVID alone gives such INTIDs to devices")

    def _call(self, cpu: ScriptedCpu, name: str, *arguments: int) -> int:
        x0, x1, _, _ = cpu.hvc(FID[name], *arguments)
        if x0:
            raise self._refused(cpu, name, arguments, x0)
        return x1

    @staticmethod
    def _refused(cpu: ScriptedCpu, name: str, arguments: tuple[int, ...], x0: int) -> GuestError:
        reason = x0 & 0xFF
        known = Reason(reason).name if x0 < 1 << 16 and reason in tuple(Reason) else f"{x0:#x}"
        names = FUNCTIONS[name].arguments
        shown = ", ".join(f"{what} {value:#x}" for what, value in zip(names, arguments, strict=False))
        return GuestError(f"CPU {cpu.index}: {name}({shown}) answered {known}")
