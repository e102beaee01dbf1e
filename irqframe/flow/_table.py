"""The sealed dispatch table: each callback resolved once to a plain callable, or None.

An entry is one of three things:
- None: the irqchip has no such callback. The core tests before it calls.
- the irqchip's own bound method, or the callable it offers through `irqchip_bind`: nothing wraps the callback.
- a function that goes through pluggy: something wraps the callback.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import pluggy

from irqframe.errors import PluginError
from irqframe.flow import _hookspec
from irqframe.flow._markers import PREFIX


def _names(stop_after: str | None = None) -> tuple[str, ...]:
    names = []
    for name in vars(_hookspec):
        if name.startswith(PREFIX):
            names.append(name.removeprefix(PREFIX))
            if name == stop_after:
                break
    return tuple(names)


REFERENCE_CALLBACKS: Final = _names("irqchip_set_irq_inatomic")
"""The twenty members of the reference structure, without prefix, in its order."""

CALLBACKS: Final = _names()
"""Every callback of the specification, without prefix."""


class FlowTable:
    """One attribute per callback, named without `irqchip_`: the callable, or None where the irqchip has none."""

    __slots__ = CALLBACKS

    def __init__(self, entries: Mapping[str, Callable[..., Any] | None]) -> None:
        for name in CALLBACKS:
            setattr(self, name, entries.get(name))

    # The slots are made from the specification, so their type is told here; at run time it would make them slow.
    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., Any] | None: ...


def specification(name: str) -> Callable[..., Any]:
    """The specification of callback `name` (without prefix): a function that has its signature and its manual."""
    function: Callable[..., Any] = getattr(_hookspec, PREFIX + name)
    return function


def arguments(name: str) -> tuple[str, ...]:
    """Argument names of callback `name` (without prefix), in the order of its specification."""
    return tuple(inspect.signature(specification(name)).parameters)


def resolve(
    chip: object, plugin_name: str, hooks: pluggy.HookRelay, offers: Mapping[str, Callable[..., Any]]
) -> tuple[dict[str, Callable[..., Any] | None], frozenset[str]]:
    """Resolve every callback of `chip` to what the sealed table holds.

    Args:
        chip: the irqchip, registered.
        plugin_name: what errors call it.
        hooks: the VM's pluggy hooks.
        offers: what the irqchip's `irqchip_bind` returned.

    Returns:
        The table's entries, and the names of those that go through pluggy.

    Raises:
        PluginError: if an implementation's arguments are not those of the specification, if two plugins implement one
            callback, or if an offer is for no callback that the irqchip has.
    """
    _check_offers(offers, plugin_name)
    entries: dict[str, Callable[..., Any] | None] = {}
    wrapped = set()
    for name in CALLBACKS:
        caller: pluggy.HookCaller = getattr(hooks, PREFIX + name)
        own, wrappers = _split(caller, chip, plugin_name)
        if own is None:
            entries[name] = None
            continue
        _check_arguments(own, name, plugin_name)
        if wrappers:
            entries[name] = _through_pluggy(caller, arguments(name))
            wrapped.add(name)
        else:
            entries[name] = offers.get(name, own)
    _check_used(offers, entries, plugin_name)
    return entries, frozenset(wrapped)


def _split(caller: pluggy.HookCaller, chip: object, plugin_name: str) -> tuple[Callable[..., Any] | None, bool]:
    own: Callable[..., Any] | None = None
    wrappers = False
    for impl in caller.get_hookimpls():
        if impl.wrapper or impl.hookwrapper:
            wrappers = True
        elif impl.plugin is chip:
            own = impl.function
        else:
            raise PluginError(
                impl.plugin_name,
                f"implements {caller.name}, which belongs to the irqchip {plugin_name!r}; "
                "declare it with @hookimpl(wrapper=True)",
            )
    return own, wrappers


def _check_arguments(function: Callable[..., Any], name: str, plugin_name: str) -> None:
    expected = arguments(name)
    parameters = inspect.signature(function).parameters
    found = tuple(parameters)
    by_position = all(parameter.kind is not parameter.KEYWORD_ONLY for parameter in parameters.values())
    if found != expected or not by_position:
        raise PluginError(
            plugin_name,
            f"{PREFIX}{name} takes ({', '.join(found)}), but sealed calls pass ({', '.join(expected)}) by position; "
            f"it is defined at {_definition(function)}",
        )


def _definition(function: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else repr(function)


def _through_pluggy(caller: pluggy.HookCaller, names: tuple[str, ...]) -> Callable[..., Any]:
    def call(*args: object) -> Any:
        return caller(**dict(zip(names, args, strict=True)))

    return call


def _check_offers(offers: object, plugin_name: str) -> None:
    if not isinstance(offers, Mapping):
        raise PluginError(plugin_name, f"irqchip_bind returned {offers!r}, expected a mapping of callables")
    for name, offer in offers.items():
        if not callable(offer):
            raise PluginError(plugin_name, f"irqchip_bind offers {offer!r} for {name!r}, which cannot be called")


def _check_used(offers: Mapping[str, Callable[..., Any]], entries: Mapping[str, object], plugin_name: str) -> None:
    for name in offers:
        if entries.get(name) is None:
            raise PluginError(plugin_name, f"irqchip_bind offers {name!r}, a callback that it does not implement")
