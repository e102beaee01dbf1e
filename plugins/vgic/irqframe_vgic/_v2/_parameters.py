"""What the GIC architecture leaves to the implementation, as values, for two named implementations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from irqframe_vgic._implementation import SPI_CHOICES, Implementation

MAX_CPUS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters(Implementation):
    """Implementation-defined facts of a GICv2; `Implementation` has those of any GIC.

    Attributes:
        sgi_enables_fixed: SGIs cannot be disabled: their enable bits are RAO/WI (GICD_ISENABLER page).
        sgi_enables_reset: the enable bits of the SGIs after reset, 16 bits.
        ppi_config_fixed: PPIs are level-sensitive for good: GICD_ICFGR1 is read-only (GICD_ICFGR page).
        gicd_iidr: GICD_IIDR.
        gicc_iidr: GICC_IIDR.
    """

    sgi_enables_fixed: bool
    sgi_enables_reset: int
    ppi_config_fixed: bool
    gicd_iidr: int
    gicc_iidr: int


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
