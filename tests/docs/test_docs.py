"""The documentation says what the code does: generated pages are fresh, links lead somewhere, commands exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from irqframe.cli import _main
from irqframe.flow import CALLBACKS, arguments

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/docs/*.md")]
)


def test_generated_pages_are_fresh() -> None:
    command = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_in_a_console_block_exists(page: Path) -> None:
    for name in re.findall(r"^\$ irqframe (\w+)", page.read_text(encoding="utf-8"), re.MULTILINE):
        assert name in _main.COMMANDS, f"{page.relative_to(ROOT)} shows `irqframe {name}`"


@pytest.mark.parametrize("name", CALLBACKS)
def test_the_hook_reference_has_every_callback_with_its_arguments(name: str) -> None:
    heading = f"### `irqchip_{name}({', '.join(arguments(name))})"
    assert heading in (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")


def test_make_knows_the_two_commands_of_the_readme() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^\$ make (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_replay_in_the_quickstart(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    section = text.partition("## What was recorded, on another irqchip\n")[2].partition("\n## ")[0]
    printed = ""
    for command in re.findall(r"^\$ irqframe (.+)", section, re.MULTILINE):
        arguments = command.replace("run.jsonl", str(tmp_path / "run.jsonl")).split()
        line = [sys.executable, "-m", "irqframe", *arguments]
        printed = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    shown = re.search(r"```text\n(.*?)```", section, re.DOTALL)
    assert shown is not None and printed.endswith(shown[1])
