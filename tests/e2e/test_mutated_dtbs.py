"""Damaged DTBs: each ends in exit code 0, or 1 with findings, in little time and memory; never in a traceback."""

from __future__ import annotations

import gzip
import json
import os
import random
import runpy
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

from irqframe.dt import load, read_dtb, to_dtb
from irqframe.errors import InputError

DATA = Path(__file__).parents[1] / "dt" / "data"
MUTATE = Path(__file__).with_name("mutate.py")

MUTANTS: Final = 3_000
RUNS: Final = 100
SECONDS: Final = 2.0
MEMORY: Final = 256 << 20

# DTSpec 5.2: offset in the header of each size and offset.
FIELDS = {
    "totalsize": 4,
    "off_dt_struct": 8,
    "off_dt_strings": 12,
    "off_mem_rsvmap": 16,
    "size_dt_strings": 32,
    "size_dt_struct": 36,
}


@pytest.fixture(scope="module")
def original() -> bytes:
    """As QEMU writes it: 1 MiB, nearly all of it zeros behind the strings."""
    return gzip.decompress((DATA / "virt-gicv2.dtb.gz").read_bytes())


@pytest.fixture(scope="module")
def compact(original: bytes) -> bytes:
    """Without these zeros, so that every change is one of something."""
    data = bytearray(original[: original.rindex(original.rstrip(b"\0")[-1:]) + 2])
    struct.pack_into(">I", data, FIELDS["totalsize"], len(data))
    assert to_dtb(read_dtb(bytes(data), "compact")) == to_dtb(read_dtb(original, "original"))
    return bytes(data)


@pytest.mark.slow
def test_damaged_trees(compact: bytes, tmp_path: Path) -> None:
    tree = tmp_path / "virt.dtb"
    tree.write_bytes(compact)
    workers = max(len(os.sched_getaffinity(0)), 1) if hasattr(os, "sched_getaffinity") else 2
    share = -(-MUTANTS // workers)
    children = [
        subprocess.Popen(
            [
                sys.executable,
                str(MUTATE),
                str(tree),
                str(first),
                str(min(share, MUTANTS - first)),
                str(-(-RUNS // workers)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for first in range(0, MUTANTS, share)
    ]
    reports: list[dict[str, Any]] = []
    for child in children:
        out, err = child.communicate(timeout=600)
        assert child.returncode == 0, err[-2000:]
        reports.append(json.loads(out))
    faults = [fault for report in reports for fault in report["faults"]]
    assert not faults, "\n".join(faults[:10])
    codes = sum((Counter(report["codes"]) for report in reports), Counter())
    assert codes.total() == MUTANTS
    assert codes.keys() == {"0", "1"}
    assert codes["0"] > MUTANTS // 100  # some changes do no harm: bytes of names, of random seeds
    runs = sum((Counter(report["runs"]) for report in reports), Counter())
    assert runs.total() >= RUNS
    # What passes the check is sound: it runs, unless its irqchip refuses a value.
    assert runs["0"] > RUNS * 0.9
    assert max(report["longest"] for report in reports) < SECONDS
    assert max(report["peak"] for report in reports) < MEMORY


def wrong_values(right: int, size: int) -> list[int]:
    chance = random.Random(right)
    near = {right + step for step in (-16, -8, -4, -2, -1, 1, 2, 4, 8, 16)}
    edges = {0, 1, 40, 48, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFC, 0xFFFF_FFFF, size - 1, size, size + 1}
    anywhere = {chance.randrange(1 << 32) for _ in range(10)} | {chance.randrange(size) for _ in range(30)}
    return sorted({value & 0xFFFF_FFFF for value in near | edges | anywhere} - {right})


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("form", ["original", "compact"])
def test_every_change_of_a_size_or_offset_is_refused(request: pytest.FixtureRequest, field: str, form: str) -> None:
    data: bytes = request.getfixturevalue(form)
    (right,) = struct.unpack_from(">I", data, FIELDS[field])
    accepted = []
    for value in wrong_values(right, len(data)):
        changed = bytearray(data)
        struct.pack_into(">I", changed, FIELDS[field], value)
        try:
            read_dtb(bytes(changed), "changed")
        except InputError as error:
            assert error.findings
        else:
            accepted.append(value)
    assert not accepted


@pytest.mark.parametrize("field", FIELDS)
def test_every_single_bit_of_a_size_or_offset_counts(compact: bytes, field: str) -> None:
    for bit in range(32):
        changed = bytearray(compact)
        changed[FIELDS[field] + bit // 8] ^= 1 << bit % 8
        with pytest.raises(InputError):
            read_dtb(bytes(changed), "changed")


def test_the_mutants_are_what_they_should_be(compact: bytes) -> None:
    namespace = runpy.run_path(str(MUTATE), run_name="mutate")
    counts: Counter[int] = Counter()
    for seed in range(500):
        changed = namespace["mutant"](compact, seed)
        assert changed == namespace["mutant"](compact, seed)
        assert len(changed) == len(compact)
        counts[sum(before != after for before, after in zip(compact, changed, strict=True))] += 1
    assert set(counts) == {1, 2, 3, 4, 5}


def test_the_tree_itself_is_sound(original: bytes, tmp_path: Path) -> None:
    path = tmp_path / "virt.dtb"
    path.write_bytes(original)
    assert load(str(path)).root.children
