"""PL011 and PL031 against QEMU's, register by register: the same random accesses to both, by QEMU's test protocol.

The machine of QEMU is stopped, so its clock stands still as ours does, except where the test is of an alarm. What the
two hold apart on purpose is in `EXEMPT`.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from irqframe.guest.devices import Line, Pl011, Pl031, Wire

QEMU = shutil.which("qemu-system-aarch64")
pytestmark = pytest.mark.skipif(QEMU is None, reason="qemu-system-aarch64 is missing")

UART, RTC = 0x0900_0000, 0x0901_0000
EPOCH = 1_577_836_800
TIMEOUT = 20.0

DR, RSR, FR, ILPR, IBRD, FBRD, LCR_H, CR, IFLS, IMSC, RIS, MIS, ICR, DMACR = (
    UART + offset for offset in (0x00, 0x04, 0x18, 0x20, 0x24, 0x28, 0x2C, 0x30, 0x34, 0x38, 0x3C, 0x40, 0x44, 0x48)
)
RTC_DR, RTC_MR, RTC_LR, RTC_CR, RTC_IMSC, RTC_RIS, RTC_MIS, RTC_ICR = (RTC + 4 * n for n in range(8))
IDS = [base + 0xFE0 + 4 * n for base in (UART, RTC) for n in range(8)]
PENDING = 0x0800_0204  # GICD_ISPENDR1: a level input shows its line there

#: Writable bits of each register that only holds a value; QEMU keeps those that are reserved too.
HELD = {ILPR: 0xFF, IBRD: 0xFFFF, FBRD: 0x3F, CR: 0xFF87, IFLS: 0x3F, IMSC: 0x7FF}

#: Register -> bits that are not compared.
#: RX and RT: QEMU's trigger level is one character, whatever UARTIFLS says, and it has no timeout.
EXEMPT = {RIS: 0x50, MIS: 0x50}


class Qemu:
    """The virt board, stopped."""

    def __init__(self, folder: Path) -> None:
        assert QEMU is not None
        paths = {name: folder / name for name in ("qtest", "qmp", "uart")}
        arguments = [
            "-M",
            "virt,gic-version=2",
            "-cpu",
            "cortex-a15",
            "-S",
            "-display",
            "none",
            "-nodefaults",
            "-qtest-log",
            "/dev/null",
        ]
        arguments += ["-rtc", "base=2020-01-01T00:00:00,clock=vm", "-m", "16M"]
        for name, option in (("qtest", "-qtest"), ("qmp", "-qmp"), ("uart", "-serial")):
            arguments += [option, f"unix:{paths[name]},server=on,wait=off"]
        self.process = subprocess.Popen([QEMU, *arguments], stdin=subprocess.DEVNULL)
        self._open = ExitStack()
        try:
            self.uart = self._connect(paths["uart"])
            self._qtest, self._qmp = (self._file(paths[name]) for name in ("qtest", "qmp"))
            self._qmp.readline()
            self.execute("qmp_capabilities")
        except BaseException:
            self.close()
            raise

    def _file(self, path: Path) -> TextIO:
        return self._open.enter_context(self._connect(path).makefile("rw"))

    def _connect(self, path: Path) -> socket.socket:
        end = time.monotonic() + TIMEOUT
        while True:
            link = socket.socket(socket.AF_UNIX)
            try:
                link.connect(str(path))
            except OSError:
                link.close()
                assert time.monotonic() < end and self.process.poll() is None, "QEMU did not start"
                time.sleep(0.01)
            else:
                link.settimeout(TIMEOUT)
                return self._open.enter_context(link)

    def execute(self, command: str) -> None:
        self._qmp.write(json.dumps({"execute": command}) + "\n")
        self._qmp.flush()
        while "return" not in json.loads(self._qmp.readline()):
            pass

    def ask(self, line: str) -> list[str]:
        link: TextIO = self._qtest
        link.write(line + "\n")
        link.flush()
        answer = link.readline().split()
        assert answer[0] == "OK", answer
        return answer[1:]

    def read(self, address: int) -> int:
        return int(self.ask(f"readl {address:#x}")[0], 16)

    def write(self, address: int, value: int) -> None:
        self.ask(f"writel {address:#x} {value:#x}")

    def type(self, character: int) -> None:
        """One character, and it has come: while the FIFO has room."""
        self.uart.sendall(bytes([character]))
        end = time.monotonic() + TIMEOUT
        while self.read(FR) & 1 << 4:
            assert time.monotonic() < end, "QEMU's serial port takes nothing"

    def printed(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += self.uart.recv(count - len(data))
        return data

    def close(self) -> None:
        self._open.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def qemu() -> Iterator[Qemu]:
    # The path of a socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="uart", dir="/tmp") as folder:
        made = Qemu(Path(folder))
        yield made
        made.close()


@pytest.fixture
def ours(cpu: Any, console: Any) -> Any:
    cpu.uart = Pl011(cpu.vm, UART, Line("uart", Wire(cpu.vm, 1)), console)
    cpu.rtc = Pl031(cpu.vm, RTC, Line("rtc", Wire(cpu.vm, 2)), EPOCH)
    return cpu


class Both:
    """The two, reset by what a driver can do."""

    def __init__(self, qemu: Qemu, ours: Any, console: Any) -> None:
        self.qemu = qemu
        self.ours = ours
        self.console = console

    def write(self, address: int, value: int) -> None:
        self.qemu.write(address, value)
        self.ours.write(address, value)

    def same(self, *addresses: int) -> None:
        for address in addresses:
            mask = ~EXEMPT.get(address, 0)
            theirs, mine = self.qemu.read(address) & mask, self.ours.read(address) & mask
            assert theirs == mine, f"{self.ours.vm.mmio.name(address)}: QEMU {theirs:#x}, ours {mine:#x}"

    def lines(self) -> None:
        """UARTINTR and RTCINTR, as the distributor sees them."""
        theirs, mine = self.qemu.read(PENDING) & 6, self.ours.read(PENDING) & 6
        assert theirs == mine

    def flush(self, line_control: int) -> None:
        """Write UARTLCR_H so that FEN changes: QEMU 7.2 leaves UARTFR behind until UARTDR is read."""
        self.write(LCR_H, line_control)
        self.qemu.read(DR)

    def type(self, character: int) -> None:
        self.qemu.type(character)
        self.console.typed += bytes([character])
        self.ours.uart.update()

    def reset(self) -> None:
        self.write(IMSC, 0)
        for fifo in (0x10, 0, 0x10):
            self.flush(fifo)
        self.write(ICR, 0x7FF)
        self.write(CR, 0x300)
        self.write(IFLS, 0x12)
        self.write(RTC_IMSC, 0)
        self.write(RTC_LR, EPOCH)
        self.write(RTC_MR, EPOCH + 1000)
        self.write(RTC_ICR, 1)
        assert self.console.typed == b""
        self.console.printed = b""


@pytest.fixture
def both(qemu: Qemu, ours: Any, console: Any) -> Both:
    return Both(qemu, ours, console)


def test_reset_values_and_identification(both: Both) -> None:
    both.same(FR, IFLS, RSR, LCR_H, IMSC, RIS, MIS, *IDS, RTC_CR, RTC_IMSC, RTC_RIS, RTC_MIS, RTC_MR, RTC_DR)


held = st.sampled_from(sorted(HELD)).flatmap(
    lambda register: st.tuples(
        st.just("write"), st.just(register), st.integers(0, 0xFFFF).map(lambda v: v & HELD[register])
    )
)
operations = st.lists(
    st.one_of(
        held,
        st.tuples(st.just("write"), st.just(DR), st.integers(0, 255)),
        st.tuples(st.just("write"), st.just(ICR), st.integers(0, 0x7FF)),
        st.tuples(st.just("write"), st.just(IMSC), st.sampled_from([0, 0x20, 0x7AF])),
        st.tuples(st.just("write"), st.just(LCR_H), st.sampled_from([0x00, 0x10, 0x60, 0x70])),
        st.tuples(st.just("type"), st.just(0), st.integers(0, 255)),
        st.tuples(st.just("read"), st.just(DR), st.just(0)),
    ),
    max_size=40,
)
few = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@few
@given(operations)
def test_the_serial_port(both: Both, steps: list[tuple[str, int, int]]) -> None:
    both.reset()
    waiting, depth, sent = 0, 16, b""
    for what, register, value in steps:
        if what == "type":
            if waiting < depth:
                waiting += 1
                both.type(value)
        elif what == "read":
            if waiting:
                waiting -= 1
                both.same(DR)
        else:
            if register == LCR_H and bool(value & 0x10) != (depth == 16):
                depth, waiting = 16 if value & 0x10 else 1, 0
                both.flush(value)
            if register == DR:
                sent += bytes([value])
            if register == IMSC:
                value &= ~0x50  # the line of those that are not compared
            both.write(register, value)
        both.same(FR, ILPR, IBRD, FBRD, LCR_H, CR, IFLS, IMSC, RIS, MIS)
        both.lines()
    assert both.console.printed == sent
    assert both.qemu.printed(len(sent)) == sent


@few
@given(st.lists(st.integers(0, 255), max_size=20))
def test_receiving_without_fifo(both: Both, characters: list[int]) -> None:
    """There the trigger level is one character for both: the receive interrupt is the same too."""
    both.reset()
    both.flush(0x60)
    both.write(ICR, 0x7FF)
    both.write(IMSC, 0x10)
    for character in characters:
        both.type(character)
        assert both.qemu.read(RIS) & 0x10 == both.ours.read(RIS) & 0x10 == 0x10
        both.lines()
        both.same(FR, DR, FR)
        assert both.qemu.read(RIS) & 0x10 == both.ours.read(RIS) & 0x10 == 0
        both.lines()


near = st.integers(-3, 3).map(lambda n: EPOCH + n)
wide = st.integers(0, 0xFFFF_FFFF)
rtc_operations = st.lists(
    st.one_of(
        st.tuples(st.just(RTC_MR), near | wide),
        st.tuples(st.just(RTC_LR), near | wide),
        st.tuples(st.just(RTC_IMSC), st.integers(0, 1)),
        st.tuples(st.just(RTC_CR), st.integers(0, 1)),
        st.tuples(st.just(RTC_ICR), st.just(1)),
    ),
    max_size=30,
)


@few
@given(rtc_operations)
def test_the_clock_while_it_stands_still(both: Both, steps: list[tuple[int, int]]) -> None:
    both.reset()
    for register, value in steps:
        both.write(register, value)
        both.same(RTC_DR, RTC_MR, RTC_CR, RTC_IMSC, RTC_RIS, RTC_MIS)
        both.lines()


def test_an_alarm_comes_when_the_clock_runs(both: Both) -> None:
    both.reset()
    both.write(RTC_IMSC, 1)
    both.write(RTC_MR, EPOCH + 1)
    both.same(RTC_RIS)
    both.lines()
    both.qemu.execute("cont")
    end = time.monotonic() + TIMEOUT
    while not both.qemu.read(RTC_RIS):
        assert time.monotonic() < end
        time.sleep(0.02)
    both.qemu.execute("stop")
    both.ours.advance(1_000_000_000)
    both.ours.rtc.update()
    both.same(RTC_RIS, RTC_MIS)
    both.lines()
    both.write(RTC_ICR, 1)
    both.same(RTC_RIS, RTC_MIS)
    both.lines()
