"""Names of the public packages are fetched when they are asked for, and what is not asked for is not imported."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAZY = ("irqframe", "irqframe.flow")


def imported_by(code: str, names: tuple[str, ...]) -> set[str]:
    """Which of `names` are imported after `code` has run, in an interpreter that imported nothing itself."""
    import pluggy

    paths = [str(ROOT), str(Path(pluggy.__file__).parents[1])]
    script = f"import sys; sys.path[:0] = {paths}; {code}; print([n for n in {names} if n in sys.modules])"
    command = [sys.executable, "-E", "-s", "-S", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(eval(done.stdout))


def test_the_package_itself_imports_nothing() -> None:
    names = ("typing", "importlib.metadata", "pluggy", "irqframe.errors", "irqframe.flow")
    assert imported_by("import irqframe", names) == set()


def test_what_a_plugin_is_made_of_imports_little() -> None:
    names = ("pluggy", "irqframe.errors", "importlib.metadata", "difflib", "irqframe.flow._hookspec", "irqframe.vm")
    assert imported_by("from irqframe import Irqchip, hookimpl", names) == {"pluggy", "irqframe.errors"}


def test_help_imports_no_room_but_the_command_line() -> None:
    code = "from irqframe.cli import run; run(['--help'])"
    script = f"import io, contextlib; contextlib.redirect_stdout(io.StringIO()).__enter__(); {code}; sys.stdout = "
    names = ("irqframe.flow", "irqframe.vm", "irqframe.dt", "irqframe.machine", "irqframe.guest", "rich", "fdt")
    assert imported_by(f"{script}sys.__stdout__", names) == set()


@pytest.mark.parametrize("package", LAZY)
def test_every_public_name_is_there(package: str) -> None:
    module = import_module(package)
    assert sorted(name for names in module._HOMES.values() for name in names) == sorted(module.__all__)
    for home, names in module._HOMES.items():
        for name in names:
            assert getattr(module, name) is getattr(import_module(home), name)
    assert dir(module) == sorted(module.__all__)


@pytest.mark.parametrize("package", LAZY)
def test_a_name_that_is_not_there_is_refused(package: str) -> None:
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'Irqchop'"):
        import_module(package).Irqchop  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Irqchop'"):
        exec(f"from {package} import Irqchop")


def test_a_type_checker_knows_every_name() -> None:
    """What stands under TYPE_CHECKING is what is fetched."""
    import ast

    for package in LAZY:
        module = import_module(package)
        path = Path(str(module.__file__))
        block = next(node for node in ast.parse(path.read_text()).body if isinstance(node, ast.If))
        told = {
            alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
        }
        homes = {name: home for home, names in module._HOMES.items() for name in names}
        assert told == homes
