"""The workload has teeth: an irqchip that loses, doubles, drops or misdirects one interrupt ends the run, by its name.

The faults come in as an observer would, by wrapping callbacks, and as irqchips that are real but for one thing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from irqframe import GuestError, hookimpl
from irqframe.dt import parse_dts, to_dts
from irqframe.flow import Hypercall, HypercallClaim, Injected, MmioClaim, RoutingEntry, TrapClaim
from irqframe.guest import Driver, Outcome, Workload
from irqframe.machine import Machine, build, load_machine
from irqframe.vm import VCpu, Vm

Watched = list[tuple[int, str, int, str]]

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
GICC_IAR = 0x0C
SPURIOUS = 1023
NO_INTERRUPTS = 4
FIRST_SHARED = 32


def run(
    machine: Machine,
    *,
    events: int = 2000,
    seed: int = 1,
    wrappers: Iterable[Callable[[Vm], object]] = (),
    watched: Watched | None = None,
    change: Callable[[Driver], None] = lambda driver: None,
) -> Outcome:
    vm = build(machine, wrappers=wrappers)
    with vm.adopted():
        driver = vm.flow.call("guest_driver", vm)
        change(driver)

        def watch(vcpu: int, kind: str, intid: int, source: str) -> None:
            assert watched is not None
            watched.append((vcpu, kind, intid, source))

        workload = Workload(machine, vm, driver, seed, None if watched is None else watch)
        return workload.run(events)


def refused(machine: Machine, **more: Any) -> str:
    with pytest.raises(GuestError) as caught:
        run(machine, **more)
    return str(caught.value)


def names(machine: Machine) -> set[str]:
    return {source.name for source in machine.sources} | {source.name for source in machine.msis}


def with_chip(machine: Machine, hooks: Mapping[str, Any]) -> Machine:
    """The machine with an irqchip that is its own but for some methods; what it offers at sealing is not taken."""
    methods = {f"irqchip_{name}": hookimpl(hook) for name, hook in hooks.items()}
    methods.setdefault("irqchip_bind", hookimpl(lambda self, vm: {}))
    return replace(machine, chip=type("Broken", (machine.chip,), methods))


# A sound irqchip


def test_a_sound_irqchip_is_accounted_for(machine: Machine) -> None:
    outcome = run(machine)
    assert outcome.events >= 2000
    assert not any(account.balance for account in outcome.accounts)
    # Devices that share a line may be served by one run of the handler.
    assert 0 < outcome.handled <= sum(sum(account.delivered) for account in outcome.accounts)
    assert outcome.moves_pending > 0
    assert outcome.spurious == 0


def test_some_interrupts_coalesce(machine: Machine) -> None:
    """Otherwise the workload would not see whether an irqchip tells the two apart."""
    assert sum(account.coalesced for account in run(machine).accounts) > 10


def test_wrapping_alone_changes_nothing(machine: Machine) -> None:
    class Observer:
        @hookimpl(wrapper=True)
        def irqchip_irqfd_set_irq(self) -> Generator[None, Any, Any]:
            return (yield)

        @hookimpl(wrapper=True)
        def irqchip_inject_irq(self) -> Generator[None, Any, Any]:
            return (yield)

    plain = run(machine)
    wrapped = run(machine, wrappers=[lambda vm: Observer()])
    assert [(a.name, a.raised, a.delivered) for a in wrapped.accounts] == [
        (a.name, a.raised, a.delivered) for a in plain.accounts
    ]


# Faults that wrap a callback


class Lie:
    """Says something else of the n-th raise of a shared line that was latched."""

    def __init__(self, outcome: Injected, number: int = 40) -> None:
        self.outcome = outcome
        self.left = number

    @hookimpl(wrapper=True)
    def irqchip_irqfd_set_irq(self, entry: RoutingEntry) -> Generator[None, Injected, Injected]:
        said = yield
        if said is Injected.LATCHED:
            self.left -= 1
            if not self.left:
                return self.outcome
        return said


@pytest.mark.parametrize(
    ("outcome", "what"),
    [
        (Injected.COALESCED, "a raise for CPU {cpu} coalesced, but none was waiting there"),
        (Injected.DROPPED, "a raise for CPU {cpu} was dropped: dropped"),
        (Injected.DROPPED_DISABLED, "a raise for CPU {cpu} was dropped: dropped_disabled"),
        (Injected.DROPPED_UNROUTED, "a raise for CPU {cpu} was dropped: dropped_unrouted"),
        (Injected.NOTHING, "a raise for CPU {cpu} came to nothing: nothing"),
        (Injected.POSTED, "a raise for CPU {cpu} came to nothing: posted"),
    ],
)
def test_an_irqchip_that_says_something_else(machine: Machine, outcome: Injected, what: str) -> None:
    message = refused(machine, wrappers=[lambda vm: Lie(outcome)])
    name, _, rest = message.partition(": ")
    assert name in names(machine)
    assert rest in [what.format(cpu=cpu) for cpu in range(4)]


class Ghost:
    """Raises the first line again, once, much later: an interrupt that nobody asked for."""

    def __init__(self, vm: Vm) -> None:
        self.vm = vm
        self.first: RoutingEntry | None = None
        self.left = 300

    @hookimpl(wrapper=True)
    def irqchip_irqfd_set_irq(self, entry: RoutingEntry, level: int) -> Generator[None, Any, Any]:
        said = yield
        self.first = self.first or entry
        self.left -= 1
        if not self.left:
            chip: Any = self.vm.flow.chip
            for line in (1, 0):
                chip.irqchip_irqfd_set_irq(self.first, self.vm, 0, line, False)
        return said


def test_an_interrupt_that_comes_twice_is_named(machine: Machine) -> None:
    message = refused(machine, wrappers=[Ghost])
    assert re.fullmatch(r"virtio_mmio@a000000 was delivered to CPU \d, but nothing was raised: it came twice", message)


class Deaf:
    """Never shows CPU 1 that something is pending, from some entry on."""

    def __init__(self) -> None:
        self.left = 500

    @hookimpl(wrapper=True)
    def irqchip_vcpu_flush_hwstate(self, vcpu: VCpu) -> Generator[None, Any, Any]:
        said = yield
        if vcpu.index == 1:
            self.left -= 1
            if self.left <= 0:
                vcpu.irq_line = False
        return said


def test_an_interrupt_that_never_arrives_is_named(machine: Machine) -> None:
    message = refused(machine, wrappers=[lambda vm: Deaf()])
    name, _, rest = message.partition(" was raised for ")
    assert rest == "CPU 1, and every CPU has taken what it had: it is lost"
    assert name in names(machine) | {f"IPI {n}" for n in range(4)}


class Stray:
    """Raises a per-CPU interrupt of CPU 0 on CPU 1 too."""

    def __init__(self, vm: Vm) -> None:
        self.vm = vm

    @hookimpl(wrapper=True)
    def irqchip_inject_irq(self, cpu: int, intid: int, level: int) -> Generator[None, Any, Any]:
        said = yield
        if cpu == 0 and intid == 26:
            chip: Any = self.vm.flow.chip
            chip.irqchip_inject_irq(self.vm, 1, intid, level, None)
        return said


def test_an_interrupt_on_another_cpu_is_named(machine: Machine) -> None:
    message = refused(machine, wrappers=[Stray])
    # Which of the two is taken first depends on the irqchip.
    assert message in (
        "timer (hyp-phys) was delivered to CPU 1, but it waits for CPU 0",
        "timer (hyp-phys) was delivered to CPU 1, but nothing was raised: it came twice",
    )


# Faults of the irqchip itself


@pytest.mark.parametrize("callback", ["irqfd_set_irq", "set_msi"])
def test_an_irqchip_that_says_latched_and_does_nothing(machine: Machine, callback: str) -> None:
    left = iter(range(100, -1000000, -1))

    def forgetful(self: Any, entry: Any, vm: Any, irq_source_id: int, level: int, line_status: bool) -> Injected:
        if level and next(left) == 0:
            return Injected.LATCHED
        own = getattr(machine.chip, f"irqchip_{callback}")
        said: Injected = own(self, entry, vm, irq_source_id, level, line_status)
        return said

    message = refused(with_chip(machine, {callback: forgetful}), events=20_000)
    name = message.partition(" was raised for CPU ")[0]
    assert name in names(machine)
    assert message.endswith(", and every CPU has taken what it had: it is lost")
    assert name.endswith(" MSI") is (callback == "set_msi")


Take = Callable[[VCpu], int | None]


def with_acknowledge(machine: Machine, fault: Callable[[Take, VCpu], int | None]) -> Machine:
    """The machine with an irqchip whose acknowledge is another: `fault(take, vcpu)`, where `take` is the real one."""

    def rvic(handler: Any) -> Any:
        def take(vcpu: VCpu) -> int | None:
            x0, x1, _, _ = handler(vcpu, 0, 0, 0)
            return None if x0 else x1

        def acknowledge(vcpu: VCpu, x1: int, x2: int, x3: int) -> tuple[int, int, int, int]:
            taken = fault(take, vcpu)
            return (NO_INTERRUPTS, 0, 0, 0) if taken is None else (0, taken, 0, 0)

        return acknowledge

    def gic(read: Any) -> Any:
        def take(vcpu: VCpu) -> int | None:
            value: int = read(vcpu, GICC_IAR, 4)
            return None if value & 0x3FF == SPURIOUS else value

        def acknowledge(vcpu: VCpu, offset: int, size: int) -> int:
            if offset != GICC_IAR:
                other: int = read(vcpu, offset, size)
                return other
            taken = fault(take, vcpu)
            return SPURIOUS if taken is None else taken

        return acknowledge

    def changed(claim: TrapClaim) -> TrapClaim:
        if isinstance(claim, HypercallClaim):
            functions = {
                number: Hypercall(call.name, rvic(call.handler) if call.name == "RVIC_ACKNOWLEDGE" else call.handler)
                for number, call in claim.functions.items()
            }
            return replace(claim, functions=functions)
        if isinstance(claim, MmioClaim) and claim.name == "GICC":
            return replace(claim, read=gic(claim.read))
        return claim

    def trap_claims(self: Any, vm: Vm) -> Sequence[TrapClaim]:
        own: Any = machine.chip
        return tuple(changed(claim) for claim in own.irqchip_trap_claims(self, vm))

    return with_chip(machine, {"trap_claims": trap_claims})


def source_of(outcome: Watched, hwirq: int) -> str:
    """Who raised an interrupt last."""
    return next(
        what.rpartition(" ")[0] for _, kind, intid, what in reversed(outcome) if (kind, intid) == ("raise", hwirq)
    )


def test_the_acknowledge_can_be_replaced(machine: Machine) -> None:
    """What the tests below rely on."""
    taken: Counter[bool] = Counter()

    def same(take: Take, vcpu: VCpu) -> int | None:
        answer = take(vcpu)
        taken[answer is not None] += 1
        return answer

    outcome = run(with_acknowledge(machine, same))
    assert taken[True] == outcome.handled > 1000


def test_an_acknowledge_that_swallows_one(machine: Machine) -> None:
    lost: list[int] = []
    seen = iter(range(100))

    def swallow(take: Take, vcpu: VCpu) -> int | None:
        taken = take(vcpu)
        if taken is not None and taken >= FIRST_SHARED and next(seen, 0) == 50:
            lost.append(taken)
            return None
        return taken

    watched: Watched = []
    message = refused(with_acknowledge(machine, swallow), watched=watched)
    name, _, rest = message.partition(" was raised for ")
    assert re.fullmatch(r"CPU \d, and every CPU has taken what it had: it is lost", rest)
    if machine.irqchip == "rvic":  # a GIC holds others back until this one ends, and an earlier one may be named
        assert name == source_of(watched, lost[0])
    assert name in names(machine) | {f"IPI {n}" for n in range(4)}


def test_an_acknowledge_that_gives_one_twice(machine: Machine) -> None:
    repeat: dict[int, int] = {}
    seen = iter(range(100))
    edges = {
        account.route.split(" -> ")[1].split(",")[0]
        for account in run(machine).accounts
        if "edge" in account.route and "->" in account.route
    }

    def stutter(take: Take, vcpu: VCpu) -> int | None:
        if vcpu.index in repeat:
            return repeat.pop(vcpu.index)
        taken = take(vcpu)
        if taken is not None and str(taken) in edges and next(seen, 0) == 50:
            repeat[vcpu.index] = taken
        return taken

    message = refused(with_acknowledge(machine, stutter))
    name, _, rest = message.partition(" was delivered to ")
    assert name in names(machine)
    assert re.fullmatch(r"CPU \d, but nothing was raised: it came twice", rest)


def test_an_acknowledge_that_gives_another(machine: Machine) -> None:
    seen = iter(range(100))

    def wrong(take: Take, vcpu: VCpu) -> int | None:
        taken = take(vcpu)
        return taken + 1 if taken is not None and taken >= FIRST_SHARED and next(seen, 0) == 20 else taken

    message = refused(with_acknowledge(machine, wrong))
    assert re.search(r" was delivered to CPU \d, but (nothing was raised|it waits for)|which nobody requested", message)


def test_an_irq_line_that_never_falls(machine: Machine) -> None:
    def deaf_acknowledge(take: Take, vcpu: VCpu) -> int | None:
        return None

    message = refused(with_acknowledge(machine, deaf_acknowledge))
    assert message == "CPU 0 took 100000 exceptions in a row and its IRQ line is still asserted"


def test_counters_that_do_not_agree(machine: Machine) -> None:
    def counters(self: Any, vcpu: VCpu) -> Any:
        own: Any = machine.chip
        counted = own.irqchip_counters(self, vcpu)
        return counted._replace(delivered=counted.delivered + (vcpu.index == 3))

    message = refused(with_chip(machine, {"counters": counters}))
    assert re.fullmatch(r"the irqchip delivered \d+ interrupts, the guest handled \d+", message)


# Faults of the guest: what it believes of a route is what counts


def test_a_route_to_another_cpu_than_asked_for(machine: Machine) -> None:
    def change(driver: Driver) -> None:
        request = driver.request
        driver.request = lambda cpu, source, target: request(cpu, source, (target + 1) % 4)  # type: ignore[method-assign]

    message = refused(machine, change=change)
    assert re.fullmatch(r"\S+ was delivered to CPU 1, but it waits for CPU 0", message)


def test_a_move_that_is_not_done(machine: Machine) -> None:
    def change(driver: Driver) -> None:
        driver.set_affinity = lambda cpu, hwirq, target: None  # type: ignore[method-assign]

    message = refused(machine, change=change)
    name, _, rest = message.partition(" was delivered to CPU ")
    assert name in names(machine)
    assert re.fullmatch(r"\d, but it waits for CPU \d", rest)


# A CPU off and on


def test_a_cpu_goes_off_and_comes_back(machine: Machine) -> None:
    watched: Watched = []
    outcome = run(machine, watched=watched)
    kinds = [(vcpu, kind) for vcpu, kind, _, _ in watched if kind in ("off", "on")]
    assert kinds == [(3, "off"), (3, "on")]
    off = next(at for at, event in enumerate(watched) if event[1] == "off")
    on = next(at for at, event in enumerate(watched) if event[1] == "on")
    assert not [event for event in watched[off:on] if event[1] == "deliver" and event[0] == 3]
    # What is raised while it is off: one that is routed to it, one that is routed nowhere.
    assert [what.partition(" ")[0] for _, kind, _, what in watched[off:on] if kind == "raise"][1:] == ["input"]
    after = Counter(what for vcpu, kind, _, what in watched[on:] if (vcpu, kind) == (3, "deliver"))
    assert {"timer (virt)", "timer (phys)"} <= set(after)
    assert any(name in after for name in names(machine) if name.startswith("virtio"))
    unused = outcome.accounts[-1]
    assert (unused.name, unused.raised, sum(unused.delivered)) == ("input 0 (unused)", 1, 0)


def test_what_is_dropped_is_what_was_provoked(machines: dict[str, Machine]) -> None:
    def dropped(machine: Machine) -> dict[Injected, int]:
        return dict(sum((Counter(account.dropped) for account in run(machine).accounts), Counter()))

    # A GIC keeps pending what nobody takes; an rVIC has no state to keep it in.
    assert dropped(machines["gicv2"]) == {}
    assert dropped(machines["rvic"]) == {Injected.DROPPED_DISABLED: 1, Injected.DROPPED_UNROUTED: 1}


# Other numbers of CPUs


def machine_with(machine: Machine, cpus: int) -> Machine:
    text = to_dts(machine.tree)
    head, _, rest = text.partition("    cpus {\n")
    tail = rest[rest.index("\n    };\n") + len("\n    };\n") :]
    # 16 CPUs per cluster, as KVM numbers them.
    regs = [(n >> 4) << 8 | n & 0xF for n in range(cpus)]
    says = 'device_type = "cpu"; compatible = "arm,cortex-a57"; enable-method = "psci";'
    nodes = "".join(f"cpu@{reg:x} {{ {says} reg = <{reg}>; }};\n" for reg in regs)
    return load_machine(
        parse_dts(f"{head}cpus {{ #size-cells = <0>; #address-cells = <1>;\n{nodes}}};\n{tail}", "m.dts")
    )


def test_one_cpu_is_enough(machine: Machine) -> None:
    outcome = run(machine_with(machine, 1))
    assert outcome.moves == 0
    assert outcome.notes == ["no CPU was switched off: that needs two CPUs and a driver that moves interrupts"]
    assert all(sum(account.delivered) for account in outcome.accounts)


def test_64_cpus_on_an_rvic(machines: dict[str, Machine]) -> None:
    machine = machine_with(machines["rvic"], 64)
    assert machine.cpus[-1].mpidr == 0x30F
    outcome = run(machine, events=5000)
    percpu = [account for account in outcome.accounts if account.route.startswith(("PPI", "CPU to CPU"))]
    assert len(percpu) == 4 + 4
    assert all(all(account.delivered) for account in percpu)
    shared = [account for account in outcome.accounts if " -> " in account.route]
    took = [any(account.delivered[n] for account in shared) for n in range(64)]
    assert sum(took) > 55


@pytest.mark.parametrize("seed", range(10))
def test_any_seed(machine: Machine, seed: int) -> None:
    assert not any(account.balance for account in run(machine, seed=seed, events=1500).accounts)


def test_what_was_found_is_there_although_the_run_failed(machine: Machine) -> None:
    vm = build(machine, wrappers=[lambda vm: Deaf()])
    with vm.adopted():
        workload = Workload(machine, vm, vm.flow.call("guest_driver", vm), 1)
        with pytest.raises(GuestError) as caught:
            workload.run(2000)
    outcome = workload.outcome
    assert outcome.fault == str(caught.value)
    assert {account.name for account in outcome.accounts} >= names(machine)
    assert outcome.traps.total > 0


def test_the_unused_input_is_not_one_that_takes_messages(machines: dict[str, Machine]) -> None:
    """With every lower line a message's, the first line that no device has is none of theirs."""
    text = (EXAMPLES / "virt-rvic.dts").read_text(encoding="utf-8")
    text = text.replace("msi-range = <64 128>", "msi-range = <0 32>")
    for number in range(1, 20):
        text = text.replace(f"interrupts = <{number} ", f"interrupts = <{number + 40} ")
        text = text.replace(f"&rvid {number} 4>", f"&rvid {number + 40} 4>")
    outcome = run(load_machine(parse_dts(text, "m.dts")))
    unused = next(account for account in outcome.accounts if account.name.startswith("input "))
    assert unused.name == "input 1 (unused)"
    assert {reason.name for reason in unused.dropped} == {"DROPPED_UNROUTED"}
