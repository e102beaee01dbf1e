"""Fetches Debian's arm64 kernel for virtual machines and makes an initial RAM disk, into .venv/linux; once.

apt's own state and cache are below .venv/linux/apt, as tests/debian.py says. `source.json` beside the two records what
they were made from.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tarfile
from pathlib import Path

from debian import Archive, need, sha256
from initrd import initrd

META = "linux-image-cloud-arm64"
KERNEL = r"linux-image-[0-9].*-cloud-arm64"
BUSYBOX = "busybox-static"
HOME = Path(__file__).resolve().parents[2] / ".venv" / "linux"
RECORD = HOME / "source.json"
IMAGE = HOME / "Image"
INITRD = HOME / "initrd.cpio"

#: Where an Image has its magic number, and what that is: Documentation/arm64/booting.rst of the kernel.
MAGIC = (0x38, b"ARM\x64")
TOOLS = ("apt-get", "apt-cache", "dpkg-deb")


def main() -> None:
    """Fetch and make, unless that is done; the initial RAM disk is made anew, if only its content changed."""
    if RECORD.exists():
        print(f"{HOME}: {', '.join(json.loads(RECORD.read_text()))}, as fetched before")
    else:
        need(TOOLS, "the kernel")
        _fetch()
    INITRD.write_bytes(initrd((HOME / "busybox").read_bytes()))


def _fetch() -> None:
    archive = Archive(HOME / "apt", "arm64")
    archive.update()
    kernel = archive.download(archive.dependency(META, KERNEL))
    busybox = archive.download(BUSYBOX)
    IMAGE.write_bytes(_image(_member(kernel, "./boot/vmlinuz-")))
    (HOME / "busybox").write_bytes(_member(busybox, "./bin/busybox"))
    RECORD.write_text(json.dumps({package.name: sha256(package) for package in (kernel, busybox)}, indent=1) + "\n")
    print(f"{HOME}: {kernel.name}, {busybox.name}")
    kernel.unlink()
    busybox.unlink()


def _member(package: Path, beginning: str) -> bytes:
    """The content of the file in a package whose name begins so."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        found = b""
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            for member in archive:
                if member.name.startswith(beginning) and member.isfile():
                    stream = archive.extractfile(member)
                    assert stream is not None
                    found = stream.read()
    if not found:
        sys.exit(f"{package.name} holds no {beginning}")
    return found


def _image(kernel: bytes) -> bytes:
    """The kernel as the loader wants it: an Image, which some architectures' packages compress."""
    image = gzip.decompress(kernel) if kernel.startswith(b"\x1f\x8b") else kernel
    at, magic = MAGIC
    if image[at : at + len(magic)] != magic:
        sys.exit("the kernel is no arm64 Image")
    return image


if __name__ == "__main__":
    main()
