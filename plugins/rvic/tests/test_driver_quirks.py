"""Every defect of the reference's guest drivers that a scripted driver can show: how it is, and how it should be."""

from __future__ import annotations

from typing import Any

import pytest
from irqframe_rvic._abi import FID

from irqframe.errors import GuestError
from irqframe.guest import ScriptedCpu


class FailingCpu(ScriptedCpu):
    """A CPU whose next call of a chosen function is answered by ERROR_PARAMETER, or with other numbers."""

    fails: dict[str, tuple[int, int, int, int]]

    def hvc(self, function: int, x1: int = 0, x2: int = 0, x3: int = 0) -> tuple[int, int, int, int]:
        for name, answer in getattr(self, "fails", {}).items():
            if FID[name] == function:
                del self.fails[name]
                return answer
        return super().hvc(function, x1, x2, x3)


ERROR = (0x0001, 0, 0, 0)


class ThirdMapFails(ScriptedCpu):
    """A CPU whose third RVID_MAP fails."""

    maps = 0

    def hvc(self, function: int, x1: int = 0, x2: int = 0, x3: int = 0) -> tuple[int, int, int, int]:
        self.maps += function == FID["RVID_MAP"]
        return ERROR if function == FID["RVID_MAP"] and self.maps == 3 else super().hvc(function, x1, x2, x3)


def requested(guest: Any, sources: Any, *quirks: str, **kwargs: Any) -> tuple[Any, Any, int]:
    """A guest, its boot CPU, and an interrupt of input 1 on CPU 0."""
    made = guest(2, quirks=quirks, cpu_class=FailingCpu, **kwargs)
    return made, made.cpus[0], made.driver.request(made.cpus[0], sources[0](1), 0)


def test_d1_freeing(guest: Any, sources: Any) -> None:
    for quirks, again in (((), 33), (("D1",), 40)):
        made = guest(1, total=128, quirks=quirks)
        hwirqs = [made.driver.request(made.cpus[0], sources[0](n), 0) for n in range(8)]
        assert hwirqs[1] == 33
        made.driver.release(made.cpus[0], 33)
        assert made.driver.request(made.cpus[0], sources[0](20), 0) == again  # D1: the slot leaked
    made = guest(1, total=128, quirks=["D1"])
    hwirqs = [made.driver.request(made.cpus[0], sources[0](n), 0) for n in range(40)]
    made.driver.release(made.cpus[0], 32)  # clears the bit of INTID 64, which is in use
    assert made.driver.request(made.cpus[0], sources[0](50), 0) == hwirqs[32] == 64
    made.driver.release(made.cpus[0], 71)  # within the bitmap still
    made = guest(1, quirks=["D1"])
    made.driver.release(made.cpus[0], made.driver.request(made.cpus[0], sources[0](1), 0))  # beyond the bitmap
    assert made.driver.request(made.cpus[0], sources[0](1), 0) == 33


def test_d2_retrigger(guest: Any, sources: Any) -> None:
    for quirks, told in (((), True), (("D2",), False)):
        made, boot, hwirq = requested(guest, sources, *quirks)
        assert made.driver.retrigger(boot, hwirq) is told
        assert made.take() == [(0, hwirq)]
        made.driver.dying(boot)
        assert made.driver.retrigger(boot, hwirq) is not told


def test_d3_untrusted_intid_in_the_tree(guest: Any, sources: Any, node: Any) -> None:
    edge, _, ppi = sources
    made = guest(1)
    with pytest.raises(GuestError, match="not trusted"):
        made.driver.request_percpu(made.cpus[0], ppi(32))
    made = guest(1, quirks=["D3"])
    source = made.machine.chip.irqchip_translate(node("arm,rvic"), (32, 4))
    assert made.driver.request_percpu(made.cpus[0], source) == 32
    assert made.driver.request(made.cpus[0], edge(1), 0) == 32  # clash


@pytest.mark.parametrize("fails", ["RVID_MAP", "RVIC_IS_PENDING"])
def test_d4_failed_move(guest: Any, sources: Any, fails: str) -> None:
    for quirks, alive in (((), True), (("D4",), False)):
        made, boot, hwirq = requested(guest, sources, *quirks)
        boot.fails = {fails: ERROR}
        with pytest.raises(GuestError, match=fails):
            made.driver.set_affinity(boot, hwirq, 1)
        made.vm.set_irq(1, 1)
        assert made.take() == ([(0, hwirq)] if alive else [])


