"""Gives a target all inputs that are checked in for it, and those of `shapes.py`; `test_fuzz.py` has children do it.

    python replay.py TARGET

The limit on memory holds for this process as a whole, which is why it is one of its own. Prints one JSON object: how
many inputs there were, what went wrong with which, and the processor seconds of the slowest.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import seeds
import shapes
import store
import watch
from targets import TARGETS


def main(name: str) -> dict[str, Any]:
    target = TARGETS[name]
    # What is loaded once is no part of the time of the first input.
    for data in seeds.seeds(target.kind):
        target.one(data)
    watch.limit_memory()
    inputs = {store.name_of(data): data for data in store.read_corpus(name)}
    inputs |= store.read_crashes(name) | shapes.shapes(target.kind)
    faults: dict[str, str] = {}
    slowest = 0.0
    for key, data in inputs.items():
        try:
            slowest = max(slowest, watch.timed(target.one, data, watch.SECONDS))
        except Exception as error:
            faults[key] = f"{watch.signature(error)}: {error}"[:500]
    return {"inputs": len(inputs), "faults": faults, "slowest": slowest}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
