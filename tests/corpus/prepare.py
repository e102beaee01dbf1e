"""Fetches the device trees of Linux, as Debian packs its source, into .venv/corpus/linux of the checkout; once.

apt is called with a state and a cache of its own below .venv/corpus/apt: it reads which archives the machine uses and
trusts, and changes nothing outside of the checkout. `source.json` beside the tree records what was unpacked.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import IO

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
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        sys.exit(f"the corpus needs {', '.join(missing)}, which are not installed")
    package = _download()
    shutil.rmtree(LINUX, ignore_errors=True)
    files = _unpack(package)
    with package.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    RECORD.write_text(json.dumps({"file": package.name, "sha256": digest, "files": files}, indent=1) + "\n")
    package.unlink()
    print(f"{LINUX}: {files} files of {package.name}")


def _download() -> Path:
    state, cache, folder = HOME / "apt" / "state", HOME / "apt" / "cache", HOME / "apt" / "package"
    for path in (state / "lists" / "partial", cache / "archives" / "partial", folder):
        path.mkdir(parents=True, exist_ok=True)
    # The user apt changes to could not write below the checkout.
    options = [f"Dir::State={state}", f"Dir::Cache={cache}", "APT::Sandbox::User="]
    command = ["apt-get", "-q", *(word for option in options for word in ("-o", option))]
    subprocess.run([*command, "update"], check=True)
    subprocess.run([*command, "download", PACKAGE], check=True, cwd=folder)
    (found,) = folder.glob(f"{PACKAGE}_*.deb")
    return found


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
