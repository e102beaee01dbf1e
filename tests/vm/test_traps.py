"""The trap buses: hypercalls, MMIO frames, system registers."""

from __future__ import annotations

import errno
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqframe import VmError
from irqframe.flow import Hypercall, HypercallClaim, MmioClaim, SysregClaim, SysregEncoding
from irqframe.vm import (
    NOT_SUPPORTED,
    HypercallBus,
    MmioBus,
    SysregBus,
    UndefinedInstructionError,
    Vm,
)

IAR1 = SysregEncoding(3, 0, 12, 12, 0)


@pytest.fixture
def vcpu() -> Any:
    """What the buses need of a vCPU."""
    return SimpleNamespace(hypercalls={}, unknown_hypercalls=0, mmio_counts={}, sysreg_counts={})


def echo(vcpu: Any, x1: Any, x2: Any, x3: Any) -> Any:
    return (0, x1, x2, x3)


def hypercalls(first: int, last: int, *served: int) -> HypercallClaim:
    return HypercallClaim(first, last, {fid: Hypercall(f"CALL_{fid:X}", echo) for fid in served})


def frame(base: int, size: int, name: str = "GICD", **registers: int) -> MmioClaim:
    names = {offset: register for register, offset in registers.items()}
    return MmioClaim(name, base, size, lambda vcpu, offset, size: offset << 8 | size, lambda *_: None, names)


# Hypercalls


def test_hypercall_is_served_and_counted(vcpu: Any) -> None:
    bus = HypercallBus()
    bus.claim(hypercalls(0xC5000200, 0xC500020A, 0xC5000201))
    assert bus.call(vcpu, 0xC5000201, 1, 2, 3) == (0, 1, 2, 3)
    assert {fid: served.times for fid, served in vcpu.hypercalls.items()} == {0xC5000201: 1}
    assert bus.name(0xC5000201) == "CALL_C5000201"


def test_unknown_function_is_not_supported(vcpu: Any) -> None:
    bus = HypercallBus()
    bus.claim(hypercalls(0xC5000200, 0xC500020A, 0xC5000201))
    for fid in (0xC5000200, 0xC50001FF, 0, 0xFFFFFFFF):  # the first is a hole inside the range
        assert bus.call(vcpu, fid, 1, 2, 3) == NOT_SUPPORTED == (0xFFFFFFFFFFFFFFFF, 0, 0, 0)
    assert vcpu.unknown_hypercalls == 4
    assert bus.name(0x84000000) == "0x84000000"


def test_function_id_is_the_low_half_of_x0(chip: Any, make_vm: Callable[..., Vm]) -> None:
    chip.claims.append(hypercalls(0xC5000200, 0xC5000200, 0xC5000200))
    vm = make_vm(chip)
    vcpu = vm.vcpus[0]
    vcpu.load()
    assert vcpu.hypercall(0xDEAD_BEEF_C500_0200, 4, 5, 6) == (0, 4, 5, 6)
    assert vcpu.hypercall(0x84000003) == NOT_SUPPORTED
    vcpu.put()


@pytest.mark.parametrize("claim", [(-1, 5), (5, 4), (0, 1 << 32)])
def test_range_of_no_function_ids(claim: Any, refused: Callable[..., None]) -> None:
    refused(errno.EINVAL, HypercallBus().claim, hypercalls(*claim))


def test_function_outside_of_its_range(refused: Callable[..., None]) -> None:
    refused(errno.EINVAL, HypercallBus().claim, hypercalls(5, 9, 10))


ranges = st.tuples(st.integers(0, 40), st.integers(0, 8)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(st.lists(ranges, max_size=8))
def test_overlapping_hypercall_ranges(claims: Any) -> None:
    bus = HypercallBus()
    taken: set[int] = set()
    for first, last in claims:
        wanted = set(range(first, last + 1))
        if wanted & taken:
            with pytest.raises(VmError) as caught:
                bus.claim(hypercalls(first, last, first))
            assert caught.value.errno == errno.EEXIST
        else:
            bus.claim(hypercalls(first, last, first))
            taken |= wanted


# MMIO


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=8), st.integers(-1, 60), st.integers(1, 8))
def test_overlapping_frames_and_lookup(claims: Any, gpa: int, size: int) -> None:
    bus = MmioBus()
    owner: dict[int, int] = {}
    for number, (base, length) in enumerate(claims):
        wanted = set(range(base, base + length))
        if wanted & owner.keys():
            with pytest.raises(VmError) as caught:
                bus.claim(frame(base, length, str(number)))
            assert caught.value.errno == errno.EEXIST
        else:
            bus.claim(frame(base, length, str(number)))
            owner |= dict.fromkeys(wanted, number)
    found = bus.find(gpa, size)
    owners = {owner.get(address) for address in range(gpa, gpa + size)}
    assert (found is not None) == (len(owners) == 1 and owners != {None})
    if found is not None:
        assert {int(found.name)} == owners


@pytest.mark.parametrize(("base", "size"), [(0, 0), (0, -4), (-4, 8), ((1 << 64) - 4, 8)])
def test_frame_that_is_no_range(base: int, size: int, refused: Callable[..., None]) -> None:
    refused(errno.EINVAL, MmioBus().claim, frame(base, size))


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_access_carries_offset_and_size(vcpu: Any, size: int) -> None:
    bus = MmioBus()
    bus.claim(frame(0x8000000, 0x1000))
    assert bus.read(vcpu, 0x8000100, size) == 0x100 << 8 | size
    assert vcpu.mmio_counts == {0x8000100: 1}


