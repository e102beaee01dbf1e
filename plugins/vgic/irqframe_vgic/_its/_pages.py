"""Where the scripted guest has memory for the tables of a GIC: a kernel's page allocator, as simple as can be."""

from __future__ import annotations

from typing import Final

from irqframe.errors import GuestError
from irqframe.vm import GuestMemory

_ADDRESS_BITS: Final = 48
"""What a table's address in GITS_BASER<n> can have."""


class Pages:
    """Hands out guest memory, from the end of each region down, the first region first. Nothing is taken back.

    Args:
        memory: of the VM. What is handed out is 0 if the guest has written nowhere else.
    """

    def __init__(self, memory: GuestMemory) -> None:
        limit = 1 << _ADDRESS_BITS
        self._free = [[base, min(base + size, limit)] for base, size in memory.regions if base < limit]

    def take(self, size: int, alignment: int) -> int:
        """The address of `size` bytes.

        Args:
            size: how many bytes.
            alignment: a power of two that divides the address.

        Raises:
            GuestError: if there are none left.
        """
        for region in self._free:
            start = (region[1] - size) & -alignment
            if start >= region[0]:
                region[1] = start
                return start
        if not self._free:
            raise GuestError("LPIs need tables in guest memory, and the machine has none")
        raise GuestError(f"no {size:#x} bytes of guest memory are left for the tables of LPIs")
