"""The image that the package has is what these sources make."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

PACKAGED = Path(__file__).parents[2] / "irqframe" / "guest" / "compare" / "workload.img"
COMPILER = "12.2.0"


def test_the_packages_image_is_what_the_sources_make(bare_metal: Path) -> None:
    """`python tests/guests/build.py --package` writes it anew; with another compiler COMPILER changes, too."""
    version = subprocess.run(
        ("aarch64-linux-gnu-gcc", "-dumpfullversion"), capture_output=True, text=True, check=True
    ).stdout.strip()
    if version != COMPILER:
        pytest.skip(f"the image was made by GCC {COMPILER}, and this is {version}")
    assert (bare_metal / "workload.img").read_bytes() == PACKAGED.read_bytes()