def test_d5_move_to_a_cpu_that_is_off(guest: Any, sources: Any) -> None:
    made, boot, hwirq = requested(guest, sources)
    made.driver.dying(made.cpus[1])
    made.vm.set_irq(1, 1)
    with pytest.raises(GuestError, match="CPU 1 is off"):
        made.driver.set_affinity(boot, hwirq, 1)
    assert made.take() == [(0, hwirq)]
    made, boot, hwirq = requested(guest, sources, "D5")
    made.driver.dying(made.cpus[1])
    made.vm.set_irq(1, 1)
    made.driver.set_affinity(boot, hwirq, 1)
    made.driver.starting(made.cpus[1])
    made.driver.unmask(boot, hwirq)
    assert made.take() == []


def test_d5_signal_that_is_refused_loses_nothing(guest: Any, sources: Any) -> None:
    made, boot, hwirq = requested(guest, sources)
    made.vm.set_irq(1, 1)
    boot.fails = {"RVIC_SIGNAL": (0x0003, 0, 0, 0)}
    with pytest.raises(GuestError, match=r"RVIC_SIGNAL.*DISABLED"):
        made.driver.set_affinity(boot, hwirq, 1)
    assert made.take() == [(0, hwirq)]


def test_d6_failed_allocation(guest: Any, sources: Any) -> None:
    for quirks, left in (((), 0), (("D6",), 2)):
        made = guest(1, quirks=quirks, msis=(16, 16), cpu_class=FailingCpu)
        boot = made.cpus[0]
        made.driver.alloc_msis(boot, 0, 1, 0)
        third = ThirdMapFails(boot.vcpu, made.driver.handle_irq)
        with pytest.raises(GuestError):
            made.driver.alloc_msis(third, 1, 4, 0)
        assert sum(made.driver._intid_used) == 1 + left
        assert len(made.driver.alloc_msis(boot, 1, 4, 0)) == 4


def test_d7_activation(guest: Any, sources: Any) -> None:
    for quirks, where in (((), 1), (("D7",), 0)):
        made = guest(2, quirks=quirks)
        hwirq = made.driver.request(made.cpus[0], sources[0](1), 1)
        made.vm.set_irq(1, 1)
        assert made.take() == [(where, hwirq)]
    for quirks, stale in (((), []), (("D7",), [(0, 32)])):
        made = guest(1, quirks=quirks)
        made.machine.ok("RVIC_SIGNAL", 0, 32)
        made.driver.request(made.cpus[0], sources[0](1), 0)
        assert made.take() == stale


def test_d8_alignment_of_blocks(guest: Any) -> None:
    for quirks, data in (((), 24), (("D8",), 20)):
        made = guest(1, total=128, quirks=quirks, msis=(20, 40))
        block = made.driver.alloc_msis(made.cpus[0], 0, 8, 0)
        assert block[0].data == data
        # A device puts the number of the vector into the low bits of the data.
        assert [block[0].data | n for n in range(8)] == [m.data for m in block] or quirks


def test_d9_msi_range_beyond_the_inputs(guest: Any) -> None:
    made = guest(1, quirks=["D9"], msis=(16, 64))
    assert len(made.driver.alloc_msis(made.cpus[0], 0, 16, 0)) == 16
    with pytest.raises(GuestError, match="RVID_MAP"):
        made.driver.alloc_msis(made.cpus[0], 0, 8, 0)
    made = guest(1, up=False)
    made.driver._msi_inputs = range(16, 80)
    with pytest.raises(GuestError, match="msi-range ends at input 79"):
        made.up()


def test_d10_masks_of_a_cpu_that_comes_back(guest: Any, sources: Any) -> None:
    for quirks, masked in (((), True), (("D10",), False)):
        made = guest(2, quirks=quirks)
        cpu = made.cpus[1]
        made.driver.request_percpu(cpu, sources[2](20))
        made.driver.dying(cpu)
        made.driver.starting(cpu)
        assert made.driver.is_masked(1, 20) == masked
        assert made.machine.cpu(1).chip.target.state[20] & 2  # the rVIC's own mask is set


def test_d11_versions_and_second_probe(guest: Any) -> None:
    for quirks in ((), ("D11",)):
        for function in ("RVIC_VERSION", "RVID_VERSION"):
            for version, known in ((0x0000_0004, True), (0x0001_0000, bool(quirks)), (0x0000_0002, False)):
                made = guest(1, quirks=quirks, up=False, cpu_class=FailingCpu)
                made.cpus[0].fails = {function: (0, version, 0, 0)}
                if known:
                    made.driver.probe(made.cpus[0])
                else:
                    with pytest.raises(GuestError, match="version"):
                        made.driver.probe(made.cpus[0])
        made = guest(1, quirks=quirks)
        if quirks:
            made.driver.probe(made.cpus[0])
        else:
            with pytest.raises(GuestError, match="probed before"):
                made.driver.probe(made.cpus[0])
