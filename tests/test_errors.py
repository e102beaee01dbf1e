"""The family of errors."""

from __future__ import annotations

import errno
import inspect

import pytest

from irqframe import errors
from irqframe.errors import (
    Finding,
    GuestError,
    InputError,
    IrqframeError,
    NodeError,
    PluginError,
    Span,
    SpecifierError,
    TriggerError,
    VmError,
)

FAMILY = {InputError, PluginError, VmError, NodeError, GuestError, SpecifierError, TriggerError}


def test_one_family() -> None:
    classes = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__}
    raised = {kind for kind in classes if issubclass(kind, BaseException)}
    assert raised == FAMILY | {IrqframeError}
    assert all(issubclass(kind, IrqframeError) for kind in raised)


def test_every_error_class_is_public() -> None:
    import irqframe

    assert {kind.__name__ for kind in FAMILY | {IrqframeError}} <= set(irqframe.__all__)
    assert all(getattr(irqframe, name) is not None for name in irqframe.__all__)


def test_vm_error_names_its_errno() -> None:
    error = VmError(errno.EBUSY, "the flow is sealed")
    assert error.errno == errno.EBUSY
    assert (str(error), error.reason) == ("the flow is sealed [EBUSY]", "the flow is sealed")


def test_vm_error_with_an_unknown_errno() -> None:
    assert str(VmError(9999, "odd")) == "odd [9999]"


def test_plugin_error_names_the_plugin() -> None:
    error = PluginError("rvic", "breaks")
    assert (error.plugin, error.errno) == ("rvic", None)
    assert str(error) == "plugin 'rvic': breaks"


def test_node_error_names_the_cell() -> None:
    error = NodeError("too small", "/intc", "reg", 3, expected="more", found="less", hint="grow")
    assert isinstance(error, VmError) and error.errno == errno.EINVAL
    assert (error.reason, error.node, error.property, error.cell) == ("too small", "/intc", "reg", 3)
    assert (error.expected, error.found, error.hint) == ("more", "less", "grow")


def test_specifier_error_names_the_cell() -> None:
    error = SpecifierError("INTID 9 is outside", cell=1, expected="16..31")
    assert (error.cell, error.expected, error.errno) == (1, "16..31", errno.EINVAL)


def finding(line: int, code: str = "E0101", file: str = "a.dts") -> Finding:
    return Finding(code, f"fault of line {line}", Span(file, line, 3))


def test_findings_come_in_source_order_each_once() -> None:
    error = InputError([finding(9), finding(2), finding(9), finding(4, file="A.dts")])
    assert [(one.span.file, one.span.line) for one in error.findings] == [("A.dts", 4), ("a.dts", 2), ("a.dts", 9)]
    assert str(error).splitlines()[1] == "a.dts:2:3: E0101: fault of line 2"
    assert error.errno == errno.EINVAL


def test_two_faults_at_one_place_stay_two() -> None:
    assert len(InputError([finding(2, "E0101"), finding(2, "E0102")]).findings) == 2


def test_span_of_a_whole_file() -> None:
    assert str(Span("a.dtb")) == "a.dtb"
    assert str(Span("a.dts", 41, 16)) == "a.dts:41:16"


@pytest.mark.parametrize(("code", "is_error"), [("E0101", True), ("W0101", False)])
def test_warnings_do_not_end_a_run(code: str, is_error: bool) -> None:
    assert finding(1, code).is_error is is_error


def test_plain_data_is_frozen() -> None:
    with pytest.raises(AttributeError):
        finding(1).code = "E9999"
