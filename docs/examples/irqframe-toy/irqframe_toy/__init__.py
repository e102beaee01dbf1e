"""The toy interrupt controller, an irqchip plugin for irqframe."""

from irqframe_toy._chip import ToyIntc

__all__ = ["ToyIntc"]
