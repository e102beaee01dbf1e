"""Codes of the findings about a machine as a whole: one line of meaning each; the documentation is made from here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "E0601": "an interrupt controller is none that an installed irqchip serves",
        "E0602": "interrupts go to controllers of different irqchips",
        "E0603": "an interrupt specifier is outside of what its controller serves",
        "E0604": "two sources use a line that only one can have",
        "E0605": "a machine has no interrupt controller",
        "E0606": "a machine has more CPUs than its irqchip serves",
        "E0607": "an irqchip refuses what its nodes say",
        "E0608": "an irqchip cannot take the place of a machine's own",
        "E0609": "a machine's memory regions overlap or are no address ranges",
    }
)
