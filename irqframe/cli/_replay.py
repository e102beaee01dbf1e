"""`irqframe run --replay`: a recording made again, and how what came of it compares with the recording."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

import click

from irqframe.cli._words import counted, legible
from irqframe.errors import Finding, InputError, IrqframeError, Span

if TYPE_CHECKING:
    from irqframe.guest import Replay
    from irqframe.observe import Steps

NAMES: Final = 8
"""How many sources are named that raises could not be made of."""
NAME_MAX: Final = 100
"""Characters of a name that are shown: a recording may hold any."""


def refuse_options(replay: str, machine: str, trace: str | None) -> None:
    """Refuse what does not go with a recording.

    Raises:
        click.UsageError: if the command was given such an option, standard input twice, or the recording as the file
            that is to be written.
    """
    context = click.get_current_context()
    for option in ("events", "seed"):
        if context.get_parameter_source(option) is not click.core.ParameterSource.DEFAULT:
            raise click.UsageError(f"--{option} does not go with --replay: the recording says what is raised")
    if replay == machine == "-":
        raise click.UsageError("the machine and --replay cannot both be standard input")
    if trace is not None and _is_same(replay, trace):
        raise click.UsageError("--trace would overwrite what --replay reads")


def _is_same(one: str, other: str) -> bool:
    """Whether two paths lead to one regular file."""
    try:
        return size_of(one) is not None and os.path.samefile(one, other)
    except (OSError, ValueError):
        return False


@contextmanager
def recording(path: str) -> Iterator[Steps]:
    """The steps of a recording, `-` being standard input.

    Raises:
        InputError: if it cannot be read (E0001).
    """
    from irqframe.observe import Steps

    name = "<stdin>" if path == "-" else path
    try:
        opened = nullcontext(sys.stdin.buffer) if path == "-" else open(path, "rb")  # noqa: SIM115
        with opened as stream:
            yield Steps(stream, name)
    except OSError as error:
        if error.filename not in (None, path):
            raise
        reason = f"cannot be read: {error.strerror or error}"
        raise InputError([Finding("E0001", reason, Span(name))]) from error


def size_of(path: str) -> int | None:
    """Bytes of a regular file, None of anything else."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) and path != "-" else None


def refuse_bare(irqchip: str) -> None:
    """There is no guest to replay on.

    Raises:
        IrqframeError: always.
    """
    raise IrqframeError(f"--replay needs a guest, and {irqchip} brings no guest driver")


def refuse_nothing(replay: Replay, file: str) -> None:
    """Refuse a recording of which nothing was made.

    Raises:
        InputError: if it is one (E0702), or what it could not be read for.
    """
    if replay.outcome.events or replay.outcome.fault:
        return
    if replay.cut is not None:
        raise replay.cut
    if replay.raises:
        message = "nothing that is recorded here can be raised on this machine"
        found, hint = _unmade(replay.unmade), "record on a machine with the same devices and CPUs"
    else:
        message, found, hint = "no raise is recorded here", "", "`irqframe run --trace FILE` records them"
    raise InputError([Finding("E0702", message, Span(file), found=found, hint=hint)])


def print_replay(replay: Replay) -> None:
    """Print how a replay compares with its recording, to standard output."""
    made = replay.outcome.events
    part = "" if _is_whole(replay) else " as far as it was read"
    click.echo(f"recording{part}: {counted(replay.raises, 'raise')}, {made} made again")
    if replay.unmade:
        click.echo(f"  not made: {_unmade(replay.unmade)}")
    for what, (recorded, done) in (("moves", replay.moves), ("CPUs off and on", replay.switches)):
        if recorded != done:
            click.echo(f"  {what}: {recorded} recorded, {done} made")
    differ = [one for one in replay.compared() if not one.same]
    for one in differ:
        click.echo(
            f"  {legible(one.name)}: recorded {one.raised[0]} raised, {one.delivered[0]} delivered; "
            f"replayed {one.raised[1]} raised, {one.delivered[1]} delivered"
        )
    if not differ:
        click.echo("  every source of this machine was raised and delivered as often as recorded")
    if replay.contradictions:
        click.echo(
            f"  the recording contradicts itself: {counted(replay.contradictions, 'outcome')} not of what came before"
        )


def replay_json(replay: Replay, file: str) -> dict[str, Any]:
    """The same as plain data."""
    compared = replay.compared()
    return {
        "file": file,
        "whole": _is_whole(replay),
        "raises": replay.raises,
        "made": replay.outcome.events,
        "not_made": [
            {"name": name, "reason": reason, "raises": times} for (name, reason), times in replay.unmade.items()
        ],
        "moves": dict(zip(("recorded", "made"), replay.moves, strict=True)),
        "off_and_on": dict(zip(("recorded", "made"), replay.switches, strict=True)),
        "contradictions": replay.contradictions,
        "same": not replay.unmade and all(one.same for one in compared),
        "sources": [
            {
                "name": one.name,
                "raised": dict(zip(("recorded", "replayed"), one.raised, strict=True)),
                "delivered": dict(zip(("recorded", "replayed"), one.delivered, strict=True)),
            }
            for one in compared
        ],
    }


def _is_whole(replay: Replay) -> bool:
    """Whether all of the recording was read."""
    return replay.cut is None and not replay.outcome.fault


def _unmade(unmade: Mapping[tuple[str | None, str], int]) -> str:
    """Raises that could not be made: "2 of gpu, 1 of others (the machine has no such source)"."""
    reasons: dict[str, list[str]] = {}
    rest: dict[str, int] = {}
    for (name, reason), times in unmade.items():
        named = reasons.setdefault(reason, [])
        if name is not None and len(named) < NAMES:
            named.append(f"{times} of {legible(name[:NAME_MAX])}")
        else:
            rest[reason] = rest.get(reason, 0) + times
    for reason, times in rest.items():
        reasons[reason].append(f"{times} of others")
    return "; ".join(f"{', '.join(named)} ({reason})" for reason, named in reasons.items())
