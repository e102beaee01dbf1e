"""What the irqchip keeps for a VM as a whole: sizes, extensions, the rVID."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final, NamedTuple

from irqframe.bits import Fifo, LowestFirst, Priority, Target
from irqframe.errors import VmError
from irqframe_rvic._as_is import instance_class
from irqframe_rvic._rvid import Rvid, rvid_class

if TYPE_CHECKING:
    from irqframe.vm import VCpu, Vm

DEFAULT_TRUSTED: Final = 32
DEFAULT_TOTAL: Final = 512
STEP: Final = 32
"""T and N are multiples of it."""
MIN_TRUSTED: Final = 32
MIN_TOTAL: Final = 64
MAX_TOTAL: Final = 2048

POLICIES: Final[dict[str, type[Target]]] = {"lowest": LowestFirst, "fifo": Fifo}
"""Values of the option `order`; the first is the default."""


class Extensions(NamedTuple):
    """What goes beyond the alpha specification, as the device tree asks for it.

    Attributes:
        level_inputs: inputs can be level-triggered.
        priorities: delivery is by priority.
        msis: inputs that take messages; None: all of them, because nobody said which.
    """

    level_inputs: bool = False
    priorities: bool = False
    msis: range | None = None


class VmData:
    """Sizes, extensions and rVID of one VM, from NR_IRQS on.

    Args:
        vm: the VM.
        trusted: T.
        total: N.
        extensions: those that are on.
        order: value of the option `order`.
        quirks: those that are on.

    Attributes:
        trusted: as given, and so is `total`.
        extensions: as given.
        msis: the inputs that take messages; empty if the machine has no MSIs.
        rvid: the rVID.
        policy: class of the instances' targets.
        initialised: whether INIT was done.
    """

    def __init__(
        self, vm: Vm, trusted: int, total: int, extensions: Extensions, order: str, quirks: frozenset[str]
    ) -> None:
        self.trusted = trusted
        self.total = total
        self.extensions = extensions
        self.msis = extensions.msis if extensions.msis is not None else range(total - trusted)
        self.policy: type[Target] = Priority if extensions.priorities else POLICIES[order]
        self.rvid: Rvid = rvid_class(extensions.level_inputs, quirks)(vm, total - trusted, 1 if "K1" in quirks else 0)
        self.initialised = False
        self._instance_class = instance_class(quirks)

    @property
    def inputs(self) -> int:
        """U, how many untrusted INTIDs and rVID inputs there are."""
        return self.total - self.trusted

    def make_instance(self, vcpu: VCpu) -> None:
        """Give a vCPU its rVIC."""
        vcpu.chip = self._instance_class(vcpu, self.trusted, self.policy(self.total))
        self.rvid.attach(vcpu.chip)


def check_limits(trusted: int, total: int, quirks: frozenset[str] = frozenset()) -> None:
    """Check T and N.

    Args:
        trusted: T.
        total: N.
        quirks: under K7, T = N is allowed.

    Raises:
        VmError: EINVAL, saying which limit does not hold.
    """
    least = trusted if "K7" in quirks else trusted + STEP
    limits = (
        (trusted >= MIN_TRUSTED, f"at least {MIN_TRUSTED} interrupts must be trusted"),
        (trusted % STEP == 0, f"the number of trusted interrupts must be a multiple of {STEP}"),
        (total >= MIN_TOTAL, f"there must be at least {MIN_TOTAL} interrupts"),
        (total <= MAX_TOTAL, f"there can be at most {MAX_TOTAL} interrupts"),
        (total % STEP == 0, f"the number of interrupts must be a multiple of {STEP}"),
        (total >= least, f"with {trusted} trusted, there must be at least {least} interrupts"),
    )
    for holds, message in limits:
        if not holds:
            raise VmError(errno.EINVAL, f"{message}; found {trusted} trusted of {total}")
