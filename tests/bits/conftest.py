"""The three policies."""

from __future__ import annotations

from typing import Any

import pytest

from irqframe.bits import Fifo, LowestFirst, Priority


@pytest.fixture(params=[LowestFirst, Fifo, Priority])
def policy(request: Any) -> Any:
    return request.param
