"""A virtual machine: vCPUs, one irqchip, and everything that reaches the irqchip from outside.

Order of set-up: create the irqchip and the vCPUs in either order, set the irqchip up (device attributes, or its
device-tree nodes), finalize, run. Finalizing seals the flow.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Final

from irqframe.errors import PluginError, VmError
from irqframe.flow import (
    ALL_QUIRKS,
    Flow,
    HypercallClaim,
    Injected,
    Irqchip,
    MmioClaim,
    SysregClaim,
    TrapClaim,
)
from irqframe.vm._clock import Clock, VirtualClock
from irqframe.vm._host_irq import HostIrqs
from irqframe.vm._injection import Injection
from irqframe.vm._irqfd import Irqfds
from irqframe.vm._memory import GuestMemory
from irqframe.vm._registry import Registry, default_mpidr
from irqframe.vm._routing import GsiRouting
from irqframe.vm._state import restore, save
from irqframe.vm._timer import PHYSICAL_TIMER_INTID, PMU_INTID, VIRTUAL_TIMER_INTID, Pmu, Timer
from irqframe.vm._traps import HypercallBus, MmioBus, SysregBus, TrapObserver
from irqframe.vm._vcpu import VCpu

QUIRKS: Final[Mapping[str, str]] = {
    "K5": "a vCPU that was refused its first run is let in the second time",
    "K6": "default routing and pins stop at 988",
    "K8": "a vCPU's id is used where its index is wanted",
    "K18": "a callback that the irqchip lacks looks like success",
    "K24": "routing entries are refused before the irqchip exists",
    "K30": "what a failed creation did is not undone",
}
"""Departures of the reference's core, not of an irqchip, that a VM can show."""


