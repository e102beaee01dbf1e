"""Who has which line: the rules of a machine's shared and per-CPU lines.

1. A line that is level-triggered may be shared; an edge, a message and a per-CPU interrupt need one of their own
   (E0604): two edges become one, a message's line is not the wire's, and a PPI has one handler on each CPU. Partitions
   of CPUs have one each, as long as no CPU is in two. A PPI whose partition is not there (E0629) is compared with none.
2. Lines that the irqchip does not have are found before it is built, if it says how many there are: at a wired source
   (E0603), and at the property that gives lines to messages (E0611).
3. Where a node does not say which lines its messages raise, the irqchip's default is taken, and a clash with it is one
   fault of that node, however many devices are wired to these lines.
4. As long as a controller has fewer lines for messages than devices send to it, some of these get none (W0614).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, chain, islice

from irqframe.dt import InterruptRef, MsiRef, Node, Tree, bounded
from irqframe.errors import Finding, PluginError, Span
from irqframe.flow import Flow, Lines, MessageLines, Source, SourceKind, blaming
from irqframe.machine._gicv3 import names_none, partition
from irqframe.machine._lines import trigger_words
from irqframe.machine._overlap import nested

_Used = tuple[InterruptRef, Source]

_SAY = "the node can say which lines its messages raise; its binding says how"


def lines_of(flow: Flow, nodes: Sequence[Node]) -> Lines | None:
    """What the irqchip says of its shared lines; None if it does not say.

    Raises:
        PluginError: if the irqchip raises something, or returns what is no `Lines`.
    """
    if not flow.has("lines"):
        return None
    with blaming(flow.chip, flow.chip_name):
        answer = flow.call("lines", nodes)
    if not isinstance(answer, Lines):
        raise PluginError(flow.chip_name, f"irqchip_lines returned {answer!r}, which is no Lines")
    return answer


def check_exclusive(refs: Sequence[InterruptRef], sources: Sequence[Source | None]) -> list[Finding]:
    """A finding (E0604) for each source on a line that another has, unless all on it are shared and level-triggered."""
    used: dict[tuple[SourceKind, int], list[_Used]] = {}
    for ref, source in zip(refs, sources, strict=True):
        if source is not None and not (source.kind is SourceKind.PPI and names_none(ref)):
            used.setdefault((source.kind, source.number), []).append((ref, source))
    return bounded(
        _clash(user, first)
        for (kind, _), users in used.items()
        for user, first in (_per_cpu if kind is SourceKind.PPI else _alone)(users)
    )


def _alone(users: Sequence[_Used]) -> Iterator[tuple[_Used, _Used]]:
    """Each user of a shared line but the first, with that one, unless they can all share it."""
    if not all(source.trigger.is_level for _, source in users):
        for user in islice(users, 1, None):
            yield user, users[0]


def _per_cpu(users: Sequence[_Used]) -> Iterator[tuple[_Used, _Used]]:
    """Each user of a PPI that has a CPU which an earlier one has, with that one."""
    every: _Used | None = None
    by_partition: dict[int, _Used] = {}
    by_cpu: dict[int, _Used] = {}
    for user in users:
        of = partition(user[0])
        if of is None:
            other = users[0]
            every = every or user
        elif id(of) in by_partition:
            other = by_partition[id(of)]
        else:
            own = of.cells("affinity")
            other = next((every or by_cpu[cpu] for cpu in own if every or cpu in by_cpu), user)
            by_partition[id(of)] = user
            for cpu in own:
                by_cpu.setdefault(cpu, user)
        if other is not user:
            yield user, other


def check_lines(
    tree: Tree, lines: Lines, refs: Sequence[InterruptRef], sources: Sequence[Source | None], msis: Sequence[MsiRef]
) -> list[Finding]:
    """What is wrong with shared lines, from what the irqchip says of them.

    Args:
        tree: the tree.
        lines: as `lines_of` returns them.
        refs: the interrupts.
        sources: what the irqchip says of each.
        msis: the MSI routes.
    """
    given = sorted((messages for messages in lines.messages if messages.lines), key=lambda one: one.lines.start)
    shared = [
        (ref, source)
        for ref, source in zip(refs, sources, strict=True)
        if source is not None and source.kind is SourceKind.SPI
    ]
    absent = (_no_line(ref, source, lines.count) for ref, source in shared if source.number >= lines.count)
    wired = _wired_to(given, [one for one in shared if one[1].number < lines.count])
    clashing = (_shared(tree, two, one) for one, two in nested(given, _end) if two.lines.start < one.lines.stop)
    return bounded(chain(absent, _given(tree, lines, given, wired, msis), clashing))


def _end(messages: MessageLines) -> int:
    return messages.lines.stop


def _further(one: MessageLines, two: MessageLines) -> MessageLines:
    return two if _end(two) > _end(one) else one


def _wired_to(given: Sequence[MessageLines], used: Sequence[_Used]) -> dict[str, list[_Used]]:
    """The wired sources on lines for messages, by the node that has these; of several, one that has the line."""
    reach = list(accumulate(given, _further))
    starts = [messages.lines.start for messages in given]
    wired: dict[str, list[_Used]] = {}
    for ref, source in used:
        at = bisect_right(starts, source.number) - 1
        if at >= 0 and source.number in reach[at].lines:
            wired.setdefault(reach[at].node, []).append((ref, source))
    return wired


def _given(
    tree: Tree,
    lines: Lines,
    given: Sequence[MessageLines],
    wired: Mapping[str, Sequence[_Used]],
    msis: Sequence[MsiRef],
) -> Iterator[Finding]:
    """What is wrong with the lines that messages raise."""
    senders: dict[str, dict[str, MsiRef]] = {}
    for msi in msis:
        senders.setdefault(msi.controller.path, {}).setdefault(msi.node.path, msi)
    for messages in given:
        yield from _wired(tree, messages, wired.get(messages.node, []))
        yield from _are_there(tree, messages, lines.count)
        yield from _are_enough(tree, messages, list(senders.get(messages.node, {}).values()))


def _clash(user: _Used, first: _Used) -> Finding:
    (ref, source), (other, others) = user, first
    line = f"{source.kind.value} {source.number}"
    if source.kind is SourceKind.PPI and _are_apart(ref, other):
        expected = "a line of its own, or partitions without a CPU in common"
    elif source.kind is SourceKind.PPI:
        expected = "a line of its own: each CPU hands a PPI to one device"
    elif source.trigger.is_level != others.trigger.is_level:
        expected = "the same trigger at both, level: an edge on a line that another holds high is lost"
    else:
        expected = "a line of its own, or level-triggered sources that share one"
    triggers = (
        f"{trigger_words(source.trigger)} here, {trigger_words(others.trigger)} there"
        if source.trigger != others.trigger
        else ""
    )
    return Finding(
        "E0604",
        f"{ref.node.path} and {other.node.path} both have {line}, which only one of them can",
        ref.span,
        ref.node.path,
        expected=expected,
        found=triggers,
        related=((other.span, "the other"),),
    )


def _are_apart(ref: InterruptRef, other: InterruptRef) -> bool:
    """Whether two users of a PPI have a partition each."""
    one, two = partition(ref), partition(other)
    return one is not None and two is not None and one is not two


def _no_line(ref: InterruptRef, source: Source, count: int) -> Finding:
    return Finding(
        "E0603",
        f"line {source.number} is outside what {ref.controller.name} serves (0..{count - 1})",
        ref.spans[0] if ref.spans else ref.span,
        ref.node.path,
        related=((ref.controller.span, "the controller"),),
    )


def _are_there(tree: Tree, messages: MessageLines, count: int) -> Iterator[Finding]:
    lines = messages.lines
    if lines[0] < 0 or lines[-1] >= count:
        yield Finding(
            "E0611",
            f"messages to {messages.node} raise lines that are not there",
            _place(tree, messages),
            messages.node,
            expected=f"lines of 0..{count - 1}",
            found=_range(lines),
        )


def _shared(tree: Tree, messages: MessageLines, other: MessageLines) -> Finding:
    common = range(messages.lines.start, min(messages.lines.stop, other.lines.stop))
    return Finding(
        "E0604",
        f"messages to {messages.node} and to {other.node} raise the same {_range(common)}",
        _place(tree, messages),
        messages.node,
        expected="lines of its own",
        found=_range(messages.lines) + ("" if messages.property else ", by default"),
        hint="" if messages.property and other.property else _SAY,
        related=((_place(tree, other), f"{_range(other.lines)} are given here"),),
    )


def _wired(tree: Tree, messages: MessageLines, users: Sequence[_Used]) -> Iterator[Finding]:
    if not messages.property and users:
        yield Finding(
            "E0604",
            f"messages to {messages.node} raise {_range(messages.lines)} by default, and "
            f"{len(users)} wired interrupt{' is' if len(users) == 1 else 's are'} on them",
            _place(tree, messages),
            messages.node,
            expected="lines that nothing is wired to",
            hint=_SAY,
            related=tuple((ref.span, f"line {source.number} is wired here") for ref, source in users[:3]),
        )
        return
    for ref, source in users:
        yield Finding(
            "E0604",
            f"{ref.node.path} is wired to line {source.number}, which messages to {messages.node} raise",
            ref.span,
            ref.node.path,
            expected=f"a line outside of {messages.lines[0]}..{messages.lines[-1]}",
            related=((_place(tree, messages), "the lines are given to messages here"),),
        )


def _are_enough(tree: Tree, messages: MessageLines, senders: Sequence[MsiRef]) -> Iterator[Finding]:
    if len(senders) > len(messages.lines):
        yield Finding(
            "W0614",
            f"{len(senders)} devices send messages to {messages.node}, which has "
            f"{len(messages.lines)} line{'' if len(messages.lines) == 1 else 's'} for them",
            _place(tree, messages),
            messages.node,
            expected=f"a line or more for each of the {len(senders)}",
            related=tuple((ref.span, "one sends here") for ref in senders[:3]),
        )


def _range(lines: range) -> str:
    return f"line {lines[0]}" if len(lines) == 1 else f"lines {lines[0]}..{lines[-1]}"


def _place(tree: Tree, messages: MessageLines) -> Span:
    """The first cell of the property that gives the lines, or the node."""
    node = tree.node(messages.node) or tree.root
    prop = node.properties.get(messages.property)
    return node.span if prop is None else prop.span_at(0)
