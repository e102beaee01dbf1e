"""A GICv3 on a small VM, and short words for what a guest and a device do to it.

Registers of the CPU interface go by name; their encodings are written down here, apart from the model's table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from irqframe_vgic import Gicv3

from irqframe import Injected
from irqframe.dt import parse_dts
from irqframe.flow import Counters, SysregEncoding
from irqframe.vm import Vm

RAM, RAM_SIZE = 0x4000_0000, 0x100_0000
GICD, GICR, ITS, STRIDE, SGI = 0x0800_0000, 0x080A_0000, 0x0808_0000, 0x2_0000, 0x1_0000

# Where the guest puts the tables of LPIs and of the ITS.
PROP, PEND, QUEUE, DEVICES, COLLECTIONS, ITT = (RAM + n * 0x10_0000 for n in range(1, 7))
VALID = 1 << 63

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

# op1, CRn, CRm, op2; op0 is 3.
ENCODINGS = {
    "PMR": (0, 4, 6, 0),
    "IAR0": (0, 12, 8, 0),
    "EOIR0": (0, 12, 8, 1),
    "HPPIR0": (0, 12, 8, 2),
    "BPR0": (0, 12, 8, 3),
    "AP0R0": (0, 12, 8, 4),
    "AP0R1": (0, 12, 8, 5),
    "AP1R0": (0, 12, 9, 0),
    "DIR": (0, 12, 11, 1),
    "RPR": (0, 12, 11, 3),
    "SGI1R": (0, 12, 11, 5),
    "ASGI1R": (0, 12, 11, 6),
    "SGI0R": (0, 12, 11, 7),
    "IAR1": (0, 12, 12, 0),
    "EOIR1": (0, 12, 12, 1),
    "HPPIR1": (0, 12, 12, 2),
    "BPR1": (0, 12, 12, 3),
    "CTLR": (0, 12, 12, 4),
    "SRE": (0, 12, 12, 5),
    "IGRPEN0": (0, 12, 12, 6),
    "IGRPEN1": (0, 12, 12, 7),
}


class Board:
    """A VM with a GICv3, set up from the tree above; the calling thread owns every vCPU."""

    def __init__(
        self,
        cpus: int,
        implementation: str,
        its: bool,
        mpidrs: tuple[int, ...],
        options: dict[str, str],
        tree: str = "",
    ) -> None:
        self.vm = Vm(memory=[(RAM, RAM_SIZE)], timer_intids=(None, None), pmu_intid=None)
        self.chip = Gicv3(options={"implementation": implementation, **options})
        self.vm.create_irqchip(self.chip, "gicv3")
        for index in range(cpus):
            self.vm.create_vcpu(mpidr=mpidrs[index] if mpidrs else None)
        intc = parse_dts(DTS + tree, "board.dts").root.children["intc@8000000"]
        self.vm.flow.call("configure", self.vm, (intc, intc.children["its@8080000"]) if its else (intc,))
        self.vm.finalize()
        self.acknowledged: list[list[int]] = [[] for _ in range(cpus)]

    def r(self, offset: int, cpu: int = 0, size: int = 4) -> int:
        return self.vm.vcpus[cpu].mmio_read(GICD + offset, size)

    def w(self, offset: int, value: int, cpu: int = 0, size: int = 4) -> None:
        self.vm.vcpus[cpu].mmio_write(GICD + offset, size, value)

    def rr(self, of: int, offset: int, cpu: int | None = None, size: int = 4) -> int:
        """Read the redistributor of vCPU `of`, from that vCPU or from another."""
        return self.vm.vcpus[of if cpu is None else cpu].mmio_read(GICR + STRIDE * of + offset, size)

    def rw(self, of: int, offset: int, value: int, cpu: int | None = None, size: int = 4) -> None:
        self.vm.vcpus[of if cpu is None else cpu].mmio_write(GICR + STRIDE * of + offset, size, value)

    def mrs(self, name: str, cpu: int = 0) -> int:
        return self.vm.vcpus[cpu].sysreg_read(SysregEncoding(3, *ENCODINGS[name]))

    def msr(self, name: str, value: int, cpu: int = 0) -> None:
        self.vm.vcpus[cpu].sysreg_write(SysregEncoding(3, *ENCODINGS[name]), value)

    def iar(self, cpu: int = 0) -> int:
        return self.mrs("IAR1", cpu)

    def eoi(self, value: int, cpu: int = 0) -> None:
        self.msr("EOIR1", value, cpu)

    def line(self, intid: int, level: int, cpu: int = 0) -> Injected:
        return self.vm.set_irq(intid - 32, level) if intid >= 32 else self.vm.inject(cpu, intid, level)

    def pins(self, cpu: int = 0) -> tuple[bool, bool]:
        """(IRQ, FIQ)."""
        vcpu = self.vm.vcpus[cpu]
        return vcpu.irq_line, vcpu.fiq_line

    def irq(self, cpu: int = 0) -> bool:
        return self.vm.vcpus[cpu].irq_line

    def bit(self, register: int, intid: int, cpu: int = 0) -> bool:
        """The bit of an INTID in a register of one bit per INTID, wherever the INTID has it."""
        if intid < 32:
            return bool(self.rr(cpu, SGI + register) >> intid & 1)
        return bool(self.r(register + intid // 32 * 4) >> intid % 32 & 1)

    def set_bit(self, register: int, intid: int, cpu: int = 0) -> None:
        if intid < 32:
            self.rw(cpu, SGI + register, 1 << intid)
        else:
            self.w(register + intid // 32 * 4, 1 << intid % 32)

    def on(self, *, pmr: int = 0xFF, wake: bool = True) -> Board:
        """Distributor, redistributors and CPU interfaces on, both groups."""
        self.w(0x0000, 3)
        for vcpu in self.vm.vcpus:
            if wake:
                self.rw(vcpu.index, 0x0014, 0)
            self.msr("PMR", pmr, vcpu.index)
            self.msr("IGRPEN0", 1, vcpu.index)
            self.msr("IGRPEN1", 1, vcpu.index)
        return self

    def enable(
        self, intid: int, *, edge: bool = False, priority: int = 0x80, group: int = 1, route: int = 0, cpu: int = 0
    ) -> None:
        """Set up an interrupt, and enable it."""
        read, write = (self.rr, self.rw) if intid < 32 else (self._gicd_read, self._gicd_write)
        frame = SGI if intid < 32 else 0
        if intid >= 16:
            self._change(frame + 0x0C00 + intid // 16 * 4, 2 << intid % 16 * 2, edge, read, write, cpu)
        self._change(frame + 0x0080 + intid // 32 * 4, 1 << intid % 32, bool(group), read, write, cpu)
        write(cpu, frame + 0x0400 + intid, priority, size=1)
        if intid >= 32:
            self.w(0x6000 + 8 * intid, route, size=8)
        self.set_bit(0x0100, intid, cpu)

    def _gicd_read(self, of: int, offset: int) -> int:
        return self.r(offset)

    def _gicd_write(self, of: int, offset: int, value: int, size: int = 4) -> None:
        self.w(offset, value, size=size)

    @staticmethod
    def _change(
        offset: int, mask: int, on: bool, read: Callable[..., int], write: Callable[..., None], cpu: int
    ) -> None:
        before = read(cpu, offset)
        write(cpu, offset, before | mask if on else before & ~mask)

    def send(self, sgi: int, targets: int, cpu: int = 0, group: int = 1) -> None:
        """An SGI to CPUs of the cluster 0.0.0."""
        self.msr("SGI1R" if group else "SGI0R", sgi << 24 | targets, cpu)

    # LPIs

    def lpis_on(self, priorities: dict[int, int]) -> None:
        """Give every redistributor its tables, and the ITS its own; enable these LPIs at these priorities."""
        for intid, priority in priorities.items():
            self.vm.memory.write(PROP + intid - 8192, bytes([priority & 0xFC | 1]))
        for cpu in range(len(self.vm.vcpus)):
            self.rw(cpu, 0x0070, PROP | 13, size=8)
            self.rw(cpu, 0x0078, PEND + 0x1_0000 * cpu, size=8)
            self.rw(cpu, 0x0000, 1)
        self.its_write(0x0100, VALID | DEVICES | 1 << 8 * 0)
        self.its_write(0x0108, VALID | COLLECTIONS)
        self.its_write(0x0080, VALID | QUEUE)
        self.its_write(0x0000, 1, size=4)

    def its_read(self, offset: int, size: int = 8) -> int:
        return self.vm.vcpus[0].mmio_read(ITS + offset, size)

    def its_write(self, offset: int, value: int, size: int = 8) -> None:
        self.vm.vcpus[0].mmio_write(ITS + offset, size, value)

    def command(self, *doublewords: int) -> None:
        """Queue a command of the ITS; it is done when this returns."""
        at = self.its_read(0x0088)
        self.vm.memory.write(QUEUE + at, b"".join(d.to_bytes(8, "little") for d in doublewords))
        self.its_write(0x0088, (at + 32) % 0x1000)
        assert self.its_read(0x0090) == (at + 32) % 0x1000

    def map_event(self, device: int, event: int, intid: int, cpu: int) -> None:
        """An event of a device is an LPI of a vCPU; the vCPU's collection has its number."""
        self.command(0x08 | device << 32, 4, VALID | ITT + 0x1000 * device, 0)
        self.command(0x09, 0, VALID | cpu << 16 | cpu, 0)
        self.command(0x0A | device << 32, event | intid << 32, cpu, 0)

    def message(self, device: int, event: int) -> Injected:
        return self.vm.signal_msi(ITS + 0x1_0040, event, device)

    def counters(self, cpu: int = 0) -> Counters:
        counters: Counters = self.vm.flow.call("counters", self.vm.vcpus[cpu])
        return counters

    def owed(self, cpu: int = 0) -> int:
        """What the CPU has been counted and not yet been delivered, by the equation of `Counters`."""
        c = self.counters(cpu)
        return c.raised + c.resampled - c.delivered - c.coalesced - sum(c.dropped.values()) - c.withdrawn


BoardFactory = Callable[..., Board]


@pytest.fixture
def board() -> Iterator[BoardFactory]:
    """Makes boards: board(cpus=1, implementation="kvm", its=False, mpidrs=(), tree="", **options).

    `mpidrs` are the VM's own if there are none, `tree` is source behind that of the board.
    """
    with ExitStack() as stack:

        def make(
            cpus: int = 1,
            implementation: str = "kvm",
            its: bool = False,
            mpidrs: tuple[int, ...] = (),
            tree: str = "",
            **options: str,
        ) -> Board:
            made = Board(cpus, implementation, its, mpidrs, options, tree)
            stack.callback(made.vm.destroy)
            stack.enter_context(made.vm.adopted())
            return made

        yield make
