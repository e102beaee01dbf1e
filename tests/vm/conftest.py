"""A chip that records every callback, and a VM around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from irqframe import Injected, Irqchip, VmError, hookimpl
from irqframe.flow import RoutingEntry, TrapClaim
from irqframe.vm import VCpu, Vm


class RecordingChip(Irqchip):
    """Implements every one of the twenty callbacks, and writes (callback, what matters of its arguments) to `log`.

    A vCPU's state is the set of its pending INTIDs; every pin and every message goes to vCPU 0 as INTID 32 + number.
    A test makes a callback fail by putting an exception into `failures`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[Any, ...]] = []
        self.failures: dict[str, Exception] = {}
        self.active: set[tuple[int, int]] = set()
        self.claims: list[TrapClaim] = []

    def record(self, name: str, *what: Any) -> None:
        self.log.append((name, *what))
        if name in self.failures:
            raise self.failures[name]

    def names(self) -> list[str]:
        return [entry[0] for entry in self.log]

    @hookimpl
    def irqchip_destroy(self, vm: Vm) -> None:
        self.record("destroy", len(vm.vcpus))

    @hookimpl
    def irqchip_vcpu_init(self, vcpu: VCpu) -> None:
        self.record("vcpu_init", vcpu.index)
        vcpu.chip = set()

    @hookimpl
    def irqchip_vcpu_blocking(self, vcpu: VCpu) -> None:
        self.record("vcpu_blocking", vcpu.index)

    @hookimpl
    def irqchip_vcpu_unblocking(self, vcpu: VCpu) -> None:
        self.record("vcpu_unblocking", vcpu.index)

    @hookimpl
    def irqchip_vcpu_load(self, vcpu: VCpu) -> None:
        self.record("vcpu_load", vcpu.index)

    @hookimpl
    def irqchip_vcpu_put(self, vcpu: VCpu) -> None:
        self.record("vcpu_put", vcpu.index)

    @hookimpl
    def irqchip_vcpu_pending_irq(self, vcpu: VCpu) -> bool:
        return bool(vcpu.chip)

    @hookimpl
    def irqchip_vcpu_first_run(self, vcpu: VCpu) -> None:
        self.record("vcpu_first_run", vcpu.index)

    @hookimpl
    def irqchip_vcpu_flush_hwstate(self, vcpu: VCpu) -> None:
        self.record("vcpu_flush_hwstate", vcpu.index)
        vcpu.irq_line = bool(vcpu.chip)

    @hookimpl
    def irqchip_vcpu_sync_hwstate(self, vcpu: VCpu) -> None:
        self.record("vcpu_sync_hwstate", vcpu.index)

    @hookimpl
    def irqchip_inject_irq(self, vm: Vm, cpu: int, intid: int, level: int, owner: object | None) -> Injected:
        self.record("inject_irq", cpu, intid, level, owner)
        if not level:
            return Injected.NOTHING
        pending = vm.vcpus[cpu].chip
        outcome = Injected.COALESCED if intid in pending else Injected.LATCHED
        pending.add(intid)
        return outcome

    @hookimpl
    def irqchip_inject_userspace_irq(self, vm: Vm, irq_type: int, cpu: int, intid: int, level: int) -> Injected:
        self.record("inject_userspace_irq", irq_type, cpu, intid, level)
        return Injected.LATCHED

    @hookimpl
    def irqchip_map_is_active(self, vcpu: VCpu, intid: int) -> bool:
        self.record("map_is_active", vcpu.index, intid)
        return (vcpu.index, intid) in self.active

    @hookimpl
    def irqchip_reset_mapped_irq(self, vcpu: VCpu, intid: int) -> None:
        self.record("reset_mapped_irq", vcpu.index, intid)

    @hookimpl
    def irqchip_map_phys_irq(self, vcpu: VCpu, host_irq: int, intid: int, get_level: Callable[[int], bool]) -> None:
        self.record("map_phys_irq", vcpu.index, intid, host_irq)

    @hookimpl
    def irqchip_unmap_phys_irq(self, vcpu: VCpu, intid: int) -> None:
        self.record("unmap_phys_irq", vcpu.index, intid)

    @hookimpl
    def irqchip_set_owner(self, vcpu: VCpu, intid: int, owner: object) -> None:
        self.record("set_owner", vcpu.index, intid)

    @hookimpl
    def irqchip_irqfd_set_irq(
        self, entry: RoutingEntry, vm: Vm, irq_source_id: int, level: int, line_status: bool
    ) -> Injected:
        self.record("irqfd_set_irq", entry.pin, irq_source_id, level)
        return self._latch(vm, 32 + entry.pin) if level else Injected.NOTHING

    @hookimpl
    def irqchip_set_msi(
        self, entry: RoutingEntry, vm: Vm, irq_source_id: int, level: int, line_status: bool
    ) -> Injected:
        self.record("set_msi", entry.address, entry.data, entry.devid, level)
        return self._latch(vm, 32 + entry.data) if level else Injected.NOTHING

    @hookimpl
    def irqchip_set_irq_inatomic(
        self, entry: RoutingEntry, vm: Vm, irq_source_id: int, level: int, line_status: bool
    ) -> Injected | None:
        self.record("set_irq_inatomic", entry.pin, irq_source_id, level)
        return self._latch(vm, 32 + entry.pin)

    @hookimpl
    def irqchip_set_attr(self, vm: Vm, group: int, attr: int, value: int) -> None:
        self.record("set_attr", group, attr, value)

    @hookimpl
    def irqchip_get_attr(self, vm: Vm, group: int, attr: int) -> int:
        self.record("get_attr", group, attr)
        return 7

    @hookimpl
    def irqchip_has_attr(self, vm: Vm, group: int, attr: int) -> bool:
        return (group, attr) == (0, 0)

    @hookimpl
    def irqchip_create(self, vm: Vm) -> None:
        self.record("create")

    @hookimpl
    def irqchip_trap_claims(self, vm: Vm) -> list[TrapClaim]:
        return self.claims

    @hookimpl
    def irqchip_reset(self, vm: Vm, vcpu: VCpu | None) -> None:
        self.record("reset", None if vcpu is None else vcpu.index)
        if vcpu is not None:
            vcpu.chip.clear()

    @hookimpl
    def irqchip_save_state(self, vm: Vm, vcpu: VCpu | None) -> Mapping[str, Any]:
        return {"version": 1} if vcpu is None else {"version": 1, "pending": sorted(vcpu.chip)}

    @hookimpl
    def irqchip_restore_state(self, vm: Vm, vcpu: VCpu | None, state: Mapping[str, Any]) -> None:
        if vcpu is None:
            return
        pending = state.get("pending")
        if not isinstance(pending, list) or not all(isinstance(intid, int) for intid in pending):
            raise VmError(22, "'pending' is no list of INTIDs")
        vcpu.chip = set(pending)

    def _latch(self, vm: Vm, intid: int) -> Injected:
        return vm.post(vm.vcpus[0], self.irqchip_inject_irq, vm, 0, intid, 1, None)


