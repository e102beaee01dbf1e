"""Codes of the findings about a machine as a whole: one line of meaning each; the documentation is made from here.

Errors (E) and warnings (W) share one sequence of numbers.
"""

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
        "E0610": "an interrupt has a trigger that its line cannot have",
        "E0611": "messages raise lines that their controller does not have",
        "E0612": "two rows of an msi-map take the same requester ID",
        "E0613": "a row of an msi-map covers what no requester ID or MSI specifier can be",
        "W0614": "more devices send messages than their controller has lines for messages",
        "E0615": "a per-CPU interrupt goes to a line that all CPUs share",
        "E0616": "an interrupt of a shared bus goes to a line that each CPU has for itself",
        "W0617": "the CPU mask of a PPI names more CPUs than the machine has",
        "E0618": "a GICv3 has fewer redistributors than the machine has CPUs",
        "E0619": "reg of a GICv3 has fewer regions than #redistributor-regions says",
        "E0620": "an affinity names a node that is no CPU",
        "E0621": "interrupt-affinity does not name a CPU for each interrupt",
        "E0622": "an interrupt controller lies on addresses of something else",
        "W0623": "an interrupt controller has no user",
        "W0624": "interrupt-names has more names than there are interrupts",
        "W0625": "a node has interrupts and interrupts-extended, of which the first is ignored",
        "W0626": "a unit address is not the address in reg",
        "W0627": "a source that signals by level is described as edge-triggered",
        "W0628": "an interrupt specifier names no trigger",
        "E0629": "the PPI partitions of a GICv3 and the cells that name them contradict each other",
        "E0632": "a machine is not one that the scripted guest comes up on",
    }
)
