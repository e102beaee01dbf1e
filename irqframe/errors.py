"""The one family of errors, and the findings that an input error carries.

    IrqframeError
     +-- InputError         what the user gave is wrong: one finding per fault, each with its place
     +-- PluginError        a plugin broke the contract of the hook spec
     +-- VmError            an operation on the VM was refused; `errno` is what the reference returns
          +-- NodeError     because of what a node of the device tree says; the core makes a finding of it
     +-- GuestError         the scripted guest saw what must not happen
     +-- SpecifierError     an irqchip does not serve an interrupt; the core makes a finding of it
          +-- TriggerError  because of its trigger alone

Every one of them ends a command with exit code 1. Anything else that escapes is a fault of irqframe (exit code 3).
"""

from __future__ import annotations

import errno as _errno
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Span(NamedTuple):
    """A place in a source text; lines and columns count from 1, line 0 means the file as a whole.

    The end is exclusive: a span of one character on one line has `end_column == column + 1`. What a macro put there
    has the place of the macro's call.

    Attributes:
        file: as it is named to the user.
        line: where it begins.
        column: where it begins.
        end_line: where it ends.
        end_column: where it ends.
        macro: where the macro that was called there is defined, as FILE:LINE; "" if there is none.
    """

    file: str
    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0
    macro: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of an input.

    Attributes:
        code: stable name of the rule, `E` or `W` and four digits; docs/errors.md lists them.
        message: one sentence without a full stop.
        span: where; for a DTB the file alone.
        path: the device-tree node it is about, "" where there is none.
        expected: what would have been right, "" if the message says it.
        found: what stands there, "" if the message says it.
        hint: what to do, "" if nothing is known.
        excerpt: the source line at the start of `span`, "" if there is none.
        related: other places that belong to the fault, each with a word why.
    """

    code: str
    message: str
    span: Span
    path: str = ""
    expected: str = ""
    found: str = ""
    hint: str = ""
    excerpt: str = ""
    related: tuple[tuple[Span, str], ...] = ()

    @property
    def is_error(self) -> bool:
        """Whether it ends the run: codes that begin with `W` warn only."""
        return not self.code.startswith("W")


class IrqframeError(Exception):
    """Base of every error that irqframe raises on purpose.

    Attributes:
        errno: the number that the reference implementation returns for this, or None where it has none.
    """

    def __init__(self, message: str, errno: int | None = None) -> None:
        super().__init__(message)
        self.errno = errno


class InputError(IrqframeError):
    """What the user gave is wrong.

    Attributes:
        findings: every fault found in the run, in source order, each once.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        ordered = sorted(dict.fromkeys(findings), key=lambda finding: finding.span)
        self.findings = tuple(ordered)
        super().__init__("\n".join(f"{f.span}: {f.code}: {f.message}" for f in self.findings), _errno.EINVAL)


class PluginError(IrqframeError):
    """A plugin broke the contract of the hook spec.

    Attributes:
        plugin: entry-point key of the plugin, or the name it was registered under.
    """

    def __init__(self, plugin: str, message: str) -> None:
        super().__init__(f"plugin {plugin!r}: {message}")
        self.plugin = plugin


class VmError(IrqframeError):
    """An operation on the VM, its irqchip or its devices was refused.

    `errno` is always set, positive, to the value that the reference returns negated (-EBUSY: `errno.EBUSY`).

    Attributes:
        reason: the message without the name of the errno.
    """

    errno: int

    def __init__(self, errno: int, message: str) -> None:
        super().__init__(f"{message} [{_errno.errorcode.get(errno, errno)}]", errno)
        self.reason = message


class NodeError(VmError):
    """What a node of the device tree says cannot be, in a way that no binding can tell; its errno is EINVAL.

    A chip raises it from `irqchip_configure`; the core makes a finding of it, at the cell.

    Attributes:
        node: path of the node.
        property: which of its properties says so; "" for the node as a whole.
        cell: which cell of the property is wrong, from 0.
        expected: what would have been right, "" if the message says it.
        found: what stands there, "" if the message says it.
        hint: what to do, "" if nothing is known.
    """

    def __init__(
        self,
        message: str,
        node: str,
        property: str = "",
        cell: int = 0,
        *,
        expected: str = "",
        found: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(_errno.EINVAL, message)
        self.node = node
        self.property = property
        self.cell = cell
        self.expected = expected
        self.found = found
        self.hint = hint


class GuestError(IrqframeError):
    """A guest saw what must not happen: an interrupt that was lost, doubled or came to the wrong vCPU."""


class SpecifierError(IrqframeError):
    """An interrupt specifier, or a source, is outside of what an irqchip serves.

    A chip raises it from `irqchip_translate` and `irqchip_encode`; the core makes a finding of it, at the cell.

    Attributes:
        cell: which cell of the specifier is wrong, from 0.
        expected: what the chip serves, for example "an INTID of 16..31"; "" if the message says it.
        hint: what to do, "" if nothing is known.
    """

    def __init__(self, message: str, *, cell: int = 0, expected: str = "", hint: str = "") -> None:
        super().__init__(message, _errno.EINVAL)
        self.cell = cell
        self.expected = expected
        self.hint = hint


class TriggerError(SpecifierError):
    """The line is there, and cannot have that trigger: it is level-only, or edge-only, or the value is none."""
