"""The containers of the `fdt` package (0.3.3), written in linear time.

1. Its nodes, its tree and its string table grow by copying all that they hold with each addition, which makes a wide
   node, a long list of reservations and a table of many names quadratic. The classes here add up once.
2. Everything else is the package's: the header, the values, the text, the recursion.
3. Importing it warns of an invalid escape in a pattern of its own, which is of no use to anyone here.
"""

from __future__ import annotations

import struct
import warnings
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fdt

__all__ = ["LinearNode", "LinearTree", "fdt"]

_WORD = struct.Struct(">I")
_ENTRY = struct.Struct(">QQ")


class _Strings:
    """The strings block, as far as the package uses it: as a text that is searched and appended to."""

    def __init__(self) -> None:
        self._offsets: dict[str, int] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iadd__(self, name: str) -> _Strings:
        self._offsets[name] = self._size
        self._size += len(name)
        return self

    def find(self, name: str) -> int:
        """Where a name stands, with its NUL; -1 if it does not."""
        return self._offsets.get(name, -1)

    def encode(self) -> bytes:
        """The block."""
        return "".join(self._offsets).encode("ascii")


class LinearNode(fdt.Node):  # type: ignore[misc]  # fdt has no types
    """A node, however many properties and children it has."""

    def to_dtb(self, strings: Any, pos: int = 0, version: int = 17) -> tuple[bytes, Any, int]:
        name = b"" if self.name == "/" else self.name.encode("ascii")
        parts = [_WORD.pack(fdt.header.DTB_BEGIN_NODE), name, bytes(4 - len(name) % 4)]
        for item in (*self.props, *self.nodes):
            part, strings, pos = item.to_dtb(strings, pos, version)
            parts.append(part)
        parts.append(_WORD.pack(fdt.header.DTB_END_NODE))
        return b"".join(parts), strings, pos


class LinearTree(fdt.FDT):  # type: ignore[misc]  # fdt has no types
    """A tree, with a list of reservations that is its own."""

    def __init__(self, entries: list[dict[str, int]]) -> None:
        super().__init__(entries=entries)
        self.root = LinearNode("/")

    def to_dtb(self, version: int = 17, boot_cpuid_phys: int = 0) -> bytes:
        header = self.header
        header.version = version
        header.boot_cpuid_phys = boot_cpuid_phys
        entries = b"".join(_ENTRY.pack(entry["address"], entry["size"]) for entry in self.entries)
        entries += bytes(_ENTRY.size)
        nodes, strings, _ = self.root.to_dtb(_Strings())
        nodes += _WORD.pack(fdt.header.DTB_END)
        header.off_mem_rsvmap = header.size
        header.off_dt_struct = header.off_mem_rsvmap + len(entries)
        header.size_dt_struct = len(nodes)
        header.off_dt_strings = header.off_dt_struct + len(nodes)
        header.size_dt_strings = len(strings)
        header.total_size = header.off_dt_strings + len(strings)
        return b"".join((header.export(), entries, nodes, strings.encode()))
