"""The flow tracer: a plugin that wraps callbacks of irqchip_flow and records every call of them.

What is wrapped goes through pluggy; what is not keeps its direct path. So tracing costs nothing where it is off.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterable
from typing import Any

from irqframe.flow import (
    CALLBACKS,
    PREFIX,
    REFERENCE_CALLBACKS,
    Injected,
    RoutingEntry,
    arguments,
    hookimpl,
    specification,
)
from irqframe.observe._event import Recorder
from irqframe.vm import VCpu, Vm


class FlowTracer:
    """Records each call of a callback, after it returned, with its outcome where it has one.

    Args:
        vm: whose clock stamps the events.
        record: where they go.
        callbacks: names without prefix; the twenty of the reference structure unless told.

    Raises:
        ValueError: for a name that is no callback.
    """

    def __init__(self, vm: Vm, record: Recorder, callbacks: Iterable[str] = REFERENCE_CALLBACKS) -> None:
        for name in callbacks:
            if name not in CALLBACKS:
                raise ValueError(f"irqchip_flow has no callback {name!r}")
            setattr(self, PREFIX + name, _wrapper(vm, record, name))


def _wrapper(vm: Vm, record: Recorder, name: str) -> Callable[..., Any]:
    names = arguments(name)

    # pluggy reads the arguments' names off the function that is wrapped: here, the specification.
    @functools.wraps(specification(name))
    def wrap(*args: Any) -> Generator[None, Any, Any]:
        result = yield
        vcpu, intid, source = _about(dict(zip(names, args, strict=True)))
        if isinstance(result, Injected):
            source = f"{source} {result.name}".strip()
        record(vm.clock.now(), vcpu, name, intid, source)
        return result

    return hookimpl(wrapper=True)(wrap)


def _about(arguments: dict[str, Any]) -> tuple[int, int, str]:
    vcpu = arguments.get("vcpu")
    index = vcpu.index if isinstance(vcpu, VCpu) else arguments.get("cpu", -1)
    intid = arguments.get("intid", -1)
    source = ""
    entry = arguments.get("entry")
    if isinstance(entry, RoutingEntry):
        intid = entry.pin if entry.gsi >= 0 else entry.data
        source = f"gsi {entry.gsi}" if entry.gsi >= 0 else "message"
    if "level" in arguments:
        source = f"{source} level {int(arguments['level'])}".strip()
    return index, intid, source
