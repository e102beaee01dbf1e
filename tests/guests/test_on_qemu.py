"""The bare-metal guest on QEMU's GICs, so that its drivers are known to be right independently of ours."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

QEMU = shutil.which("qemu-system-aarch64")
HERE = Path(__file__).parent
#: One thread: a CPU that waits gives way by YIELD, and a busy machine is no slower than an idle one.
MACHINE = ("-cpu", "cortex-a72", "-accel", "tcg,thread=single", "-nographic", "-nic", "none")

needs_qemu = pytest.mark.skipif(QEMU is None, reason="qemu-system-aarch64 is not installed")


def run(image: Path, version: int, cpus: int, options: str, board: str = "") -> list[str]:
    """The lines that the guest printed until it powered off."""
    command = (str(QEMU), "-M", f"virt,gic-version={version},{board}".rstrip(","), "-smp", str(cpus), *MACHINE)
    done = subprocess.run(
        (*command, "-kernel", str(image), "-append", options),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def counts(lines: list[str]) -> dict[str, list[int]]:
    """Of each test that passed, how many interrupts each CPU took."""
    found = [re.fullmatch(r"ok (\w+)((?: \d+)+)", line) for line in lines]
    return {match[1]: [int(number) for number in match[2].split()] for match in found if match}


@needs_qemu
@pytest.mark.parametrize("cpus", [1, 4, 8])
@pytest.mark.parametrize("version", [2, 3])
def test_every_test_passes(bare_metal: Path, version: int, cpus: int) -> None:
    """QEMU has no test device: the UART is the line, and messages are stores, to v2m or to the ITS."""
    lines = run(bare_metal / "tests.img", version, cpus, "n=40 patience=60")
    assert lines[0] == f"guest: gicv{version}, {cpus} CPUs, n 40"
    assert lines[-1] == "passed", lines
    kick = [0, *(1 for _ in range(1, cpus))]
    twice = [0, *(2 for _ in range(1, cpus))]
    passed = counts(lines)
    assert list(passed) == ["timer", "ipi", "wired", "msi", "move", "hotplug", "spurious"]
    assert passed["timer"] == [40 + more for more in kick]
    assert passed["ipi"] == [40 * cpus + more for more in kick]
    assert passed["wired"] == [50, *(0 for _ in range(1, cpus))]
    assert passed["msi"] == [8 * 40 // cpus for _ in range(cpus)]
    assert passed["move"] == [40 // cpus for _ in range(cpus)]
    assert passed["hotplug"] == [40 * cpus + more for more in twice]
    assert passed["spurious"] == kick
    total = [sum(test[cpu] for test in passed.values()) for cpu in range(cpus)]
    assert lines[-2] == f"total INTERRUPTS taken={sum(total)} spurious=0, per CPU {' '.join(map(str, total))}"


@needs_qemu
def test_chosen_tests_alone(bare_metal: Path) -> None:
    lines = run(bare_metal / "tests.img", 2, 2, "quiet tests=hotplug,ipi n=3 patience=60")
    assert list(counts(lines)) == ["ipi", "hotplug"]


@needs_qemu
def test_a_test_that_cannot_be_is_skipped_by_name(bare_metal: Path) -> None:
    lines = run(bare_metal / "tests.img", 3, 1, "tests=msi n=3", "its=off")
    assert lines[1] == "skip msi: there is no message"
    assert lines[-1] == "passed"


@needs_qemu
def test_a_guest_that_cannot_go_on_says_so(bare_metal: Path, tmp_path: Path) -> None:
    """The call of the handler is made an undefined instruction; ESR_EL1 has EC 0 and IL then."""
    image = (bare_metal / "tests.img").read_bytes()
    before = image.index(struct.pack("<I", 0xF90053FE))  # str x30, [sp, #160]
    broken = tmp_path / "broken.img"
    broken.write_bytes(image[: before + 4] + bytes(4) + image[before + 8 :])
    lines = run(broken, 2, 1, "tests=ipi n=3")
    where = 0x4008_0000 + before + 4
    assert lines[-1] == f"FAIL on CPU 0: exception, ESR 0x2000000 ELR {where:#x} FAR 0x0"


@needs_qemu
@pytest.mark.parametrize("version", [2, 3])
def test_the_workload_ends(bare_metal: Path, version: int) -> None:
    assert run(bare_metal / "workload.img", version, 4, "n=20 patience=60")[-1] == "workload done"


def test_an_image_has_the_header_of_one(bare_metal: Path) -> None:
    """A branch, text_offset, image_size, flags and magic, as the kernel's booting.rst describes them."""
    for name in ("tests", "workload"):
        image = (bare_metal / f"{name}.img").read_bytes()
        branch, offset, size, flags, magic = struct.unpack_from("<I4xQQQ24xI", image)
        assert branch >> 26 == 0b000101
        assert (offset, flags, magic) == (0x80000, 0xA, 0x644D5241)
        assert len(image) <= size <= 2 << 20


def test_an_image_is_the_same_each_time(bare_metal: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(HERE, copy)
    subprocess.run((sys.executable, str(copy / "build.py"), str(tmp_path)), check=True)
    for name in ("tests.img", "workload.img"):
        assert (tmp_path / name).read_bytes() == (bare_metal / name).read_bytes()
