"""What one input may cost: processor time, by an interval timer; memory, by a limit on the address space.

The timer's signal arrives between two steps of Python, or within a search of `re`; so whatever runs too long is stopped
where it is, and the traceback says where.
"""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

# For an input of less than 64 kB, in processor seconds and bytes. What is instrumented takes several times as long.
SECONDS = 2.0
MEMORY = 256 << 20
INSTRUMENTED = 5.0


class TooLongError(Exception):
    """An input took more processor time than it may."""


def limit_memory() -> None:
    """Let this process have MEMORY more than it has now; what needs more gets MemoryError."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def timed(one: Callable[[bytes], None], data: bytes, seconds: float) -> float:
    """Give `one` an input.

    Returns:
        Processor seconds that it took.

    Raises:
        TooLongError: it took more than `seconds`.
    """
    before = signal.signal(signal.SIGVTALRM, _too_long)
    started = time.process_time()
    # Again and again, should the first one be swallowed.
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, seconds)
    try:
        one(data)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    return time.process_time() - started


def signature(error: BaseException) -> str:
    """A name for what went wrong: the error's class and where it was raised, in irqframe if it went through there."""
    if isinstance(error, RecursionError):
        return "RecursionError"
    where = ""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        file = Path(code.co_filename)
        if "irqframe" in str(file) or file.parent == Path(__file__).parent:
            where = f"{file.stem.strip('_')}-{code.co_name.strip('_')}"
        trace = trace.tb_next
    return f"{type(error).__name__}-{where}"


def _too_long(_signal: int, _frame: FrameType | None) -> None:
    raise TooLongError
