"""Sealing: what the dispatch table holds."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from irqframe import Injected, Irqchip, PluginError, VmError, hookimpl
from irqframe.flow import CALLBACKS, Flow


class Chip(Irqchip):
    @hookimpl
    def irqchip_vcpu_init(self, vcpu: Any) -> Any:
        return f"init {vcpu}"

    @hookimpl
    def irqchip_inject_irq(self, vm: Any, cpu: int, intid: int, level: int, owner: Any) -> Any:
        return (cpu, intid, level, owner)


class Watch:
    """Sees injections, and adds what it is told to the result."""

    def __init__(self, add: Any = ()) -> None:
        self.seen = []
        self.add = add

    @hookimpl(wrapper=True)
    def irqchip_inject_irq(self, cpu: int, intid: int, level: int) -> Iterator[Any]:
        self.seen.append((cpu, intid, level))
        return (yield) + self.add


@pytest.fixture
def flow() -> Any:
    return Flow()


def sealed(flow: Flow, chip: Any, *wrappers: Any) -> Any:
    flow.register_chip(chip, "chip")
    for number, wrapper in enumerate(wrappers):
        flow.register(wrapper, f"wrapper {number}")
    flow.seal("vm")
    return flow.table


# Entries


def test_before_sealing_the_table_is_empty(flow: Flow) -> None:
    flow.register_chip(Chip(), "chip")
    assert not flow.sealed
    assert all(getattr(flow.table, name) is None for name in CALLBACKS)


def test_unwrapped_entry_is_the_chips_own_method(flow: Flow) -> None:
    chip = Chip()
    table = sealed(flow, chip)
    assert flow.sealed
    assert flow.wrapped == frozenset()
    for name in ("vcpu_init", "inject_irq"):
        entry = getattr(table, name)
        assert entry.__self__ is chip
        assert entry.__func__ is getattr(type(chip), f"irqchip_{name}")


def test_missing_callbacks_are_none(flow: Flow) -> None:
    table = sealed(flow, Chip())
    held = {name for name in CALLBACKS if getattr(table, name) is not None}
    assert held == {"vcpu_init", "inject_irq"}


def test_inherited_method_is_the_chips_own(flow: Flow) -> None:
    class Derived(Chip):
        pass

    chip = Derived()
    entry = sealed(flow, chip).inject_irq
    assert entry.__self__ is chip
    assert entry.__func__ is Chip.irqchip_inject_irq


def test_no_irqchip_no_entries(flow: Flow) -> None:
    flow.seal("vm")
    assert all(getattr(flow.table, name) is None for name in CALLBACKS)


# Calls


def test_calls_before_and_after_sealing_are_the_same(flow: Flow) -> None:
    flow.register_chip(Chip(), "chip")
    for _ in range(2):
        assert flow.call("vcpu_init", 3) == "init 3"
        assert flow.call("vcpu_load", 3) is None
        assert flow.has("inject_irq")
        assert not flow.has("vcpu_load")
        if not flow.sealed:
            flow.seal("vm")


@pytest.mark.parametrize("seal", [False, True])
def test_wrapping_a_missing_callback_leaves_it_missing(flow: Flow, seal: bool) -> None:
    calls = []

    class Loads:
        @hookimpl(wrapper=True)
        def irqchip_vcpu_load(self, vcpu: Any) -> Iterator[Any]:
            calls.append(vcpu)
            return (yield)

    flow.register_chip(Chip(), "chip")
    flow.register(Loads())
    if seal:
        flow.seal("vm")
    assert not flow.has("vcpu_load")
    assert flow.call("vcpu_load", 3) is None
    assert calls == []
    assert flow.table.vcpu_load is None


# Offers


class Offering(Chip):
    def __init__(self, offers: Any) -> None:
        super().__init__()
        self.offers = offers

    @hookimpl
    def irqchip_bind(self, vm: Any) -> Any:
        return self.offers


def fast(vm: Any, cpu: int, intid: int, level: int, owner: Any) -> Any:
    return Injected.LATCHED


def test_offer_is_taken_for_an_unwrapped_callback(flow: Flow) -> None:
    chip = Offering({"inject_irq": fast})
    table = sealed(flow, chip)
    assert table.inject_irq is fast
    assert table.vcpu_init.__self__ is chip


def test_offer_is_not_taken_for_a_wrapped_callback(flow: Flow) -> None:
    watch = Watch(add=("seen",))
    table = sealed(flow, Offering({"inject_irq": fast}), watch)
    assert table.inject_irq("vm", 0, 27, 1, None) == (0, 27, 1, None, "seen")
    assert watch.seen == [(0, 27, 1)]


def test_offer_for_a_callback_that_is_not_there(flow: Flow) -> None:
    with pytest.raises(PluginError, match="vcpu_load"):
        sealed(flow, Offering({"vcpu_load": fast}))


@pytest.mark.parametrize("offers", [[("inject_irq", fast)], "inject_irq", {"inject_irq": 7}])
def test_offers_of_the_wrong_shape(flow: Flow, offers: Any) -> None:
    with pytest.raises(PluginError, match=r"plugin 'chip': irqchip_bind"):
        sealed(flow, Offering(offers))
    assert not flow.sealed


@pytest.mark.parametrize("offers", [None, {}])
def test_no_offers(flow: Flow, offers: Any) -> None:
    chip = Offering(offers)
    assert sealed(flow, chip).inject_irq.__self__ is chip


# Wrappers


def test_wrapped_entry_goes_through_pluggy(flow: Flow) -> None:
    watch = Watch(add=("changed",))
    table = sealed(flow, Chip(), watch)
    assert table.inject_irq("vm", 1, 40, 1, "timer") == (1, 40, 1, "timer", "changed")
    assert watch.seen == [(1, 40, 1)]
    assert flow.wrapped == {"inject_irq"}
    assert not hasattr(table.inject_irq, "__self__")
    assert table.vcpu_init.__func__ is Chip.irqchip_vcpu_init


def test_wrappers_nest(flow: Flow) -> None:
    table = sealed(flow, Chip(), Watch(add=("inner",)), Watch(add=("outer",)))
    assert table.inject_irq("vm", 1, 40, 1, None)[-2:] == ("inner", "outer")


def test_wrapper_sees_what_the_chip_raises(flow: Flow) -> None:
    class Refusing(Irqchip):
        @hookimpl
        def irqchip_inject_irq(self, vm: Any, cpu: int, intid: int, level: int, owner: Any) -> None:
            raise VmError(errno.EINVAL, "no such INTID")

    table = sealed(flow, Refusing(), Watch())
    with pytest.raises(VmError, match="no such INTID"):
        table.inject_irq("vm", 0, 0, 1, None)


def test_wrapped_entry_takes_no_more_and_no_fewer_arguments(flow: Flow) -> None:
    table = sealed(flow, Chip(), Watch())
    with pytest.raises(ValueError, match="zip"):
        table.inject_irq("vm", 0, 0, 1)


# What is refused


class WrongOrder(Irqchip):
    @hookimpl
    def irqchip_inject_irq(self, vm: Any, intid: int, cpu: int, level: int, owner: Any) -> None: ...


class TooFew(Irqchip):
    @hookimpl
    def irqchip_inject_irq(self, vm: Any, cpu: int, intid: int) -> None: ...


class KeywordOnly(Irqchip):
    @hookimpl
    def irqchip_inject_irq(self, vm: Any, cpu: int, intid: int, *, level: int, owner: Any) -> None: ...


@pytest.mark.parametrize("kind", [WrongOrder, TooFew, KeywordOnly])
def test_arguments_that_are_not_the_specifications(flow: Flow, kind: Any) -> None:
    with pytest.raises(PluginError) as caught:
        sealed(flow, kind())
    line = kind.irqchip_inject_irq.__code__.co_firstlineno
    text = str(caught.value)
    assert f"{__file__}:{line}" in text
    assert "(vm, cpu, intid, level, owner)" in text
    assert caught.value.plugin == "chip"
    assert not flow.sealed


def test_unknown_argument(flow: Flow) -> None:
    class Unknown(Irqchip):
        @hookimpl
        def irqchip_inject_irq(self, vm: Any, cpu: int, intid: int, level: int, owner: Any, colour: Any) -> None: ...

    with pytest.raises(PluginError, match="colour"):
        flow.register_chip(Unknown(), "chip")
    assert flow.chip is None


def test_misspelt_hook(flow: Flow) -> None:
    class Misspelt(Irqchip):
        @hookimpl
        def irqchip_inject_irk(self, vm: Any) -> None: ...

    with pytest.raises(PluginError, match="irqchip_inject_irk"):
        flow.register_chip(Misspelt(), "chip")
    assert flow.chip is None
    flow.register_chip(Chip(), "chip")  # and the name is free


def test_second_implementation_that_does_not_wrap(flow: Flow) -> None:
    class Second:
        @hookimpl
        def irqchip_inject_irq(self, vm: Any, cpu: int, intid: int, level: int, owner: Any) -> None: ...

    with pytest.raises(PluginError, match="wrapper=True") as caught:
        sealed(flow, Chip(), Second())
    assert caught.value.plugin == "wrapper 0"


def test_second_irqchip(flow: Flow) -> None:
    flow.register_chip(Chip(), "chip")
    with pytest.raises(VmError) as caught:
        flow.register_chip(Chip(), "other")
    assert caught.value.errno == errno.EEXIST


def test_name_that_is_taken(flow: Flow) -> None:
    flow.register_chip(Chip(), "chip")
    with pytest.raises(PluginError, match="chip"):
        flow.register(Watch(), "chip")
    assert flow.has("inject_irq")


@pytest.mark.parametrize(
    "register", [lambda flow: flow.register(Watch()), lambda flow: flow.register_chip(Chip(), "x")]
)
def test_registration_after_sealing(flow: Flow, register: Callable[[Flow], None]) -> None:
    flow.seal("vm")
    with pytest.raises(VmError) as caught:
        register(flow)
    assert caught.value.errno == errno.EBUSY


def test_sealing_twice(flow: Flow) -> None:
    flow.seal("vm")
    with pytest.raises(VmError) as caught:
        flow.seal("vm")
    assert caught.value.errno == errno.EBUSY


# Through a VM


def test_finalize_seals_and_refuses_later_wrappers() -> None:
    from irqframe.vm import Vm

    chip, vm = Chip(), Vm()
    vm.create_irqchip(chip, "chip")
    vm.flow.register(Watch(), "early")
    vm.create_vcpu()
    vm.finalize()
    with pytest.raises(VmError) as caught:
        vm.flow.register(Watch(), "late")
    assert caught.value.errno == errno.EBUSY
    assert vm.flow.table.vcpu_init.__self__ is chip
    assert vm.flow.wrapped == {"inject_irq"}
