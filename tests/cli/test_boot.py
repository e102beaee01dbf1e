"""`irqframe boot`: how a run ends, what it prints, and where the console goes; guests are a few instructions each."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="the extra `guest` is not installed")

Run = Callable[..., subprocess.CompletedProcess[str]]

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
VIRT = EXAMPLES / "virt-gicv2.dts"

# A64, as its encodings have it (Arm ARM, C6.2).
OFF = (0x5280_0100, 0x72B0_8000, 0xD400_0002)
"""mov w0, #8; movk w0, #0x8400, lsl #16; hvc #0: PSCI SYSTEM_OFF."""
RESET = (0x5280_0120, 0x72B0_8000, 0xD400_0002)
"""The same with 9: SYSTEM_RESET."""
FOREVER = (0x1400_0000,)
"""b ."""
UNDEFINED = (0x0000_0000,)
"""udf #0; the vectors are undefined too."""
UART = 0xD2A1_2001
"""mov x1, #0x9000000."""
ECHO = (0xB940_1822, 0x3727_FFE2, 0xB940_0022, 0xB900_0022, 0x17FF_FFFC)
"""ldr w2, [x1, #0x18]; tbnz w2, #4, .-4; ldr w2, [x1]; str w2, [x1]; b .-16: what is typed comes back."""


def says(text: str) -> list[int]:
    """mov w2, #character; str w2, [x1] for each."""
    return [UART, *(word for character in text.encode() for word in (0x5280_0002 | character << 5, 0xB900_0022))]


@pytest.fixture
def image(tmp_path: Path) -> Callable[..., Path]:
    """Makes an arm64 Image of instructions."""

    def make(*words: int) -> Path:
        code = struct.pack(f"<{len(words)}I", *words)
        # b .+64; header of Documentation/arm64/booting.rst.
        head = struct.pack("<2I3Q3QII", 0x1400_0010, 0, 0, 64 + len(code), 0, 0, 0, 0, 0x644D5241, 0)
        path = tmp_path / "Image"
        path.write_bytes(head + code)
        return path

    return make


def test_power_off_ends_with_0_and_the_console_comes_first(irqframe: Run, image: Callable[..., Path]) -> None:
    kernel = image(*says("hello\n"), *OFF)
    done = irqframe("boot", VIRT, "--kernel", kernel)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "hello"
    assert lines[2].startswith(f"{VIRT}: 4 vCPUs, irqchip gicv2 (")
    assert "  hypercalls: SYSTEM_OFF 1" in lines and "  MMIO: UARTDR 6" in lines
    assert lines[-1] == "ended: the guest switched the machine off"
    assert re.fullmatch(r"\d+ instructions in \d+\.\d\d s\n", done.stderr)


@pytest.mark.parametrize(
    ("words", "options", "code", "last"),
    [
        ([*OFF], (), 0, "ended: the guest switched the machine off"),
        ([*RESET], (), 0, "ended: the guest asked for a reset"),
        ([*says("login: "), *FOREVER], ("--until", "login:"), 0, "ended: the text of --until was printed"),
        ([*OFF], ("--until", "login:"), 5, "ended: the guest switched the machine off"),
    ],
)
def test_exit_codes(
    irqframe: Run, image: Callable[..., Path], words: list[int], options: tuple[str, ...], code: int, last: str
) -> None:
    done = irqframe("boot", VIRT, "--kernel", image(*words), "--smp", "1", *options)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (code, last)


@pytest.mark.parametrize("virtual", [(), ("--virtual-time",)])
def test_a_guest_that_died_is_reported(irqframe: Run, image: Callable[..., Path], virtual: tuple[str, ...]) -> None:
    done = irqframe("boot", VIRT, "--kernel", image(*says("oops"), *UNDEFINED), "--smp=2", *virtual)
    assert done.returncode == 4
    report = done.stdout[done.stdout.index("the guest died: CPU 0: ") :]
    assert "\nCPU 0 (MPIDR 0x0) runs\n" in report and "\nCPU 1 (MPIDR 0x1) is off" in report
    assert re.search(r"\bpc 0000000000000200\b", report), "the vector of EL1h, VBAR_EL1 being 0"
    assert "last exits and exceptions" in report


