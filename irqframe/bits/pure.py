"""The make in pure Python: the reference, which always works, also beside the compiled one."""

from irqframe.bits._fifo import Fifo
from irqframe.bits._lowest import LowestFirst
from irqframe.bits._priority import Priority
from irqframe.bits._replay import replay

__all__ = ["Fifo", "LowestFirst", "Priority", "replay"]
