"""Machines for the scripted guest: QEMU's, with either irqchip."""

from __future__ import annotations

from pathlib import Path

import pytest

from irqframe.dt import load
from irqframe.flow import discover
from irqframe.machine import Machine, load_machine, retarget

VIRT = Path(__file__).parents[1] / "dt" / "data" / "virt-gicv2.dts"


@pytest.fixture(scope="session")
def machines() -> dict[str, Machine]:
    """By irqchip."""
    plugins = discover({})
    gic = load_machine(load(str(VIRT)), plugins)
    rvic = next(plugin for plugin in plugins if plugin.name == "rvic")
    return {"gicv2": gic, "rvic": load_machine(retarget(gic, rvic), plugins)}


@pytest.fixture(params=["gicv2", "rvic"])
def machine(request: pytest.FixtureRequest, machines: dict[str, Machine]) -> Machine:
    """One after the other."""
    return machines[request.param]
