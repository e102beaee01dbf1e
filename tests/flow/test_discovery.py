"""Discovery, with distributions made up as *.dist-info folders."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from irqframe import Irqchip, PluginError
from irqframe.flow import LOAD_PLUGINS, check, discover, find

GOOD = """
from irqframe import Irqchip, hookimpl

class Chip(Irqchip):
    @hookimpl
    def irqchip_vcpu_init(self, vcpu): ...

    @hookimpl
    def irqchip_inject_irq(self, vm, cpu, intid, level, owner): ...
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A folder on sys.path; `site(key, code)` makes a distribution `irqframe-test-KEY` whose entry point is KEY."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    modules = set(sys.modules)

    def make(key: str, code: str = GOOD, *, name: str | None = None, target: str = "Chip", version: str = "1.2") -> str:
        name = name or f"irqframe-test-{key}"
        module = name.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(code, encoding="utf-8")
        info = tmp_path / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[irqframe]\n{key} = {module}:{target}\n", encoding="utf-8")
        return name

    yield make
    for module in set(sys.modules) - modules:
        if module.startswith("irqframe_test"):
            del sys.modules[module]


def ours(environ: Any = None) -> dict[str, object]:
    """The plugins that this test made, by name."""
    return {plugin.name: plugin for plugin in discover(environ or {}) if plugin.name.startswith("test")}


def test_plugin_is_found(site: Callable[..., str]) -> None:
    site("test-good")
    plugin = ours()["test-good"]
    assert (plugin.distribution, plugin.version) == ("irqframe-test-test-good", "1.2")
    assert plugin.value == "irqframe_test_test_good:Chip"
    assert issubclass(plugin.chip, Irqchip)
    assert plugin.hooks == ("inject_irq", "vcpu_init")
    assert plugin.error == ""


def test_plugins_come_by_name(site: Callable[..., str]) -> None:
    for key in ("test-b", "test-c", "test-a"):
        site(key)
    assert list(ours()) == ["test-a", "test-b", "test-c"]


# IRQFRAME_LOAD_PLUGINS


def test_unset_loads_all(site: Callable[..., str]) -> None:
    site("test-a")
    site("test-b")
    assert set(ours({})) == {"test-a", "test-b"}


@pytest.mark.parametrize("listed", ["", ",", "  "])
def test_empty_loads_none(site: Callable[..., str], listed: str) -> None:
    site("test-a", "raise SystemExit('must not be imported')")
    assert discover({LOAD_PLUGINS: listed}) == ()


@pytest.mark.parametrize("listed", ["test-b", " test-b ,", "test-b,test-b"])
def test_list_loads_these_only(site: Callable[..., str], listed: str) -> None:
    site("test-a", "raise SystemExit('must not be imported')")
    site("test-b")
    plugins = discover({LOAD_PLUGINS: listed})
    assert [(plugin.name, plugin.error) for plugin in plugins] == [("test-b", "")]


def test_unknown_name_is_reported(site: Callable[..., str]) -> None:
    site("test-a")
    plugins = {plugin.name: plugin for plugin in discover({LOAD_PLUGINS: "test-a,test-z"})}
    assert plugins["test-a"].error == ""
    assert plugins["test-z"].chip is None
    assert LOAD_PLUGINS in plugins["test-z"].error


def test_environment_is_looked_up(site: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    site("test-a")
    monkeypatch.setenv(LOAD_PLUGINS, "")
    assert discover() == ()


# Broken plugins

BROKEN = {
    "raises": ("raise RuntimeError('no licence')", "Chip", "no licence"),
    "exits": ("import sys; sys.exit('bye')", "Chip", "bye"),
    "syntax": ("def (:", "Chip", "SyntaxError"),
    "imports": ("import irqframe_test_that_is_not_there", "Chip", "irqframe_test_that_is_not_there"),
    "attribute": (GOOD, "Chap", "Chap"),
    "no-irqchip": ("class Chip: ...", "Chip", "subclass of irqframe.Irqchip"),
    "function": ("def Chip(): ...", "Chip", "subclass of irqframe.Irqchip"),
    "instance": (GOOD + "\nchip = Chip()\n", "chip", "subclass of irqframe.Irqchip"),
    "constructor": (GOOD + "\n    def __init__(self): raise OSError('no device')\n", "Chip", "no device"),
    "misspelt": (GOOD.replace("vcpu_init", "vcpu_inti"), "Chip", "irqchip_vcpu_inti"),
    "argument": (GOOD.replace("(self, vcpu)", "(self, vcpus)"), "Chip", "vcpus"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_one_broken_plugin_leaves_the_others(site: Callable[..., str], case: str) -> None:
    code, target, named = BROKEN[case]
    distribution = site("test-broken", code, target=target)
    site("test-good")
    plugins = ours()
    assert plugins["test-good"].error == ""
    assert plugins["test-good"].chip is not None
    broken = plugins["test-broken"]
    assert broken.chip is None
    assert broken.hooks == ()
    assert broken.distribution == distribution
    assert named in broken.error
    assert "Traceback" not in broken.error


def test_one_name_claimed_twice(site: Callable[..., str]) -> None:
    first = site("test-same", name="irqframe-test-one")
    second = site("test-same", name="irqframe-test-two")
    plugin = ours()["test-same"]
    assert plugin.chip is None
    assert first in plugin.error
    assert second in plugin.error


def test_distribution_seen_twice_is_one(
    site: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site("test-good")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert ours()["test-good"].error == ""


# Looking one up


def test_find(site: Callable[..., str]) -> None:
    site("test-good")
    site("test-broken", "raise RuntimeError('no licence')")
    plugins = discover({})
    assert find("test-good", plugins).__name__ == "Chip"
    with pytest.raises(PluginError, match=r"irqframe-test-test-broken.*no licence"):
        find("test-broken", plugins)
    with pytest.raises(PluginError, match="test-good"):
        find("test-none", plugins)


def test_find_among_none() -> None:
    with pytest.raises(PluginError, match="none"):
        find("rvic", ())


def test_check_alone() -> None:
    class Chip(Irqchip):
        def __init__(self) -> None:
            raise OSError("no device")

    with pytest.raises(PluginError, match="no device"):
        check(Chip, "chip")
    assert check(Irqchip, "bare") == ()


def test_import_of_irqframe_loads_no_plugin_and_nothing_heavy() -> None:
    code = (
        "import sys, irqframe, irqframe.vm; "
        "heavy = ('jsonschema', 'ruamel.yaml', 'fdt', 'rich', 'click', 'irqframe_rvic', 'irqframe_vgic'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "[]"
