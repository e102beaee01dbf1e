"""What a trap costs: models of a host, read from a TOML file.

1. A model gives the cost of each kind of trap, and of single registers and functions by pattern, `*` and `?` as in file
   names: `names` are those that cost something else, `served` are accesses that hardware takes from the hypervisor, and
   which are no traps on that host. The first pattern that fits counts, `names` before `served`.
2. A cost is a number, or a table of a number and where it comes from: `{ cost = 451, source = "..." }`.
3. Whatever is wrong is one error with the file and the key.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple

from irqframe.errors import IrqframeError
from irqframe.guest._traps import TrapCounts

KINDS: Final = ("hypercall", "mmio", "sysreg")
"""The kinds of trap, in the order of `TrapCounts`."""

SHIPPED: Final = "costs.toml"

MAX_BYTES: Final = 1 << 20
MAX_MODELS: Final = 8
MAX_PATTERNS: Final = 256
MAX_TEXT: Final = 80
MAX_COST: Final = 1e12


class Cost(NamedTuple):
    """A cost.

    Attributes:
        value: in the unit of the file.
        source: where it comes from, "" if the file does not say.
    """

    value: float
    source: str = ""


class Bill(NamedTuple):
    """What traps cost.

    Attributes:
        traps: how many of them are traps on that host.
        cost: of all.
    """

    traps: int
    cost: float


@dataclass(frozen=True, slots=True)
class Model:
    """A host.

    Attributes:
        name: what columns are called.
        about: what it stands for, in a sentence.
        kinds: costs of the kinds of trap.
        names: of single registers and functions, by pattern.
        served: of accesses that are no traps, by pattern.
    """

    name: str
    about: str
    kinds: Mapping[str, Cost]
    names: Mapping[str, Cost]
    served: Mapping[str, Cost]

    def bill(self, traps: TrapCounts) -> Bill:
        """What so many traps cost on this host."""
        trapped, total = 0, 0.0
        for kind, counts in zip(KINDS, (traps.hypercalls, traps.mmio, traps.sysregs), strict=True):
            for name, times in counts.items():
                traps_here, cost = self._price(kind, name)
                trapped += times if traps_here else 0
                total += times * cost.value
        return Bill(trapped, total)

    def _price(self, kind: str, name: str) -> tuple[bool, Cost]:
        for traps, patterns in ((True, self.names), (False, self.served)):
            for pattern, cost in patterns.items():
                if fnmatchcase(name, pattern):
                    return traps, cost
        return True, self.kinds[kind]


@dataclass(frozen=True, slots=True)
class Costs:
    """A file of costs.

    Attributes:
        file: its name.
        unit: of every cost: "ns", "cycles".
        models: in the order of the file.
    """

    file: str
    unit: str
    models: tuple[Model, ...]


def shipped_costs() -> Costs:
    """The costs that come with irqframe."""
    return _costs(SHIPPED, (files(__package__) / SHIPPED).read_bytes())


def read_costs(path: Path) -> Costs:
    """Read a file of costs.

    Raises:
        IrqframeError: it cannot be read, or something in it is wrong.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise IrqframeError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if len(data) > MAX_BYTES:
        raise IrqframeError(f"{path}: it has more than {MAX_BYTES} bytes")
    return _costs(str(path), data)


def _costs(file: str, data: bytes) -> Costs:
    try:
        table = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise IrqframeError(f"{file}: byte {error.start} is no UTF-8") from error
    except ValueError as error:
        raise IrqframeError(f"{file}: {error}") from error
    except RecursionError as error:
        raise IrqframeError(f"{file}: it is nested too deeply") from error
    return _Reader(file).costs(table)


class _Reader:
    """Takes a table apart; every message names the file and the key."""

    def __init__(self, file: str) -> None:
        self._file = file

    def costs(self, table: dict[str, Any]) -> Costs:
        self._only(table, "", {"unit", "model"})
        unit = self._text(table, "unit", "")
        models = table.get("model")
        if not isinstance(models, list) or not 1 <= len(models) <= MAX_MODELS:
            raise self._error("model", f"expected 1 to {MAX_MODELS} tables [[model]]")
        made = tuple(self._model(model, f"model[{number}]") for number, model in enumerate(models))
        for number, model in enumerate(made):
            if model.name in {other.name for other in made[:number]}:
                raise self._error(f"model[{number}].name", f"{model.name!r} is the name of another model")
        return Costs(self._file, unit, made)

    def _model(self, table: Any, key: str) -> Model:
        self._only(table, key, {"name", "about", "names", "served", *KINDS})
        for kind in KINDS:
            if kind not in table:
                raise self._error(f"{key}.{kind}", "there is no cost of this kind of trap")
        return Model(
            self._text(table, "name", key),
            self._text(table, "about", key, most=1000) if "about" in table else "",
            {kind: self._cost(table[kind], f"{key}.{kind}") for kind in KINDS},
            dict(self._patterns(table.get("names", {}), f"{key}.names")),
            dict(self._patterns(table.get("served", {}), f"{key}.served")),
        )

    def _patterns(self, table: Any, key: str) -> Iterator[tuple[str, Cost]]:
        if not isinstance(table, dict) or len(table) > MAX_PATTERNS:
            raise self._error(key, f"expected a table of at most {MAX_PATTERNS} patterns")
        for pattern, value in table.items():
            if not 1 <= len(pattern) <= MAX_TEXT or pattern.count("*") > 4:
                raise self._error(f"{key}.{pattern[:MAX_TEXT]!r}", "a pattern has 1 to 80 characters, 4 of them `*`")
            yield pattern, self._cost(value, f"{key}.{pattern!r}")

    def _cost(self, value: Any, key: str) -> Cost:
        if isinstance(value, dict):
            self._only(value, key, {"cost", "source"})
            if "cost" not in value:
                raise self._error(f"{key}.cost", "it is missing")
            source = self._text(value, "source", key, most=1000) if "source" in value else ""
            return Cost(self._number(value["cost"], f"{key}.cost"), source)
        return Cost(self._number(value, key))

    def _number(self, value: Any, key: str) -> float:
        right = isinstance(value, int | float) and not isinstance(value, bool)
        if not right or not 0 <= value <= MAX_COST or math.isnan(value):
            raise self._error(key, f"expected a number from 0 to {MAX_COST:g}")
        return float(value)

    def _text(self, table: dict[str, Any], name: str, key: str, most: int = MAX_TEXT) -> str:
        value = table.get(name)
        if not isinstance(value, str) or not 1 <= len(value) <= most or not value.isprintable():
            raise self._error(f"{key}.{name}".lstrip("."), f"expected a text of one line, 1 to {most} characters")
        return value

    def _only(self, table: Any, key: str, known: set[str]) -> None:
        if not isinstance(table, dict):
            raise self._error(key, "expected a table")
        for name in table:
            if name not in known:
                shown = f"{key}.{name[:MAX_TEXT]}".lstrip(".")
                raise self._error(shown, f"no such key; there are {', '.join(sorted(known))}")

    def _error(self, key: str, what: str) -> IrqframeError:
        return IrqframeError(f"{self._file}: {key}: {what}")
