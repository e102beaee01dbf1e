"""Makes a small corpus of a large one: the shortest inputs that together run every step that the large one runs.

    python minimise.py TARGET FOLDER...

A step is a pair of lines of irqframe that follow each other in a function. What is checked in already stays in only if
it is needed. Prints how many inputs there were and are, and their bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import store
import watch
from targets import TARGETS, Target

import irqframe

# Of an input, and of all that is checked in for a target.
LONGEST = 4096
INPUTS = 300
TOTAL = 130_000

Step = tuple[CodeType, int, int]

_PACKAGE = str(Path(irqframe.__file__).parent)


def steps(target: Target, data: bytes) -> set[Step]:
    """The steps that an input takes; none if it goes wrong, which is for `crashes/`."""
    taken: set[Step] = set()

    def called(frame: FrameType, event: str, _argument: Any) -> Any:
        code = frame.f_code
        if not code.co_filename.startswith(_PACKAGE):
            return None
        last = 0

        def line(frame: FrameType, event: str, _argument: Any) -> Any:
            nonlocal last
            if event == "line":
                taken.add((code, last, frame.f_lineno))
                last = frame.f_lineno
            return line

        return line

    sys.settrace(called)
    try:
        watch.timed(target.one, data, watch.SECONDS * watch.INSTRUMENTED)
    except Exception:
        return set()
    finally:
        sys.settrace(None)
    return taken


def chosen(target: Target, inputs: set[bytes]) -> Iterator[bytes]:
    """The inputs that take a step no shorter one takes."""
    known: set[Step] = set()
    count = total = 0
    for data in sorted(inputs, key=lambda data: (len(data), data)):
        if len(data) > LONGEST or count >= INPUTS or total + len(data) > TOTAL:
            continue
        new = steps(target, data) - known
        if new:
            known |= new
            count += 1
            total += len(data)
            yield data


def main(name: str, folders: list[str]) -> None:
    target = TARGETS[name]
    inputs = set(store.read_corpus(name))
    for folder in folders:
        inputs |= {path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}
    # Once for what is loaded once: steps of that are no input's own.
    for data in sorted(inputs, key=len)[:20]:
        steps(target, data)
    kept = list(chosen(target, inputs))
    size = store.write_corpus(name, kept)
    print(f"{name}: {len(inputs)} inputs, of which {len(kept)} are kept, in {size} bytes")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
