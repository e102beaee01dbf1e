"""The initial RAM disk, unpacked by cpio where that is installed; the kernel unpacks it in `make test-linux`."""

from __future__ import annotations

import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

INITRD = runpy.run_path(str(Path(__file__).with_name("initrd.py")))
BUSYBOX = b"\x7fELF, as good as any"


def test_the_same_program_gives_the_same_archive() -> None:
    first, second = INITRD["initrd"](BUSYBOX), INITRD["initrd"](BUSYBOX)
    assert first == second and len(first) % 512 == 0


def test_the_marks_are_what_the_init_writes() -> None:
    """The script composes its marks, so that the text of a mark stands nowhere on the console before it is one."""
    script = INITRD["_INIT"]
    for mark in ("BEGIN", "END", "PRINTED"):
        assert INITRD[mark].startswith("irqframe: interrupts ") and f"\nmark {INITRD[mark].split()[-1]}\n" in script
        assert INITRD[mark] not in script


@pytest.mark.skipif(shutil.which("cpio") is None, reason="cpio is not installed")
def test_cpio_lists_it() -> None:
    command = ["cpio", "-itv", "--quiet", "--numeric-uid-gid"]
    done = subprocess.run(command, input=INITRD["initrd"](BUSYBOX), capture_output=True, check=True)
    names = [line.split(maxsplit=8)[-1] for line in done.stdout.decode().splitlines()]
    assert {"bin/busybox", "bin/sh -> busybox", "init", "proc"} <= set(names)
