"""A level is high or low, whatever number says so."""

from __future__ import annotations

from typing import Any

import pytest

from irqframe.vm import IrqLine, Vm


@pytest.mark.parametrize(("given", "level"), [(0, 0), (1, 1), (2, 1), (-1, 1), (True, 1), (1 << 40, 1)])
def test_an_irqchip_sees_zero_and_one(chip: Any, vm: Vm, given: int, level: int) -> None:
    before = len(chip.log)
    with vm.adopted():
        vm.inject(0, 27, given, None)
        vm.set_irq(1, given)
        vm.irq_line(IrqLine(1, 0, 3).encode(), given)
    seen = chip.log[before:]
    assert seen[:2] == [("inject_irq", 0, 27, level, None), ("irqfd_set_irq", 1, 0, level)]
    assert seen[-1] == ("inject_userspace_irq", 1, 0, 3, level)
