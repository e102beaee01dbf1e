"""The hook spec is the manual: every callback says what it is for, when it is called, and what a missing one means."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from irqframe.flow import CALLBACKS, REFERENCE_CALLBACKS, FlowTable, _hookspec

#: struct kvm_irqchip_flow, in its order; 18 to 20 have no wrapper function in the reference.
REFERENCE = (
    "destroy",
    "vcpu_init",
    "vcpu_blocking",
    "vcpu_unblocking",
    "vcpu_load",
    "vcpu_put",
    "vcpu_pending_irq",
    "vcpu_first_run",
    "vcpu_flush_hwstate",
    "vcpu_sync_hwstate",
    "inject_irq",
    "inject_userspace_irq",
    "map_is_active",
    "reset_mapped_irq",
    "map_phys_irq",
    "unmap_phys_irq",
    "set_owner",
    "irqfd_set_irq",
    "set_msi",
    "set_irq_inatomic",
)

#: Arguments of the reference, under our names: `struct kvm *` is vm, `struct kvm_vcpu *` is vcpu.
REFERENCE_ARGUMENTS = {
    "inject_irq": ("vm", "cpu", "intid", "level", "owner"),
    "inject_userspace_irq": ("vm", "irq_type", "cpu", "intid", "level"),
    "map_is_active": ("vcpu", "intid"),
    "reset_mapped_irq": ("vcpu", "intid"),
    "map_phys_irq": ("vcpu", "host_irq", "intid", "get_level"),
    "unmap_phys_irq": ("vcpu", "intid"),
    "set_owner": ("vcpu", "intid", "owner"),
    "irqfd_set_irq": ("entry", "vm", "irq_source_id", "level", "line_status"),
    "set_msi": ("entry", "vm", "irq_source_id", "level", "line_status"),
    "set_irq_inatomic": ("entry", "vm", "irq_source_id", "level", "line_status"),
    "destroy": ("vm",),
}

#: What the reference lacks and a framework needs.
FRAMEWORK = {"describe", "translate", "encode", "reset", "save_state", "restore_state", "trap_claims", "bind"}


def specification(name: str) -> Any:
    return getattr(_hookspec, f"irqchip_{name}")


def sections(name: str) -> dict[str, str]:
    """The docstring's sections by title; "" is what stands before the first."""
    found = {"": ""}
    title = ""
    for line in inspect.getdoc(specification(name)).splitlines():
        start = re.match(r"(Called|Args|Returns|Raises|Missing):(.*)", line)
        if start:
            title = start[1]
            found[title] = start[2].strip()
        else:
            found[title] += "\n" + line
    return {title: text.strip() for title, text in found.items()}


def test_the_twenty_in_their_order() -> None:
    assert REFERENCE_CALLBACKS == REFERENCE
    assert CALLBACKS[:20] == REFERENCE


@pytest.mark.parametrize("name", REFERENCE)
def test_arguments_of_the_twenty(name: str) -> None:
    expected = REFERENCE_ARGUMENTS.get(name, ("vcpu",))
    assert tuple(inspect.signature(specification(name)).parameters) == expected


def test_what_the_reference_lacks_is_there() -> None:
    assert set(CALLBACKS) >= FRAMEWORK


def test_table_has_a_slot_per_callback() -> None:
    assert FlowTable.__slots__ == CALLBACKS
    misspelt = "vcpu_initt"
    with pytest.raises(AttributeError, match=misspelt):
        getattr(FlowTable({}), misspelt)


@pytest.mark.parametrize("name", CALLBACKS)
def test_every_callback_is_documented(name: str) -> None:
    text = sections(name)
    purpose = text[""].splitlines()[0]
    assert len(purpose) > 20, "the purpose stands in the first line"
    assert purpose.endswith((".", ":")) or len(text[""].splitlines()) > 1
    assert text.get("Called"), "when the core calls it"
    assert text.get("Missing"), "what a missing one means"


@pytest.mark.parametrize("name", CALLBACKS)
def test_every_argument_is_documented(name: str) -> None:
    expected = list(inspect.signature(specification(name)).parameters)
    documented = re.findall(r"^\s*(\w+): \S", sections(name).get("Args", ""), re.MULTILINE)
    assert documented == expected


@pytest.mark.parametrize("name", CALLBACKS)
def test_what_is_returned_is_documented(name: str) -> None:
    returns = inspect.signature(specification(name)).return_annotation
    assert ("Returns" in sections(name)) == (returns != "None")


@pytest.mark.parametrize("name", CALLBACKS)
def test_every_argument_is_typed(name: str) -> None:
    signature = inspect.signature(specification(name))
    assert all(parameter.annotation is not inspect.Parameter.empty for parameter in signature.parameters.values())
    assert signature.return_annotation is not inspect.Signature.empty


@pytest.mark.parametrize("name", CALLBACKS)
def test_every_callback_has_one_answer(name: str) -> None:
    """The irqchip alone answers: pluggy stops at the first result."""
    assert specification(name).irqframe_spec["firstresult"]


@pytest.mark.parametrize("name", REFERENCE)
def test_callbacks_of_the_twenty_say_on_which_thread(name: str) -> None:
    if name in ("destroy", "vcpu_init"):  # set-up, with vm.lock held
        return
    assert re.search(r"\*(owner|any thread)\*", sections(name)["Called"])
