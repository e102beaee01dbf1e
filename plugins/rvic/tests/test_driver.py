"""The scripted guest's driver, on machines of several shapes."""

from __future__ import annotations

from typing import Any

import pytest
from irqframe_rvic._abi import FID, FUNCTIONS

from irqframe.errors import GuestError
from irqframe.flow import Trigger

SHAPES = [
    {"cpus": 1},
    {"cpus": 4, "total": 512},
    {"cpus": 8, "total": 2048},
    {"cpus": 4, "mpidrs": (0x0, 0x100, 0x1_0000_0000, 0x20304)},
    {"cpus": 2, "order": "fifo", "trusted": 64, "total": 128},
    {"cpus": 2, "priorities": True, "level_inputs": True},
]


def calls(made: Any, name: str, cpu: int = 0) -> int:
    return int(made.machine.cpu(cpu).hypercall_counts.get(FID[name], 0))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_kind_of_interrupt_reaches_its_cpu(guest: Any, sources: Any, shape: dict[str, Any]) -> None:
    edge, _, ppi = sources
    made = guest(timers=True, msis=(16, 16), **shape)
    last = shape["cpus"] - 1
    boot = made.cpus[0]
    for cpu in made.cpus:
        assert made.driver.request_percpu(cpu, ppi(27)) == 27
    hwirq = made.driver.request(boot, edge(5), last)
    (msi,) = made.driver.alloc_msis(boot, 0, 1, last)
    assert made.take() == []
    made.driver.send_ipi(boot, range(last + 1), 9)
    assert made.take() == [(n, 9) for n in range(last + 1)]
    made.vm.set_irq(5, 1)
    made.vm.signal_msi(msi.address, msi.data)
    assert sorted(made.take()) == sorted([(last, hwirq), (last, msi.hwirq)])

    def stop_timer(cpu: Any, taken: int) -> None:
        made.seen.append((cpu.index, taken))
        cpu.vcpu.timers[0].stop()

    made.driver.handler = stop_timer
    for _ in range(2):
        for vcpu in made.vm.vcpus:
            vcpu.timers[0].program(0)
        assert made.take() == [(n, 27) for n in range(last + 1)]
    assert made.driver.spurious == 0
    assert all(made.machine.balance(n) == 0 for n in range(last + 1))


def test_bring_up_takes_2n_plus_2_hypercalls_and_the_ipis(guest: Any) -> None:
    made = guest(2, total=128, up=False)
    made.driver.probe(made.cpus[0])
    before = sum(made.machine.cpu(1).hypercall_counts.values())
    made.driver.starting(made.cpus[1])
    assert sum(made.machine.cpu(1).hypercall_counts.values()) - before == 2 * 128 + 2 + 16


def test_one_acknowledge_per_exception(guest: Any, sources: Any) -> None:
    made = guest(1)
    hwirqs = [made.driver.request(made.cpus[0], sources[0](n), 0) for n in range(5)]
    for n in range(5):
        made.vm.set_irq(n, 1)
    before = calls(made, "RVIC_ACKNOWLEDGE"), made.cpus[0].exceptions
    assert made.take() == [(0, hwirq) for hwirq in hwirqs]
    assert (calls(made, "RVIC_ACKNOWLEDGE") - before[0], made.cpus[0].exceptions - before[1]) == (5, 5)


def test_spurious_exception_is_counted(guest: Any) -> None:
    made = guest(1)
    made.driver.handle_irq(made.cpus[0])
    assert made.driver.spurious == 1
    made.driver.dying(made.cpus[0])
    with pytest.raises(GuestError, match=r"RVIC_ACKNOWLEDGE.*DISABLED"):
        made.driver.handle_irq(made.cpus[0])


