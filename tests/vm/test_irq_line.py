"""KVM_IRQ_LINE: the irq word, and what is refused."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqframe import Injected, VmError
from irqframe.vm import IrqLine, IrqType, Vm


@given(st.integers(0, 15), st.integers(0, 4095), st.integers(0, 65535))
def test_encode_then_decode(irq_type: int, cpu: int, number: int) -> None:
    line = IrqLine(irq_type, cpu, number)
    assert IrqLine.decode(line.encode()) == line


@given(st.integers(0, 0xFFFFFFFF))
def test_decode_then_encode(word: int) -> None:
    assert IrqLine.decode(word).encode() == word


@pytest.mark.parametrize(
    ("word", "line"),
    [
        # vcpu2_index[31:28] type[27:24] vcpu_index[23:16] number[15:0]
        (0x01000021, (IrqType.SPI, 0, 33)),
        (0x0203001B, (IrqType.PPI, 3, 27)),
        (0x12FF0010, (IrqType.PPI, 256 + 255, 16)),
        (0xF0000000, (IrqType.CPU, 15 * 256, 0)),
    ],
)
def test_known_words(word: int, line: Any) -> None:
    assert IrqLine.decode(word) == line
    assert IrqLine(*line).encode() == word


@pytest.mark.parametrize("word", [-1, 1 << 32])
def test_word_of_more_than_32_bits(word: int) -> None:
    with pytest.raises(VmError) as caught:
        IrqLine.decode(word)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("fields", [(16, 0, 0), (0, 4096, 0), (0, 0, 65536), (-1, 0, 0), (0, -1, 0), (0, 0, -1)])
def test_fields_that_do_not_fit(fields: Any) -> None:
    with pytest.raises(VmError) as caught:
        IrqLine(*fields).encode()
    assert caught.value.errno == errno.EINVAL


def word(irq_type: int, cpu: int = 0, number: int = 0) -> int:
    return IrqLine(irq_type, cpu, number).encode()


def test_spi_and_ppi_reach_the_irqchip(chip: Any, vm: Vm) -> None:
    assert vm.irq_line(word(IrqType.SPI, 300, 33), 1) is Injected.LATCHED  # an SPI's vCPU means nothing
    assert vm.irq_line(word(IrqType.PPI, 1, 27), 0) is Injected.LATCHED
    assert chip.log[-2:] == [("inject_userspace_irq", 1, 300, 33, 1), ("inject_userspace_irq", 2, 1, 27, 0)]


def test_type_cpu_with_an_irqchip(vm: Vm, refused: Callable[..., None]) -> None:
    refused(errno.ENXIO, vm.irq_line, word(IrqType.CPU), 1)


@pytest.mark.parametrize("irq_type", [IrqType.CPU, IrqType.SPI, IrqType.PPI])
def test_without_irqchip(irq_type: int, refused: Callable[..., None]) -> None:
    refused(errno.ENXIO, Vm().irq_line, word(irq_type), 1)


@pytest.mark.parametrize("irq_type", range(3, 16))
def test_unknown_type(vm: Vm, irq_type: int, refused: Callable[..., None]) -> None:
    refused(errno.EINVAL, vm.irq_line, word(irq_type), 1)
    refused(errno.EINVAL, Vm().irq_line, word(irq_type), 1)


def test_ppi_of_no_vcpu(chip: Any, vm: Vm, refused: Callable[..., None]) -> None:
    refused(errno.EINVAL, vm.irq_line, word(IrqType.PPI, 2, 27), 1)
    assert "inject_userspace_irq" not in chip.names()


def test_irqchip_that_takes_no_lines(
    without: Callable[..., Any], make_vm: Callable[..., Vm], refused: Callable[..., None]
) -> None:
    refused(errno.EOPNOTSUPP, make_vm(without("inject_userspace_irq")).irq_line, word(IrqType.SPI), 1)


def test_irqchips_errno_is_kept(chip: Any, vm: Vm, refused: Callable[..., None]) -> None:
    chip.failures["inject_userspace_irq"] = VmError(errno.EINVAL, "not from userspace")
    refused(errno.EINVAL, vm.irq_line, word(IrqType.PPI, 0, 27), 1)
