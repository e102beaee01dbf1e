"""The three policies, in both make."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

from irqframe.bits import pure

MAKES: dict[str, Any] = {"python": pure}
if find_spec("irqframe._native") is not None:
    from irqframe.bits import _compiled

    MAKES["compiled"] = _compiled

#: What is not there is skipped by name.
ABSENT = [pytest.param(None, id="compiled", marks=pytest.mark.skip("the C extension is not built"))]


def pytest_generate_tests(metafunc: Any) -> None:
    """`make` is each make, `policy` each class of each make."""
    absent = ABSENT if len(MAKES) == 1 else []
    if "make" in metafunc.fixturenames:
        metafunc.parametrize("make", [*(pytest.param(each, id=name) for name, each in MAKES.items()), *absent])
    if "policy" in metafunc.fixturenames:
        classes = [
            pytest.param(getattr(each, kind), id=f"{name}-{kind}")
            for name, each in MAKES.items()
            for kind in ("LowestFirst", "Fifo", "Priority")
        ]
        metafunc.parametrize("policy", [*classes, *absent])
