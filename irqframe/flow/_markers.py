"""The pluggy markers: what makes a method an implementation, or a function a part of the spec."""

from __future__ import annotations

from typing import Final

import pluggy

PROJECT: Final = "irqframe"
"""pluggy's project name, and the entry-point group that plugins are found through."""

PREFIX: Final = "irqchip_"
"""What every hook's name begins with; the sealed table's attributes are named without it."""

hookspec: Final = pluggy.HookspecMarker(PROJECT)
hookimpl: Final = pluggy.HookimplMarker(PROJECT)