@pytest.mark.parametrize("size", [-1, 0, 3, 5, 16])
def test_other_sizes_are_refused(vcpu: Any, size: int, refused: Callable[..., None]) -> None:
    bus = MmioBus()
    bus.claim(frame(0, 0x1000))
    refused(errno.EINVAL, bus.read, vcpu, 0, size)
    refused(errno.EINVAL, bus.write, vcpu, 0, size, 0)
    assert vcpu.mmio_counts == {}


@pytest.mark.parametrize(("size", "value", "seen"), [(1, 0x1FF, 0xFF), (4, -1, 0xFFFFFFFF), (8, 1 << 64, 0)])
def test_stored_value_is_cut_to_its_size(vcpu: Any, size: int, value: int, seen: Any) -> None:
    written = []
    bus = MmioBus()
    bus.claim(MmioClaim("GICD", 0, 16, lambda *_: 0, lambda vcpu, offset, size, value: written.append(value)))
    bus.write(vcpu, 0, size, value)
    assert written == [seen]


def test_address_that_nobody_serves(vcpu: Any, refused: Callable[..., None]) -> None:
    bus = MmioBus()
    bus.claim(frame(0x1000, 0x1000))
    for gpa in (0xFFC, 0xFFE, 0x1FFE, 0x2000):
        refused(errno.EFAULT, bus.read, vcpu, gpa, 4)
        refused(errno.EFAULT, bus.write, vcpu, gpa, 4, 0)


def test_register_names() -> None:
    bus = MmioBus()
    bus.claim(frame(0x1000, 0x1000, "GICD", GICD_CTLR=0, GICD_TYPER=4))
    assert bus.name(0x1004) == "GICD_TYPER"
    assert bus.name(0x1008) == "GICD+0x8"
    assert bus.name(0x3000) == "0x3000"


# System registers


def test_sysreg_is_served_and_counted(vcpu: Any) -> None:
    written = []
    bus = SysregBus()
    bus.claim(SysregClaim("ICC_IAR1_EL1", IAR1, lambda vcpu: 27, lambda vcpu, value: written.append(value)))
    assert bus.read(vcpu, IAR1) == 27
    bus.write(vcpu, IAR1, -1)
    assert written == [(1 << 64) - 1]
    assert vcpu.sysreg_counts == {IAR1: 2}
    assert bus.name(IAR1) == "ICC_IAR1_EL1"


def test_undefined_registers(vcpu: Any) -> None:
    bus = SysregBus()
    bus.claim(SysregClaim("READ", IAR1, read=lambda vcpu: 0))
    other = SysregEncoding(3, 0, 12, 12, 1)
    bus.claim(SysregClaim("WRITE", other, write=lambda vcpu, value: None))
    nobody = SysregEncoding(3, 0, 4, 6, 0)
    with pytest.raises(UndefinedInstructionError, match="READ cannot be written"):
        bus.write(vcpu, IAR1, 0)
    with pytest.raises(UndefinedInstructionError, match="WRITE cannot be read"):
        bus.read(vcpu, other)
    with pytest.raises(UndefinedInstructionError, match="S3_0_C4_C6_0"):
        bus.read(vcpu, nobody)
    assert vcpu.sysreg_counts == {}


def test_sysreg_claimed_twice(refused: Callable[..., None]) -> None:
    bus = SysregBus()
    bus.claim(SysregClaim("A", IAR1))
    refused(errno.EEXIST, bus.claim, SysregClaim("B", IAR1))


# The irqchip's claims, and the vCPU's side


def test_claims_are_taken_at_finalize(chip: Any, make_vm: Callable[..., Vm]) -> None:
    chip.claims += [
        hypercalls(0xC5000200, 0xC500020A, 0xC5000201),
        frame(0x8000000, 0x1000),
        SysregClaim("ICC_IAR1_EL1", IAR1, lambda vcpu: vcpu.index, lambda vcpu, value: None),
    ]
    vm = make_vm(chip)
    vcpu = vm.vcpus[1]
    vcpu.load()
    vcpu.hypercall(0xC5000201)
    vcpu.mmio_read(0x8000000, 4)
    vcpu.mmio_write(0x8000000, 4, 1)
    assert vcpu.sysreg_read(IAR1) == 1
    vcpu.sysreg_write(IAR1, 0)
    assert vcpu.exits == 4  # the first trap found it outside already
    vcpu.put()


def test_claims_that_overlap_fail_finalize(chip: Any, make_vm: Callable[..., Vm], refused: Callable[..., None]) -> None:
    chip.claims += [frame(0, 0x1000, "A"), frame(0x800, 0x1000, "B")]
    vm = make_vm(chip, finalize=False)
    refused(errno.EEXIST, vm.finalize)
    assert not vm.finalized


def test_observer_sees_traps_before_they_are_served(chip: Any, make_vm: Callable[..., Vm]) -> None:
    seen = []
    chip.claims += [hypercalls(5, 5, 5), frame(0x1000, 0x1000, GICD_CTLR=0), SysregClaim("IAR", IAR1, lambda _: 0)]
    vm = make_vm(chip, finalize=False)
    vm.trap_observer = lambda vcpu, what, name: seen.append((vcpu.index, what, name))
    vm.finalize()
    vcpu = vm.vcpus[0]
    vcpu.load()
    vcpu.hypercall(5)
    vcpu.mmio_read(0x1000, 4)
    vcpu.mmio_write(0x1004, 4, 0)
    vcpu.sysreg_read(IAR1)
    with pytest.raises(UndefinedInstructionError):
        vcpu.sysreg_write(IAR1, 0)
    vcpu.put()
    assert seen == [
        (0, "hypercall", "CALL_5"),
        (0, "mmio read", "GICD_CTLR"),
        (0, "mmio write", "GICD+0x4"),
        (0, "sysreg read", "IAR"),
        (0, "sysreg write", "IAR"),
    ]
