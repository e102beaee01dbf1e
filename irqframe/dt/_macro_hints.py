"""What to say of a macro that is not defined."""

from __future__ import annotations

import re
from collections.abc import Collection

from irqframe.dt._close import CloseNames

# Which header of Linux's include/dt-bindings has them.
_HEADERS = (
    (re.compile(r"GIC_(SPI|PPI|CPU_MASK_.*)"), "dt-bindings/interrupt-controller/arm-gic.h"),
    (re.compile(r"IRQ_TYPE_.*"), "dt-bindings/interrupt-controller/irq.h"),
    (re.compile(r"GPIO_(ACTIVE|OPEN|PULL|PUSH)_.*"), "dt-bindings/gpio/gpio.h"),
    (re.compile(r"(KEY|BTN|SW)_.*"), "dt-bindings/input/input.h"),
)


def macro_hint(name: str, known: Collection[str], names: CloseNames) -> str:
    """What may help: the macro that was meant, or the header that has it."""
    if name in known:
        return f"{name} takes arguments, and no ( follows"
    for pattern, header in _HEADERS:
        if pattern.fullmatch(name):
            return f"#include <{header}> defines it"
    close = names.of(name, known)
    if close:
        return f"did you mean {close}?"
    return "#include the header that defines it, or define it with -D"
