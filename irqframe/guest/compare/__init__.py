"""One guest on several irqchips: what its interrupts take on each, and what that would cost."""

from irqframe.guest.compare._costs import KINDS, Bill, Cost, Costs, Model, read_costs, shipped_costs
from irqframe.guest.compare._measure import Measured, Phase, Program, measure
from irqframe.guest.compare._spread import Spread, spread
from irqframe.guest.compare._watch import PHASES

__all__ = [
    "KINDS",
    "PHASES",
    "Bill",
    "Cost",
    "Costs",
    "Measured",
    "Model",
    "Phase",
    "Program",
    "Spread",
    "measure",
    "read_costs",
    "shipped_costs",
    "spread",
]
