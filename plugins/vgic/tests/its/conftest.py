"""A GICv3 with an ITS on a small VM, and short words for what its guest does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from irqframe_vgic import Gicv3

from irqframe import Injected
from irqframe.dt import parse_dts
from irqframe.flow import Counters, SysregEncoding
from irqframe.vm import Vm

RAM = 0x4000_0000
RAM_SIZE = 0x200_0000
ITS = 0x0808_0000

# Where the guest puts things.
PROP = RAM + 0x10_0000
PEND = RAM + 0x20_0000
QUEUE = RAM + 0x40_0000
DEVICES = RAM + 0x50_0000
COLLECTIONS = RAM + 0x60_0000
TABLES = RAM + 0x70_0000

GICD, GICR = 0x0800_0000, 0x080A_0000
PMR, IAR1, EOIR1, IGRPEN1 = (SysregEncoding(3, 0, *rest) for rest in ((4, 6, 0), (12, 12, 0), (12, 12, 1), (12, 12, 7)))

VALID = 1 << 63
CTLR, TYPER, CBASER, CWRITER, CREADR, BASER = 0x0, 0x8, 0x80, 0x88, 0x90, 0x100


DTS = """\
/dts-v1/;
/ {
    #address-cells = <2>;
    #size-cells = <2>;
    intc@8000000 {
        compatible = "arm,gic-v3";
        reg = <0 0x8000000 0 0x10000 0 0x80a0000 0 0xf60000>;
        #interrupt-cells = <3>;
        interrupt-controller;
        #address-cells = <2>;
        #size-cells = <2>;
        ranges;
        its@8080000 {
            compatible = "arm,gic-v3-its";
            reg = <0 0x8080000 0 0x20000>;
            msi-controller;
            #msi-cells = <1>;
        };
    };
};
"""


class Commands:
    """The commands of an ITS as a driver writes them, apart from the tables of the model."""

    @staticmethod
    def mapd(device: int, itt: int, bits: int = 5, valid: int = 1) -> tuple[int, ...]:
        return 0x08 | device << 32, bits - 1, itt | valid << 63, 0

    @staticmethod
    def mapc(collection: int, target: int, valid: int = 1) -> tuple[int, ...]:
        return 0x09, 0, collection | target << 16 | valid << 63, 0

    @staticmethod
    def mapti(device: int, event: int, intid: int, collection: int) -> tuple[int, ...]:
        return 0x0A | device << 32, event | intid << 32, collection, 0

    @staticmethod
    def mapi(device: int, event: int, collection: int) -> tuple[int, ...]:
        return 0x0B | device << 32, event, collection, 0

    @staticmethod
    def movi(device: int, event: int, collection: int) -> tuple[int, ...]:
        return 0x01 | device << 32, event, collection, 0

    @staticmethod
    def of_event(name: str, device: int, event: int) -> tuple[int, ...]:
        """INT, CLEAR, DISCARD and INV."""
        return {"INT": 0x03, "CLEAR": 0x04, "DISCARD": 0x0F, "INV": 0x0C}[name] | device << 32, event, 0, 0

    @staticmethod
    def invall(collection: int) -> tuple[int, ...]:
        return 0x0D, 0, collection, 0

    @staticmethod
    def sync(target: int) -> tuple[int, ...]:
        return 0x05, 0, target << 16, 0

    @staticmethod
    def movall(old: int, new: int) -> tuple[int, ...]:
        return 0x0E, 0, old << 16, new << 16


class Bench(Commands):
    """A VM with an ITS; the calling thread owns every vCPU."""

    PROP, PEND, QUEUE, DEVICES, COLLECTIONS, TABLES = PROP, PEND, QUEUE, DEVICES, COLLECTIONS, TABLES

    def __init__(self, cpus: int = 2, implementation: str = "kvm") -> None:
        self.vm = Vm(memory=[(RAM, RAM_SIZE)], timer_intids=(None, None), pmu_intid=None)
        self.vm.create_irqchip(Gicv3(options={"implementation": implementation}), "gicv3")
        for _ in range(cpus):
            self.vm.create_vcpu()
        intc = parse_dts(DTS, "bench.dts").root.children["intc@8000000"]
        self.vm.flow.call("configure", self.vm, (intc, intc.children["its@8080000"]))
        self.vm.finalize()
        self.cpus: list[Any] = [vcpu.chip for vcpu in self.vm.vcpus]
        self.its = self.vm.chip_data.its[0]

    # Accesses

    def r(self, offset: int, size: int = 8, cpu: int = 0) -> int:
        return self.vm.vcpus[cpu].mmio_read(ITS + offset, size)

    def w(self, offset: int, value: int, size: int = 8, cpu: int = 0) -> None:
        self.vm.vcpus[cpu].mmio_write(ITS + offset, size, value)

    def poke(self, gpa: int, data: bytes) -> None:
        self.vm.memory.write(gpa, data)

    def word(self, gpa: int) -> int:
        return int.from_bytes(self.vm.memory.read(gpa, 8), "little")

    def configure(self, intid: int, byte: int) -> None:
        self.poke(PROP + intid - 8192, bytes([byte]))

    # Set-up

    def wake(self) -> Bench:
        """Distributor and CPU interfaces on, nothing masked."""
        self.vm.vcpus[0].mmio_write(GICD, 4, 2)
        for index, vcpu in enumerate(self.vm.vcpus):
            vcpu.mmio_write(GICR + index * 0x2_0000 + 0x14, 4, 0)
            vcpu.sysreg_write(PMR, 0xFF)
            vcpu.sysreg_write(IGRPEN1, 1)
        return self

    def on(self, *, lpis: bool = True, collections: bool = True) -> Bench:
        """Every LPI enabled with priority 0xA0, the tables flat, and collection n on CPU n."""
        if lpis:
            self.poke(PROP, b"\xa1" * 0x2000)
            for index, cpu in enumerate(self.cpus):
                self.enable_lpis(cpu, PEND + index * 0x1_0000)
        self.w(BASER, VALID | DEVICES | 2 << 8)
        self.w(BASER + 8, VALID | COLLECTIONS | 2 << 8)
        self.w(CBASER, VALID | QUEUE)
        self.w(CTLR, 1, 4)
        if collections:
            self.do(*(self.mapc(index, index) for index in range(len(self.cpus))))
        return self

    def enable_lpis(self, cpu: Any, pending: int, bits: int = 14, on: bool = True) -> None:
        everything = (1 << 64) - 1
        cpu.lpis.write_propbaser(PROP | bits - 1, everything)
        cpu.lpis.write_pendbaser(pending, everything)
        cpu.lpis.write_enable(on)

    def queue(self, *commands: tuple[int, ...], cpu: int = 0) -> int:
        """Write commands behind those that are there; what GITS_CWRITER must become."""
        size = ((self.r(CBASER, cpu=cpu) & 0xFF) + 1) * 4096
        at = self.r(CWRITER, cpu=cpu)
        for command in commands:
            self.poke(QUEUE + at, b"".join(word.to_bytes(8, "little") for word in command))
            at = (at + 32) % size
        return at

    def do(self, *commands: tuple[int, ...], cpu: int = 0) -> int:
        """Have commands done; how many were refused."""
        before = self.its.refused
        at = self.queue(*commands, cpu=cpu)
        self.w(CWRITER, at, cpu=cpu)
        assert self.r(CREADR, cpu=cpu) == at
        return self.its.refused - before

    def device(self, device: int, *events: tuple[int, int, int], bits: int = 5) -> None:
        """Map a device and its (EventID, INTID, collection)."""
        itt = TABLES + device % 16 * 0x1000
        assert not self.do(self.mapd(device, itt, bits), *(self.mapti(device, *event) for event in events))

    # What comes of it

    def iar(self, cpu: int = 0) -> int:
        """Acknowledge, and end what that was."""
        vcpu = self.vm.vcpus[cpu]
        intid = vcpu.sysreg_read(IAR1)
        if intid != 1023:
            vcpu.sysreg_write(EOIR1, intid)
        return intid

    def taken(self, cpu: int = 0) -> list[int]:
        """Everything that is deliverable there, in order."""
        found = []
        while (intid := self.iar(cpu)) != 1023:
            found.append(intid)
        return found

    def message(self, device: int, event: int) -> Injected:
        return self.its.message(device, event)

    def counters(self, cpu: int = 0) -> Counters:
        counters: Counters = self.vm.flow.call("counters", self.vm.vcpus[cpu])
        return counters

    def balanced(self) -> bool:
        """Whether every CPU's accounts are right, by the equation of `Counters`."""
        for index, cpu in enumerate(self.cpus):
            c = self.counters(index)
            owed = c.raised + c.resampled - c.delivered - c.coalesced - sum(c.dropped.values()) - c.withdrawn
            if owed != cpu.lpis.owed:
                return False
        return True


BenchFactory = Callable[..., Bench]


@pytest.fixture
def bench() -> Iterator[BenchFactory]:
    """Makes benches: bench(cpus=2, implementation="kvm")."""
    with ExitStack() as stack:

        def make(cpus: int = 2, implementation: str = "kvm") -> Bench:
            made = Bench(cpus, implementation)
            stack.enter_context(made.vm.adopted())
            return made.wake()

        yield make
