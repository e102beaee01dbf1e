"""A process of qemu-system-aarch64: its machine protocol (QMP) and its test protocol (qtest), over sockets.

The packaged QEMU has no `qtest` accelerator, but takes the protocol under TCG. The process belongs to its `Qemu`.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TextIO

from oracle import stub

QEMU: Final = "qemu-system-aarch64"
SPIS: Final = 256
"""SPIs of the virt board."""

_TIMEOUT: Final = 20.0
_GICS: Final = ("child<arm_gic>", "child<arm-gicv3>")


class OracleError(RuntimeError):
    """QEMU refused, hung, or died."""


def qemu_version(qemu: str = QEMU) -> str | None:
    """Its version, or None if it is not there."""
    if shutil.which(qemu) is None:
        return None
    said = subprocess.run([qemu, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"version (\d+\.\d+\.\d+)", said)
    return found[1] if found else None


class Qemu:
    """The virt board with a GIC, running.

    Args:
        version: of the GIC, 2 or 3.
        cpus: how many there are.
        ram: file that is its memory.
        qemu: the program.
    """

    def __init__(self, version: int, cpus: int, ram: Path, qemu: str = QEMU) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="gic", dir="/tmp"))
        qtest, qmp = self._folder / "qtest", self._folder / "qmp"
        self._process = subprocess.Popen(
            [qemu, *_arguments(version, cpus, ram, qtest, qmp)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            self._qmp: TextIO = self._connect(qmp)
            self._qmp.readline()
            self.execute("qmp_capabilities")
            self._qtest: TextIO = self._connect(qtest)
            self._gic = self._find_gic()
            self.execute("cont")
        except BaseException:
            self.close()
            raise

    def _connect(self, path: Path) -> TextIO:
        end = time.monotonic() + _TIMEOUT
        while True:
            link = socket.socket(socket.AF_UNIX)
            try:
                link.connect(str(path))
            except OSError:
                link.close()
                if time.monotonic() > end or self._process.poll() is not None:
                    raise OracleError(f"QEMU did not start: {self.last_words()}") from None
                time.sleep(0.01)
            else:
                link.settimeout(_TIMEOUT)
                with link:  # the file keeps the connection
                    return link.makefile("rw")

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def pause(self) -> None:
        """Stop the process."""
        self._process.send_signal(signal.SIGSTOP)

    def proceed(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def execute(self, command: str, until: str | None = None, **arguments: object) -> Any:
        """A QMP command, and what it returned; with `until`, after that event has come too."""
        self._say(self._qmp, json.dumps({"execute": command, "arguments": arguments}))
        result: Any = None
        missing = {"return", until or "return"}
        while missing:
            answer = json.loads(self._hear(self._qmp))
            if "error" in answer:
                raise OracleError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                result = answer["return"]
                missing.discard("return")
            missing.discard(answer.get("event"))
        return result

    def set_line(self, pin: int, level: int) -> None:
        """Set an input of the GIC: SPIs first, then 32 for each CPU."""
        self._say(self._qtest, f"set_irq_in {self._gic} unnamed-gpio-in {pin} {level}")
        answer = self._hear(self._qtest)
        if not answer.startswith("OK"):
            raise OracleError(f"input {pin}: {answer.strip()}")

    def _find_gic(self) -> str:
        root = "/machine/unattached"
        for entry in self.execute("qom-list", path=root):
            if entry["type"] in _GICS:
                return f"{root}/{entry['name']}"
        raise OracleError("QEMU has no GIC")

    def _say(self, link: TextIO, line: str) -> None:
        try:
            link.write(line + "\n")
            link.flush()
        except OSError as error:
            raise OracleError(f"QEMU is gone: {self.last_words()}") from error

    def _hear(self, link: TextIO) -> str:
        try:
            line = link.readline()
        except OSError as error:
            raise OracleError(f"QEMU says nothing: {self.last_words()}") from error
        if not line:
            raise OracleError(f"QEMU is gone: {self.last_words()}")
        return line

    def last_words(self) -> str:
        """How the process ended, and what it said."""
        if self._process.poll() is None:
            return "it runs"
        assert self._process.stderr is not None
        return f"exit code {self._process.returncode}, {self._process.stderr.read().decode(errors='replace').strip()}"

    def close(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for name in ("_qmp", "_qtest"):
            if hasattr(self, name):
                getattr(self, name).close()
        assert self._process.stderr is not None
        self._process.stderr.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _arguments(version: int, cpus: int, ram: Path, qtest: Path, qmp: Path) -> Sequence[str]:
    return (
        *("-M", f"virt,gic-version={version},memory-backend=ram", "-cpu", "cortex-a57", "-smp", str(cpus)),
        *("-m", f"{stub.SIZE >> 20}", "-accel", "tcg,thread=single", "-S", "-display", "none", "-nodefaults"),
        *("-nic", "none", "-qtest-log", "none"),
        *("-object", f"memory-backend-file,id=ram,size={stub.SIZE},mem-path={ram},share=on"),
        *("-device", f"loader,addr={stub.RAM + stub.STUB:#x},cpu-num=0"),
        *("-qtest", f"unix:{qtest},server=on,wait=off", "-qmp", f"unix:{qmp},server=on,wait=off"),
    )
