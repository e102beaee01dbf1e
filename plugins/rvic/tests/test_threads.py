"""Four vCPU threads, and others that inject: nothing is lost, nothing comes twice, nothing hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from irqframe.flow import Injected

SECONDS = 30.0
ROUNDS = 300


class VcpuThread(threading.Thread):
    """Runs one scripted CPU until it is told to stop: work it is given, then interrupts, then WFI."""

    def __init__(self, machine: Any, index: int, driver: Any, cpu_class: Any) -> None:
        super().__init__(daemon=True)
        self.machine = machine
        self.vcpu = machine.cpu(index)
        self.driver = driver
        self.cpu_class = cpu_class
        self.cpu: Any = None
        self.work: list[Callable[[Any], object]] = []
        self.running = threading.Event()
        self.stopping = False
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.vcpu.load()
            self.cpu = self.cpu_class(self.vcpu, self.driver.handle_irq)
            self.vcpu.enter()
            self.running.set()
            while not self.stopping:
                while self.work:
                    self.work.pop(0)(self.cpu)
                self.cpu.take_irqs()
                self.vcpu.wait(0.02)
            self.vcpu.put()
        except BaseException as error:
            self.error = error
            self.running.set()

    def do(self, work: Callable[[Any], object]) -> None:
        """Have the CPU run some guest code, and wait until it did."""
        done = threading.Event()
        failure: list[BaseException] = []

        def run(cpu: Any) -> None:
            try:
                work(cpu)
            except BaseException as error:
                failure.append(error)
            done.set()

        self.work.append(run)
        self.vcpu.kick()
        assert done.wait(SECONDS), "the vCPU thread hangs"
        if failure:
            raise failure[0]


def start(machine: Any, cpu_class: Any, **kwargs: Any) -> tuple[Any, Any, list[VcpuThread]]:
    made = machine(4, adopt=False, **kwargs)
    driver = made.vm.flow.call("guest_driver", made.vm)
    threads = [VcpuThread(made, n, driver, cpu_class) for n in range(4)]
    for thread in threads:
        thread.start()
        assert thread.running.wait(SECONDS)
    threads[0].do(driver.probe)
    for thread in threads:
        thread.do(driver.starting)
    return made, driver, threads


def stop(made: Any, threads: list[VcpuThread]) -> None:
    for thread in threads:
        thread.stopping = True
        thread.vcpu.kick()
    for thread in threads:
        thread.join(SECONDS)
        assert not thread.is_alive()
        assert thread.error is None, thread.error
    assert not any(vcpu.inbox_errors for vcpu in made.vm.vcpus)


def settle(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "an interrupt was lost"
        time.sleep(0.001)


def test_injectors_movers_and_ipis(machine: Any, sources: Any) -> None:
    """Each input is raised again only when its last raise was handled, so that every raise must be delivered once."""
    from irqframe.guest import ScriptedCpu

    made, driver, threads = start(machine, ScriptedCpu)
    edge = sources[0]
    numbers = range(6)
    hwirqs: dict[int, int] = {}
    handled = dict.fromkeys(range(64), 0)
    lock = threading.Lock()

    def handler(cpu: Any, hwirq: int) -> None:
        with lock:
            handled[hwirq] += 1

    driver.handler = handler
    for number in numbers:
        threads[0].do(lambda cpu, n=number: hwirqs.__setitem__(n, driver.request(cpu, edge(n), n % 4)))

    def inject(number: int) -> None:
        for turn in range(1, ROUNDS + 1):
            assert made.vm.set_irq(number, 1) in (Injected.POSTED, Injected.LATCHED)
            settle(lambda turn=turn: handled[hwirqs[number]] >= turn)

    def ping(thread: VcpuThread) -> None:
        for _ in range(ROUNDS // 4):
            thread.do(lambda cpu: driver.send_ipi(cpu, [(cpu.index + 1) % 4], 5))

    def move() -> None:
        for turn in range(ROUNDS // 2):
            threads[turn % 4].do(lambda cpu, t=turn: driver.set_affinity(cpu, hwirqs[t % 6], (t // 6) % 4))

    failures: list[BaseException] = []

    def guarded(do: Callable[..., None], *arguments: Any) -> threading.Thread:
        def run() -> None:
            try:
                do(*arguments)
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    helpers = [guarded(inject, number) for number in numbers] + [guarded(ping, thread) for thread in threads]
    helpers.append(guarded(move))
    for helper in helpers:
        helper.join(4 * SECONDS)
    assert failures == []
    settle(lambda: not any(vcpu.chip.can_signal or vcpu.inbox for vcpu in made.vm.vcpus))
    stop(made, threads)
    assert [handled[hwirqs[number]] for number in numbers] == [ROUNDS] * 6
    assert handled[5] + sum(made.counters(n).coalesced for n in range(4)) >= ROUNDS // 4 * 4
    assert [made.balance(n) for n in range(4)] == [0] * 4
    assert not made.vm.dropped


def test_two_cpus_that_signal_each_other_do_not_hang(machine: Any) -> None:
    from irqframe.guest import ScriptedCpu

    made, driver, threads = start(machine, ScriptedCpu)
    count = [0] * 4
    driver.handler = lambda cpu, hwirq: count.__setitem__(cpu.index, count[cpu.index] + 1)

    def storm(cpu: Any) -> None:
        for _ in range(ROUNDS):
            driver.send_ipi(cpu, [n for n in range(4) if n != cpu.index], cpu.index)

    helpers = [threading.Thread(target=thread.do, args=(storm,), daemon=True) for thread in threads]
    for helper in helpers:
        helper.start()
    for helper in helpers:
        helper.join(4 * SECONDS)
        assert not helper.is_alive()
    settle(lambda: not any(vcpu.chip.can_signal or vcpu.inbox for vcpu in made.vm.vcpus))
    stop(made, threads)
    for n in range(4):
        counters = made.counters(n)
        assert counters.raised == 3 * ROUNDS
        assert counters.delivered == count[n]
        assert made.balance(n) == 0
