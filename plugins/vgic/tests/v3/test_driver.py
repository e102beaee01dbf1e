"""The scripted driver of a GICv3 and its LPIs, and the workload on the shapes of machine that a tree can have."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import pytest
from irqframe_vgic._its._driver_tables import give_tables
from irqframe_vgic._its._pages import Pages

from irqframe import GuestError, Source, SourceKind, Trigger
from irqframe.dt import parse_dts
from irqframe.flow import SysregEncoding
from irqframe.guest import Driver, ScriptedCpu, Workload
from irqframe.machine import Machine, build, load_machine
from irqframe.vm import GuestMemory

EDGE = Source(SourceKind.SPI, 8, Trigger.EDGE_RISING)
LEVEL = Source(SourceKind.SPI, 9, Trigger.LEVEL_HIGH)
PPI = Source(SourceKind.PPI, 20, Trigger.LEVEL_HIGH)

RAM, RAM_SIZE = 0x4000_0000, 0x100_0000
GICR, ITS, STRIDE = 0x080A_0000, 0x0808_0000, 0x2_0000
SGI1R = SysregEncoding(3, 0, 12, 11, 5)
ADDRESS = 0x0000_FFFF_FFFF_F000


class Guest:
    """A started guest on a board: its driver, its CPUs, and what it took."""

    def __init__(self, made: Any) -> None:
        self.board = made
        self.driver: Driver = made.vm.flow.call("guest_driver", made.vm)
        self.taken: list[tuple[int, int]] = []
        self.driver.handler = lambda cpu, hwirq: self.taken.append((cpu.index, hwirq))
        self.cpus = [ScriptedCpu(vcpu, self.driver.handle_irq) for vcpu in made.vm.vcpus]
        for cpu in self.cpus:
            cpu.vcpu.load()
            cpu.vcpu.enter()
        self.driver.probe(self.cpus[0])
        for cpu in self.cpus:
            self.driver.starting(cpu)

    def take(self) -> list[tuple[int, int]]:
        for cpu in self.cpus:
            cpu.take_irqs()
        taken, self.taken = self.taken, []
        return taken

    def messages(self, devid: int, count: int, target: int) -> list[int]:
        """Messages for a device, as the interrupts that they are."""
        return [msi.hwirq for msi in self.driver.alloc_msis(self.cpus[0], devid, count, target)]


@pytest.fixture
def guest(board: Any) -> Any:
    guests: list[Guest] = []

    def make(cpus: int, **options: Any) -> Guest:
        guests.append(Guest(board(cpus, **options)))
        return guests[-1]

    yield make
    for one in guests:
        for cpu in one.cpus:
            cpu.vcpu.put()


# Set-up


def test_probe_leaves_a_known_state(guest: Any) -> None:
    made = guest(4, mpidrs=(0x300, 0x200, 0x100, 0)).board
    assert made.r(0x0000) == 0x53
    for n in range(8, 64):
        assert made.r(0x400 + 4 * n) == 0xA0A0_A0A0
    for n in range(1, 8):
        assert made.r(0x80 + 4 * n) == 0xFFFF_FFFF
        assert made.r(0x100 + 4 * n) == made.r(0x300 + 4 * n) == 0
    # The boot CPU's, in full.
    assert {made.r(0x6000 + 8 * n, size=8) for n in range(32, 256)} == {0x300}
    for cpu in range(4):
        assert made.rr(cpu, 0x0014) == 0
        assert made.rr(cpu, 0x1_0080) == 0xFFFF_FFFF
        assert made.rr(cpu, 0x1_0100) == 0xFFFF
        assert made.rr(cpu, 0x1_0400) == 0xA0A0_A0A0
        assert (made.mrs("PMR", cpu), made.mrs("IGRPEN1", cpu), made.mrs("CTLR", cpu) & 3) == (0xF0, 1, 0)


def test_probe_undoes_what_the_firmware_left(board: Any) -> None:
    made = board(2)
    for offset in (0x104, 0x304, 0xC08):
        made.w(offset, 0xFFFF_FFFF)
    made.rw(1, 0x1_0300, 0xFFFF_FFFF)
    made.rw(1, 0x1_0100, 0xFFFF_FFFF)
    made.msr("AP1R0", 0xFF, 1)
    made.msr("CTLR", 2, 1)
    one = Guest(made)
    for offset in (0x104, 0x304, 0xC08):
        assert made.r(offset) == 0
    assert (made.rr(1, 0x1_0300), made.rr(1, 0x1_0100), made.mrs("RPR", 1), made.mrs("CTLR", 1) & 2) == (
        0,
        0xFFFF,
        0xFF,
        0,
    )
    for cpu in one.cpus:
        cpu.vcpu.put()


@pytest.mark.parametrize("size", [0x2_0000, 0x8_0000])
def test_a_cpu_without_a_redistributor_does_not_start(guest: Any, size: int) -> None:
    one = guest(4)
    # A tree whose region ends too early, or whose redistributors are of other CPUs.
    one.driver._redistributors._layout = one.board.chip.layout.__class__((0x8000000, 0x10000), ((GICR, size),))
    last = one.cpus[3]
    last.mpidr = 0x3 if size == 0x2_0000 else 0x7
    with pytest.raises(GuestError, match=f"CPU 3: no redistributor has its affinity, {last.mpidr:#x}"):
        one.driver.starting(last)


def test_what_is_no_gicv3_is_not_driven(board: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = board(1)
    read = made.vm.vcpus[0].__class__.mmio_read
    monkeypatch.setattr(
        made.vm.vcpus[0].__class__,
        "mmio_read",
        lambda vcpu, gpa, size: 0x2B if gpa & 0xFFFF == 0xFFE8 else read(vcpu, gpa, size),
    )
    with pytest.raises(GuestError, match="GICD_PIDR2 says architecture version 2; this driver is for 3 and 4"):
        Guest(made)


# Interrupts


@pytest.mark.parametrize("cpus", [1, 4, 64])
def test_ipis_reach_whom_they_name(guest: Any, cpus: int) -> None:
    one = guest(cpus)
    targets = list(range(0, cpus, 3))
    one.driver.send_ipi(one.cpus[-1], targets, 3)
    assert one.take() == [(target, 3) for target in targets]
    assert all(not cpu.irq_asserted for cpu in one.cpus)


def test_an_ipi_is_one_write_for_each_cluster(guest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mpidrs = (0x0, 0x3, 0x13, 0x1F, 0x102, 0x2_0102, 5 << 32 | 0x2_0102)
    one = guest(len(mpidrs), mpidrs=mpidrs)
    written = []
    writes = [cpu.vcpu.sysreg_write for cpu in one.cpus]

    def spy(index: int, encoding: SysregEncoding, value: int) -> None:
        if encoding == SGI1R:
            written.append(value)
        writes[index](encoding, value)

    for index, cpu in enumerate(one.cpus):
        monkeypatch.setattr(cpu.vcpu, "sysreg_write", partial(spy, index))
    one.driver.send_ipi(one.cpus[0], range(len(mpidrs)), 2)
    # ICC_SGI1R_EL1 page: [55:48] Aff3, [47:44] RS, [39:32] Aff2, [27:24] INTID, [23:16] Aff1, [15:0] targets.
    assert written == [
        0x0000_0000_0200_0009,
        0x0000_1000_0200_8008,
        0x0000_0000_0201_0004,
        0x0000_0002_0201_0004,
        0x0005_0002_0201_0004,
    ]
    assert one.take() == [(index, 2) for index in range(len(mpidrs))]


@pytest.mark.parametrize("cpus", [1, 4])
def test_wired_interrupts_go_where_they_are_requested(guest: Any, cpus: int) -> None:
    one = guest(cpus)
    vm = one.board.vm
    last = cpus - 1
    assert one.driver.request(one.cpus[0], EDGE, last) == 40
    assert one.driver.request(one.cpus[0], LEVEL, 0) == 41
    assert one.driver.request(one.cpus[0], LEVEL, 0) == 41
    vm.set_irq(8, 1)
    assert one.take() == [(last, 40)]
    one.driver.handler = lambda cpu, hwirq: (one.taken.append((cpu.index, hwirq)), vm.set_irq(9, 0))
    vm.set_irq(9, 1)
    assert one.take() == [(0, 41)]


def test_percpu_interrupts(guest: Any) -> None:
    one = guest(4)
    vm = one.board.vm
    for cpu in one.cpus:
        assert one.driver.request_percpu(cpu, PPI) == 20
    one.driver.handler = lambda cpu, hwirq: (one.taken.append((cpu.index, hwirq)), vm.inject(cpu.index, 20, 0))
    for index in (2, 0):
        vm.inject(index, 20, 1)
    assert one.take() == [(0, 20), (2, 20)]


def test_affinity_moves_what_is_pending_and_masks_it_meanwhile(guest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = guest(4)
    hwirq = one.driver.request(one.cpus[0], EDGE, 0)
    one.board.vm.set_irq(8, 1)
    enabled = []
    writes = [cpu.vcpu.mmio_write for cpu in one.cpus]

    def spy(index: int, gpa: int, size: int, value: int) -> None:
        if gpa == 0x0800_6000 + 8 * hwirq:
            enabled.append(one.board.bit(0x100, hwirq))
        writes[index](gpa, size, value)

    for index, cpu in enumerate(one.cpus):
        monkeypatch.setattr(cpu.vcpu, "mmio_write", partial(spy, index))
    one.driver.set_affinity(one.cpus[2], hwirq, 3)
    assert enabled == [False]
    assert one.board.bit(0x100, hwirq)
    assert one.take() == [(3, 40)]


def test_a_dying_cpu_takes_nothing(guest: Any) -> None:
    one = guest(2)
    one.driver.request_percpu(one.cpus[1], PPI)
    one.driver.dying(one.cpus[1])
    assert one.board.rr(1, 0x0014, cpu=0) == 6
    one.board.vm.inject(1, 20, 1)
    one.driver.send_ipi(one.cpus[0], (1,), 0)
    assert one.take() == []
    one.driver.starting(one.cpus[1])
    assert one.take() == [(1, 0)]
    assert not one.board.bit(0x100, 20, 1)


def test_an_acknowledge_of_nothing_is_spurious(guest: Any) -> None:
    one = guest(1)
    one.driver.handle_irq(one.cpus[0])
    assert one.driver.spurious == 1 and one.taken == []


@pytest.mark.parametrize("source", [Source(SourceKind.SPI, 224, Trigger.EDGE_RISING), PPI])
def test_what_the_gic_has_not_is_not_requested(guest: Any, source: Source) -> None:
    one = guest(2)
    with pytest.raises(GuestError, match="has INTIDs below 256"):
        one.driver.request(one.cpus[0], source, 0)


# Messages


@pytest.mark.parametrize("implementation", ["kvm", "qemu"])
def test_messages_are_lpis_where_they_are_mapped(guest: Any, implementation: str) -> None:
    one = guest(4, its=True, implementation=implementation)
    vm = one.board.vm
    (first,) = one.driver.alloc_msis(one.cpus[0], 0x8, 1, 1)
    block = one.driver.alloc_msis(one.cpus[3], 0x100, 3, 2)
    (again,) = one.driver.alloc_msis(one.cpus[0], 0x8, 1, 0)
    assert [msi.hwirq for msi in (first, *block, again)] == [8192, 8193, 8194, 8195, 8196]
    assert [msi.data for msi in (first, *block, again)] == [0, 0, 1, 2, 1]
    assert {(msi.address, msi.line) for msi in (first, *block, again)} == {(ITS + 0x1_0040, -1)}
    for msi, devid in ((first, 8), (block[0], 0x100), (block[2], 0x100), (again, 8)):
        vm.signal_msi(msi.address, msi.data, devid)
    assert one.take() == [(0, 8196), (1, 8192), (2, 8193), (2, 8195)]


def test_a_pending_message_moves(guest: Any) -> None:
    one = guest(4, its=True)
    (msi,) = one.driver.alloc_msis(one.cpus[0], 5, 1, 1)
    one.board.vm.signal_msi(msi.address, msi.data, 5)
    one.driver.set_affinity(one.cpus[3], msi.hwirq, 2)
    assert one.take() == [(2, 8192)]
    one.board.vm.signal_msi(msi.address, msi.data, 5)
    assert one.take() == [(2, 8192)]


def test_messages_run_out(guest: Any) -> None:
    one = guest(1, its=True)
    assert len(one.messages(1, 30, 0)) == 30
    with pytest.raises(GuestError, match="device 0x1 has 2 of 3 events left"):
        one.messages(1, 3, 0)
    assert len(one.messages(2, 100, 0)) == 100
    with pytest.raises(GuestError, match="0 LPIs are wanted"):
        one.messages(3, 0, 0)
    with pytest.raises(GuestError, match="65536 LPIs are wanted, and 57214 are left"):
        one.messages(3, 65536, 0)
    with pytest.raises(GuestError, match=r"no ITS can have a device 0x1000000000 of 32 events"):
        one.messages(1 << 36, 1, 0)


def commands(one: Guest) -> list[int]:
    """The opcodes in the queue of the ITS, as far as it was written."""
    base, end = one.cpus[0].read(ITS + 0x80, 8) & ADDRESS, one.cpus[0].read(ITS + 0x88, 8)
    return [one.board.vm.memory.read(base + at, 1)[0] for at in range(0, end, 32)]


def test_the_commands_are_linuxs(guest: Any) -> None:
    mapd, mapc, mapti, movi, inv, invall, sync = 0x08, 0x09, 0x0A, 0x01, 0x0C, 0x0D, 0x05
    one = guest(2, its=True)
    expected = [mapc, sync, invall, sync] * 2
    assert commands(one) == expected
    (lpi,) = one.messages(5, 1, 1)
    expected += [mapd, mapti, sync, inv, sync]
    assert commands(one) == expected
    one.messages(5, 1, 1)
    expected += [mapti, sync, inv, sync]
    one.driver.set_affinity(one.cpus[0], lpi, 0)
    assert commands(one) == [*expected, movi, sync]


def test_the_queue_goes_round(guest: Any) -> None:
    one = guest(2, its=True)
    (msi,) = one.driver.alloc_msis(one.cpus[0], 5, 1, 1)
    for n in range(1200):
        one.driver.set_affinity(one.cpus[0], msi.hwirq, n & 1)
    assert one.cpus[0].read(ITS + 0x88, 8) < 1200 * 64
    one.board.vm.signal_msi(msi.address, msi.data, 5)
    assert one.take() == [(1, 8192)]


class FlatIts:
    """The GITS_BASERs of an ITS that has no tables of two levels and no pages but of 4 KiB; devices, 8 bytes each."""

    def __init__(self) -> None:
        self.basers = [1 << 56 | 7 << 48] + [0] * 7

    def read(self, gpa: int, size: int = 4) -> int:
        return self.basers[(gpa - 0x100) // 8]

    def write(self, gpa: int, value: int, size: int = 4) -> None:
        n = (gpa - 0x100) // 8
        self.basers[n] = (self.basers[n] & 0x071F << 48 | value & ~(0x471F << 48 | 3 << 8)) if n == 0 else 0


def test_an_its_without_second_levels_gets_one_table() -> None:
    memory = GuestMemory([(RAM, 0x10_0000)])
    pages, its = Pages(memory), FlatIts()
    devices = give_tables(cast("ScriptedCpu", its), memory, pages, 0, 12)
    assert its.basers[0] & 0xFF == 7 and not its.basers[0] >> 62 & 1
    base = its.basers[0] & ADDRESS
    assert base == RAM + 0x10_0000 - 0x8000
    assert pages.take(0x1000, 0x1000) == base - 0x1000
    assert devices is not None
    assert devices.make_room(4095) and not devices.make_room(4096)


def test_pages_are_aligned_and_of_the_first_region_that_has_them() -> None:
    pages = Pages(GuestMemory([(0x1800, 0x3000), (0x10_0000, 0x2_0000), (1 << 48, 0x1000)]))
    assert [pages.take(0x1000, 0x1000), pages.take(0x80, 0x100), pages.take(0x1_0000, 0x1_0000)] == [
        0x3000,
        0x2F00,
        0x11_0000,
    ]
    with pytest.raises(GuestError, match="no 0x20000 bytes"):
        pages.take(0x2_0000, 0x1000)


@pytest.mark.parametrize("implementation", ["kvm", "qemu"])
def test_every_table_is_memory_of_its_own(guest: Any, implementation: str) -> None:
    one = guest(4, its=True, implementation=implementation)
    for devid in (0, 0xFFFF):
        one.messages(devid, 1, 0)
    read = one.cpus[0].read
    tables = [(read(GICR + 0x70, 8) & ADDRESS, 0x1_0000), (read(ITS + 0x80, 8) & ADDRESS, 0x1_0000)]
    for cpu in range(4):
        assert read(GICR + STRIDE * cpu + 0x70, 8) & ADDRESS == tables[0][0]
        tables.append((read(GICR + STRIDE * cpu + 0x78, 8) & ADDRESS, 0x1_0000))
    for n in range(2):
        baser = read(ITS + 0x100 + 8 * n, 8)
        assert baser >> 63
        tables.append((baser & ADDRESS, ((baser & 0xFF) + 1) * (0x1000, 0x4000, 0x1_0000)[baser >> 8 & 3]))
    end = RAM + RAM_SIZE
    for base, size in sorted(tables, reverse=True):
        assert base >= RAM and base + size <= end
        end = base


def test_a_cpu_that_comes_back_keeps_its_tables(guest: Any) -> None:
    one = guest(2, its=True)
    (msi,) = one.driver.alloc_msis(one.cpus[0], 5, 1, 1)
    before = one.board.rr(1, 0x78, size=8)
    one.driver.dying(one.cpus[1])
    one.cpus[1].vcpu.power_off()
    one.board.vm.signal_msi(msi.address, msi.data, 5)
    one.cpus[1].vcpu.power_on()
    one.cpus[1].vcpu.enter()
    one.driver.starting(one.cpus[1])
    assert one.board.rr(1, 0x78, size=8) == before
    assert one.take() == [(1, 8192)]


def test_without_an_its_there_are_no_messages(guest: Any) -> None:
    one = guest(2)
    assert not one.driver.msis
    with pytest.raises(GuestError, match="no 1 SPIs left for messages"):
        one.messages(0, 1, 0)


# The workload of `irqframe run`

MACHINE = """\
/dts-v1/;
/ {
    #address-cells = <2>;
    #size-cells = <2>;
    compatible = "linux,dummy-virt";
    interrupt-parent = <&intc>;
    cpus {
        #address-cells = <1>;
        #size-cells = <0>;
        CPUS
    };
    memory@40000000 { device_type = "memory"; reg = <0 0x40000000 0 0x8000000>; };
    timer {
        compatible = "arm,armv8-timer";
        interrupts = <1 13 4>, <1 14 4>, <1 11 4>, <1 10 4>;
    };
    intc: intc@8000000 {
        compatible = "arm,gic-v3";
        reg = <0 0x8000000 0 0x10000>, <0 0x80a0000 0 0xf60000>;
        #interrupt-cells = <3>;
        interrupt-controller;
        #address-cells = <2>;
        #size-cells = <2>;
        ranges;
    };
    serial@9000000 { compatible = "arm,pl011", "arm,primecell"; reg = <0 0x9000000 0 0x1000>; interrupts = <0 1 4>; };
    block@a000000 { compatible = "virtio,mmio"; reg = <0 0xa000000 0 0x200>; interrupts = <0 16 1>; };
    net@a000200 { compatible = "virtio,mmio"; reg = <0 0xa000200 0 0x200>; interrupts = <0 17 1>; };
};
"""

SENDER = """
/ { pcie@10000000 {
    compatible = "pci-host-ecam-generic";
    device_type = "pci";
    reg = <0x40 0x10000000 0 0x10000000>;
    ranges = <0x2000000 0 0x10000000 0 0x10000000 0 0x2eff0000>;
    bus-range = <0 0xff>;
    #address-cells = <3>;
    #size-cells = <2>;
    msi-map = <0 &TARGET 0 0x10000>;
}; };
"""

SHAPES = {
    "plain": "",
    "extended": """
        &{/serial@9000000} { interrupts = <2 5 4>; };
        &{/block@a000000} { interrupts = <2 1023 1>; };
        &{/timer} { interrupts = <3 13 4>, <1 14 4>, <3 63 4>, <1 10 4>; };
    """,
    "regions": """
        &intc {
            reg = <0 0x8000000 0 0x10000>, <0 0x8100000 0 0x40000>, <0 0x8200000 0 0x40000>, <0 0x8300000 0 0x200000>;
            #redistributor-regions = <3>;
            redistributor-stride = <0 0x40000>;
        };
    """,
    "its beside": """
        / { its: msi-controller@7000000 {
            compatible = "arm,gic-v3-its"; reg = <0 0x7000000 0 0x20000>; msi-controller; #msi-cells = <1>;
        }; };
    """
    + SENDER.replace("TARGET", "its"),
    "an its of each host": """
        &intc {
            msi-controller;
            mbi-ranges = <300 8>;
            far: msi-controller@7100000 {
                compatible = "arm,gic-v3-its"; reg = <0 0x7100000 0 0x40000>; msi-controller; #msi-cells = <1>;
            };
            near: msi-controller@7000000 {
                compatible = "arm,gic-v3-its"; reg = <0 0x7000000 0 0x40000>; msi-controller; #msi-cells = <1>;
            };
        };
    """
    + SENDER.replace("TARGET", "near")
    + SENDER.replace("TARGET", "far").replace("10000000 {", "20000000 {").replace("<0x40 0x1", "<0x40 0x2")
    + SENDER.replace("TARGET", "intc").replace("10000000 {", "30000000 {").replace("<0x40 0x1", "<0x40 0x3"),
    "message SPIs": "&intc { msi-controller; mbi-ranges = <300 8>; };" + SENDER.replace("TARGET", "intc"),
    "partitions": """
        &intc {
            #interrupt-cells = <4>;
            ppi-partitions {
                low: interrupt-partition-0 { affinity = <&cpu0>, <&cpu1>; };
                high: interrupt-partition-1 { affinity = <&cpu2>, <&cpu3>; };
            };
        };
        &{/timer} { interrupts = <1 13 4 0>, <1 14 4 0>, <1 11 4 0>, <1 10 4 0>; };
        &{/serial@9000000} { interrupts = <0 1 4 0>; };
        &{/block@a000000} { interrupts = <0 16 1 0>; };
        &{/net@a000200} { interrupts = <0 17 1 0>; };
        / {
            pmu-low { compatible = "arm,cortex-a53-pmu"; interrupts = <1 7 4 &low>; };
            pmu-high { compatible = "arm,cortex-a72-pmu"; interrupts = <1 7 4 &high>; };
        };
    """,
}


def machine(shape: str, cpus: int) -> Machine:
    says = 'device_type = "cpu"; compatible = "arm,cortex-a53"; enable-method = "psci";'
    text = "".join(f"cpu{n}: cpu@{n:x} {{ {says} reg = <{n:#x}>; }};" for n in range(cpus))
    return load_machine(parse_dts(MACHINE.replace("CPUS", text) + SHAPES[shape], "m.dts"))


@pytest.mark.parametrize("implementation", ["kvm", "qemu"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_workload_accounts_for_every_interrupt(shape: str, implementation: str) -> None:
    made = machine(shape, 4)
    vm = build(made, options={"implementation": implementation})
    driver = vm.flow.call("guest_driver", vm)
    with vm.adopted():
        outcome = Workload(made, vm, driver, seed=4).run(2000)
    assert outcome.events >= 2000 and outcome.handled > 1500
    assert outcome.moves > 10
    delivered = {account.name: account.delivered for account in outcome.accounts if "unused" not in account.name}
    assert all(sum(counts) for counts in delivered.values())
    assert any(name.endswith(" MSI") for name in delivered) is (
        shape in ("its beside", "an its of each host", "message SPIs")
    )
    for vcpu in vm.vcpus:
        c = vm.flow.table.counters(vcpu)
        assert c.raised + c.resampled == c.delivered + c.coalesced + sum(c.dropped.values()) + c.withdrawn


def test_a_message_goes_to_the_controller_that_the_tree_names() -> None:
    """Three hosts whose devices have one DeviceID: a doorbell each, and an interrupt each."""
    made = machine("an its of each host", 2)
    vm = build(made)
    with vm.adopted():
        outcome = Workload(made, vm, vm.flow.call("guest_driver", vm), seed=2).run(1000)
    accounts = {account.name: account for account in outcome.accounts if account.route.startswith("MSI")}
    doorbells = {"pcie@10000000": 0x701_0040, "pcie@20000000": 0x711_0040, "pcie@30000000": 0x800_0040}
    named = {name: next(at for host, at in doorbells.items() if name.startswith(host)) for name in accounts}
    assert {name: int(account.route.split()[1], 16) for name, account in accounts.items()} == named
    assert len({account.route.split()[-1] for account in accounts.values()}) == len(accounts) == 3
    assert {source.devid for source in made.msis} == {0} and all(sum(one.delivered) for one in accounts.values())


def test_every_its_has_its_own_devices() -> None:
    """Whoever names no ITS gets a device's messages where it has some."""
    made = machine("an its of each host", 1)
    vm = build(made)
    driver = vm.flow.call("guest_driver", vm)
    cpu = ScriptedCpu(vm.vcpus[0], driver.handle_irq)
    near, far, intc = (source.ref.controller for source in made.msis)
    with vm.adopted():
        driver.probe(cpu)
        driver.starting(cpu)
        messages = [driver.alloc_msis_at(cpu, one, 7, 1, 0)[0] for one in (near, far, near, intc)]
        messages += driver.alloc_msis(cpu, 7, 1, 0)
    assert [(msi.address & ~0xFFFF, msi.data) for msi in messages[:3]] == [
        (0x701_0000, 0),
        (0x711_0000, 0),
        (0x701_0000, 1),
    ]
    assert (messages[3].address, messages[3].hwirq) == (0x800_0040, 300)
    assert messages[4].data > 0


