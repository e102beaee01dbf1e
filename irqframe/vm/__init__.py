"""The virtual machine: vCPUs and their life, requests and kicks, routing, irqfd, MSI, trap buses, timers."""

from irqframe.vm._clock import Clock, HostClock, VirtualClock
from irqframe.vm._host_irq import HostIrq, HostIrqs
from irqframe.vm._irq_line import IrqLine, IrqType
from irqframe.vm._irqfd import Irqfds
from irqframe.vm._memory import GuestMemory
from irqframe.vm._registry import MPIDR_AFFINITY, default_mpidr
from irqframe.vm._routing import MAX_ROUTES, GsiLine, GsiRouting
from irqframe.vm._timer import PHYSICAL_TIMER_INTID, PMU_INTID, VIRTUAL_TIMER_INTID, Pmu, Timer
from irqframe.vm._traps import NOT_SUPPORTED, HypercallBus, MmioBus, OverlapError, SysregBus, UndefinedInstructionError
from irqframe.vm._vcpu import VCpu
from irqframe.vm._vm import QUIRKS, Vm

__all__ = [
    "MAX_ROUTES",
    "MPIDR_AFFINITY",
    "NOT_SUPPORTED",
    "PHYSICAL_TIMER_INTID",
    "PMU_INTID",
    "QUIRKS",
    "VIRTUAL_TIMER_INTID",
    "Clock",
    "GsiLine",
    "GsiRouting",
    "GuestMemory",
    "HostClock",
    "HostIrq",
    "HostIrqs",
    "HypercallBus",
    "IrqLine",
    "IrqType",
    "Irqfds",
    "MmioBus",
    "OverlapError",
    "Pmu",
    "SysregBus",
    "Timer",
    "UndefinedInstructionError",
    "VCpu",
    "VirtualClock",
    "Vm",
    "default_mpidr",
]
