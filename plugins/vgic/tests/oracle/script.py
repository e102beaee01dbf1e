"""A sequence as the model did it: every operation with what the oracle has to say to it.

1. A sequence is made on the model, which is quick, so that what comes next can follow from what came before: an end of
   interrupt names what was acknowledged. The oracle then gets all of it at once.
2. Exemptions are asked while it is made, and again when it is made smaller: what an exemption leaves out of the shorter
   sequence is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from oracle.exemptions import Exemption, How
from oracle.model import Model
from oracle.operations import Op, Outcome


class Step(NamedTuple):
    """An operation of a sequence.

    Attributes:
        op: the operation.
        outcome: what came of it in the model.
        value: whether the value is compared.
        pins: which of the pins are.
    """

    op: Op
    outcome: Outcome
    value: bool
    pins: int


class Script:
    """A sequence in the making.

    Args:
        model: a model as after power-on.
        rows: exemptions.

    Attributes:
        model: as given.
        steps: what was done.
        hits: how often each exemption applied, by name.
    """

    def __init__(self, model: Model, rows: Sequence[Exemption]) -> None:
        self.model = model
        self.steps: list[Step] = []
        self.hits: Counter[str] = Counter()
        self._left_out = [row for row in rows if row.how is How.LEFT_OUT]
        self._values = [row for row in rows if row.how is How.VALUE]
        self._lines = [row for row in rows if row.how is How.LINES]

    def do(self, op: Op) -> int | None:
        """Do an operation, unless an exemption leaves it out.

        Returns:
            What was read; None if nothing was, or nothing was done.
        """
        if self._applying(self._left_out, op):
            return None
        compared = not self._applying(self._values, op)
        outcome = self.model.step(op)
        self.steps.append(Step(op, outcome, compared, 0 if outcome.pins is None else self._pins(op)))
        return outcome.value

    def _applying(self, rows: Sequence[Exemption], op: Op) -> bool:
        for row in rows:
            if row.applies(op, self.model):
                self.hits[row.name] += 1
                return True
        return False

    def _pins(self, op: Op) -> int:
        mask = (1 << 2 * self.model.cpus) - 1
        for cpu in range(self.model.cpus) if self._lines else ():
            if self._applying(self._lines, op._replace(cpu=cpu)):
                mask &= ~(3 << 2 * cpu)
        return mask


class Difference(NamedTuple):
    """Where the oracle first says otherwise.

    Attributes:
        at: number of the operation.
        step: the operation, and what the model did.
        oracle: what came of it there.
    """

    at: int
    step: Step
    oracle: Outcome


def difference(steps: Sequence[Step], oracle: Iterable[Outcome]) -> Difference | None:
    """The first difference between the model and the oracle; None if there is none."""
    for at, (step, there) in enumerate(zip(steps, oracle, strict=True)):
        here = step.outcome
        if step.value and here.value != there.value:
            return Difference(at, step, there)
        if here.pins is not None and there.pins is not None and (here.pins ^ there.pins) & step.pins:
            return Difference(at, step, there)
    return None


def replay(ops: Iterable[Op], version: int, cpus: int, rows: Sequence[Exemption]) -> Script:
    """The same operations on a model as after power-on."""
    with Model(version, cpus) as model:
        script = Script(model, rows)
        for op in ops:
            script.do(op)
        return script
