"""A virtual CPU: how it is loaded, enters and leaves the guest, traps, sleeps, and is kicked.

1. One thread owns a vCPU while it is loaded, and only that thread touches the irqchip's state of it.
2. The owner drains the inbox at every entry of the guest.
3. The IRQ and FIQ lines are computed anew at every entry, by the irqchip's flush. A kick that comes after the flush and
   before the guest runs makes another round; so none is lost. (The reference: vcpu->mode and the request bits are
   tested again after IN_GUEST_MODE is visible.)
4. Only loading and putting take a lock. Nothing that happens per interrupt does.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from irqframe.errors import VmError
from irqframe.flow import SysregEncoding
from irqframe.vm._crossing import hypercalls, loads, register_reads, register_writes, stores
from irqframe.vm._ownership import Owned
from irqframe.vm._traps import MmioBus, Served, SysregBus, observed

if TYPE_CHECKING:
    from irqframe.vm._timer import Pmu, Timer
    from irqframe.vm._vm import Vm

T = TypeVar("T")
Bus = MmioBus | SysregBus

REQUEST_IRQ_PENDING: Final = "irq pending"
"""Compute the lines again."""
REQUEST_SLEEP: Final = "sleep"
"""Do not enter the guest: the vCPU was powered off or paused."""


class VCpu(Owned):
    """One virtual CPU, made by `Vm.create_vcpu`.

    Attributes:
        index: its place among the vCPUs, from 0; what hooks call `cpu`.
        vcpu_id: the number userspace gave it.
        mpidr: its affinity, bits 0xFF00FFFFFF.
        chip: the irqchip's state of this vCPU; the irqchip's alone.
        irq_line: HCR_EL2.VI: whether the guest sees IRQ asserted.
        fiq_line: HCR_EL2.VF: likewise FIQ.
        timers: the virtual and the physical timer, those that the machine has.
        pmu: the PMU's overflow line, or None.
        powered_off: by PSCI or at creation.
        paused: by userspace.
        blocked: asleep in WFI.
        loaded: between load and put.
        has_run_once: set by the first load that succeeds.
        in_guest: between entry and exit.
        requests: what the owner must do before the next entry.
        on_kick: called, by any thread, when the vCPU is kicked while it is in the guest; None: the owner looks itself.
        on_wake: called, by any thread, when the vCPU is kicked while it is not in the guest; None: nobody cares.
        hypercall: the guest executes HVC: (x0, x1, x2, x3), 64 bits unsigned each, 0 for what is left out, -> x0 to x3
            afterwards. The function id is the low 32 bits of x0. Each trap leaves the guest, is served, and enters it
            again.
        mmio_read: the guest loads from a device: (address, bytes) -> value; `MmioBus.read` says what it raises.
        mmio_write: the guest stores to a device: (address, bytes, value); see `MmioBus.write`.
        sysreg_read: the guest executes MRS: (encoding) -> value; see `SysregBus.read`.
        sysreg_write: the guest executes MSR: (encoding, value); see `SysregBus.write`.
        left: how often the guest was left for something else than a hypercall, less the hypercalls for which it was
            not left; `exits` is the sum of all.
        hypercalls: by function id, those that it has called.
        mmio_counts: guest physical address -> accesses.
        sysreg_counts: encoding -> accesses.
        unknown_hypercalls: those that nobody serves.
    """

    __slots__ = (
        "_flush",
        "_sync",
        "_wake",
        "blocked",
        "chip",
        "fiq_line",
        "has_run_once",
        "hypercall",
        "hypercalls",
        "in_guest",
        "index",
        "irq_line",
        "left",
        "loaded",
        "mmio_counts",
        "mmio_read",
        "mmio_write",
        "mpidr",
        "on_kick",
        "on_wake",
        "paused",
        "pmu",
        "powered_off",
        "requests",
        "sysreg_counts",
        "sysreg_read",
        "sysreg_write",
        "timers",
        "unknown_hypercalls",
        "vcpu_id",
    )

    def __init__(self, vm: Vm, index: int, vcpu_id: int, mpidr: int) -> None:
        super().__init__(vm)
        self.index = index
        self.vcpu_id = vcpu_id
        self.mpidr = mpidr
        self.chip: Any = None
        self.irq_line = False
        self.fiq_line = False
        self.timers: tuple[Timer, ...] = ()
        self.pmu: Pmu | None = None
        self.powered_off = False
        self.paused = False
        self.blocked = False
        self.loaded = False
        self.has_run_once = False
        self.in_guest = False
        self.requests: set[str] = set()
        self.on_kick: Callable[[], None] | None = None
        self.on_wake: Callable[[], None] | None = None
        self.left = 0
        self.hypercalls: dict[int, Served] = {}
        self.mmio_counts: dict[int, int] = {}
        self.sysreg_counts: dict[SysregEncoding, int] = {}
        self.unknown_hypercalls = 0
        self._wake = threading.Event()
        self.bind()

    def __repr__(self) -> str:
        return f"<VCpu {self.index} mpidr {self.mpidr:#x}>"

    def bind(self) -> None:
        """Fetch ahead of time what every entry and every trap needs; the VM calls it when that changes."""
        vm = self.vm
        self._flush = vm.flow.table.vcpu_flush_hwstate
        self._sync = vm.flow.table.vcpu_sync_hwstate
        flush, sync = self._flush, self._sync
        bus, observer = vm.hypercalls, vm.trap_observer
        known = self.hypercalls if observer is None else {}
        serve = bus.call if observer is None else partial(bus.observed_call, observer)
        self.hypercall = hypercalls(self, known, serve, flush, sync)
        self.mmio_read = loads(self, self._seen("mmio read", vm.mmio, vm.mmio.read), flush, sync)
        self.mmio_write = stores(self, self._seen("mmio write", vm.mmio, vm.mmio.write), flush, sync)
        self.sysreg_read = register_reads(self, self._seen("sysreg read", vm.sysregs, vm.sysregs.read), flush, sync)
        self.sysreg_write = register_writes(self, self._seen("sysreg write", vm.sysregs, vm.sysregs.write), flush, sync)

    def _seen(self, what: str, bus: Bus, serve: Callable[..., T]) -> Callable[..., T]:
        """An operation of a bus, as whoever observes traps sees it."""
        observer = self.vm.trap_observer
        return serve if observer is None else observed(observer, what, bus.name, serve)

    @property
    def exits(self) -> int:
        """How often the guest was left; another thread may see less while the guest is left."""
        return self.left + self.unknown_hypercalls + sum(self.hypercall_counts.values())

    @property
    def hypercall_counts(self) -> dict[int, int]:
        """Function id -> calls, as they are now."""
        # Copied first, at one go: the owner may call a function for the first time while another thread looks.
        return {fid: served.times for fid, served in self.hypercalls.copy().items()}

    # Life on a thread

    def load(self) -> None:
        """Take the vCPU onto this thread (KVM_RUN begins).

        Raises:
            VmError: ENODEV before the irqchip is finalized and after `Vm.destroy`, or what the irqchip's
                `irqchip_vcpu_first_run` and the timers' set-up raise; the vCPU is not loaded then, and the next
                attempt asks again.
        """
        self.vm.check_alive()
        self.adopt()
        try:
            if not self.has_run_once:
                self.vm.first_run(self)
            load = self.vm.flow.table.vcpu_load
            if load is not None:
                load(self)
        except BaseException:
            self.release()
            raise
        self.loaded = True
        try:
            for timer in self.timers:
                timer.load()
        except BaseException:
            self.put()
            raise

    def put(self) -> None:
        """Take the vCPU off this thread (KVM_RUN ends)."""
        try:
            self.leave()
            put = self.vm.flow.table.vcpu_put
            if put is not None:
                put(self)
        finally:
            self.loaded = False
            self.release()

    def enter(self) -> bool:
        """Prepare to run guest code: requests, inbox, then the lines.

        Returns:
            True once the guest may run; False if the vCPU is powered off or paused.
        """
        requests = self.requests
        inbox = self.inbox
        flush = self._flush
        while True:
            if requests:
                requests.clear()
            if inbox:
                self.drain()
            if self.powered_off or self.paused:
                return False
            if flush is not None:
                flush(self)
            self.in_guest = True
            if not requests:
                return True
            self.in_guest = False
            if self._sync is not None:
                self._sync(self)

    def leave(self) -> None:
        """The guest was left: take back what the hardware changed. No effect if it is not running."""
        if self.in_guest:
            self.in_guest = False
            self.left += 1
            if self._sync is not None:
                self._sync(self)

    def reenter(self) -> bool:
        """`leave`, then `enter`; what leaves is said once more, for each interrupt that a kick announces comes here."""
        if self.in_guest:
            self.in_guest = False
            self.left += 1
            if self._sync is not None:
                self._sync(self)
        return self.enter()

    # Sleep and wake

    @property
    def runnable(self) -> bool:
        """The wake-up test: something to take, and allowed to run (kvm_arch_vcpu_runnable)."""
        if self.powered_off or self.paused:
            return False
        if self.irq_line or self.fiq_line or self.inbox or self.requests:
            return True
        pending = self.vm.flow.table.vcpu_pending_irq
        return pending is not None and bool(pending(self))

    def block(self) -> bool:
        """The guest executes WFI: go to sleep unless there is something to take.

        Returns:
            Whether the vCPU sleeps; `unblock` ends that.
        """
        self.leave()
        if self.runnable:
            return False
        self._wake.clear()
        self.blocked = True
        blocking = self.vm.flow.table.vcpu_blocking
        if blocking is not None:
            blocking(self)
        return True

    def unblock(self) -> None:
        """End the sleep. No effect if the vCPU does not sleep."""
        if self.blocked:
            self.blocked = False
            unblocking = self.vm.flow.table.vcpu_unblocking
            if unblocking is not None:
                unblocking(self)

    def wait(self, timeout: float | None = None) -> bool:
        """WFI on a thread of the vCPU's own: sleep until something may be there to take, then enter the guest.

        Any kick ends the sleep, as an architecture lets WFI end for no reason. What others post is done even while the
        vCPU is powered off or paused; that it is no longer, ends the sleep too.

        Args:
            timeout: seconds at most; None: for ever.

        Returns:
            Whether the guest runs and has an interrupt to take.
        """
        if self.block():
            self._sleep(None if timeout is None else time.monotonic() + timeout)
            self.unblock()
        return self.enter() and (self.irq_line or self.fiq_line)

    def _sleep(self, deadline: float | None) -> None:
        # Who kicks asks last whether the vCPU sleeps: either it does, or this test sees what the kick is for.
        while not self.runnable:
            self.drain()
            left = None if deadline is None else max(deadline - time.monotonic(), 0)
            if not self._wake.wait(left):
                return
            self._wake.clear()

    def kick(self) -> None:
        """Make the owner look at the irqchip's state again before it runs guest code; any thread.

        It leaves a request, by which the owner learns of what was posted, too.
        """
        self.requests.add(REQUEST_IRQ_PENDING)
        if self.blocked:
            self._wake.set()
        told = self.on_kick if self.in_guest else self.on_wake
        if told is not None:
            told()

    def power_off(self) -> None:
        """PSCI CPU_OFF, or before the first CPU_ON: the vCPU does not enter the guest any more."""
        self.powered_off = True
        self.leave()
        self.requests.add(REQUEST_SLEEP)
        for timer in self.timers:
            timer.reset()

    def power_on(self) -> None:
        """PSCI CPU_ON: the vCPU is reset, then runs again.

        Raises:
            VmError: EINVAL if it is on.
        """
        if not self.powered_off:
            raise VmError(errno.EINVAL, f"vCPU {self.index} is on already")
        self.vm.reset_vcpu(self)
        self.powered_off = False
        self.kick()
