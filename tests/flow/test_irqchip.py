"""The base class: quirks and options."""

from __future__ import annotations

import errno
from typing import Any, ClassVar

import pytest

from irqframe import Irqchip, VmError


class Chip(Irqchip):
    quirks: ClassVar = {"K1": "one", "K9": "nine"}
    options: ClassVar = {"order": ("lowest", "fifo")}


def test_default_is_right_and_first() -> None:
    chip = Chip()
    assert chip.enabled_quirks == frozenset()
    assert chip.chosen == {"order": "lowest"}
    assert not chip.quirk("K9")


def test_named_quirks_and_options() -> None:
    chip = Chip(["K9"], {"order": "fifo"})
    assert chip.quirk("K9")
    assert not chip.quirk("K1")
    assert chip.chosen == {"order": "fifo"}


def test_as_is_is_every_quirk() -> None:
    assert Chip(["as-is"]).enabled_quirks == {"K1", "K9"}
    assert Chip(["as-is", "K1"]).enabled_quirks == {"K1", "K9"}


@pytest.mark.parametrize(
    ("quirks", "options", "named"),
    [
        (["K2"], {}, "K2"),
        (["as-is", "K2"], {}, "K2"),
        ([], {"colour": "red"}, "colour"),
        ([], {"order": "random"}, "random"),
    ],
)
def test_what_the_chip_does_not_have(quirks: list[str], options: Any, named: Any) -> None:
    with pytest.raises(VmError, match=named) as caught:
        Chip(quirks, options)
    assert caught.value.errno == errno.EINVAL


def test_chip_without_any() -> None:
    with pytest.raises(VmError, match="none"):
        Irqchip(["K1"])
