"""Fuzzes every target in turn, keeps what it finds, and says what it saw: `make fuzz`.

    python campaign.py [--seconds N] [TARGET...]

1. Each target has a working folder below `.fuzz/` at the top of the checkout; another run takes up where one ended.
2. What goes wrong is tried again without instrumentation; what goes wrong then too goes into `crashes/`, and the exit
   code is 1. `slowest` is the time of the input that took longest, tried again; 0 if none took a quarter of the bound.
3. Ctrl-C ends the target that is fuzzed, and the campaign, with the summary of what was done.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import seeds
import shapes
import store
from targets import TARGETS

HERE = Path(__file__).parent
WORK = seeds.ROOT / ".fuzz"

# libFuzzer's own bounds, for what the driver cannot stop: seconds for an input, MB of memory.
_HANG = 120
_MEMORY = 2048
# Bytes of the inputs of `shapes.py` that fuzzing starts from.
_SMALL = 600
# How `once.py` begins if something is wrong.
_FAULT = "fault "
# So often a target that ends early is started again.
_STARTS = 20
_STATUS = re.compile(r"^#\d+\s.*\bcov: (\d+) ft: (\d+) corp: (\d+)/", re.MULTILINE)
_RUNS = re.compile(r"^stat::number_of_executed_units:\s+(\d+)$", re.MULTILINE)


@dataclass(slots=True)
class Result:
    """What came of fuzzing one target."""

    name: str
    seconds: float = 0.0
    runs: int = 0
    edges: int = 0
    features: int = 0
    corpus: int = 0
    slowest: float = 0.0
    findings: list[str] = field(default_factory=list)


def prepare(name: str) -> Path:
    """The working folder of a target, with what fuzzing starts from."""
    kind = TARGETS[name].kind
    folder = WORK / name
    for part in ("corpus", "found"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "dictionary").write_text(seeds.dictionary(kind), encoding="ascii")
    small = shapes.shapes(kind, _SMALL).values()
    for data in [*seeds.seeds(kind), *small, *store.read_corpus(name), *store.read_crashes(name).values()]:
        (folder / "corpus" / store.name_of(data)).write_bytes(data)
    return folder


def fuzz(name: str, seconds: int, result: Result) -> bool:
    """Fuzz a target for so long; a driver that dies is started again.

    Returns:
        Whether Ctrl-C ended it.
    """
    folder = prepare(name)
    end = time.monotonic() + seconds
    for attempt in range(_STARTS):
        left = int(end - time.monotonic())
        if left < 1:
            return False
        log = folder / f"log.{attempt}"
        started = time.monotonic()
        ended = _drive(_command(name, folder, left), log, left + 2 * _HANG)
        result.seconds += time.monotonic() - started
        _read_log(log, result)
        if ended is None:
            return True
        # What libFuzzer stops itself it leaves beside what the driver found.
        if ended and not any((folder / "found").glob("*-*")):
            result.findings.append(f"the driver ended with {ended}, see {log}")
            return False
    result.findings.append(f"the driver was started {_STARTS} times")
    return False


def _drive(command: list[str], log: Path, seconds: int) -> str | None:
    """Run a driver; how it ended, "" if as it should, None if by Ctrl-C."""
    with log.open("w") as stream, subprocess.Popen(command, stdout=stream, stderr=stream) as child:
        try:
            code = child.wait(timeout=seconds)
        except KeyboardInterrupt:
            child.wait()
            return None
        except subprocess.TimeoutExpired:
            child.kill()
            return "no end"
    return f"exit code {code}" if code else ""


def _command(name: str, folder: Path, seconds: int) -> list[str]:
    options = {
        "max_total_time": seconds,
        "max_len": TARGETS[name].longest,
        "timeout": _HANG,
        "rss_limit_mb": _MEMORY,
        "print_final_stats": 1,
        "dict": folder / "dictionary",
        "artifact_prefix": f"{folder}/found/",
    }
    arguments = [f"-{key}={value}" for key, value in options.items()]
    return [sys.executable, str(HERE / "driver.py"), name, str(folder / "found"), *arguments, str(folder / "corpus")]


def _read_log(log: Path, result: Result) -> None:
    text = log.read_text(errors="replace")
    result.runs += sum(int(runs) for runs in _RUNS.findall(text))
    states = _STATUS.findall(text)
    if states:
        result.edges, result.features, result.corpus = (int(number) for number in states[-1])


def confirm(name: str, result: Result) -> None:
    """Try what went wrong again, in a process of its own each, and keep what still does."""
    for path in sorted((WORK / name / "found").iterdir()):
        verdict = _verdict(name, path)
        if verdict.startswith(_FAULT):
            data = path.read_bytes()
            kept = store.write_crash(name, f"{path.name}-{store.name_of(data)[:8]}", data)
            result.findings.append(f"{kept.relative_to(seeds.ROOT)}: {verdict.removeprefix(_FAULT)}")
        elif path.name == "slowest":
            result.slowest = float(verdict)
        # Another input that goes wrong in the same way is to be noticed anew.
        path.unlink()


def _verdict(name: str, path: Path) -> str:
    command = [sys.executable, str(HERE / "once.py"), name, str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_HANG)
    except subprocess.TimeoutExpired:
        return f"{_FAULT}it does not end"
    return done.stdout.strip() if done.returncode == 0 else f"{_FAULT}it died: {done.stderr.strip()[-200:]}"


def minimise(name: str) -> str:
    """Check in what the target's corpus has grown to, made small."""
    command = [sys.executable, str(HERE / "minimise.py"), name, str(WORK / name / "corpus")]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() or f"{name}: the corpus could not be made small: {done.stderr.strip()[-200:]}"


def table(results: list[Result]) -> str:
    """The summary."""
    names = f"{'target':12} {'seconds':>8} {'runs':>10} {'edges':>7} {'features':>9} {'inputs':>7}"
    lines = [f"{names} {'slowest':>8} {'findings':>9}"]
    for one in results:
        numbers = f"{one.seconds:8.0f} {one.runs:10} {one.edges:7} {one.features:9} {one.corpus:7} {one.slowest:7.2f}s"
        lines.append(f"{one.name:12} {numbers} {len(one.findings):9}")
    total = f"{sum(one.seconds for one in results):8.0f} {sum(one.runs for one in results):10}"
    lines.append(f"{'all':12} {total} {'':34} {sum(len(one.findings) for one in results):9}")
    return "\n".join([*lines, *(f"  {one.name}: {finding}" for one in results for finding in one.findings)])


def main() -> int:
    """Run the campaign; 1 if there are findings."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=3600, help="for all targets together (default: %(default)s)")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="default: " + ", ".join(TARGETS))
    asked = parser.parse_args()
    unknown = [name for name in asked.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}")
    if importlib.util.find_spec("atheris") is None:
        print("skipped: atheris is not installed; it has wheels for some versions of Python on Linux only")
        return 0
    names = asked.targets or list(TARGETS)
    results: list[Result] = []
    for name in names:
        results.append(Result(name))
        print(f"{name} ...", flush=True)
        interrupted = fuzz(name, max(asked.seconds // len(names), 1), results[-1])
        confirm(name, results[-1])
        print(minimise(name), flush=True)
        if interrupted:
            break
    print(table(results))
    return int(any(one.findings for one in results))


if __name__ == "__main__":
    sys.exit(main())
