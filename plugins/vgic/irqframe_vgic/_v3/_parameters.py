"""What the GICv3 architecture leaves to the implementation, as values, for two named implementations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from irqframe_vgic._implementation import SPI_CHOICES, Implementation
from irqframe_vgic._intids import FIRST_EPPI, FIRST_ESPI
from irqframe_vgic._v3._lines import LineCounts

MAX_CPUS: Final = 512
"""As many as KVM allows a guest with a GICv3 (VGIC_V3_MAX_CPUS)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters(Implementation):
    """Implementation-defined facts of a GICv3; `Implementation` has those of any GIC.

    Attributes:
        espis: extended SPIs, a multiple of 32 up to 1024 (GICD_TYPER page, ESPI and ESPI_range).
        eppis: extended PPIs of each CPU, 0, 32 or 64 (GICR_TYPER page, PPInum).
        lpis: whether there are LPIs: whether the machine has an ITS (GICD_TYPER page, LPIS).
        mask_bits: implemented upper bits of ICC_PMR_EL1 (ICC_CTLR_EL1 page, PRIbits).
        one_of_n: whether an SPI can go to any one of the participating CPUs (GICD_TYPER page, No1N).
        waker_held: whether a redistributor whose ProcessorSleep is set holds its interrupts (GICR_WAKER page).
        range_selector: whether SGIs reach CPUs whose Aff0 is 16 or more (GICD_TYPER page, RSS).
        direct_invalidation: whether GICR_INVLPIR, GICR_INVALLR and GICR_SYNCR are there (GICR_CTLR page, IR).
        common_lpi_affinity: GICR_TYPER.CommonLPIAff.
        shows_ptz: whether GICR_PENDBASER.PTZ reads as it was written; else as 0.
        intid_bits: INTIDs' bits that GICD_TYPER tells, without LPIs; more if there are extended INTIDs.
        icc_ctlr: the read-only bits of ICC_CTLR_EL1.
        mbis: whether messages to the distributor raise SPIs (GICD_TYPER page, MBIS).
        iidr: GICD_IIDR and GICR_IIDR.
    """

    espis: int
    eppis: int
    lpis: bool
    mask_bits: int
    one_of_n: bool
    waker_held: bool
    range_selector: bool
    direct_invalidation: bool
    common_lpi_affinity: int
    shows_ptz: bool
    intid_bits: int
    icc_ctlr: int
    mbis: bool
    iidr: int

    @property
    def counts(self) -> LineCounts:
        """How many lines there are of each kind."""
        return LineCounts(self.spis, self.espis, self.eppis)

    @property
    def span(self) -> int:
        """One more than the highest INTID below the LPIs."""
        if self.espis:
            return FIRST_ESPI + self.espis
        return FIRST_EPPI + self.eppis if self.eppis else self.intids

    @property
    def pmr_mask(self) -> int:
        """The implemented bits of the priority mask; the others are RAZ/WI."""
        return 0xFF << (8 - self.mask_bits) & 0xFF


IMPLEMENTATIONS: Final[Mapping[str, Parameters]] = {
    # The distributor that KVM shows its guests, over the virtual CPU interface of a GIC-500. KVM has 256 INTIDs until
    # it is told otherwise (VGIC_NR_IRQS_LEGACY), and gives an SPI with Interrupt_Routing_Mode set to nobody; here it
    # goes to one of the participating CPUs, as GICD_TYPER.No1N = 0 says. Nor has KVM a range selector, without which
    # SGIs do not reach a CPU whose Aff0 is 16 or more.
    "kvm": Parameters(
        spis=224,
        espis=0,
        eppis=0,
        lpis=False,
        priority_bits=5,
        mask_bits=5,
        group_bits=5,
        one_of_n=True,
        waker_held=True,
        every_raise_is_an_edge=True,
        range_selector=True,
        direct_invalidation=True,
        common_lpi_affinity=0,
        shows_ptz=False,
        intid_bits=10,
        icc_ctlr=0x4_8400,
        mbis=False,
        iidr=0x4B00_343B,
    ),
    # arm_gicv3 of QEMU 7.2 and 10.0 with one security state, as its virt board has it on a Cortex-A57.
    "qemu": Parameters(
        spis=256,
        espis=0,
        eppis=0,
        lpis=False,
        priority_bits=8,
        mask_bits=5,
        group_bits=5,
        one_of_n=False,
        waker_held=False,
        every_raise_is_an_edge=False,
        range_selector=False,
        direct_invalidation=False,
        common_lpi_affinity=1,
        shows_ptz=True,
        intid_bits=16,
        icc_ctlr=0x8C00,
        mbis=False,
        iidr=0x0000_043B,
    ),
}

WAKER: Final = ("held", "ignored")
"""Whether a sleeping redistributor holds its interrupts; some guests never wake it."""

OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "implementation": tuple(IMPLEMENTATIONS),
    "spis": tuple(str(n) for n in sorted(SPI_CHOICES, key=lambda n: n != IMPLEMENTATIONS["kvm"].spis)),
    "waker": WAKER,
}
"""The irqchip's options, the default first; those of `spis` and `waker` go with the implementation."""


def defaults(given: Mapping[str, str]) -> Mapping[str, str]:
    """The options that follow from those given, unless they are among them."""
    implementation = IMPLEMENTATIONS.get(given.get("implementation", ""))
    if implementation is None:
        return {}
    return {"spis": str(implementation.spis), "waker": WAKER[not implementation.waker_held]}


def parameters(chosen: Mapping[str, str]) -> Parameters:
    """The parameters of an irqchip with these options."""
    base = IMPLEMENTATIONS[chosen["implementation"]]
    return replace(base, spis=int(chosen["spis"]), waker_held=chosen["waker"] == WAKER[0])