def test_json_is_alone_on_standard_output(irqframe: Run, image: Callable[..., Path]) -> None:
    done = irqframe("boot", VIRT, "--kernel", image(*says("hello\n"), *UNDEFINED), "--smp=1", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 4 and done.stderr.startswith("hello\n")
    assert report["schema"] == 1 and report["irqchip"] == "gicv2" and report["vcpus"] == [0]
    assert (report["ended"]["reason"], report["ended"]["exit"]) == ("died", 4)
    assert report["traps"]["mmio"] == {"UARTDR": 6}
    assert report["cpus"][0]["registers"]["pc"] == 0x200
    assert {"name", "controller", "raised", "delivered", "coalesced", "dropped", "pending"} == report["sources"][
        0
    ].keys()


def test_virtual_time_repeats(irqframe: Run, image: Callable[..., Path], tmp_path: Path) -> None:
    kernel, traces, outputs = image(*says("hello\n"), *OFF), [], []
    for run in range(2):
        trace = tmp_path / f"trace{run}"
        outputs.append(irqframe("boot", VIRT, "--kernel", kernel, "--virtual-time", "--trace", trace).stdout)
        traces.append(trace.read_bytes())
    assert outputs[0] == outputs[1] and traces[0] == traces[1]
    records = [json.loads(line) for line in traces[0].splitlines()]
    assert [(one["kind"], one["source"]) for one in records] == [("mmio write", "UARTDR")] * 6 + [
        ("hypercall", "SYSTEM_OFF")
    ]


def test_the_console_in_a_file(irqframe: Run, image: Callable[..., Path], tmp_path: Path) -> None:
    console = tmp_path / "console"
    done = irqframe("boot", VIRT, "--kernel", image(*says("a\nb"), *OFF), "--console", console)
    assert console.read_bytes() == b"a\nb\n" and "\na\n" not in done.stdout


@pytest.mark.parametrize("chip", ["gicv2", "gicv3", "rvic"])
def test_the_irqchip_may_be_another(irqframe: Run, image: Callable[..., Path], chip: str) -> None:
    done = irqframe("boot", VIRT, "--kernel", image(*OFF), "--irqchip", chip, "--smp=3")
    assert done.returncode == 0 and f"3 vCPUs, irqchip {chip} (" in done.stdout


def test_bad_input(irqframe: Run, image: Callable[..., Path], tmp_path: Path) -> None:
    kernel = image(*OFF)
    missing = irqframe("boot", VIRT, "--kernel", tmp_path / "nothing")
    assert missing.returncode == 1 and "nothing: No such file" in missing.stderr
    nine = irqframe("boot", VIRT, "--kernel", kernel, "--smp=9")
    assert nine.returncode == 1 and "9" in nine.stderr
    (tmp_path / "text").write_text("no program")
    assert irqframe("boot", VIRT).returncode == 2
    assert irqframe("boot", VIRT, "--kernel", kernel, "--timeout=nan").returncode == 2
    assert irqframe("boot", VIRT, "--kernel", kernel, "--smp=0").returncode == 2
    assert irqframe("boot", VIRT).returncode == 2
    assert irqframe("boot", VIRT, "--kernel", kernel, "--quirks", "nosuch").returncode == 1


# Live


def until(descriptor: int, text: bytes) -> bytes:
    """What comes from the terminal, up to a text."""
    found, end = b"", time.monotonic() + 30
    while text not in found:
        assert time.monotonic() < end, found
        if select.select([descriptor], [], [], 0.1)[0]:
            found += os.read(descriptor, 4096)
    return found


@pytest.mark.parametrize("how", ["Ctrl-C", "Ctrl-A x", "SIGINT"])
def test_the_terminal_is_the_console(command: list[str], image: Callable[..., Path], how: str) -> None:
    kernel = image(*says("ready\n"), *ECHO)
    person, program = pty.openpty()
    before = termios.tcgetattr(program)
    line = [*command, "boot", str(VIRT), "--smp=1", "--kernel", str(kernel)]
    with subprocess.Popen(
        line, stdin=program, stdout=program, stderr=program, env=os.environ | {"TERM": "dumb"}
    ) as boot:
        until(person, b"ready")
        os.write(person, b"abc\x01\x03\x01\x01")
        assert until(person, b"\x01").strip() == b"abc\x03\x01"
        if how == "SIGINT":
            boot.send_signal(signal.SIGINT)
        else:
            os.write(person, b"\x03" if how == "Ctrl-C" else b"\x01x")
        report = until(person, b"instructions in ")
        assert b"1 vCPU, irqchip gicv2" in report and b"ended: interrupted" in report
        assert boot.wait(timeout=30) == 130
    assert termios.tcgetattr(program) == before
    os.close(person)
    os.close(program)


def test_without_a_terminal_sigint_ends_with_the_table(command: list[str], image: Callable[..., Path]) -> None:
    line = [*command, "boot", str(VIRT), "--smp=1", "--kernel", str(image(*says("ready\n"), *FOREVER))]
    with subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as boot:
        assert boot.stdout is not None
        assert boot.stdout.readline() == b"ready\n"
        boot.send_signal(signal.SIGINT)
        report = boot.stdout.read()
    assert boot.returncode == 130 and report.rstrip().endswith(b"ended: interrupted")


def on_terminal(arguments: list[str], program: int) -> subprocess.Popen[bytes]:
    """A process whose terminal it is, signals of its keys included."""

    def control() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    return subprocess.Popen(
        arguments,
        stdin=program,
        stdout=program,
        stderr=program,
        start_new_session=True,
        preexec_fn=control,
        env=os.environ | {"TERM": "dumb"},
    )


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A terminal: the end that a person has, and the program's."""
    person, program = pty.openpty()
    yield person, program
    os.close(person)
    os.close(program)


def test_ctrl_c_ends_a_guest_that_reads_no_input(
    command: list[str], image: Callable[..., Path], terminal: tuple[int, int]
) -> None:
    person, program = terminal
    before = termios.tcgetattr(program)
    line = [*command, "boot", str(VIRT), "--smp=1", "--kernel", str(image(*says("ready\n"), *FOREVER))]
    with on_terminal(line, program) as boot:
        until(person, b"ready")
        for key in b"typed ahead, and left\x03":
            os.write(person, bytes((key,)))
            time.sleep(0.01)
        assert b"ended: interrupted" in until(person, b"instructions in ")
        assert boot.wait(timeout=30) == 130
    assert termios.tcgetattr(program) == before


def test_ctrl_c_ends_a_machine_without_a_serial_port(
    command: list[str], image: Callable[..., Path], terminal: tuple[int, int], tmp_path: Path
) -> None:
    person, program = terminal
    tree = tmp_path / "mute.dts"
    tree.write_text(VIRT.read_text().replace('"arm,pl011\\0arm,primecell"', '"irqframe,nothing"'))
    line = [*command, "boot", str(tree), "--smp=1", "--kernel", str(image(*FOREVER)), "--timeout=20"]
    with on_terminal(line, program) as boot:
        time.sleep(1)
        os.write(person, b"\x03")
        assert boot.wait(timeout=30) == 130


def test_a_signal_that_ends_the_process_leaves_the_terminal_as_it_was(
    command: list[str], image: Callable[..., Path], terminal: tuple[int, int]
) -> None:
    person, program = terminal
    before = termios.tcgetattr(program)
    line = [*command, "boot", str(VIRT), "--smp=1", "--kernel", str(image(*says("ready\n"), *FOREVER))]
    with on_terminal(line, program) as boot:
        until(person, b"ready")
        assert termios.tcgetattr(program) != before
        boot.send_signal(signal.SIGTERM)
        assert boot.wait(timeout=30) == -signal.SIGTERM
    assert termios.tcgetattr(program) == before


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_streams_may_be_closed(command: list[str], image: Callable[..., Path], closed: str) -> None:
    line = [*command, "boot", str(VIRT), "--smp=1", "--kernel", str(image(*says("hello\n"), *OFF))]
    assert subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *line], check=False).returncode == 0


def test_without_unicorn_it_says_what_to_install(image: Callable[..., Path]) -> None:
    program = "import sys; sys.modules['unicorn'] = None; from irqframe.cli._main import main; main(sys.argv[1:])"
    line = [sys.executable, "-c", program, "boot", str(VIRT), "--kernel", str(image(*OFF))]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "irqframe: error: running code needs unicorn: install irqframe[guest]\n"


def test_a_guest_that_gets_nowhere_is_told_where_it_stood(irqframe: Run, image: Callable[..., Path]) -> None:
    done = irqframe("boot", VIRT, "--kernel", image(*FOREVER), "--timeout=0.3")
    assert done.returncode == 5
    report = done.stdout[done.stdout.index("\ntimeout: 0.3 s are over\nCPU 0 (MPIDR 0x0) runs\n") :]
    assert re.search(r"^ +pc [0-9a-f]{16}", report, re.MULTILINE)
