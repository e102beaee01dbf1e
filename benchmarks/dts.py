"""What reading DTS costs, as ratios in one run: against Zephyr's dtlib, and by the size of the tree: `make bench`.

python benchmarks/dts.py            print the ratios
python benchmarks/dts.py --check    exit with 1 if one is above its bar
"""

from __future__ import annotations

import sys
import tempfile

from _measure import measure
from _trees import wide
from devicetree import dtlib

from irqframe.dt import parse_dts

NODES, MANY = 4_000, 20_000
ROUNDS = 7
BARS = {"dtlib": 1.0, "many": 5.5}


def main() -> int:
    """Measure and print."""
    few, many = wide(NODES), wide(MANY)
    with tempfile.NamedTemporaryFile("w", suffix=".dts") as file:
        file.write(few)
        file.flush()
        times = measure(
            {
                "irqframe": lambda: parse_dts(few, "wide.dts"),
                "dtlib": lambda: dtlib.DT(file.name),
                "many": lambda: parse_dts(many, "wide.dts"),
            },
            ROUNDS,
        )
    ratios = {"dtlib": times["irqframe"] / times["dtlib"], "many": times["many"] / times["irqframe"]}
    print(
        f"{ratios['dtlib']:6.2f}  a DTS of {NODES:,} nodes ({len(few) // 1000} kB) read, to dtlib"
        f" ({times['irqframe']:.0f} ms to {times['dtlib']:.0f} ms)"
    )
    print(f"{ratios['many']:6.2f}  one of {MANY:,} nodes, to one of {NODES:,} ({times['many']:.0f} ms)")
    return int("--check" in sys.argv[1:] and any(ratios[name] > bar for name, bar in BARS.items()))


if __name__ == "__main__":
    sys.exit(main())
