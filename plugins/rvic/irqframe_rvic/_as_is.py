"""An rVIC with the reference's defects: each class is one quirk, and `instance_class` puts the wanted ones together.

Which class a vCPU gets is decided when it is initialised; nothing asks for a quirk per interrupt.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from irqframe.bits import MASKED, PENDING, UNTARGETED, Target
from irqframe.errors import VmError
from irqframe_rvic._instance import HostMapping, Instance
from irqframe_rvic._quirks import host_fault

if TYPE_CHECKING:
    from irqframe.vm import HostIrq, VCpu

UNQUEUED: Final = UNTARGETED
"""Under K9: pending and not masked, and yet not in the queue of deliverable interrupts; one more reason not to be."""


class LosesUnmasked(Instance):
    """K9: the queue is changed while the instance is enabled only, and ENABLE does not build it anew."""

    __slots__ = ()

    def __init__(self, vcpu: VCpu, trusted: int, target: Target) -> None:
        super().__init__(vcpu, trusted, target)
        pend = self.signal
        mask = self.mask
        unmask = self.unmask

        def signal_and_queue(intid: int) -> int:
            fresh = pend(intid)
            target.clear(intid, UNQUEUED)
            return fresh

        def mask_and_forget(intid: int) -> int:
            mask(intid)
            return target.clear(intid, UNQUEUED)

        def unmask_if_enabled(intid: int) -> int:
            if not self.enabled and target.state[intid] == PENDING | MASKED:
                target.set(intid, UNQUEUED)
            return unmask(intid)

        self.signal = signal_and_queue
        self.mask = mask_and_forget
        self.unmask = unmask_if_enabled

    def clear_pending(self, intid: int) -> None:
        """As usual; what is not pending is not waiting for the queue either."""
        super().clear_pending(intid)
        self.target.clear(intid, UNQUEUED)

    def relatch(self, intid: int) -> None:
        """As usual; a signal, the level's too, queues what was left out."""
        super().relatch(intid)
        self.target.clear(intid, UNQUEUED)


class ForgetsLevels(Instance):
    """K10: what happens while the instance is disabled is lost, a level too."""

    __slots__ = ()

    def enable(self) -> None:
        """Set the flag and nothing else."""
        self.enabled = True

    def _holds(self, intid: int) -> bool:
        return False


class TrustsMappings(Instance):
    """K15: mapping a host interrupt checks nothing."""

    __slots__ = ()

    def map_host_irq(self, intid: int, host_irq: HostIrq | None, get_level: Callable[[int], bool]) -> None:
        """Map whatever is there, and replace what was mapped."""
        if not 0 <= intid < self.total:
            raise host_fault(f"no interrupt {intid} to map")
        self.mapped[intid] = HostMapping(host_irq, get_level)

    def unmap_host_irq(self, intid: int) -> None:
        """Unmap, whether it was mapped or not."""
        if not 0 <= intid < self.total:
            raise host_fault(f"no interrupt {intid} to unmap")
        self.mapped.pop(intid, None)


class Ownerless(Instance):
    """K17: any device injects any INTID."""

    __slots__ = ()

    def set_owner(self, intid: int, owner: object) -> None:
        """Accept every owner."""

    def check_owner(self, intid: int, owner: object) -> None:
        """Accept every owner."""


class Undead(Instance):
    """K22: a destroyed instance keeps its size, and has no interrupts behind it."""

    __slots__ = ()

    def destroy(self) -> None:
        """Free the interrupts and leave the rest."""
        super().destroy()
        self.total = len(self.target.state)
        self.signal = self._gone
        self.enabled = True

    @staticmethod
    def _gone(intid: int) -> int:
        raise host_fault(f"interrupt {intid} of an instance that was freed")


_DEFECTS: Final[dict[str, type[Instance]]] = {
    "K9": LosesUnmasked,
    "K10": ForgetsLevels,
    "K15": TrustsMappings,
    "K17": Ownerless,
    "K22": Undead,
}


def instance_class(quirks: Iterable[str]) -> type[Instance]:
    """The class of instance that has exactly the defects named; names of other quirks are ignored."""
    wanted = frozenset(quirks)
    bases = tuple(cls for name, cls in _DEFECTS.items() if name in wanted)
    return type("Instance", (*bases, Instance), {"__slots__": ()}) if bases else Instance


def refuse_state() -> VmError:
    """K21: there is no interface for state."""
    return VmError(errno.EOPNOTSUPP, "the reference has no interface for the state of an rVIC")
