"""Compiles the board files of a Linux source tree with cpp and dtc and with irqframe, and says what differs.

    python compare.py LINUX [--arch arm64] [--jobs 2] [--cpp] [BOARD...]

LINUX is a source tree, or the parts of one that `prepare.py` unpacks; a BOARD is a path below arch/ARCH/boot/dts. One
JSON object per board on standard output, in order. With `--cpp`, irqframe reads what cpp leaves, not the source.

dtc is called as the kernel's `cmd_dtc` calls it, without `-b 0`: the boot CPU is compared as well.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import signal
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from operator import and_
from pathlib import Path
from typing import TypeVar

from blob import Blob, Node, difference, read
from linux_irq import (
    Found,
    LinuxTree,
    NoInterruptError,
    address_cells,
    cells_of,
    exists,
    is_abuser,
    is_available,
)

from irqframe import dt
from irqframe.errors import InputError

#: Seconds for one board; none takes a tenth of it.
TIMEOUT = 120
INCLUDES = Path("scripts/dtc/include-prefixes")

Value = TypeVar("Value")


@dataclass
class Result:
    """What became of a board.

    Attributes:
        board: its path below arch/ARCH/boot/dts.
        overlay: it is an overlay (`/plugin/`).
        refused: why dtc does not compile it; "" if it does.
        error: what irqframe refuses it for.
        differences: what is not as dtc has it: of the tree, and of the ways there and back.
        nodes: how many there are.
        interrupts: how many resolve, rows of interrupt maps apart.
        rows: rows of interrupt maps.
        messages: routes of MSIs.
        unexplained: interrupts that are not as Linux finds them, and about which there is no finding.
        findings: code, node and text of each finding about interrupts and messages.
        seconds: what was spent, by step.
    """

    board: str
    overlay: bool = False
    refused: str = ""
    error: str = ""
    differences: list[str] = field(default_factory=list)
    nodes: int = 0
    interrupts: int = 0
    rows: int = 0
    messages: int = 0
    unexplained: list[str] = field(default_factory=list)
    findings: list[tuple[str, str, str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


def boards(linux: Path, arch: str) -> list[str]:
    """All board files."""
    folder = linux / "arch" / arch / "boot" / "dts"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.dts"))


def compare(linux: Path, arch: str, cpp: bool, board: str) -> Result:
    """Compile one board both ways."""
    result = Result(board)
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(TIMEOUT)
    try:
        _compare(linux, linux / "arch" / arch / "boot" / "dts" / board, cpp, result)
    except InputError as error:
        result.error = str(error)[:2000]
    except Exception:
        result.error = traceback.format_exc()
    finally:
        signal.alarm(0)
    return result


def _too_long(*_: object) -> None:
    raise TimeoutError(f"more than {TIMEOUT} s")


def _compare(linux: Path, source: Path, cpp: bool, result: Result) -> None:
    text = _timed(result, "cpp", lambda: _cpp(linux, source, result))
    result.overlay = b"/plugin/" in text
    theirs = _timed(result, "dtc", lambda: _dtc(linux, source, text, result)) if not result.refused else b""
    if result.refused:
        return
    blob = read(theirs)
    includes = [str(linux / INCLUDES)]
    if cpp:
        tree = _timed(result, "load", lambda: dt.parse_dts(text.decode(), str(source), includes))
    else:
        tree = _timed(result, "load", lambda: dt.load(source, include_dirs=includes, defines=["__DTS__"]))
    _there_and_back(result, tree, theirs, blob)
    _interrupts(result, tree, LinuxTree(blob))


def _timed(result: Result, step: str, call: Callable[[], Value]) -> Value:
    start = time.perf_counter()
    try:
        return call()
    finally:
        result.seconds[step] = time.perf_counter() - start


def _run(command: list[str], stdin: bytes, result: Result) -> bytes:
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    if done.returncode:
        result.refused = f"{command[0]}: {done.stderr.decode(errors='replace')[:500]}"
    return done.stdout


def _cpp(linux: Path, source: Path, result: Result) -> bytes:
    flags = ["-nostdinc", "-undef", "-D__DTS__", "-x", "assembler-with-cpp", "-I", str(linux / INCLUDES)]
    return _run(["cpp", *flags, str(source)], b"", result)


def _dtc(linux: Path, source: Path, text: bytes, result: Result) -> bytes:
    flags = ["-q", "-q", "-I", "dts", "-O", "dtb", "-i", str(source.parent), "-i", str(linux / INCLUDES)]
    return _run(["dtc", *flags, "-"], text, result)


# The tree


def _there_and_back(result: Result, tree: dt.Tree, theirs: bytes, blob: Blob) -> None:
    result.nodes = sum(1 for _ in tree.walk())

    def check(what: str, ours: bytes) -> None:
        found = difference(read(ours), blob)
        if found:
            result.differences.append(f"{what}: {found}")

    check("source", _timed(result, "write", lambda: dt.to_dtb(tree)))
    check("DTB", dt.to_dtb(_timed(result, "read", lambda: dt.read_dtb(theirs, result.board))))
    # The text has no place for the boot CPU: dtc guesses it again.
    text = dt.to_dts(tree).encode()
    problem = Result(result.board)
    made = _run(["dtc", "-q", "-q", "-I", "dts", "-O", "dtb", "-"], text, problem)
    if problem.refused:
        result.differences.append(f"text: {problem.refused}")
    else:
        check("text", made)


# Interrupts


def _interrupts(result: Result, tree: dt.Tree, linux: LinuxTree) -> None:
    found, findings = _timed(result, "interrupts", lambda: dt.interrupts(tree))
    messages, more = dt.msi_routes(tree)
    findings = tuple(dict.fromkeys((*findings, *more)))
    result.findings = [(one.code, one.path, f"{one.message} [{one.found}]") for one in findings]
    explained = {one.path for one in findings}
    ours = {(ref.node.path, ref.index): (ref.controller.path, ref.specifier) for ref in found if not ref.unit}
    rows = {(ref.node.path, ref.index): (ref.controller.path, ref.specifier) for ref in found if ref.unit}
    result.interrupts, result.rows = len(ours), len(rows)
    routes: dict[str, list[tuple[str, int, int]]] = {}
    for ref in messages:
        routes.setdefault(ref.node.path, []).append((ref.controller.path, ref.rid_base, ref.msi_base))
    result.messages = len(messages)
    for node in filter(exists, linux.nodes):
        mine = routes.pop(node.path, [])
        if mine != linux.messages(node) and node.path not in explained:
            result.unexplained.append(f"{node.path}: messages to {mine}; Linux finds {linux.messages(node)}")
        result.unexplained += _device(linux, node, ours, explained)
        if "interrupt-map" in node.properties and not is_abuser(node):
            result.unexplained += _rows(linux, node, rows, explained)
    result.unexplained += [f"{path} {index}: Linux has no such interrupt" for path, index in ours]
    result.unexplained += [f"{path} row {index}: Linux has no such row" for path, index in rows]
    result.unexplained += [f"{path}: Linux has no such messages" for path in routes]


Refs = dict[tuple[str, int], Found]


def _device(linux: LinuxTree, node: Node, ours: Refs, explained: set[str]) -> Iterator[str]:
    """What is wrong with the interrupts of a device; takes them out of `ours`."""
    count = linux.count(node)
    if count < 0 and node.path not in explained:
        yield f"{node.path}: Linux cannot read its interrupts, and there is no finding"
    for index in range(max(count, 0)):
        mine = ours.pop((node.path, index), None)
        yield from _one(f"{node.path} {index}", mine, partial(linux.parse_one, node, index), explained)


def _rows(linux: LinuxTree, nexus: Node, ours: Refs, explained: set[str]) -> Iterator[str]:
    """What is wrong with the rows of a map, each followed as the interrupt of a device that only it matches."""
    size = address_cells(nexus)
    width = size + (nexus.u32("#interrupt-cells") or 0)
    mask = cells_of(nexus, "interrupt-map-mask") or (0xFFFFFFFF,) * width
    taken = set()
    try:
        for index, (unit, parent, _, _) in enumerate(linux.rows(nexus, width)):
            masked = tuple(map(and_, unit, mask))
            if is_available(parent) and masked not in taken:
                taken.add(masked)
                mine = ours.pop((nexus.path, index), None)
                follow = partial(linux.parse_raw, unit[:size], nexus, unit[size:])
                yield from _one(f"{nexus.path} row {index}", mine, follow, explained)
    except NoInterruptError as error:
        if nexus.path not in explained:
            yield f"{nexus.path}: no finding about its map; Linux: {error}"


def _one(name: str, mine: Found | None, follow: Callable[[], Found | None], explained: set[str]) -> Iterator[str]:
    """Compare one interrupt; where we have none, a finding must be about its node or the controller it would reach."""
    try:
        theirs = follow()
    except NoInterruptError as error:
        theirs = None
        if mine is None and name.split()[0] not in explained:
            yield f"{name}: no interrupt and no finding; Linux: {error}"
    if mine is None and theirs is not None and not ({name.split()[0], theirs[0]} & explained):
        yield f"{name}: no interrupt and no finding; Linux finds {theirs}"
    if mine is not None and mine != theirs:
        yield f"{name}: {mine}; Linux finds {theirs}"


def main() -> None:
    """Compare the boards named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("linux", type=Path)
    parser.add_argument("--arch", default="arm64")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cpp", action="store_true")
    parser.add_argument("board", nargs="*")
    given = parser.parse_intermixed_args()
    chosen = given.board or boards(given.linux, given.arch)
    work = partial(compare, given.linux.resolve(), given.arch, given.cpp)
    with multiprocessing.get_context("spawn").Pool(given.jobs) as pool:
        for result in pool.imap(work, chosen):
            print(json.dumps(asdict(result)), flush=True)


if __name__ == "__main__":
    main()
