"""Messages that raise SPIs, and the registers of LPIs without an ITS's commands."""

from __future__ import annotations

from typing import Any

import pytest
from irqframe_vgic._v3._driver import Gicv3Driver

from irqframe import NodeError, VmError
from irqframe.guest import ScriptedCpu

GICD, ALIAS = 0x0800_0000, 0x0801_0000
TYPER, SETSPI, CLRSPI = 0x0004, 0x0040, 0x0048
PENDBASER, INVLPIR, INVALLR = 0x0078, 0x00A0, 0x00B0
PROP = 0x4010_0000
MBIS, PTZ = 1 << 16, 1 << 62

MESSAGES = "&{/intc@8000000} { msi-controller; mbi-ranges = <64 32>; };"
USER = "/ { user { interrupt-parent = <&{/intc@8000000}>; interrupts = <%s>; }; };"


# The redistributor


@pytest.mark.parametrize(("register", "value"), [(INVLPIR, 8200), (INVALLR, 0)])
def test_the_redistributor_reads_the_configuration_again(board: Any, register: int, value: int) -> None:
    made = board(its=True).on()
    made.lpis_on({8200: 0xA0})
    made.vm.memory.write(PROP + 8, b"\xa0")
    made.map_event(3, 0, 8200, 0)
    made.message(3, 0)
    assert not made.irq()
    made.vm.memory.write(PROP + 8, b"\xa1")
    made.rw(0, register, 1 << 32 | value, size=8)
    assert made.irq() and made.iar() == 8200


def test_an_lpi_alone_is_read_again(board: Any) -> None:
    made = board(its=True).on()
    made.lpis_on({8200: 0xA0, 8201: 0xA0})
    made.map_event(3, 0, 8200, 0)
    made.message(3, 0)
    made.vm.memory.write(PROP + 8, b"\xa0")
    made.rw(0, INVLPIR, 8201, size=8)
    assert made.irq()
    made.rw(0, INVLPIR, 8200, size=4)
    assert not made.irq()


def test_without_direct_invalidation_the_stores_do_nothing(board: Any) -> None:
    made = board(implementation="qemu", its=True).on()
    made.lpis_on({8200: 0xA0})
    made.map_event(3, 0, 8200, 0)
    made.message(3, 0)
    made.vm.memory.write(PROP + 8, b"\xa0")
    made.rw(0, INVLPIR, 8200, size=8)
    made.rw(0, INVALLR, 0, size=8)
    assert made.irq()


@pytest.mark.parametrize(("implementation", "read"), [("kvm", 0), ("qemu", PTZ)])
def test_ptz_reads_as_the_implementation_has_it(board: Any, implementation: str, read: int) -> None:
    """It is write-only (GICR_PENDBASER page), and counts all the same; QEMU keeps it."""
    made = board(implementation=implementation, its=True)
    made.rw(0, PENDBASER, PTZ | 0x4020_0000, size=8)
    assert made.rr(0, PENDBASER, size=8) == read | 0x4020_0000
    assert made.rr(0, PENDBASER + 4) == read >> 32
    made.rw(0, PENDBASER, 0x4030_0000)
    assert made.vm.vcpus[0].chip.lpis.pendbaser == PTZ | 0x4030_0000


# The distributor


def id_bits(made: Any) -> int:
    return (made.r(TYPER) >> 19 & 0x1F) + 1


def test_typer_tells_of_messages_if_the_tree_has_spis_for_them(board: Any) -> None:
    assert not board().r(TYPER) & MBIS
    assert board(tree=MESSAGES).r(TYPER) & MBIS


@pytest.mark.parametrize(
    ("implementation", "specifier", "bits"),
    [
        ("kvm", "0 4 1", 10),
        ("kvm", "3 0 4", 11),
        ("kvm", "2 0 4", 13),
        ("kvm", "2 1023 4", 13),
        ("qemu", "0 4 1", 16),
        ("qemu", "2 0 4", 16),
    ],
)
def test_typer_tells_of_ids_as_large_as_there_are(board: Any, implementation: str, specifier: str, bits: int) -> None:
    assert id_bits(board(implementation=implementation, tree=USER % specifier)) == bits


def test_the_upper_bits_of_a_message_do_not_count(board: Any) -> None:
    made = board(tree=MESSAGES).on()
    made.enable(70, edge=True)
    made.w(SETSPI, 0xFFFF_E000 | 70)
    assert made.iar() == 70
    made.eoi(70)
    made.w(SETSPI, 1 << 12 | 70)
    assert not made.irq()


def test_stores_of_a_cpu_wait_while_the_target_has_much_to_do(board: Any) -> None:
    made = board(cpus=2, tree=MESSAGES).on()
    made.enable(70, edge=True, route=1)
    target = made.vm.vcpus[1]
    target.release()
    most = 0
    for _ in range(1000):
        made.w(SETSPI, 70)
        most = max(most, len(target.inbox))
    target.adopt()
    target.drain()
    assert most <= 300 and made.counters(1).raised == 1000 and made.iar(1) == 70


def test_messages_go_to_the_alias_of_the_doorbells(board: Any) -> None:
    """As Linux has it (irq-gic-v3-mbi.c); the distributor's own doorbells are there too."""
    made = board(tree=MESSAGES + "&{/intc@8000000} { mbi-alias = <0 0x8010000>; };").on()
    driver = Gicv3Driver(made.vm, made.chip.layout)
    cpu = ScriptedCpu(made.vm.vcpus[0], driver.handle_irq)
    driver.probe(cpu)
    (msi,) = driver.alloc_msis(cpu, 0, 1, 0)
    assert msi.address == ALIAS + SETSPI
    for address in (ALIAS + SETSPI, GICD + SETSPI):
        made.vm.signal_msi(address, msi.data, 0)
        assert made.iar() == msi.hwirq
        made.eoi(msi.hwirq)
        made.vm.vcpus[0].mmio_write(address, 4, msi.data)
        assert made.iar() == msi.hwirq
        made.eoi(msi.hwirq)
    assert made.vm.vcpus[0].mmio_read(ALIAS + TYPER, 4) == 0


def test_the_alias_lowers_levels(board: Any) -> None:
    made = board(tree=MESSAGES + "&{/intc@8000000} { mbi-alias = <0 0x8010000>; };").on()
    made.enable(70)
    made.vm.signal_msi(ALIAS + SETSPI, 70, 0)
    assert made.irq()
    made.vm.signal_msi(ALIAS + CLRSPI, 70, 0)
    made.vm.vcpus[0].enter()
    assert not made.irq()


@pytest.mark.parametrize("ranges", ["<1000 100>", "<16 32>", "<64 0>", "<4096 8>"])
def test_messages_raise_spis_that_are_there(board: Any, ranges: str) -> None:
    """Also if extended SPIs have the numbers of lines behind the last SPI."""
    tree = (
        MESSAGES.replace("<64 32>", f"<64 32>, {ranges}") + USER % "2 0 4" + USER.replace("user", "other") % "0 987 4"
    )
    with pytest.raises(NodeError, match="messages to /intc@8000000 raise SPIs that are not there") as caught:
        board(tree=tree)
    assert (caught.value.property, caught.value.cell) == ("mbi-ranges", 2)
    assert caught.value.expected == "INTIDs of 32..1019, one at least"


def test_a_message_that_names_no_spi_of_the_trees_is_refused(board: Any) -> None:
    made = board(tree=MESSAGES)
    for data in (63, 96, 1 << 13 | 96, 0):
        with pytest.raises(VmError, match="is no INTID that the tree gives to messages"):
            made.vm.signal_msi(GICD + SETSPI, data, 0)
