"""Fuzzes one target with atheris, until libFuzzer's own options end it; `campaign.py` starts it.

    python driver.py TARGET FOUND [libFuzzer's arguments]

What goes wrong is written into the folder FOUND, the shortest input for each way of going wrong, and fuzzing goes on.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["irqframe"], enable_loader_override=False):
    import targets

import mutator
import seeds
import watch


class Keeper:
    """Gives a target its inputs, and keeps those with which it goes wrong."""

    def __init__(self, target: targets.Target, folder: Path) -> None:
        self.target = target
        self.folder = folder
        self.shortest = {path.name: path.stat().st_size for path in folder.iterdir()}
        self.slowest = watch.SECONDS / 4

    def one(self, data: bytes) -> None:
        try:
            seconds = watch.timed(self.target.one, data, watch.SECONDS * watch.INSTRUMENTED)
        except Exception as error:
            self.keep(watch.signature(error), data)
            return
        if seconds > self.slowest:
            self.slowest = seconds
            (self.folder / "slowest").write_bytes(data)

    def keep(self, name: str, data: bytes) -> None:
        if len(data) < self.shortest.get(name, len(data) + 1):
            self.shortest[name] = len(data)
            (self.folder / name).write_bytes(data)
            print(f"FOUND {name}: {len(data)} bytes", file=sys.stderr, flush=True)


def main() -> None:
    name, folder, *arguments = sys.argv[1:]
    target = targets.TARGETS[name]
    keeper = Keeper(target, Path(folder))
    for data in seeds.seeds(target.kind):
        target.one(data)

    def custom(data: bytes, longest: int, seed: int) -> bytes:
        return mutator.mutate(data, longest, seed, atheris.Mutate)

    options = {"custom_mutator": custom} if target.kind in ("dtb", "overlay") else {}
    atheris.Setup([sys.argv[0], *arguments], keeper.one, **options)
    watch.limit_memory()
    atheris.Fuzz()


if __name__ == "__main__":
    main()
