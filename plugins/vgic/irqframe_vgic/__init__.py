"""Arm's generic interrupt controller as irqframe plugins: the irqchips `gicv2` and `gicv3`."""

from irqframe_vgic._v2._chip import Gicv2
from irqframe_vgic._v3._chip import Gicv3

__all__ = ["Gicv2", "Gicv3"]
