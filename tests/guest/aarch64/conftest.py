"""QEMU's virt board on a GICv2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from irqframe.dt import load
from irqframe.flow import discover
from irqframe.machine import Machine, build, load_machine
from irqframe.vm import Vm

VIRT = Path(__file__).parents[3] / "docs/examples/virt-gicv2.dts"


@pytest.fixture(scope="session")
def virt() -> Machine:
    return load_machine(load(str(VIRT)), discover({}))


@pytest.fixture
def vm(virt: Machine) -> Iterator[Vm]:
    """The calling thread owns its vCPUs."""
    made = build(virt)
    with made.adopted():
        yield made
    made.destroy()
