from irqframe import Irqchip
from irqframe.flow import Plugin
from irqframe.machine import installed_bindings


class Chip(Irqchip):
    """An interrupt controller."""

    compatible = ("../acme,intc",)


installed_bindings([Plugin("acme", "", "", "", Chip)])
