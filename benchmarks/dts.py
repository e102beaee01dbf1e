"""What reading DTS costs, as ratios in one run: against Zephyr's dtlib, and by the size of the tree: `make bench`.

python benchmarks/dts.py            print the ratios
python benchmarks/dts.py --check    exit with 1 if one is above its bar
"""

from __future__ import annotations

import sys
import tempfile

from _measure import measure
from _rows import Row, tell
from _trees import wide
from devicetree import dtlib

from irqframe.dt import parse_dts

NODES, MANY = 4_000, 20_000
ROUNDS = 7
BARS = {"dtlib": 1.0, "many": 5.5}


def rows() -> list[Row]:
    """Against dtlib, and by size."""
    few, more = wide(NODES), wide(MANY)
    with tempfile.NamedTemporaryFile("w", suffix=".dts") as file:
        file.write(few)
        file.flush()
        times = measure(
            {
                "irqframe": lambda: parse_dts(few, "wide.dts"),
                "dtlib": lambda: dtlib.DT(file.name),
                "many": lambda: parse_dts(more, "wide.dts"),
            },
            ROUNDS,
        )
    one, other, many = (times[case] for case in ("irqframe", "dtlib", "many"))
    return [
        Row(f"a DTS of {NODES:,} nodes read, to dtlib", one / other, BARS["dtlib"], f"{one:.0f} ms to {other:.0f} ms"),
        Row(f"a DTS of {MANY:,} nodes, to {NODES:,}", many / one, BARS["many"], f"{many:.0f} ms to {one:.0f} ms"),
    ]


if __name__ == "__main__":
    sys.exit(tell(rows))
