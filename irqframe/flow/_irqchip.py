"""The base class of an irqchip plugin."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from typing import ClassVar, Final

from irqframe.errors import VmError

ALL_QUIRKS: Final = "as-is"
"""The quirk name that switches on every quirk a chip has: the reference implementation as it is."""


class Irqchip:
    """An irqchip: one instance per VM, made without side effects, then handed to `Vm.create_irqchip`.

    A subclass says what it serves in class attributes and implements hooks of `irqframe.flow` as methods with
    `@hookimpl`; each hook it leaves out means what the hook's documentation says.

    Args:
        quirks: names out of the class's `quirks`, or "as-is" for all of them.
        options: values for names out of the class's `options`.

    Raises:
        VmError: EINVAL, for a quirk, an option or an option's value that the chip does not have.

    Attributes:
        compatible: device-tree `compatible` strings of the nodes that are this irqchip.
        bindings: file names of its binding documents, in the folder `bindings` of the chip's package.
        quirks: departures of a reference implementation from what is right, off unless named: name -> one line.
        options: choices that the model leaves open: name -> the values allowed, the default first.
        vcpu_limit: how many vCPUs the irqchip can serve.
        enabled_quirks: the quirks that are on in this instance.
        chosen: the value of every option in this instance.
    """

    compatible: ClassVar[tuple[str, ...]] = ()
    bindings: ClassVar[tuple[str, ...]] = ()
    quirks: ClassVar[Mapping[str, str]] = {}
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    vcpu_limit: ClassVar[int] = 512

    def __init__(self, quirks: Iterable[str] = (), options: Mapping[str, str] | None = None) -> None:
        self.enabled_quirks: frozenset[str] = self._known_quirks(frozenset(quirks))
        self.chosen: Mapping[str, str] = self._known_options(options or {})

    def quirk(self, name: str) -> bool:
        """Whether the quirk is on; ask once, ahead of time, not per interrupt."""
        return name in self.enabled_quirks

    def _known_quirks(self, names: frozenset[str]) -> frozenset[str]:
        unknown = sorted(names - self.quirks.keys() - {ALL_QUIRKS})
        if unknown:
            raise VmError(errno.EINVAL, self._lacks("quirk", unknown[0], self.quirks))
        return frozenset(self.quirks) if ALL_QUIRKS in names else names

    def _known_options(self, given: Mapping[str, str]) -> Mapping[str, str]:
        for name, value in given.items():
            allowed = self.options.get(name)
            if allowed is None:
                raise VmError(errno.EINVAL, self._lacks("option", name, self.options))
            if value not in allowed:
                values = ", ".join(allowed)
                raise VmError(errno.EINVAL, f"option {name!r} is one of {values}, not {value!r}")
        return {name: given.get(name, allowed[0]) for name, allowed in self.options.items()}

    def _lacks(self, what: str, name: str, known: Iterable[str]) -> str:
        """Says that there is no quirk or option of that name, and which one may be meant."""
        from difflib import get_close_matches

        names = {one.casefold(): one for one in known}
        meant = get_close_matches(name.casefold(), names, n=1)
        hint = f"did you mean {names[meant[0]]!r}?" if meant else f"it has {', '.join(names.values()) or 'none'}"
        return f"{type(self).__name__} has no {what} {name!r}; {hint}"
