"""Writes the pages that are made from what the code runs: the hook reference, the error catalogue, the command line, a
picture; and, in the other pages, what a command printed, behind a comment `<!-- output of: irqframe ... -->`.

    python docs/generate.py            write them
    python docs/generate.py --check    exit with 1 if one is stale
"""

from __future__ import annotations

import inspect
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from generate_bindings import binding_pages
from generate_performance import performance_pages

from irqframe import dt, machine, observe
from irqframe.cli import _main
from irqframe.flow import CALLBACKS, PREFIX, REFERENCE_CALLBACKS, _hookspec, _types, arguments

HERE = Path(__file__).parent
CATALOGUE = HERE.parent / "tests" / "catalogue"
PLUGIN_GENERATORS = tuple(sorted(HERE.parent.glob("plugins/*/docs/generate.py")))
NOTICE = "<!-- Made by docs/generate.py; change what it is made from. -->\n"


def hooks_page() -> str:
    """The hook reference, from the specification's docstrings."""
    intro = inspect.cleandoc(_hookspec.__doc__ or "")
    first, _, rules = intro.partition("\n\n")
    parts = [
        "# Hook reference\n",
        NOTICE,
        f"{first.replace(' This file is the manual.', '')} The source is `irqframe/flow/_hookspec.py`.\n",
        rules + "\n",
        "## The twenty members of the reference structure\n",
        *(_hook(name) for name in REFERENCE_CALLBACKS),
        "## What a framework needs besides\n",
        *(_hook(name) for name in CALLBACKS if name not in REFERENCE_CALLBACKS),
        "## Types\n",
        *(_type(kind) for kind in _public_types()),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _hook(name: str) -> str:
    function = getattr(_hookspec, PREFIX + name)
    text = inspect.cleandoc(function.__doc__ or "")
    returns = inspect.signature(function).return_annotation
    return f"### `irqchip_{name}({', '.join(arguments(name))}) -> {returns}`\n\n{_markdown(text)}\n"


def _markdown(text: str) -> str:
    """Google-style sections as bold words and lists."""
    text = re.sub(r"^(Args|Returns|Raises|Attributes):$", r"**\1**\n", text, flags=re.MULTILINE)
    text = re.sub(r"^(Called|Missing): ", r"**\1:** ", text, flags=re.MULTILINE)
    text = re.sub(r"^    (\w+): ", r"- `\1`: ", text, flags=re.MULTILINE)
    text = re.sub(r"^        (?=\S)", "  ", text, flags=re.MULTILINE)
    return re.sub(r"^    (?=\S)", "", text, flags=re.MULTILINE)


def _public_types() -> list[type]:
    return [
        kind
        for kind in vars(_types).values()
        if isinstance(kind, type) and kind.__module__ == _types.__name__ and kind.__doc__
    ]


def _type(kind: type) -> str:
    return f"### `{kind.__name__}`\n\n{_markdown(inspect.cleandoc(kind.__doc__ or ''))}\n"


def errors_page() -> str:
    """Every code of a finding, with the example that the tests run."""
    catalogue = runpy.run_path(str(CATALOGUE / "catalogue.py"), run_name="catalogue")
    codes = {**dt.CODES, **machine.CODES, **observe.CODES}
    entries = catalogue["entries"]()
    rows = (f"| {_code_link(code, entries)} | {codes[code]} |" for code in sorted(codes, key=lambda code: code[1:]))
    parts = [
        "# Error catalogue\n",
        NOTICE,
        "A finding is printed as `file:line:column: error[CODE]: text`, with the source line, what was expected and",
        "what was found. A code never changes its meaning. Codes that begin with `W` warn, and fail no command.\n",
        "Each code has an example below, with what is printed for it, and what to do. The tests run these examples.\n",
        "| code | meaning |",
        "|---|---|",
        *rows,
        "\n## What the examples include\n",
        *(_listing(CATALOGUE / name) for name in catalogue["SHARED"]),
        "## Examples\n",
        *(_example(entries[code], codes[code]) for code in sorted(entries, key=lambda code: code[1:]) if code in codes),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _code_link(code: str, entries: Mapping[str, object]) -> str:
    return f"[`{code}`](#{code.lower()})" if code in entries else f"`{code}`"


def _example(entry: Any, meaning: str) -> str:
    inputs = [_listing(path) for path in entry.files]
    transcript = f"```text\n$ {entry.command}\n{entry.output}```\n"
    return "\n".join(
        [f"### {entry.code}\n", f"{meaning[:1].upper()}{meaning[1:]}. {entry.advice}\n", *inputs, transcript]
    )


def _listing(path: Path) -> str:
    language = {".py": "python", ".hex": "text", ".yaml": "yaml", ".jsonl": "json"}.get(path.suffix, "dts")
    return f"`{path.name}`:\n\n```{language}\n{path.read_text(encoding='utf-8')}```\n"


def cli_page() -> str:
    """Every command with its options, from the command line's own objects."""
    parts = ["# Command line\n", NOTICE, inspect.cleandoc(_main.__doc__ or "") + "\n"]
    context = click.Context(_main.irqframe, info_name="irqframe")
    for name in sorted(_main.COMMANDS):
        command = _main.irqframe.get_command(context, name)
        if command is not None:
            parts.append(_command(name, command))
        if isinstance(command, click.Group):
            below = click.Context(command, parent=context, info_name=name)
            for inner in command.list_commands(below):
                parts.append(_command(f"{name} {inner}", command.get_command(below, inner) or command))
    return "\n".join(parts).rstrip() + "\n"


def _command(name: str, command: click.Command) -> str:
    options = [param for param in command.params if isinstance(param, click.Option)]
    given = " ".join(str(param.metavar) for param in command.params if isinstance(param, click.Argument))
    lines = [f"## `{' '.join(('irqframe', name, '[OPTIONS]', given)).strip()}`\n", inspect.cleandoc(command.help or "")]
    if options:
        lines += ["\n| option | meaning |", "|---|---|"]
    lines += [f"| `{_spelled(option)}` | {option.help}{_default(option)} |" for option in options]
    return "\n".join(lines) + "\n"


def _spelled(option: click.Option) -> str:
    names = ", ".join(option.opts)
    if option.is_flag:
        return names
    choices = getattr(option.type, "choices", None)
    return f"{names} {option.metavar or ('/'.join(choices) if choices else 'N')}"


def _default(option: click.Option) -> str:
    return f" Default: {option.default}." if option.show_default else ""


_OUTPUT = re.compile(r"(<!-- output of: irqframe (.+?) -->\n```text\n).*?(```\n)", re.DOTALL)


def with_outputs(text: str) -> str:
    """A page with the output of its commands as it is now."""
    return _OUTPUT.sub(lambda found: found[1] + _output(shlex.split(found[2])) + found[3], text)


def _output(arguments: list[str]) -> str:
    """What a command prints as a result: standard output, or standard error if it fails."""
    command = [sys.executable, "-m", "irqframe", *arguments]
    done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else done.stderr


def comparison_picture() -> str:
    """What one interrupt takes on three irqchips; rvic-vs-gic.md has the same figures as a table."""
    return _output(["compare", "docs/examples/virt-rvic.dts", "--irqchip", "rvic,gicv2,gicv3", "--svg", "-"])


def topology_picture() -> str:
    """The shipped machine, drawn."""
    return _output(["inspect", "--svg", "-", "docs/examples/virt-rvic.dts"])


PAGES: Mapping[str, Callable[[], str]] = {
    "hooks.md": hooks_page,
    "errors.md": errors_page,
    "cli.md": cli_page,
    "topology.svg": topology_picture,
    "rvic-vs-gic.svg": comparison_picture,
}


def _put(page: Path, text: str, check: bool) -> list[str]:
    """Write a page, or say whether it is stale."""
    if page.exists() and page.read_text(encoding="utf-8") == text:
        return []
    if not check:
        page.write_text(text, encoding="utf-8")
        return []
    return [page.name]


def main(arguments: list[str]) -> int:
    """Write or check every page, and have each plugin do the same with its own."""
    check = "--check" in arguments
    stale = []
    for name, make in PAGES.items():
        stale += _put(HERE / name, make(), check)
    for name, text in {**binding_pages(), **performance_pages()}.items():
        stale += _put(HERE / name, text, check)
    for page in sorted(HERE.glob("*.md")):
        if page.name not in PAGES:
            stale += _put(page, with_outputs(page.read_text(encoding="utf-8")), check)
    for generator in PLUGIN_GENERATORS:
        done = subprocess.run([sys.executable, str(generator), *arguments], check=False)
        stale += [str(generator.parent.relative_to(HERE.parent))] if done.returncode else []
    for name in stale:
        print(f"{name} is stale; run `make docs`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