class Vm(Injection):
    """A virtual machine.

    Args:
        clock: where time comes from; None: a virtual clock that stands still until it is advanced.
        memory: (guest physical address, size in bytes) of each region of RAM.
        timer_intids: INTIDs of the virtual and of the physical timer, None for one that the machine does not have.
        pmu_intid: INTID of the PMU's overflow, or None.
        quirks: names out of `QUIRKS`, or "as-is" for all; others are ignored, they are the irqchip's.

    Attributes:
        flow: hooks and sealed table.
        vcpus: by index; the tuple is replaced when one is added.
        clock: as given.
        memory: guest memory.
        hypercalls: bus; `mmio` and `sysregs` likewise.
        routing: GSI routing.
        irqfds: eventfds that raise a GSI.
        host_irqs: host interrupts that stand for guest ones.
        lock: held by set-up operations (kvm->lock).
        finalized: whether the irqchip is ready and the flow sealed.
        quirks: those that are on.
        dropped: raises lost before they reached the irqchip, by reason.
        chip_data: the irqchip's state that belongs to no vCPU; the irqchip's alone.
        trap_observer: sees every trap before it is served; set it before `finalize`.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        memory: Iterable[tuple[int, int]] = (),
        timer_intids: tuple[int | None, int | None] = (VIRTUAL_TIMER_INTID, PHYSICAL_TIMER_INTID),
        pmu_intid: int | None = PMU_INTID,
        quirks: Iterable[str] = (),
    ) -> None:
        super().__init__()
        self.clock: Clock = clock if clock is not None else VirtualClock()
        self.memory = GuestMemory(memory)
        named = frozenset(quirks)
        self.quirks = frozenset(QUIRKS) if ALL_QUIRKS in named else named & QUIRKS.keys()
        self.flow = Flow()
        self.hypercalls = HypercallBus()
        self.mmio = MmioBus()
        self.sysregs = SysregBus()
        self.host_irqs = HostIrqs()
        self.vcpus: tuple[VCpu, ...] = ()
        self.lock = threading.RLock()
        self.finalized = False
        self.chip_data: Any = None
        self.trap_observer: TrapObserver | None = None
        self.irqfds = Irqfds(self)
        self.routing = GsiRouting(self)
        self._timer_intids = timer_intids
        self._pmu_intid = pmu_intid
        self._registry = Registry()
        self._destroyed = False

    # Set-up

    def create_irqchip(self, chip: Irqchip, name: str) -> None:
        """Give the VM its irqchip (KVM_CREATE_DEVICE).

        Args:
            chip: a fresh instance.
            name: its entry-point key.

        Raises:
            VmError: EEXIST if there is one, EBUSY if a vCPU runs or has run, EINVAL for more vCPUs than the irqchip
                can serve, ENODEV after `destroy`, or what the irqchip raises; the VM has no irqchip then.
            PluginError: if the irqchip breaks the hook spec.
        """
        with self.lock:
            self.check_alive()
            if self.flow.chip is not None:
                raise VmError(errno.EEXIST, f"the VM already has the irqchip {self.flow.chip_name!r}")
            if any(vcpu.loaded or vcpu.has_run_once for vcpu in self.vcpus):
                raise VmError(errno.EBUSY, "a vCPU runs, or has run; the irqchip comes before that")
            if len(self.vcpus) > chip.vcpu_limit:
                raise VmError(errno.EINVAL, f"{len(self.vcpus)} vCPUs; {name} serves at most {chip.vcpu_limit}")
            self.flow.register_chip(chip, name)
            try:
                self.flow.call("create", self)
                for vcpu in self.vcpus:
                    self.flow.call("vcpu_init", vcpu)
            except BaseException:
                if "K30" not in self.quirks:
                    self.flow.unregister_chip()
                    self.chip_data = None
                    for vcpu in self.vcpus:
                        vcpu.chip = None
                raise

    def create_vcpu(self, vcpu_id: int | None = None, mpidr: int | None = None) -> VCpu:
        """Add a vCPU (KVM_CREATE_VCPU).

        Args:
            vcpu_id: the number userspace gives it; None: its index.
            mpidr: its affinity; None: as KVM makes it out of the id, 16 vCPUs per Aff0.

        Returns:
            The vCPU, powered on.

        Raises:
            VmError: EBUSY after finalizing, EINVAL for more vCPUs than the irqchip can serve or bits in `mpidr` that
                are not affinity, EEXIST for an id or an affinity that is taken, ENODEV after `destroy`, or what the
                irqchip raises.
        """
        with self.lock:
            self.check_alive()
            index = len(self.vcpus)
            number = index if vcpu_id is None else vcpu_id
            affinity = default_mpidr(number) if mpidr is None else mpidr
            if self.finalized:
                raise VmError(errno.EBUSY, "the VM is finalized; vCPUs come before that")
            chip = self.flow.chip
            limit = chip.vcpu_limit if isinstance(chip, Irqchip) else Irqchip.vcpu_limit
            self._registry.check_range(number, affinity, limit)
            # Quirk K30: the reference looks for a clash last, and what the irqchip made by then stays.
            if "K30" not in self.quirks:
                self._registry.check_free(number, affinity)
            vcpu = VCpu(self, index, number, affinity)
            self._add_devices(vcpu)
            if chip is not None:
                self.flow.call("vcpu_init", vcpu)
            self._registry.check_free(number, affinity)
            self.vcpus = (*self.vcpus, vcpu)
            self._registry.add(vcpu)
            return vcpu

    def finalize(self) -> None:
        """The irqchip is ready: seal the flow, take its claims on traps, and let vCPUs run.

        Raises:
            VmError: ENODEV without an irqchip or after `destroy`, EBUSY if it was done, or what a claim raises.
            PluginError: if the irqchip or a wrapper breaks the hook spec.
        """
        with self.lock:
            self.check_alive()
            if self.flow.chip is None:
                raise VmError(errno.ENODEV, "the VM has no irqchip to finalize")
            if self.finalized:
                raise VmError(errno.EBUSY, "the VM is finalized already")
            self.flow.seal(self)
            for claim in self._claims():
                self.claim(claim)
            self.routing.bind()
            for vcpu in self.vcpus:
                vcpu.bind()
            self.finalized = True
            self.routing.bind_lines()

    def _claims(self) -> tuple[TrapClaim, ...]:
        """What the irqchip claims, if it is a list of anything."""
        claims = self.flow.call("trap_claims", self) or ()
        if not isinstance(claims, Iterable):
            raise PluginError(
                self.flow.chip_name, f"irqchip_trap_claims returned {claims!r}, which is no list of claims"
            )
        return tuple(claims)

    def claim(self, claim: TrapClaim) -> None:
        """Serve a range of traps, on the bus it is for; the buses say what they refuse."""
        if isinstance(claim, HypercallClaim):
            self.hypercalls.claim(claim)
        elif isinstance(claim, MmioClaim):
            self.mmio.claim(claim)
        elif isinstance(claim, SysregClaim):
            self.sysregs.claim(claim)
        else:
            raise VmError(errno.EINVAL, f"{claim!r} is no claim on a trap")

    def destroy(self) -> None:
        """End the VM; the irqchip goes first, while the vCPUs still exist. Once; later calls have no effect."""
        self.irqfds.close()  # the last that could inject from outside; its thread may need the lock
        with self.lock:
            if self._destroyed:
                return
            self._destroyed = True
            try:
                if self.flow.chip is not None:
                    self.flow.call("destroy", self)
            finally:
                self.finalized = False
                self.routing.bind_lines()
                self.vcpus = ()
                self._registry.clear()

    def check_alive(self) -> None:
        """Whether the VM still is.

        Raises:
            VmError: ENODEV after `destroy`; so does everything that sets the VM up, runs, resets or saves it.
        """
        if self._destroyed:
            raise VmError(errno.ENODEV, "the VM is destroyed")

    # Device attributes

    def set_device_attr(self, group: int, attr: int, value: int) -> None:
        """Set an attribute of the irqchip (KVM_SET_DEVICE_ATTR); ENXIO if it has none, or what it raises."""
        with self.lock:
            self._need("set_attr", errno.ENXIO)
            self.flow.call("set_attr", self, group, attr, value)

    def get_device_attr(self, group: int, attr: int) -> int:
        """Read an attribute of the irqchip (KVM_GET_DEVICE_ATTR); ENXIO if it has none, or what it raises."""
        with self.lock:
            self._need("get_attr", errno.ENXIO)
            return int(self.flow.call("get_attr", self, group, attr))

    def has_device_attr(self, group: int, attr: int) -> bool:
        """Whether the irqchip has an attribute (KVM_HAS_DEVICE_ATTR)."""
        return bool(self.flow.call("has_attr", self, group, attr))

    # Looking things up

    def vcpu_by_mpidr(self, mpidr: int) -> VCpu | None:
        """The vCPU of that affinity, or None; `mpidr` holds affinity bits only."""
        return self._registry.by_mpidr(mpidr)

    def vcpu_by_id(self, vcpu_id: int) -> VCpu | None:
        """The vCPU that userspace gave that number, or None."""
        return self._registry.by_id(vcpu_id)

    # Ownership

    @contextmanager
    def adopted(self) -> Iterator[None]:
        """While it lasts, the calling thread owns every vCPU: one thread runs the whole VM."""
        with ExitStack() as stack:
            for vcpu in self.vcpus:
                vcpu.adopt()
                stack.callback(vcpu.release)
            yield

    def post(self, vcpu: VCpu, function: Callable[..., Injected], *args: object) -> Injected:
        """Do `function(*args)` under the ownership of `vcpu`: at once if the calling thread owns it, else later.

        Returns:
            What the function returned, or POSTED.
        """
        if vcpu.owned:
            return function(*args)
        vcpu.post(partial(function, *args))
        return Injected.POSTED

    def drain_owned(self) -> None:
        """Do what was posted to the vCPUs that the calling thread owns."""
        for vcpu in self.vcpus:
            if vcpu.inbox and vcpu.owned:
                vcpu.drain()

    # Running, reset, state

    def first_run(self, vcpu: VCpu) -> None:
        """What precedes a vCPU's first entry; `VCpu.load` calls it. What it did before it fails is not done again."""
        if "K5" in self.quirks:
            vcpu.has_run_once = True
        if not self.finalized:
            raise VmError(errno.ENODEV, "the irqchip is not finalized")
        first_run = self.flow.table.vcpu_first_run
        if first_run is not None:
            first_run(vcpu)
        # The order of the reference: kvm_timer_enable, then kvm_arm_pmu_v3_enable.
        for timer in vcpu.timers:
            timer.own()
        for timer in vcpu.timers:
            timer.map()
        if vcpu.pmu is not None:
            vcpu.pmu.own()
        vcpu.has_run_once = True

    def reset_vcpu(self, vcpu: VCpu) -> None:
        """Reset one vCPU's part of the irqchip, its timers and its PMU (KVM_ARM_VCPU_INIT, PSCI CPU_ON); any thread."""
        vcpu.call(self._reset_owned, vcpu)

    def _reset_owned(self, vcpu: VCpu) -> None:
        if self.flow.has("reset"):
            self.flow.call("reset", self, vcpu)
        vcpu.irq_line = vcpu.fiq_line = False
        for timer in vcpu.timers:
            timer.reset()
        if vcpu.pmu is not None:
            vcpu.pmu.reset()

    def reset(self) -> None:
        """Reset the whole VM, as a reboot does.

        Raises:
            VmError: EOPNOTSUPP if the irqchip cannot be reset.
        """
        self._need("reset", errno.EOPNOTSUPP)
        for vcpu in self.vcpus:
            self.reset_vcpu(vcpu)
        self.flow.call("reset", self, None)

    def save_state(self) -> dict[str, Any]:
        """The irqchip's state as plain data, every vCPU's apart. What was posted to a vCPU is done first.

        Raises:
            VmError: EOPNOTSUPP if the irqchip's state cannot be saved.
            PluginError: if the irqchip returns something else than a mapping.
        """
        self._need("save_state", errno.EOPNOTSUPP)
        return save(self)

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `save_state` saved, on a VM that was set up in the same way.

        Args:
            state: as saved; it comes from a file, so every value is checked.

        Raises:
            VmError: EOPNOTSUPP if the irqchip's state cannot be restored, EINVAL if the state is of another machine or
                damaged. Nothing has changed then, if the irqchip's state can be saved too.
        """
        self._need("restore_state", errno.EOPNOTSUPP)
        restore(self, state)

    # Helpers

    def _add_devices(self, vcpu: VCpu) -> None:
        names = ("virtual timer", "physical timer")
        vcpu.timers = tuple(
            Timer(vcpu, name, intid) for name, intid in zip(names, self._timer_intids, strict=True) if intid is not None
        )
        if self._pmu_intid is not None:
            vcpu.pmu = Pmu(vcpu, "PMU", self._pmu_intid)

    def _need(self, callback: str, number: int) -> None:
        self.check_alive()
        if not self.flow.has(callback):
            raise VmError(number, f"{self.flow.chip_name or 'the VM'} has no irqchip_{callback}")
