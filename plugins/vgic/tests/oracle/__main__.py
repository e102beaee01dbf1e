"""The oracle's command line: see README.md."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from oracle.campaign import LENGTH, Campaign, Plan, summary
from oracle.qemu import QEMU, OracleError, qemu_version
from oracle.recorded import record
from oracle.search import EXEMPTIONS, VERSIONS


def main() -> int:
    """Exit code 0; 1 if there is a difference, or QEMU fails; 130 after Ctrl-C."""
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if qemu_version(arguments.qemu) is None:
        sys.stderr.write(f"{arguments.qemu} is not there\n")
        return 1
    try:
        code: int = arguments.work(arguments)
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m oracle", description=__doc__)
    parser.add_argument("--qemu", default=os.environ.get("ORACLE_QEMU", QEMU), help="the program")
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="random sequences on both, compared")
    run.set_defaults(work=_run)
    run.add_argument("versions", type=int, nargs="*", choices=[*VERSIONS, []], default=[], help="of the GIC; all")
    run.add_argument("--seconds", type=float, default=float("inf"), help="how long")
    run.add_argument("--operations", type=int, help="how many, for each version")
    run.add_argument("--cpus", type=int, nargs="+", default=[1, 2, 4, 8], help="numbers of CPUs")
    run.add_argument("--seed", type=int, default=0, help="of the first sequence")
    run.add_argument("--differences", type=int, default=1, help="end after so many")
    run.add_argument("--length", type=int, default=LENGTH, help="actions of a sequence")
    run.add_argument("--without", nargs="*", default=[], help="exemptions that do not hold")
    needed = commands.add_parser("needed", help="show that every exemption hides a difference")
    needed.set_defaults(work=_needed)
    needed.add_argument("names", nargs="*", help="exemptions; all")
    needed.add_argument("--operations", type=int, default=200_000, help="give up after so many")
    recorder = commands.add_parser("record", help="write a corpus of recorded sequences")
    recorder.set_defaults(work=_record)
    recorder.add_argument("folder", type=Path)
    recorder.add_argument("versions", type=int, nargs="*", choices=[*VERSIONS, []], default=[], help="of the GIC; all")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    versions = arguments.versions or VERSIONS
    plan = Plan(
        gics=tuple((version, cpus) for version in versions for cpus in arguments.cpus),
        seconds=arguments.seconds,
        operations=arguments.operations,
        seed=arguments.seed,
        without=tuple(arguments.without),
        qemu=arguments.qemu,
        differences=arguments.differences,
        length=arguments.length,
    )
    code = 0
    with Campaign(plan) as campaign:
        try:
            campaign.run()
        except KeyboardInterrupt:
            code = 130
        except OracleError as error:
            sys.stderr.write(f"{error}\n")
            code = 1
    print(summary(campaign.tally, [row.name for row in EXEMPTIONS if row.version in versions]))
    return 1 if campaign.tally.reports else code


def _needed(arguments: argparse.Namespace) -> int:
    useless = 0
    for row in EXEMPTIONS:
        if arguments.names and row.name not in arguments.names:
            continue
        gics = tuple((row.version, cpus) for cpus in (1, 2, 4))
        plan = Plan(gics, operations=arguments.operations, without=(row.name,), qemu=arguments.qemu)
        with Campaign(plan) as campaign:
            try:
                campaign.run()
                seen = "\n".join(campaign.tally.reports) or "no difference"
                useless += not campaign.tally.reports
            except OracleError as error:
                seen = str(error)
        print(f"{row.name}, after {campaign.tally.operations[row.version]} operations: {seen}", flush=True)
    return 1 if useless else 0


def _record(arguments: argparse.Namespace) -> int:
    for version in arguments.versions or VERSIONS:
        for cpus in (1, 4, 8):
            print(record(arguments.folder, version, cpus, arguments.qemu))
    return 0


if __name__ == "__main__":
    sys.exit(main())
