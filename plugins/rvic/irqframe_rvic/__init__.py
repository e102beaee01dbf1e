"""rVIC and rVID, the paravirtual interrupt controller of Arm's alpha specification, as an irqframe plugin."""

from irqframe_rvic._chip import Rvic

__all__ = ["Rvic"]
