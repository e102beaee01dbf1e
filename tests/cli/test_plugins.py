"""`irqframe plugins`: what is installed, what of it is broken, and how the environment limits it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from importlib.metadata import version

import pytest

from irqframe.flow import CALLBACKS, LOAD_PLUGINS, discover

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_the_installed_irqchips_are_listed_with_their_distribution(irqframe: Run) -> None:
    result = irqframe("plugins")
    assert (result.returncode, result.stderr) == (0, "")
    lines = {line.split()[0]: line for line in result.stdout.splitlines()[1:]}
    assert f"irqframe-vgic {version('irqframe-vgic')}" in lines["gicv2"]
    assert f"irqframe-rvic {version('irqframe-rvic')}" in lines["rvic"]
    assert "arm,rvic, arm,rvid" in lines["rvic"]


def test_json_says_all_that_a_chip_offers(irqframe: Run) -> None:
    result = irqframe("plugins", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    assert (list(report), report["schema"]) == (["schema", "make", "plugins"], 1)
    assert report["make"] in ("compiled", "python")
    listed = {plugin["name"]: plugin for plugin in report["plugins"]}
    rvic = listed["rvic"]
    assert list(rvic) == [
        "name",
        "distribution",
        "version",
        "value",
        "compatible",
        "bindings",
        "quirks",
        "options",
        "hooks",
        "error",
    ]
    assert rvic["bindings"] == ["arm,rvic.yaml", "arm,rvid.yaml"]
    assert rvic["options"]["order"] == ["lowest", "fifo"]
    assert set(rvic["hooks"]) <= set(CALLBACKS)
    assert "K9" in rvic["quirks"]
    assert rvic["error"] == ""
    assert set(listed) == {plugin.name for plugin in discover({})}


def test_the_environment_limits_them(irqframe: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LOAD_PLUGINS, "rvic")
    listed = json.loads(irqframe("plugins", "--json").stdout)["plugins"]
    assert [plugin["name"] for plugin in listed] == ["rvic"]


def test_no_irqchip_at_all_is_said(irqframe: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LOAD_PLUGINS, "")
    result = irqframe("plugins")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "no irqchip is installed\n")


def test_one_that_is_not_installed_is_broken(irqframe: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LOAD_PLUGINS, "rvic,nope")
    result = irqframe("plugins")
    assert result.returncode == 1
    assert f"broken: {LOAD_PLUGINS} names it, but it is not installed" in result.stdout
    listed = json.loads(irqframe("plugins", "--json").stdout)["plugins"]
    assert [(plugin["name"], bool(plugin["error"])) for plugin in listed] == [("nope", True), ("rvic", False)]