def test_an_ipi_ends_before_its_handler(guest: Any) -> None:
    made = guest(2)
    again = [True]

    def handler(cpu: Any, hwirq: int) -> None:
        made.seen.append((cpu.index, hwirq))
        if again:
            again.clear()
            made.driver.send_ipi(made.cpus[0], [1], 3)
            assert cpu.vcpu.chip.target.state[3] == 1  # deliverable, not behind a mask

    made.driver.handler = handler
    made.driver.send_ipi(made.cpus[0], [1], 3)
    assert made.take() == [(1, 3), (1, 3)]


def test_edge_during_its_handler_is_delivered_after_it(guest: Any, sources: Any) -> None:
    made = guest(1)
    hwirq = made.driver.request(made.cpus[0], sources[0](1), 0)
    again = [True]

    def handler(cpu: Any, taken: int) -> None:
        made.seen.append((cpu.index, taken))
        if again:
            again.clear()
            made.vm.set_irq(1, 1)

    made.driver.handler = handler
    made.vm.set_irq(1, 1)
    assert made.take() == [(0, hwirq), (0, hwirq)]


def test_affinity_moves_what_is_pending_once(guest: Any, sources: Any) -> None:
    made = guest(4)
    boot = made.cpus[0]
    hwirq = made.driver.request(boot, sources[0](1), 0)
    for target in (3, 1, 2, 2, 0):
        made.vm.set_irq(1, 1)
        made.driver.set_affinity(boot, hwirq, target)
        assert made.take() == [(target, hwirq)]
        made.vm.set_irq(1, 1)
        assert made.take() == [(target, hwirq)]
    assert all(made.machine.balance(n) == 0 for n in range(4))


def test_a_masked_interrupt_stays_masked_where_it_goes(guest: Any, sources: Any) -> None:
    made = guest(2)
    boot = made.cpus[0]
    hwirq = made.driver.request(boot, sources[0](1), 0)
    made.driver.mask(boot, hwirq)
    made.vm.set_irq(1, 1)
    made.driver.set_affinity(boot, hwirq, 1)
    assert made.take() == []
    assert made.driver.is_masked(1, hwirq)
    made.driver.unmask(boot, hwirq)
    assert made.take() == [(1, hwirq)]


def test_masked_by_its_handler_stays_so_after_the_end(guest: Any, sources: Any) -> None:
    made = guest(1)
    made.driver.request(made.cpus[0], sources[0](1), 0)
    made.driver.handler = lambda cpu, taken: made.driver.mask(cpu, taken)
    made.vm.set_irq(1, 1)
    made.take()
    made.vm.set_irq(1, 1)
    assert made.cpus[0].take_irqs() == 0


def test_cpu_off_and_on(guest: Any, sources: Any) -> None:
    made = guest(2)
    boot, other = made.cpus
    hwirq = made.driver.request(boot, sources[0](1), 1)
    made.driver.set_affinity(other, hwirq, 0)
    made.driver.dying(other)
    other.vcpu.power_off()
    made.vm.set_irq(1, 1)
    assert made.take() == [(0, hwirq)]
    for refused in (
        lambda: made.driver.send_ipi(boot, [1], 0),
        lambda: made.driver.set_affinity(boot, hwirq, 1),
        lambda: made.driver.request(boot, sources[0](2), 1),
    ):
        with pytest.raises(GuestError):
            refused()
    made.vm.set_irq(1, 1)
    assert made.take() == [(0, hwirq)]
    other.vcpu.power_on()
    assert other.vcpu.enter()
    made.driver.starting(other)
    made.driver.set_affinity(boot, hwirq, 1)
    made.driver.send_ipi(boot, [1], 0)
    made.vm.set_irq(1, 1)
    assert made.take() == [(1, 0), (1, hwirq)]


def test_release_frees_the_intid_and_what_was_pending(guest: Any, sources: Any) -> None:
    made = guest(1)
    boot, edge = made.cpus[0], sources[0]
    hwirq = made.driver.request(boot, edge(1), 0)
    made.driver.mask(boot, hwirq)
    made.vm.set_irq(1, 1)
    made.driver.release(boot, hwirq)
    assert made.driver.request(boot, edge(2), 0) == hwirq
    assert made.take() == []
    with pytest.raises(GuestError, match="no shared interrupt"):
        made.driver.release(boot, 63)


