"""The make in pure Python: the reference, which always works, also beside the compiled one."""

from irqframe.bits._bank import Account, Bank
from irqframe.bits._fifo import Fifo
from irqframe.bits._lowest import LowestFirst
from irqframe.bits._preemption import Preemption
from irqframe.bits._priority import Priority
from irqframe.bits._replay import replay

__all__ = ["Account", "Bank", "Fifo", "LowestFirst", "Preemption", "Priority", "replay"]
