"""The bare-metal guests: C and assembly of this folder, built with GCC for arm64 into images that any loader takes.

    python tests/guests/build.py FOLDER       # tests.img and workload.img
    python tests/guests/build.py --package    # the workload's image in the package, anew

1. An image is the same byte for byte wherever and whenever it is built: no path, date or build id gets into it.
2. Nothing is kept but the images, in the folder that is named.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
PACKAGED: Final = HERE.parents[1] / "irqframe" / "guest" / "compare"
"""Where the package has its image."""
PREFIX: Final = "aarch64-linux-gnu-"

COMMON: Final = (
    *("start.S", "main.c", "cpu.c", "irq.c", "fdt.c", "console.c", "devices.c"),
    *("gicv2.c", "gicv3.c", "its.c", "rvic.c"),
)
"""What every image is made of, beside the file that it is named after."""

IMAGES: Final = {"tests": "-O2", "workload": "-Os"}
"""Every image, and how it is optimized: the one in the package is to be small."""

FLAGS: Final = (
    *("-std=gnu11", "-Wall", "-Wextra", "-Werror"),
    *("-ffreestanding", "-nostdlib", "-mgeneral-regs-only", "-mstrict-align", "-mno-outline-atomics"),
    *("-fpie", "-fvisibility=hidden", "-fno-strict-aliasing", "-fno-stack-protector"),
    "-fno-asynchronous-unwind-tables",
)
LINK: Final = ("--no-dynamic-linker", "--build-id=none", "-z,norelro", "--no-warn-rwx-segments")


def build(name: str, folder: Path) -> None:
    """Build an image into a folder.

    Raises:
        SystemExit: with what the compiler said.
    """
    sources = [str(HERE / source) for source in (*COMMON, f"{name}.c")]
    linking = [f"-Wl,{option}" for option in (f"-T,{HERE / 'image.lds'}", *LINK)]
    with tempfile.TemporaryDirectory() as scratch:
        elf = str(Path(scratch, "image.elf"))
        _run(PREFIX + "gcc", IMAGES[name], *FLAGS, "-pie", *linking, "-o", elf, *sources)
        _run(PREFIX + "objcopy", "-O", "binary", elf, str(folder / f"{name}.img"))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stderr}")


def main() -> None:
    """Build what the command line asks for."""
    if shutil.which(PREFIX + "gcc") is None:
        sys.exit(f"{PREFIX}gcc is not installed")
    if sys.argv[1:] == ["--package"]:
        build("workload", PACKAGED)
    else:
        for name in IMAGES:
            build(name, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
