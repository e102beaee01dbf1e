"""The garbage collector, kept away from work that makes no garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause the collector.

    A tree is built of many small objects that all stay; the collector would walk over all of them again each time
    there are a quarter more, which makes large trees cost more than in proportion.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
