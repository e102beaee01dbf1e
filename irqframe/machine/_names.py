"""What reports call a machine's sources: short, and each once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from irqframe.dt import InterruptRef

_TIMER_NAMES = ("sec-phys", "phys", "virt", "hyp-phys", "hyp-virt")
_PINS = ("INTA", "INTB", "INTC", "INTD")
_DEVICE_SHIFT = 11
_DEVICE_MASK = 0x1F


def source_names(refs: Sequence[InterruptRef]) -> tuple[str, ...]:
    """A name for each interrupt, in their order; equal ones are told apart by their path, then by a number."""
    names = [_name(ref) for ref in refs]
    twice = {name for name, times in Counter(names).items() if times > 1}
    names = [_long(ref) if name in twice else name for name, ref in zip(names, refs, strict=True)]
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return tuple(unique)


def _name(ref: InterruptRef) -> str:
    return f"{ref.node.name or '/'}{_suffix(ref)}"


def _long(ref: InterruptRef) -> str:
    return f"{ref.node.path}{_suffix(ref)}"


def _suffix(ref: InterruptRef) -> str:
    if ref.unit:
        return f" {_row(ref)}"
    if ref.name:
        return f" ({ref.name})"
    if any(text.startswith(("arm,armv8-timer", "arm,armv7-timer")) for text in ref.node.compatible):
        return f" ({_TIMER_NAMES[ref.index]})" if ref.index < len(_TIMER_NAMES) else f" [{ref.index}]"
    several = len(ref.node.cells("interrupts")) + len(ref.node.cells("interrupts-extended")) > len(ref.specifier)
    return f" [{ref.index}]" if several and ref.index else ""


def _row(ref: InterruptRef) -> str:
    """A row of an interrupt map; on PCI the unit is a function's address and the specifier its pin."""
    pci = ref.node.strings("device_type") == ("pci",) and len(ref.unit) == 4
    if pci and 1 <= ref.unit[3] <= len(_PINS):
        return f"dev {ref.unit[0] >> _DEVICE_SHIFT & _DEVICE_MASK} {_PINS[ref.unit[3] - 1]}"
    return "row " + " ".join(f"{cell:#x}" for cell in ref.unit)
