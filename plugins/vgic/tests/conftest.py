"""A GICv2 on a small VM, and short words for what a guest and a device do to it."""

from __future__ import annotations

import copy
import ctypes
import errno
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from irqframe_vgic import Gicv2

from irqframe import Injected, VmError
from irqframe.dt import parse_dts
from irqframe.flow import Counters
from irqframe.vm import Vm

GICD = 0x0800_0000
GICC = 0x0801_0000
V2M = 0x0802_0000

DTS = """\
/dts-v1/;
/ {
    #address-cells = <2>;
    #size-cells = <2>;
    intc@8000000 {
        compatible = "arm,cortex-a15-gic";
        reg = <0 0x8000000 0 0x10000 0 0x8010000 0 0x10000>;
        #interrupt-cells = <3>;
        interrupt-controller;
        #address-cells = <2>;
        #size-cells = <2>;
        ranges;
        v2m@8020000 {
            compatible = "arm,gic-v2m-frame";
            reg = <0 0x8020000 0 0x1000>;
            msi-controller;
        };
    };
};
"""


class Board:
    """A VM with a GICv2, set up from the tree above; the calling thread owns every vCPU."""

    def __init__(self, cpus: int, implementation: str, spis: int, devices: bool, mpidrs: tuple[int, ...]) -> None:
        intids = {} if devices else {"timer_intids": (None, None), "pmu_intid": None}
        self.vm = Vm(**intids)
        self.chip = Gicv2(options={"implementation": implementation, "spis": str(spis)})
        self.vm.create_irqchip(self.chip, "gicv2")
        for index in range(cpus):
            self.vm.create_vcpu(mpidr=mpidrs[index] if mpidrs else None)
        root = parse_dts(DTS, "board.dts").root
        intc = root.children["intc@8000000"]
        nodes = (intc, intc.children["v2m@8020000"])
        self.vm.flow.call("configure", self.vm, nodes if spis >= 256 else nodes[:1])
        self.vm.finalize()
        self.acknowledged: list[list[int]] = [[] for _ in range(cpus)]

    def r(self, offset: int, cpu: int = 0, size: int = 4) -> int:
        return self.vm.vcpus[cpu].mmio_read(GICD + offset, size)

    def w(self, offset: int, value: int, cpu: int = 0, size: int = 4) -> None:
        self.vm.vcpus[cpu].mmio_write(GICD + offset, size, value)

    def cr(self, offset: int, cpu: int = 0, size: int = 4) -> int:
        return self.vm.vcpus[cpu].mmio_read(GICC + offset, size)

    def cw(self, offset: int, value: int, cpu: int = 0, size: int = 4) -> None:
        self.vm.vcpus[cpu].mmio_write(GICC + offset, size, value)

    def iar(self, cpu: int = 0) -> int:
        return self.cr(0x0C, cpu)

    def eoi(self, value: int, cpu: int = 0) -> None:
        self.cw(0x10, value, cpu)

    def deactivate(self, value: int, cpu: int = 0) -> None:
        self.cw(0x1000, value, cpu)

    def line(self, intid: int, level: int, cpu: int = 0) -> Injected:
        return self.vm.set_irq(intid - 32, level) if intid >= 32 else self.vm.inject(cpu, intid, level)

    def pins(self, cpu: int = 0) -> tuple[bool, bool]:
        """(IRQ, FIQ)."""
        vcpu = self.vm.vcpus[cpu]
        return vcpu.irq_line, vcpu.fiq_line

    def irq(self, cpu: int = 0) -> bool:
        return self.vm.vcpus[cpu].irq_line

    def bit(self, register: int, intid: int, cpu: int = 0) -> bool:
        """The bit of an INTID in a register of one bit per INTID."""
        return bool(self.r(register + intid // 32 * 4, cpu) >> intid % 32 & 1)

    def set_bit(self, register: int, intid: int, cpu: int = 0) -> None:
        self.w(register + intid // 32 * 4, 1 << intid % 32, cpu)

    def on(self, *, ctlr: int = 1, distributor: int = 1, pmr: int = 0xFF) -> Board:
        """Distributor and every CPU interface on."""
        self.w(0x000, distributor)
        for vcpu in self.vm.vcpus:
            self.cw(0x04, pmr, vcpu.index)
            self.cw(0x00, ctlr, vcpu.index)
        return self

    def enable(self, intid: int, *, edge: bool = False, priority: int = 0x80, targets: int = 1, cpu: int = 0) -> None:
        """Set up an interrupt, and enable it."""
        if intid >= 16:
            address = 0xC00 + intid // 16 * 4
            bit = 2 << intid % 16 * 2
            before = self.r(address, cpu)
            self.w(address, before | bit if edge else before & ~bit, cpu)
        self.w(0x400 + intid, priority, cpu, size=1)
        if intid >= 32:
            self.w(0x800 + intid, targets, cpu, size=1)
        self.set_bit(0x100, intid, cpu)

    def send(self, sgi: int, targets: int, cpu: int = 0) -> None:
        self.w(0xF00, targets << 16 | sgi, cpu)

    def counters(self, cpu: int = 0) -> Counters:
        counters: Counters = self.vm.flow.call("counters", self.vm.vcpus[cpu])
        return counters

    def owed(self, cpu: int = 0) -> int:
        """What the CPU has been counted and not yet been delivered, by the equation of `Counters`."""
        c = self.counters(cpu)
        return c.raised + c.resampled - c.delivered - c.coalesced - sum(c.dropped.values()) - c.withdrawn

    def waiting(self, cpu: int = 0) -> int:
        """The same out of the GIC's state: the CPU's own interrupts, and the SPIs whose lowest target it is."""
        gic = self.vm.chip_data
        interface = gic.cpus[cpu]
        count = interface.private.owed.bit_count() + sum(waiting.bit_count() for waiting in interface.sources)
        for block in gic.blocks.values():
            for n in range(32):
                lowest = (block.targets[n] & -block.targets[n]).bit_length() - 1 if block.targets[n] else 0
                count += block.owed >> n & 1 and lowest == cpu
        return count


class Runner(threading.Thread):
    """A vCPU on a thread of its own: it takes interrupts until it is told to stop."""

    def __init__(self, made: Any, index: int, stop: threading.Event, work: Any = None) -> None:
        super().__init__(daemon=True)
        self.made, self.index, self.stop, self.work = made, index, stop, work
        self.taken: Counter[int] = Counter()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self.error = error

    def _run(self) -> None:
        vcpu = self.made.vm.vcpus[self.index]
        vcpu.adopt()
        try:
            while not self.stop.is_set():
                if self.work is not None:
                    self.work()
                vcpu.wait(0.001)
                while vcpu.irq_line:
                    value = self.made.iar(self.index)
                    if value & 0x3FF >= 1020:
                        continue
                    self.taken[value & 0x3FF] += 1
                    self.made.eoi(value, self.index)
        finally:
            vcpu.release()


class Running:
    """Some of a board's two vCPUs, each on a thread of its own."""

    def __init__(self, made: Any, works: dict[int, Any]) -> None:
        self.made = made
        self.stop = threading.Event()
        self.runners = [Runner(made, index, self.stop, work) for index, work in works.items()]
        for runner in self.runners:
            runner.start()

    @property
    def taken(self) -> Counter[int]:
        """How often each interrupt was taken."""
        return sum((runner.taken for runner in self.runners), Counter())

    @property
    def quiet(self) -> bool:
        """Whether nothing waits."""
        busy = any(vcpu.inbox or vcpu.irq_line for vcpu in self.made.vm.vcpus)
        return not busy and sum(self.made.owed(cpu) for cpu in range(2)) == 0

    def end(self) -> None:
        """Stop, whatever waits."""
        self.stop.set()
        for runner in self.runners:
            runner.join(10)
            assert not runner.is_alive() and runner.error is None, runner.error

    def finish(self) -> list[Counters]:
        """Wait until nothing waits, and stop; what the CPUs have counted."""
        for _ in range(2000):
            if self.quiet:
                break
            self.stop.wait(0.005)
        self.end()
        assert self.quiet
        return [self.made.counters(cpu) for cpu in range(2)]


BoardFactory = Callable[..., Board]


@pytest.fixture
def board() -> Iterator[BoardFactory]:
    """Makes boards: board(cpus=1, implementation="kvm", spis=256, devices=False, mpidrs=()), () for the VM's own."""
    with ExitStack() as stack:

        def make(
            cpus: int = 1,
            implementation: str = "kvm",
            spis: int = 256,
            devices: bool = False,
            mpidrs: tuple[int, ...] = (),
        ) -> Board:
            made = Board(cpus, implementation, spis, devices, mpidrs)
            stack.callback(made.vm.destroy)
            stack.enter_context(made.vm.adopted())
            return made

        yield make


@pytest.fixture
def go_on_alike() -> Callable[..., None]:
    """Checks that a machine which takes over another's saved state goes on as that one does.

    Arguments: (made, fresh, do, operations, look). `do(board, operation)` returns what the guest saw of it;
    `look(board)` everything that can be seen without effect.
    """

    def check(
        made: Any, fresh: Any, do: Callable[[Any, Any], Any], operations: Sequence[Any], look: Callable[[Any], Any]
    ) -> None:
        saved = json.loads(json.dumps(made.vm.save_state()))
        fresh.vm.restore_state(saved)
        fresh.acknowledged = copy.deepcopy(made.acknowledged)
        assert fresh.vm.save_state() == saved
        assert look(fresh) == look(made)
        for operation in operations:
            assert do(fresh, operation) == do(made, operation), operation
            for index in range(len(made.vm.vcpus)):
                assert fresh.pins(index) == made.pins(index), (operation, index)
                assert fresh.counters(index) == made.counters(index), (operation, index)
        assert look(fresh) == look(made)
        assert fresh.vm.save_state() == made.vm.save_state()

    return check


@pytest.fixture
def takes_or_refuses() -> Callable[..., bool]:
    """Checks that saved state is taken as it is, or refused with EINVAL and nothing has changed; True if taken."""

    def check(made: Any, state: Any) -> bool:
        before = made.vm.save_state()
        try:
            made.vm.restore_state(state)
        except VmError as error:
            assert error.errno == errno.EINVAL
            assert made.vm.save_state() == before
            return False
        assert made.vm.save_state() == state
        return True

    return check


@pytest.fixture
def loose(board: Any) -> Iterator[Any]:
    """A board of two vCPUs that nobody owns any more, switched on."""
    made = board(2).on()
    for vcpu in made.vm.vcpus:
        vcpu.release()
    yield made
    for vcpu in made.vm.vcpus:
        vcpu.adopt()


@pytest.fixture
def start() -> Callable[..., Running]:
    """Starts vCPUs of a board: start(board, what each does between interrupts, by its index)."""
    return lambda made, works=None: Running(made, {0: None, 1: None} | (works or {}))


@pytest.fixture
def start_one() -> Callable[..., Running]:
    """Starts CPU 1 alone."""
    return lambda made, work: Running(made, {1: work})


@pytest.fixture
def from_outside() -> Callable[..., None]:
    """Does something on a thread that owns no vCPU."""

    def run(work: Callable[..., object], *args: object) -> None:
        thread = threading.Thread(target=work, args=args)
        thread.start()
        thread.join()

    return run


class Natively:
    """A board some of whose accesses are served by what is compiled and needs no Python, until it leaves one to it.

    Attributes:
        served: how many were; `left` likewise.
    """

    def __init__(self, made: Any) -> None:
        compiled = pytest.importorskip("irqframe._native")
        self.made = made
        self.library = ctypes.CDLL(compiled.__file__)
        self.served = self.left = 0
        self.calls = {name: self._call(name) for name in NATIVE}
        if not all(isinstance(vcpu.chip, compiled.Preemption) for vcpu in made.vm.vcpus):
            pytest.skip("the Python make is used")

    def _call(self, name: str) -> Any:
        call = getattr(self.library, name)
        call.restype = ctypes.c_bool
        return call

    def __call__(self, name: str, cpu: int, *arguments: Any) -> bool:
        """Whether an access was served; the lines are those that the CPU has then."""
        vcpu = self.made.vm.vcpus[cpu]
        done: bool = self.calls[name](ctypes.c_void_p(id(vcpu.chip)), *arguments)
        if done:
            self.made.vm.flow.table.vcpu_flush_hwstate(vcpu)
        self.served += done
        self.left += not done
        return done


#: Functions of `irqframe/csrc/gic.h`.
NATIVE = (
    "gicv2_read_iar",
    "gicv2_read_aiar",
    "gicv2_write_eoir",
    "gicv2_write_aeoir",
    "gicv2_write_dir",
    "gicv3_read_iar",
    "gicv3_write_eoir",
    "gicv3_write_dir",
)


@pytest.fixture
def natively() -> Callable[[Any], Natively]:
    """Makes a board's `Natively`."""
    return Natively


@pytest.fixture
def goes_alike() -> Callable[..., None]:
    """Checks that two boards do the same: check(one, other, do, operations, look), as `go_on_alike`."""

    def check(one: Any, other: Any, do: Callable[[Any, Any], Any], operations: Sequence[Any], look: Any) -> None:
        for operation in operations:
            assert do(one, operation) == do(other, operation), operation
            for index in range(len(one.vm.vcpus)):
                assert one.pins(index) == other.pins(index), (operation, index)
                assert one.counters(index) == other.counters(index), (operation, index)
        for vcpu, same in zip(one.vm.vcpus, other.vm.vcpus, strict=True):
            assert one.vm.flow.call("delivered", vcpu) == other.vm.flow.call("delivered", same)
        assert look(one) == look(other)
        assert one.vm.save_state() == other.vm.save_state()

    return check
