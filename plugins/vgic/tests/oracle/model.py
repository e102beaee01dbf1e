"""The plugin's GIC on a small VM, with the addresses of QEMU's virt board and QEMU's choices of what is implementation
defined."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final

from irqframe_vgic import Gicv2, Gicv3

from irqframe.dt import parse_dts
from irqframe.vm import UndefinedInstructionError, Vm
from oracle import stub
from oracle.operations import GICC, LINE, MRS, MSR, READ, STORE, UNDEFINED, WRITE, Op, Outcome
from oracle.sysregs import ICC, unpack

_GICD: Final = 0x0800_0000

PROPERTIES: Final = 0x000F_FFFF_FFFF_F000
"""The address in GICR_PROPBASER."""
FIRST_LPI: Final = 8192

_ISACTIVER: Final = 0x300
_ACKNOWLEDGES: Final = frozenset(((READ, GICC + 0x0C), (MRS, ICC["IAR0"]), (MRS, ICC["IAR1"])))

_GICV2: Final = """\
/dts-v1/;
/ {
    #address-cells = <2>;
    #size-cells = <2>;
    intc@8000000 {
        compatible = "arm,cortex-a15-gic";
        reg = <0 0x8000000 0 0x10000 0 0x8010000 0 0x10000>;
        #interrupt-cells = <3>;
        interrupt-controller;
    };
};
"""

_GICV3: Final = """\
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
        #redistributor-regions = <1>;
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


class Model:
    """The plugin's GIC of one version with so many CPUs; the calling thread owns every vCPU.

    Args:
        version: 2 or 3.
        cpus: how many.

    Attributes:
        version: as given.
        cpus: as given.
        vm: the VM.
        gic: the distributor.
        takers: CPU that acknowledged an SPI last, unless it was made active otherwise since.
        unread: of each CPU, LPIs whose configuration byte was stored while they were pending there, and was not looked
            at since for INV or INVALL.
    """

    def __init__(self, version: int, cpus: int) -> None:
        self.version = version
        self.cpus = cpus
        self.vm = Vm(memory=((stub.RAM, stub.SIZE),), timer_intids=(None, None), pmu_intid=None)
        chip, text = (Gicv2, _GICV2) if version == 2 else (Gicv3, _GICV3)
        self.vm.create_irqchip(chip(options={"implementation": "qemu", "spis": "256"}), f"gicv{version}")
        for _ in range(cpus):
            self.vm.create_vcpu()
        gic = parse_dts(text, "virt.dts").root.children["intc@8000000"]
        self.vm.flow.call("configure", self.vm, (gic, *gic.children.values()))
        self.vm.finalize()
        self.gic: Any = self.vm.chip_data
        self.takers: dict[int, int] = {}
        self.unread: list[set[int]] = [set() for _ in range(cpus)]
        for its in getattr(self.gic, "its", ()):
            self._watch(its)
        self._owned = ExitStack()
        self._owned.enter_context(self.vm.adopted())

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """The calling thread owns nothing any more."""
        self._owned.close()

    def step(self, op: Op) -> Outcome:
        """Do an operation."""
        try:
            value = self._do(op)
        except UndefinedInstructionError:
            value = UNDEFINED
        self._note_taker(op, value)
        self._note_store(op)
        return Outcome(value, None if op.kind == STORE else self.pins())

    def _do(self, op: Op) -> int | None:
        vcpu = self.vm.vcpus[op.cpu]
        if op.kind in (READ, MRS):
            return vcpu.mmio_read(_GICD + op.at, op.size) if op.kind == READ else vcpu.sysreg_read(unpack(op.at))
        if op.kind == WRITE:
            vcpu.mmio_write(_GICD + op.at, op.size, op.value)
        elif op.kind == MSR:
            vcpu.sysreg_write(unpack(op.at), op.value)
        elif op.kind == STORE:
            self.vm.memory.write(op.at, op.value.to_bytes(op.size, "little"))
        elif op.kind == LINE:
            self.vm.inject(op.cpu, op.at, op.value)
        return None

    def _note_taker(self, op: Op, value: int | None) -> None:
        if value is not None and (op.kind, op.at) in _ACKNOWLEDGES:
            self.takers[value & 0xFF_FFFF] = op.cpu
        elif op.kind == WRITE and op.at & ~0x7F == _ISACTIVER:
            first = (op.at - _ISACTIVER) * 8
            for n in range(32):
                if op.value >> n & 1:
                    self.takers.pop(first + n, None)

    def _note_store(self, op: Op) -> None:
        if op.kind != STORE or op.size != 1:
            return
        for cpu, unread in zip(self.gic.cpus, self.unread, strict=True):
            intid = op.at - (cpu.lpis.propbaser & PROPERTIES) + FIRST_LPI
            if any(intid == pending for pending, _ in cpu.lpis.pending()):
                unread.add(intid)

    def _watch(self, its: Any) -> None:
        """Notice which configuration bytes the commands of an ITS look at."""
        post = its.post

        def noticing(target: Any, work: Callable[..., Any], *args: Any) -> None:
            unread = self.unread[target.vcpu.index]
            if work.__name__ == "invalidate_all":
                unread.clear()
            elif work.__name__ == "invalidate":
                unread.discard(args[0])
            post(target, work, *args)

        its.post = noticing

    def pins(self) -> int:
        """The lines of every CPU, as `Outcome` has them."""
        pins = 0
        for cpu, vcpu in enumerate(self.vm.vcpus):
            pins |= (vcpu.irq_line << 1 | vcpu.fiq_line) << 2 * cpu
        return pins
