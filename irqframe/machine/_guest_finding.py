"""Why the scripted guest does not come up, at the place in the tree that it is likely to come from.

1. With less RAM than any kernel starts in, it is the memory's, or for want of one the message controller's, which is
   what wants tables there.
2. Else nothing is known but that the irqchip's driver said so: it is the controller's.
"""

from __future__ import annotations

from irqframe.dt import Node, is_enabled
from irqframe.errors import Finding, GuestError
from irqframe.machine._model import Machine
from irqframe.machine._node_rules import memories

_LITTLE = 16 << 20


def guest_finding(machine: Machine, reason: GuestError | str) -> Finding:
    """A finding (E0632) for a guest that does not get as far as its first interrupt.

    Args:
        machine: what it was to run on.
        reason: what its driver says.
    """
    size = sum(region.size for region in machine.memory)
    little = size < _LITTLE
    node = _place(machine, little)
    reg = node.properties.get("reg") if node in memories(machine.tree) else None
    return Finding(
        "E0632",
        f"the scripted guest does not come up: {reason}",
        node.span if reg is None else reg.span,
        node.path,
        found=f"{size:#x} bytes of memory" if little and size else "no memory" if little else "",
        hint="`irqframe dts --memory 128M` writes the tree with so much" if little else "",
    )


def _place(machine: Machine, little: bool) -> Node:
    controllers = [node for node in machine.controllers if is_enabled(node)]
    if little:
        messages = [node for node in controllers if node.has("msi-controller")]
        controllers = [*filter(is_enabled, memories(machine.tree)), *messages, *controllers]
    return controllers[0] if controllers else machine.tree.root
