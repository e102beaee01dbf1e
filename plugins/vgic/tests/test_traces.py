"""Differential: histories recorded from QEMU's GIC, every value read and the lines of every CPU (data/README.md)."""

from __future__ import annotations

from pathlib import Path

import pytest
from oracle.recorded import first_departure, recordings

DATA = Path(__file__).parent / "data"
FILES = sorted(path.name for path in DATA.glob("*.jsonl.gz"))


def test_each_kind_of_gic_has_its_files() -> None:
    assert [
        f"{kind}-gicv{version}-cpus{cpus}.jsonl.gz"
        for kind in ("random", "system")
        for version in (2, 3)
        for cpus in (1, 4, 8)
    ] == FILES


def test_what_is_checked_in_is_small() -> None:
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 1_500_000


@pytest.mark.parametrize("name", FILES)
def test_every_value_and_every_line_is_that_of_qemu(name: str) -> None:
    count = 0
    for recording in recordings(DATA / name):
        departure = first_departure(recording)
        assert departure is None, departure
        count += 1
    assert count == 30
