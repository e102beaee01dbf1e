"""The driver with the defects of the reference's: each class is one quirk, `driver_class` puts the wanted together."""

from __future__ import annotations

from typing import Final

from irqframe.errors import GuestError
from irqframe.flow import Source
from irqframe.guest import ScriptedCpu
from irqframe_rvic._abi import FID
from irqframe_rvic._driver import RvicDriver
from irqframe_rvic._driver_rvic import MIN_VERSION, SIGNAL, Route


class FreesWrongBit(RvicDriver):
    """D1: the bit of the INTID is cleared, not that of its place among the untrusted."""

    def _free_intid(self, hwirq: int) -> None:
        if hwirq < len(self._intid_used):  # beyond, the reference writes outside of its bitmap
            self._intid_used[hwirq] = 0


class InvertsRetrigger(RvicDriver):
    """D2: success is told as failure."""

    def retrigger(self, cpu: ScriptedCpu, hwirq: int) -> bool:
        """Make it pending; the contrary of whether that worked."""
        return not super().retrigger(cpu, hwirq)


class TakesUntrusted(RvicDriver):
    """D3: an untrusted INTID that is named directly is used, and may be given to an input as well."""

    def _request_untrusted(self, cpu: ScriptedCpu, source: Source) -> int:
        self._level[source.number] = source.trigger.is_level
        self._call(cpu, "RVIC_CLEAR_MASKED", cpu.mpidr, source.number)
        return source.number


class AbandonsMoves(RvicDriver):
    """D4: nothing is put back when a move fails."""

    def _move_back(self, cpu: ScriptedCpu, route: Route, old: int, target: int) -> None:
        pass


class IgnoresSignal(RvicDriver):
    """D5: what is pending is cleared first, then signalled to a CPU that may be off."""

    def _check_target(self, target: int) -> None:
        pass

    def _transfer(self, cpu: ScriptedCpu, hwirq: int, old: int, target: int) -> None:
        cpu.hvc(FID["RVIC_CLEAR_PENDING"], self._mpidrs[old], hwirq)
        cpu.hvc(SIGNAL, self._mpidrs[target], hwirq)


class LeaksMsis(RvicDriver):
    """D6: what was allocated before an error stays so."""

    def _msi_failed(self, cpu: ScriptedCpu, made: list[Route], block: range) -> None:
        self._msi_used.difference_update(block)


class ActivatesHere(RvicDriver):
    """D7: the CPU that activates takes the interrupt, with whatever is pending there."""

    def _connect(self, cpu: ScriptedCpu, route: Route) -> None:
        route.target = cpu.index
        self._map_and_unmask(cpu, route)


class MisalignsBlocks(RvicDriver):
    """D8: blocks are aligned within the range, wherever that begins."""

    def _find_block(self, size: int) -> int:
        return self._first_free(self._msi_inputs.start, size)


class TrustsMsiRange(RvicDriver):
    """D9: the MSI range is taken as it is."""

    def _check_msi_inputs(self) -> None:
        pass


class KeepsMasks(RvicDriver):
    """D10: the logical masks of a CPU that comes back are the old ones."""

    def _refill_masks(self, cpu_index: int) -> None:
        pass


class TakesAnyVersion(RvicDriver):
    """D11: any later version, and any number of probes."""

    def _check_first_probe(self) -> None:
        pass

    def _check_version(self, what: str, version: int) -> None:
        if version < MIN_VERSION:
            raise GuestError(f"{what} has a version below 0.3")


_DEFECTS: Final[dict[str, type[RvicDriver]]] = {
    "D1": FreesWrongBit,
    "D2": InvertsRetrigger,
    "D3": TakesUntrusted,
    "D4": AbandonsMoves,
    "D5": IgnoresSignal,
    "D6": LeaksMsis,
    "D7": ActivatesHere,
    "D8": MisalignsBlocks,
    "D9": TrustsMsiRange,
    "D10": KeepsMasks,
    "D11": TakesAnyVersion,
}


def driver_class(quirks: frozenset[str]) -> type[RvicDriver]:
    """The driver that has exactly the defects named; names of other quirks are ignored."""
    bases = tuple(cls for name, cls in _DEFECTS.items() if name in quirks)
    return type("RvicDriver", (*bases, RvicDriver), {}) if bases else RvicDriver
