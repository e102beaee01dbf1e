"""The fast-path bitmap core: the state of one interrupt target, under three orders of delivery."""

from irqframe.bits._fifo import Fifo
from irqframe.bits._lowest import LowestFirst
from irqframe.bits._priority import PRIORITIES, Priority
from irqframe.bits._target import ACTIVE, GROUP_OFF, MASKED, PENDING, UNTARGETED, Target

__all__ = [
    "ACTIVE",
    "GROUP_OFF",
    "MASKED",
    "PENDING",
    "PRIORITIES",
    "UNTARGETED",
    "Fifo",
    "LowestFirst",
    "Priority",
    "Target",
]
