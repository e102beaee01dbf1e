"""Who runs on the vCPUs: scripted guests, the drivers that irqchips bring for them, and their workload.

What is told of any guest when it has ended is here too; real code has its own packages below.
"""

from irqframe.guest._account import Account
from irqframe.guest._autopsy import Body, DeadCpu, Left, autopsy
from irqframe.guest._bare import run_bare
from irqframe.guest._cpu import ScriptedCpu
from irqframe.guest._driver import Driver, Msi
from irqframe.guest._floor import Watcher
from irqframe.guest._interrupts import InterruptRow, interrupt_rows
from irqframe.guest._outcome import Outcome
from irqframe.guest._recorded import Compared
from irqframe.guest._replay import Replay
from irqframe.guest._script import Script
from irqframe.guest._traps import TrapCounts, count_traps
from irqframe.guest._workload import Workload

__all__ = [
    "Account",
    "Body",
    "Compared",
    "DeadCpu",
    "Driver",
    "InterruptRow",
    "Left",
    "Msi",
    "Outcome",
    "Replay",
    "Script",
    "ScriptedCpu",
    "TrapCounts",
    "Watcher",
    "Workload",
    "autopsy",
    "count_traps",
    "interrupt_rows",
    "run_bare",
]