@pytest.fixture
def chip() -> RecordingChip:
    return RecordingChip()


@pytest.fixture
def without() -> Callable[..., RecordingChip]:
    """Make a recording chip that lacks the callbacks named."""

    def make(*names: str) -> RecordingChip:
        lacking = {f"irqchip_{name}": None for name in names}
        kind: type[RecordingChip] = type("LackingChip", (RecordingChip,), lacking)
        return kind()

    return make


@pytest.fixture
def make_vm() -> Iterator[Callable[..., Vm]]:
    """Make a VM with a chip and vCPUs, finalized; it is destroyed when the test ends."""
    made: list[Vm] = []

    def make(chip: Irqchip, *, cpus: int = 2, pins: int = 4, finalize: bool = True, **options: Any) -> Vm:
        vm = Vm(**options)
        made.append(vm)
        vm.create_irqchip(chip, "recording")
        for _ in range(cpus):
            vm.create_vcpu()
        if pins:
            vm.routing.set_default(pins)
        if finalize:
            vm.finalize()
        return vm

    yield make
    for vm in made:
        vm.destroy()


@pytest.fixture
def vm(chip: RecordingChip, make_vm: Callable[..., Vm]) -> Vm:
    """Two vCPUs, four pins, finalized."""
    return make_vm(chip)


@pytest.fixture
def refused() -> Callable[..., None]:
    """Check that a call raises `VmError` with an errno, and a message that says so."""

    def check(number: int, call: Callable[..., object], *args: object, **options: object) -> None:
        with pytest.raises(VmError) as caught:
            call(*args, **options)
        assert caught.value.errno == number, str(caught.value)

    return check
