"""Many CPUs, affinities that are not the index, and the extended ranges of INTIDs."""

from __future__ import annotations

from typing import Any

import pytest
from irqframe_vgic import Gicv3

from irqframe.dt import parse_dts
from irqframe.flow import SysregEncoding
from irqframe.vm import Vm

GICD, GICR, STRIDE, SGI = 0x0800_0000, 0x40_0000_0000, 0x4_0000, 0x1_0000
IAR1, EOIR1, SGI1R, PMR, IGRPEN1 = (
    SysregEncoding(3, 0, *rest) for rest in ((12, 12, 0), (12, 12, 1), (12, 11, 5), (4, 6, 0), (12, 12, 7))
)

# 512 redistributors 256 KiB apart, the first 100 in one region; extended SPI 1023 and extended PPI 63 are wired.
DTS = """\
/dts-v1/;
/ {
    #address-cells = <2>;
    #size-cells = <2>;
    interrupt-parent = <&gic>;
    gic: intc@8000000 {
        compatible = "arm,gic-v3";
        #redistributor-regions = <2>;
        redistributor-stride = <0 0x40000>;
        reg = <0 0x8000000 0 0x10000  0x40 0 0 (100 * 0x40000)  0x40 (100 * 0x40000) 0 (412 * 0x40000)>;
        #interrupt-cells = <3>;
        interrupt-controller;
    };
    wired {
        interrupts = <2 1023 4>, <3 63 4>;
    };
};
"""


def affinity(index: int) -> int:
    """Clusters of 24 CPUs, so that Aff0 goes beyond 15, in the opposite order, under Aff1 and Aff3."""
    index = 511 - index
    return index % 24 | (index // 24 % 3) << 8 | (index // 72) << 32


@pytest.fixture
def many() -> Any:
    vm = Vm(timer_intids=(None, None), pmu_intid=None)
    vm.create_irqchip(Gicv3(), "gicv3")
    for index in range(512):
        vm.create_vcpu(mpidr=affinity(index))
    vm.flow.call("configure", vm, (parse_dts(DTS, "many.dts").root.children["intc@8000000"],))
    vm.finalize()
    with vm.adopted():
        vm.vcpus[0].mmio_write(GICD, 4, 2)
        for vcpu in vm.vcpus:
            frame = GICR + STRIDE * vcpu.index
            vcpu.mmio_write(frame + 0x14, 4, 0)
            vcpu.mmio_write(frame + SGI + 0x80, 4, 0xFFFF_FFFF)
            vcpu.mmio_write(frame + SGI + 0x100, 4, 0xFFFF)
            vcpu.sysreg_write(PMR, 0xF0)
            vcpu.sysreg_write(IGRPEN1, 1)
        yield vm


def test_every_redistributor_tells_its_affinity_and_where_its_region_ends(many: Any) -> None:
    last = []
    for vcpu in many.vcpus:
        typer = many.vcpus[7].mmio_read(GICR + STRIDE * vcpu.index + 8, 8)
        assert typer >> 32 == (vcpu.mpidr >> 32 << 24 | vcpu.mpidr & 0xFF_FFFF)
        assert typer >> 8 & 0xFFFF == vcpu.index
        if typer >> 4 & 1:
            last.append(vcpu.index)
    assert last == [99, 511]


def sgi_value(mpidr: int) -> int:
    aff0 = mpidr & 0xFF
    cluster = (mpidr >> 32) << 48 | (mpidr >> 8 & 0xFF) << 16
    return cluster | aff0 // 16 << 44 | 5 << 24 | 1 << aff0 % 16


def test_an_sgi_reaches_the_cpu_of_an_affinity_and_no_other(many: Any) -> None:
    for index in (0, 1, 255, 300, 511):
        many.vcpus[17].sysreg_write(SGI1R, sgi_value(affinity(index)))
        assert [vcpu.index for vcpu in many.vcpus if vcpu.irq_line] == [index]
        assert many.vcpus[index].sysreg_read(IAR1) == 5
        many.vcpus[index].sysreg_write(EOIR1, 5)


def test_all_but_self(many: Any) -> None:
    many.vcpus[17].sysreg_write(SGI1R, 1 << 40 | 5 << 24)
    assert [vcpu.index for vcpu in many.vcpus if not vcpu.irq_line] == [17]


def test_an_spi_goes_to_the_affinity_that_it_is_routed_to(many: Any) -> None:
    first = many.vcpus[0]
    first.mmio_write(GICD + 0x84, 4, 1)
    first.mmio_write(GICD + 0x104, 4, 1)
    many.set_irq(0, 1)
    for index in (511, 3, 256):
        first.mmio_write(GICD + 0x6000 + 8 * 32, 8, affinity(index))
        assert [vcpu.index for vcpu in many.vcpus if vcpu.irq_line] == [index]


def test_an_extended_spi_is_line_988_and_more(many: Any) -> None:
    first = many.vcpus[0]
    assert first.mmio_read(GICD + 4, 4) >> 27 == 31
    for register in (0x1000, 0x1200):
        first.mmio_write(GICD + register + 4 * 31, 4, 1 << 31)
    first.mmio_write(GICD + 0x2000 + 1023, 1, 0x40)
    first.mmio_write(GICD + 0x8000 + 8 * 1023, 8, affinity(200))
    many.set_irq(988 + 1023, 1)
    assert many.vcpus[200].sysreg_read(IAR1) == 4096 + 1023
    assert first.mmio_read(GICD + 0x1A00 + 4 * 31, 4) == 1 << 31
    many.set_irq(988 + 1023, 0)
    many.vcpus[200].sysreg_write(EOIR1, 4096 + 1023)
    assert first.mmio_read(GICD + 0x1A00 + 4 * 31, 4) == 0


def test_an_extended_ppi_is_each_cpus_own(many: Any) -> None:
    frame = GICR + STRIDE * 300 + SGI
    assert many.vcpus[300].mmio_read(GICR + 8, 8) >> 27 & 0x1F == 2
    for register in (0x88, 0x108):
        many.vcpus[300].mmio_write(frame + register, 4, 1 << 31)
    many.inject(300, 1119, 1)
    many.inject(301, 1119, 1)
    assert [vcpu.index for vcpu in many.vcpus if vcpu.irq_line] == [300]
    assert many.vcpus[300].sysreg_read(IAR1) == 1119
    assert many.vcpus[0].mmio_read(GICR + STRIDE * 301 + SGI + 0x208, 4) == 1 << 31


def test_a_number_without_a_line_has_no_route() -> None:
    vm = Vm(timer_intids=(None, None), pmu_intid=None)
    vm.create_irqchip(Gicv3(options={"spis": "32"}), "gicv3")
    vm.create_vcpu()
    vm.flow.call("configure", vm, (parse_dts(DTS, "many.dts").root.children["intc@8000000"],))
    vm.finalize()
    assert {entry.gsi for entry in vm.routing.entries} == {*range(32), *range(988, 988 + 1024)}
