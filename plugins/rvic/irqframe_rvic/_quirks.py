"""The departures of the reference implementation that the model can show, each off unless it is named.

"K.." are defects of the hypervisor side, "D.." of the guest's drivers, "V1" is a choice that the alpha specification
leaves open. docs/quirks.md has every row, with what is right and why some cannot be shown.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from irqframe.errors import VmError

QUIRKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "K1": "RVID_MAP and RVID_UNMAP take the input U, one beyond the last",
        "K2": "hypercalls are served before the irqchip is finalized",
        "K3": "KVM_IRQ_LINE is taken before the irqchip is finalized, and the interrupt lost",
        "K4": "INIT fails for ever if a vCPU is initialised already",
        "K5": "a vCPU that was refused its first run is let in the second time",
        "K6": "default routing and pins stop at 988, so that INIT fails for more inputs",
        "K7": "all interrupts may be trusted, leaving no input",
        "K8": "a vCPU's id is used where its index is wanted",
        "K9": "an interrupt unmasked while the instance is disabled is not delivered after ENABLE",
        "K10": "ENABLE does not sample level sources that rose while the instance was disabled",
        "K11": "RESAMPLE on a disabled instance succeeds, and a high level is lost",
        "K12": "an input raised while the guest moves it may reach the old target",
        "K14": "INTIDs are cut to 32 bits, and bits of an MPIDR that are not affinity ignored",
        "K15": "host interrupts are mapped and unmapped without any check",
        "K17": "INTIDs of devices inside the VM have no owner",
        "K18": "a callback that the irqchip lacks looks like success",
        "K20": "INIT without a vCPU succeeds, again and again, and no vCPU can be added any more",
        "K21": "no reset, and state can be neither saved nor restored",
        "K22": "the callback of a destroyed instance still accepts interrupts, and faults",
        "K24": "routing entries are refused before the irqchip exists",
        "K25": "MSI routing entries are accepted, and no message is ever delivered",
        "K28": "debugfs has one file per interrupt",
        "K30": "what a failed creation did is not undone",
        "V1": "RVID_MAP answers ERROR_PARAMETER, not INVALID_CPU, for an unknown target",
        "D1": "driver: freeing an interrupt frees another's INTID",
        "D2": "driver: the result of a retrigger is inverted",
        "D3": "driver: an untrusted INTID named by the tree is used without being reserved",
        "D4": "driver: an affinity change that fails half-way leaves the interrupt dead",
        "D5": "driver: an affinity change to a CPU that is off loses what was pending",
        "D6": "driver: a failed MSI allocation leaks INTIDs",
        "D7": "driver: activation ignores the wanted CPU, and stale pending state there",
        "D8": "driver: MSI blocks are not aligned when the base of the range is not",
        "D9": "driver: an MSI range beyond the inputs is not noticed",
        "D10": "driver: a CPU that comes back has its old logical masks",
        "D11": "driver: a later major version, and a second probe, are accepted",
    }
)


def host_fault(what: str) -> VmError:
    """What a quirk raises where the reference's host kernel would crash."""
    return VmError(errno.EFAULT, f"the reference faults in the host here: {what}")
