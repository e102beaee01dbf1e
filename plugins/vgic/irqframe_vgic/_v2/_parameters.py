"""What the GIC architecture leaves to the implementation, as values, for two named implementations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from irqframe_vgic._intids import MAX_SPIS, PRIVATE

MAX_CPUS: Final = 8


@dataclass(frozen=True, slots=True)
class Parameters:
    """Implementation-defined facts of a GICv2.

    Attributes:
        spis: shared interrupts, a multiple of 32 up to 960, or 988.
        priority_bits: implemented upper bits of a priority, 4 to 8 (GICD_IPRIORITYR page).
        group_bits: most bits that can count for preemption, 4 to 7; the binary points' minimum follows from it
            (GICC_BPR page).
        sgi_enables_fixed: SGIs cannot be disabled: their enable bits are RAO/WI (GICD_ISENABLER page).
        sgi_enables_reset: the enable bits of the SGIs after reset, 16 bits.
        ppi_config_fixed: PPIs are level-sensitive for good: GICD_ICFGR1 is read-only (GICD_ICFGR page).
        every_raise_is_an_edge: a raise of an edge-triggered line is an edge even if the line was never lowered; else
            only a change from low to high is one.
        gicd_iidr: GICD_IIDR.
        gicc_iidr: GICC_IIDR.
    """

    spis: int
    priority_bits: int
    group_bits: int
    sgi_enables_fixed: bool
    sgi_enables_reset: int
    ppi_config_fixed: bool
    every_raise_is_an_edge: bool
    gicd_iidr: int
    gicc_iidr: int

    @property
    def intids(self) -> int:
        """SGIs, PPIs and SPIs together."""
        return PRIVATE + self.spis

    @property
    def words(self) -> int:
        """Registers of one bit per INTID that there are: ITLinesNumber + 1."""
        return (self.intids + 31) // 32

    @property
    def priority_mask(self) -> int:
        """The implemented bits of a priority byte; the others are RAZ/WI."""
        return 0xFF << (8 - self.priority_bits) & 0xFF

    @property
    def min_bpr(self) -> int:
        """Least value of GICC_BPR; GICC_ABPR's is one more."""
        return 7 - self.group_bits


IMPLEMENTATIONS: Final[Mapping[str, Parameters]] = {
    # The distributor that KVM shows its guests, over a GIC-400's virtual CPU interface with its 32 priorities. KVM
    # has 256 INTIDs until it is told otherwise (VGIC_NR_IRQS_LEGACY), and fixes ICFGR1; here a PPI can be made
    # edge-triggered, because a machine may have such a one.
    "kvm": Parameters(
        spis=224,
        priority_bits=5,
        group_bits=5,
        sgi_enables_fixed=False,
        sgi_enables_reset=0xFFFF,
        ppi_config_fixed=False,
        every_raise_is_an_edge=True,
        gicd_iidr=0x4B00_243B,
        gicc_iidr=0x04B2_043B,
    ),
    # arm_gic of QEMU 7.2 and 10.0, without security extension, as its virt board has it.
    "qemu": Parameters(
        spis=256,
        priority_bits=8,
        group_bits=7,
        sgi_enables_fixed=True,
        sgi_enables_reset=0xFFFF,
        ppi_config_fixed=False,
        every_raise_is_an_edge=False,
        gicd_iidr=0x0000_043B,
        gicc_iidr=0x0002_043B,
    ),
}

SPI_CHOICES: Final = (*range(32, 961, 32), MAX_SPIS)
"""Numbers of SPIs that a GIC can have."""

OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "implementation": tuple(IMPLEMENTATIONS),
    "spis": tuple(str(n) for n in sorted(SPI_CHOICES, key=lambda n: n != IMPLEMENTATIONS["kvm"].spis)),
}
"""The irqchip's options, the default first; that of `spis` goes with the implementation."""


def defaults(given: Mapping[str, str]) -> Mapping[str, str]:
    """The options that follow from those given, unless they are among them."""
    implementation = IMPLEMENTATIONS.get(given.get("implementation", ""))
    return {"spis": str(implementation.spis)} if implementation else {}


def parameters(chosen: Mapping[str, str]) -> Parameters:
    """The parameters of an irqchip with these options."""
    return replace(IMPLEMENTATIONS[chosen["implementation"]], spis=int(chosen["spis"]))
