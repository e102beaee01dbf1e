"""Gives a target one input, without instrumentation: prints `fault`, and which, or the processor seconds.

python once.py TARGET FILE
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import seeds
import watch
from targets import TARGETS


def main(name: str, path: str) -> None:
    target = TARGETS[name]
    for data in seeds.seeds(target.kind):
        target.one(data)
    data = Path(path).read_bytes()
    watch.limit_memory()
    try:
        print(watch.timed(target.one, data, watch.SECONDS))
    except Exception as error:
        print(f"fault {watch.signature(error)}: {str(error)[:200]}")
        traceback.print_exc()


if __name__ == "__main__":
    main(*sys.argv[1:])