def test_intids_run_out_with_a_clear_error(guest: Any, sources: Any) -> None:
    made = guest(1)
    for number in range(32):
        made.driver.request(made.cpus[0], sources[0](number), 0)
    with pytest.raises(GuestError, match="all 32 untrusted INTIDs are in use"):
        made.driver.request(made.cpus[0], sources[0](32), 0)


def test_messages_come_in_aligned_blocks(guest: Any) -> None:
    made = guest(2, total=128, msis=(8, 40))
    boot = made.cpus[0]
    one = made.driver.alloc_msis(boot, 1, 1, 0)
    four = made.driver.alloc_msis(boot, 2, 3, 1)
    eight = made.driver.alloc_msis(boot, 3, 8, 1)
    assert [m.data for m in one] == [8]
    assert [m.data for m in four] == [12, 13, 14]
    assert [m.data for m in eight] == list(range(16, 24))
    assert [m.data for m in made.driver.alloc_msis(boot, 4, 1, 0)] == [9]
    assert {m.address for m in eight} == {0xBA5E_0000}
    for message in four:
        made.vm.signal_msi(message.address, message.data)
    assert made.take() == [(1, message.hwirq) for message in four]
    made.driver.set_affinity(boot, eight[5].hwirq, 0)
    made.vm.signal_msi(eight[5].address, eight[5].data)
    assert made.take() == [(0, eight[5].hwirq)]
    with pytest.raises(GuestError, match="no aligned block of 32"):
        made.driver.alloc_msis(boot, 5, 32, 0)
    for message in eight:
        made.driver.release(boot, message.hwirq)
    assert [m.data for m in made.driver.alloc_msis(boot, 6, 8, 0)] == list(range(16, 24))


def test_what_cannot_be_requested(guest: Any, sources: Any) -> None:
    edge, _, ppi = sources
    made = guest(1, msis=(16, 16))
    boot = made.cpus[0]
    for source in (edge(16), ppi(20)):
        with pytest.raises(GuestError, match="no wired input"):
            made.driver.request(boot, source, 0)
    for source in (edge(20), ppi(3)):
        with pytest.raises(GuestError, match="no per-CPU interrupt"):
            made.driver.request_percpu(boot, source)
    with pytest.raises(GuestError, match="no IPI 16"):
        made.driver.send_ipi(boot, [0], 16)
    with pytest.raises(GuestError, match="SET_PRIORITY"):
        made.driver.set_priority(boot, made.driver.request(boot, edge(1), 0), 3)


def test_machine_without_messages(guest: Any) -> None:
    made = guest(1)
    assert not made.driver.msis
    with pytest.raises(GuestError):
        made.driver.alloc_msis(made.cpus[0], 0, 1, 0)


def test_edge_triggered_percpu_interrupt_is_not_resampled(guest: Any, sources: Any) -> None:
    made = guest(1)
    made.driver.request_percpu(made.cpus[0], sources[2](20, Trigger.EDGE_RISING))
    made.vm.inject(0, 20, 1)
    assert made.take() == [(0, 20)]
    assert calls(made, "RVIC_RESAMPLE") == 0


def test_driver_uses_no_function_beyond_the_specification_unless_extended(guest: Any, sources: Any) -> None:
    made = guest(2, msis=(16, 16))
    made.driver.request(made.cpus[0], sources[0](1), 1)
    made.driver.alloc_msis(made.cpus[0], 0, 4, 1)
    used = {fid for vcpu in made.vm.vcpus for fid in vcpu.hypercall_counts}
    assert not used & {f.fid for f in FUNCTIONS.values() if f.extension}
    assert all(vcpu.unknown_hypercalls == 0 for vcpu in made.vm.vcpus)
