"""One VM's flow: its plugin manager, open for set-up, then sealed."""

from __future__ import annotations

import errno
import re
from difflib import get_close_matches
from typing import Any

import pluggy

from irqframe.errors import PluginError, VmError
from irqframe.flow import _hookspec
from irqframe.flow._markers import PREFIX, PROJECT
from irqframe.flow._table import CALLBACKS, FlowTable, arguments, resolve


def plugin_manager() -> pluggy.PluginManager:
    """A fresh manager that knows the specification and no plugin."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(_hookspec)
    return manager


def refusal(error: Exception) -> str:
    """What pluggy says of a plugin, on one line, without the address of an object, and with the name that was meant."""
    text = re.sub(r" object at 0x[0-9a-fA-F]+", "", " ".join(str(error).split()))
    unknown = re.search(r"unknown hook '(\w+)'", text)
    meant = get_close_matches(unknown[1], [PREFIX + name for name in CALLBACKS], 1) if unknown else ()
    return f"{text}; did you mean {meant[0]!r}?" if meant else text


class Flow:
    """The hooks of one VM.

    Wrappers are registered before `seal`; one that comes later is refused with EBUSY, because the core and the devices
    hold the sealed callables themselves.

    Attributes:
        table: the sealed table; before `seal`, every entry is None.
        wrapped: names of the callbacks that go through pluggy, without prefix; empty before `seal`.
        chip: the irqchip, or None.
        chip_name: its entry-point key, "" before there is one.
    """

    def __init__(self) -> None:
        self.table = FlowTable({})
        self.wrapped: frozenset[str] = frozenset()
        self.chip: object | None = None
        self.chip_name = ""
        self._manager = plugin_manager()
        self._sealed = False

    @property
    def sealed(self) -> bool:
        """Whether `seal` was done."""
        return self._sealed

    def register(self, plugin: object, name: str | None = None) -> None:
        """Register an observer or a fault injector: a plugin whose hooks are wrappers.

        Args:
            plugin: an object with `@hookimpl(wrapper=True)` methods.
            name: what errors call it; None: its class's name.

        Raises:
            VmError: EBUSY after `seal`.
            PluginError: if a hook's name or arguments are not in the specification, or the name is taken.
        """
        if self._sealed:
            raise VmError(errno.EBUSY, "the flow is sealed; register before Vm.finalize()")
        self._register(plugin, name or type(plugin).__name__)

    def register_chip(self, chip: object, name: str) -> None:
        """Register the one irqchip.

        Args:
            chip: the irqchip.
            name: its entry-point key.

        Raises:
            VmError: EEXIST if there is one, EBUSY after `seal`.
            PluginError: if a hook's name or arguments are not in the specification.
        """
        if self.chip is not None:
            raise VmError(errno.EEXIST, f"the VM already has the irqchip {self.chip_name!r}")
        self.register(chip, name)
        self.chip = chip
        self.chip_name = name

    def unregister_chip(self) -> None:
        """Undo `register_chip`, because the irqchip refused the VM."""
        self._manager.unregister(self.chip)
        self.chip = None
        self.chip_name = ""

    def call(self, name: str, *args: object) -> Any:
        """Call a callback during set-up, or after it where speed is no matter.

        Args:
            name: without prefix.
            args: in the order of the specification.

        Returns:
            What the irqchip returned, or None if it does not have the callback.
        """
        if self._sealed:
            entry = getattr(self.table, name)
            return None if entry is None else entry(*args)
        if not self.has(name):
            return None
        caller: pluggy.HookCaller = getattr(self._manager.hook, PREFIX + name)
        return caller(**dict(zip(arguments(name), args, strict=True)))

    def has(self, name: str) -> bool:
        """Whether the irqchip has the callback (name without prefix)."""
        if self._sealed:
            return getattr(self.table, name) is not None
        caller: pluggy.HookCaller = getattr(self._manager.hook, PREFIX + name)
        return any(
            impl.plugin is self.chip and not (impl.wrapper or impl.hookwrapper) for impl in caller.get_hookimpls()
        )

    def seal(self, vm: object) -> None:
        """Resolve every callback; afterwards nothing can be registered.

        Args:
            vm: handed to the irqchip's `irqchip_bind`.

        Raises:
            VmError: EBUSY if it is sealed already.
            PluginError: for what `resolve` refuses.
        """
        if self._sealed:
            raise VmError(errno.EBUSY, "the flow is sealed already")
        offers = self.call("bind", vm) or {}
        entries, self.wrapped = resolve(self.chip, self.chip_name, self._manager.hook, offers)
        self.table = FlowTable(entries)
        self._sealed = True

    def _register(self, plugin: object, name: str) -> None:
        try:
            self._manager.register(plugin, name)
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            if self._manager.get_plugin(name) is plugin:
                self._manager.unregister(plugin)
            raise PluginError(name, refusal(error)) from error
