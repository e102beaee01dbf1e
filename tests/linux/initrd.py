"""An initial RAM disk in which busybox reads /proc/interrupts between two marks, and powers off.

1. The archive is cpio's "newc" format, as the kernel's Documentation/driver-api/early-userspace/buffer-format.rst gives
   it. The same busybox gives the same bytes.
2. The marks go through /dev/kmsg: the kernel writes a record to the console before the write returns, and polls the
   UART meanwhile. So a mark is on the console at a moment that is known, and makes no interrupt of its own.
3. The table is kept until the second mark is written: printing it may make interrupts.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from typing import Final, NamedTuple

BEGIN: Final = "irqframe: interrupts begin"
"""On the console before /proc/interrupts is read."""
END: Final = "irqframe: interrupts end"
"""On the console after it was read, and before it is printed."""
PRINTED: Final = "irqframe: interrupts printed"
"""On the console after it was printed."""

_INIT: Final = f"""\
#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mark() {{ echo "<1>irqframe: interrupts $1" >/dev/kmsg; }}
mark {BEGIN.split()[-1]}
table=$(cat /proc/interrupts)
mark {END.split()[-1]}
echo "$table"
mark {PRINTED.split()[-1]}
poweroff -f
"""

_APPLETS: Final = ("cat", "mount", "poweroff", "sh")


class _Entry(NamedTuple):
    """A file of the archive.

    Attributes:
        name: without a leading slash.
        mode: type and permissions.
        content: of a file; of a link, where it leads.
        device: major and minor number.
    """

    name: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def initrd(busybox: bytes) -> bytes:
    """The archive.

    Args:
        busybox: the program, linked statically.
    """
    packed = b"".join(_packed(number, entry) for number, entry in enumerate(_entries(busybox), 1))
    return packed + b"\0" * (-len(packed) % 512)


def _entries(busybox: bytes) -> Iterator[_Entry]:
    for folder in ("bin", "dev", "proc", "sys"):
        yield _Entry(folder, stat.S_IFDIR | 0o755)
    yield _Entry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    yield _Entry("bin/busybox", stat.S_IFREG | 0o755, busybox)
    for applet in _APPLETS:
        yield _Entry(f"bin/{applet}", stat.S_IFLNK | 0o777, b"busybox")
    yield _Entry("init", stat.S_IFREG | 0o755, _INIT.encode())
    yield _Entry("TRAILER!!!", 0)


def _packed(number: int, entry: _Entry) -> bytes:
    name = entry.name.encode() + b"\0"
    # Inode, mode, user, group, links, time, size, device of the archive, device, length of the name, checksum.
    fields = (number, entry.mode, 0, 0, 1, 0, len(entry.content), 0, 0, *entry.device, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return _padded(head) + _padded(entry.content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
