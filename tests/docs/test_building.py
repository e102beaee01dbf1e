"""The page about building machines: its Python runs, and its table has the options there are."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from irqframe import Machine
from irqframe.cli import _dtb

PAGE = (Path(__file__).parents[2] / "docs" / "building.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_its_python_runs(code: str) -> None:
    names: dict[str, object] = {}
    exec(code, names)
    assert isinstance(names["machine"], Machine)
    assert names.get("blob", b"\xd0\x0d\xfe\xed")[:4] == b"\xd0\x0d\xfe\xed"  # type: ignore[index]


def test_its_table_has_the_options() -> None:
    listed = set(re.findall(r"^\| `(--\w+)", PAGE, re.MULTILINE))
    options = {name for param in _dtb.dtb.params if isinstance(param, click.Option) for name in param.opts}
    assert listed == {"--append", "--initrd", "--memory", "--bootable"}
    assert listed <= options
