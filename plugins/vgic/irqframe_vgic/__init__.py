"""Arm's generic interrupt controller as an irqframe plugin: the irqchip `gicv2`."""

from irqframe_vgic._v2._chip import Gicv2

__all__ = ["Gicv2"]
