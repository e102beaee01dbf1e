"""Whose fault an exception is: a plugin's, if it was raised in the plugin's code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

from irqframe.errors import IrqframeError, PluginError
from irqframe.flow._markers import PREFIX


@contextmanager
def blaming(chip: object, name: str) -> Iterator[None]:
    """Turn an exception out of the irqchip's code into a `PluginError` that says which hook and which line.

    Args:
        chip: the irqchip, an instance or its class.
        name: its entry-point key.

    Raises:
        PluginError: in place of any exception but irqframe's own, if the plugin's code was running.
    """
    try:
        yield
    except IrqframeError:
        raise
    except Exception as error:
        homes = _homes(chip)
        frames = [frame for frame in _frames(error.__traceback__) if _top(frame[0].f_globals.get("__name__")) in homes]
        if not frames:
            raise
        hooks = [frame.f_code.co_name for frame, _ in frames if frame.f_code.co_name.startswith(PREFIX)]
        what = hooks[-1] if hooks else frames[-1][0].f_code.co_name
        last, line = frames[-1]
        where = f"{last.f_code.co_filename}:{line}"
        raise PluginError(name, f"{what} raised {type(error).__name__}: {error} at {where}") from error


def _frames(traceback: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def _homes(chip: object) -> frozenset[str]:
    """The packages that the irqchip's code is in: its own, and those of the classes that it extends."""
    kind = chip if isinstance(chip, type) else type(chip)
    return frozenset(_top(base.__module__) for base in kind.__mro__) - {_top(__name__), "builtins"}


def _top(module: object) -> str:
    return str(module).partition(".")[0]
