"""The interrupt of a device: a wired source of the tree, raised and lowered through the VM.

1. A wire is high while any of the devices on it asserts it; level lines may be shared.
2. A raise is counted when the device's own level rises. One on a wire that is high already comes to NOTHING.
"""

from __future__ import annotations

from irqframe.flow import Injected
from irqframe.vm import Vm


class Wire:
    """A shared line of the machine.

    Args:
        vm: whose.
        gsi: its number.
    """

    __slots__ = ("_asserting", "_gsi", "_set_irq")

    def __init__(self, vm: Vm, gsi: int) -> None:
        self._set_irq = vm.set_irq
        self._gsi = gsi
        self._asserting = 0

    def change(self, level: int) -> Injected:
        """One device more asserts it, or one less; what became of its rise."""
        self._asserting += 1 if level else -1
        if self._asserting == level:
            return self._set_irq(self._gsi, level)
        return Injected.NOTHING


class Line:
    """The end of a wire at a device.

    Args:
        name: of the source, as reports call it.
        wire: the wire; None: it is connected to nothing.

    Attributes:
        name: as given.
        level: as the device holds it.
        raised: how often the device raised it.
        outcomes: what became of these.
    """

    __slots__ = ("_wire", "level", "name", "outcomes", "raised")

    def __init__(self, name: str, wire: Wire | None) -> None:
        self.name = name
        self._wire = wire
        self.level = 0
        self.raised = 0
        self.outcomes: dict[Injected, int] = {}

    def __call__(self, level: int) -> None:
        """Hold the line at 1 or 0; telling the same again has no effect."""
        if level == self.level:
            return
        self.level = level
        outcome = self._wire.change(level) if self._wire is not None else Injected.NOTHING
        if level:
            self.raised += 1
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def pulse(self) -> None:
        """Raise the line and lower it; one that was high is low then."""
        self(1)
        self(0)
