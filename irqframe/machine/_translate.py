"""From specifiers to sources: the irqchip says what each interrupt is."""

from __future__ import annotations

from collections.abc import Iterable

from irqframe.dt import InterruptRef
from irqframe.errors import Finding, PluginError, SpecifierError, TriggerError
from irqframe.flow import Flow, Source, SourceKind, Trigger, blaming


def default_translate(cells: tuple[int, ...]) -> Source:
    """What a specifier means to an irqchip that does not say: number, then trigger (edge if there is none)."""
    if not cells:
        raise SpecifierError("a specifier without cells names no line", expected="a number, and perhaps a trigger")
    trigger = Trigger.EDGE_RISING
    if len(cells) > 1:
        try:
            trigger = Trigger(cells[1])
        except ValueError:
            expected = ", ".join(f"{t.value} {t.name.lower()}" for t in Trigger)
            raise TriggerError(f"{cells[1]:#x} is no trigger", cell=1, expected=expected) from None
    return Source(SourceKind.SPI, cells[0], trigger)


def translate(
    flow: Flow, refs: Iterable[InterruptRef]
) -> tuple[list[Source | None], list[tuple[InterruptRef, Finding]]]:
    """Ask the irqchip what each interrupt is.

    Args:
        flow: with the irqchip registered.
        refs: the interrupts.

    Returns:
        The sources, None for one that the irqchip refuses; and each of these with a finding, at the cell (E0603, or
        E0610 if it is the trigger).

    Raises:
        PluginError: if the irqchip raises anything but `SpecifierError`, or returns no source.
    """
    sources: list[Source | None] = []
    findings = []
    for ref in refs:
        try:
            with blaming(flow.chip, flow.chip_name):
                answer = flow.call("translate", ref.controller, ref.specifier) if flow.has("translate") else None
            if answer is not None and not _is_source(answer):
                raise PluginError(flow.chip_name, f"irqchip_translate returned {answer!r}, which is no Source")
            sources.append(answer if answer is not None else default_translate(ref.specifier))
        except SpecifierError as error:
            sources.append(None)
            findings.append((ref, _refused(ref, error)))
    return sources, findings


def _is_source(answer: object) -> bool:
    if not isinstance(answer, Source):
        return False
    kind, number, trigger = answer
    return isinstance(kind, SourceKind) and isinstance(number, int) and isinstance(trigger, Trigger)


def _refused(ref: InterruptRef, error: SpecifierError) -> Finding:
    cells = ref.specifier
    at = error.cell if error.cell < len(cells) else 0
    return Finding(
        "E0610" if isinstance(error, TriggerError) else "E0603",
        str(error),
        ref.spans[at] if at < len(ref.spans) else ref.span,
        ref.node.path,
        expected=error.expected,
        found=f"{cells[at]} in <{' '.join(f'{cell:#x}' for cell in cells)}>" if cells else "",
        hint=error.hint,
        related=((ref.controller.span, "the controller"),),
    )
