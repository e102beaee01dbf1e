"""CPU times of several cases in one run: interleaved, the median of many, so that a busy machine changes the figures
but hardly the ratios."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping

# Short calls are made so often that a sample takes as long as this.
SECONDS = 0.02


def measure(cases: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median CPU time of one call, in milliseconds, for each case."""
    calls = {name: _often(call) for name, call in cases.items()}
    samples: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, call in cases.items():
            gc.collect()
            start = time.process_time()
            for _ in range(calls[name]):
                call()
            samples[name].append((time.process_time() - start) / calls[name] * 1e3)
    return {name: statistics.median(times) for name, times in samples.items()}


def _often(call: Callable[[], object]) -> int:
    start = time.process_time()
    call()
    return max(1, int(SECONDS / max(time.process_time() - start, 1e-6)))
