"""Fetches the device trees of Linux, as Debian packs its source, into .venv/corpus/linux of the checkout; once.

apt's own state and cache are below .venv/corpus/apt, as tests/debian.py says. `source.json` beside the tree records
what was unpacked.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import IO

from debian import Archive, need, sha256

PACKAGE = "linux-source-6.1"
HOME = Path(__file__).resolve().parents[2] / ".venv" / "corpus"
LINUX = HOME / "linux"
RECORD = HOME / "source.json"

#: What the trees are made of, and the bindings. Links lead from one of these to another.
WANTED = (
    "arch/arm/boot/dts/",
    "arch/arm64/boot/dts/",
    "include/dt-bindings/",
    "include/uapi/linux/input-event-codes.h",
    "scripts/dtc/include-prefixes/",
    "Documentation/devicetree/bindings/",
)
TOOLS = ("apt-get", "dpkg-deb", "cpp", "dtc")


def main() -> None:
    """Fetch and unpack, unless that is done."""
    if RECORD.exists():
        print(f"{LINUX}: {json.loads(RECORD.read_text())['file']}, as unpacked before")
        return
    need(TOOLS, "the corpus")
    archive = Archive(HOME / "apt")
    archive.update()
    package = archive.download(PACKAGE)
    shutil.rmtree(LINUX, ignore_errors=True)
    files = _unpack(package)
    record = {"file": package.name, "sha256": sha256(package), "files": files}
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    package.unlink()
    print(f"{LINUX}: {files} files of {package.name}")


def _unpack(package: Path) -> int:
    """Take what is wanted out of the archive in the package; how many files and links."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        with tarfile.open(fileobj=process.stdout, mode="r|") as outer:
            for member in outer:
                if member.name.endswith(f"/{PACKAGE}.tar.xz"):
                    stream = outer.extractfile(member)
                    assert stream is not None
                    return _unpack_source(stream)
    sys.exit(f"{package} holds no {PACKAGE}.tar.xz")


def _unpack_source(stream: IO[bytes]) -> int:
    files = 0
    with tarfile.open(fileobj=stream, mode="r|xz") as archive:
        for member in archive:
            member.name = member.name.partition("/")[2]
            if member.name.startswith(WANTED) and not member.isdir():
                archive.extract(member, LINUX, filter="data")
                files += 1
    return files


if __name__ == "__main__":
    main()