def test_a_partition_has_its_ppi_for_itself() -> None:
    made = machine("partitions", 4)
    assert {source.name: source.cpus for source in made.sources if source.cpus is not None} == {
        "pmu-low": {0, 1},
        "pmu-high": {2, 3},
    }
    vm = build(made)
    with vm.adopted():
        outcome = Workload(made, vm, vm.flow.call("guest_driver", vm), seed=1).run(2000)
    delivered = {account.name: [bool(count) for count in account.delivered] for account in outcome.accounts}
    assert delivered["pmu-low"] == [True, True, False, False]
    assert delivered["pmu-high"] == [False, False, True, True]


def test_a_machine_of_lpis_without_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    made = machine("its beside", 1)
    vm = build(made)
    monkeypatch.setattr(vm.memory, "_regions", [])
    with pytest.raises(GuestError, match="LPIs need tables in guest memory, and the machine has none"):
        vm.flow.call("guest_driver", vm)
    monkeypatch.setattr(vm.memory, "_regions", [(0x4000_0000, 0x2_0000)])
    with pytest.raises(GuestError, match="no 0x10000 bytes of guest memory are left for the tables of LPIs"):
        driver = vm.flow.call("guest_driver", vm)
        with vm.adopted():
            Workload(made, vm, driver, seed=1).run(10)
