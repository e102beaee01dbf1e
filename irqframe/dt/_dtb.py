"""Reading a DTB (DTSpec 5, versions 16 and 17) from bytes that nobody vouches for.

Rules of layout. They accept what dtc, libfdt, QEMU and the `fdt` package write, and leave each size and offset of the
header exactly one value, so that a damaged one is always found:

1. `totalsize` is the length of the data.
2. The blocks stand in the order of DTSpec 5.1: header, reservations, structure, strings.
3. `off_mem_rsvmap` is 40 (dtc, fdt) or 48 (libfdt's sequential writer), and a whole number of 16-byte entries fills the
   space up to the structure block. Behind the terminating entry there are zeros only (dtc's -R).
4. The structure block begins with a token, which is never zero, and ends behind FDT_END: `size_dt_struct` says so.
5. The strings block begins with the first byte behind the structure block that is not zero, and ends with the NUL of a
   name that is not empty; without any name it is empty and begins where the structure block ends.
6. Every byte outside of the blocks is zero (room that dtc's -p, -S, -a or QEMU leave).

Rule 6 refuses one thing that libfdt can produce: the stale bytes behind a block that shrank in place. dtc reads such a
file, and writes it anew without them.

Rules of content: the root has no name, properties stand before subnodes, names are legal and no two of a kind in one
node are the same. FDT_NOP may stand anywhere between tokens. Time and memory are linear in the length of the data.
"""

from __future__ import annotations

import struct
import sys
from array import array
from dataclasses import dataclass
from typing import NoReturn

from irqframe.dt._collected import Collected
from irqframe.dt._names import (
    DEPTH_MAX,
    NAME_MAX,
    NODES_MAX,
    PATH_MAX,
    PROPERTIES_MAX,
    node_name_fault,
    property_name_fault,
)
from irqframe.dt._phandles import check_phandles
from irqframe.dt._tree import Node, Property, Tree
from irqframe.errors import Span

MAGIC = 0xD00DFEED

_BEGIN_NODE = 1
_END_NODE = 2
_PROP = 3
_NOP = 4
_END = 9

# What is read behind the end before that is noticed: a token or the head of a property.
_BEHIND = (0xFFFFFFFF,) * 3

_ENTRY = struct.Struct(">QQ")
_ZEROS = bytes(65_536)


@dataclass(frozen=True, slots=True)
class _Header:
    """The header's words in their order (DTSpec 5.2)."""

    magic: int
    totalsize: int
    off_dt_struct: int
    off_dt_strings: int
    off_mem_rsvmap: int
    version: int
    last_comp_version: int
    boot_cpuid_phys: int
    size_dt_strings: int
    size_dt_struct: int

    LAYOUT = struct.Struct(">10I")

    @property
    def size(self) -> int:
        """How many bytes of the header the version has: `size_dt_struct` came with 17."""
        return 40 if self.version >= 17 else 36


def read_dtb(data: bytes, file: str) -> Tree:
    """Read a flattened device tree.

    Args:
        data: the whole of it, at most 4 GiB.
        file: what findings call it.

    Returns:
        The tree, with order, value bytes, reservations and boot CPU as they stand in `data`. Every span is the file as
        a whole.

    Raises:
        InputError: `data` breaks a rule of DTSpec 5 or one of this module (E03xx), has names that are not legal or
            stand twice, or phandles that are wrong (E02xx).
    """
    return _Reader(bytes(data), file).read()


class _Reader:
    """One run over the data of one DTB."""

    def __init__(self, data: bytes, file: str) -> None:
        self.data = data
        self.span = Span(file)
        self.report = Collected()
        self.names: dict[int, str] = {}

    def read(self) -> Tree:
        header = self._header()
        reservations = self._reservations(header)
        self._check_strings(header)
        self.report.stop_if_any()
        root, end = self._structure(header)
        self._check_rest(header, end)
        tree = Tree(root, self.span.file, reservations, header.boot_cpuid_phys)
        for finding in check_phandles(tree):
            self.report.keep(finding)
        self.report.stop_if_any()
        return tree

    def _report(
        self, code: str, message: str, *, path: str = "", expected: str = "", found: str = "", hint: str = ""
    ) -> None:
        self.report.add(code, message, self.span, path=path, expected=expected, found=found, hint=hint)

    def _fail(self, code: str, message: str, *, path: str = "", expected: str = "", found: str = "") -> NoReturn:
        self.report.fail(code, message, self.span, path=path, expected=expected, found=found)

    # Header and the blocks beside the structure

    def _header(self) -> _Header:
        data = self.data
        if len(data) < _Header.LAYOUT.size:
            self._fail(
                "E0301",
                "the file is too short for a DTB",
                expected=f"a header of {_Header.LAYOUT.size} bytes",
                found=f"{len(data)} bytes",
            )
        header = _Header(*_Header.LAYOUT.unpack_from(data))
        if header.magic != MAGIC:
            self._fail("E0302", "this is not a DTB", expected=f"{MAGIC:#x}", found=f"{header.magic:#x}")
        if header.version not in (16, 17):
            self._fail(
                "E0304", "the version of the DTB is not supported", expected="16 or 17", found=str(header.version)
            )
        if not 16 <= header.last_comp_version <= header.version:
            self._report(
                "E0305",
                "the last compatible version of the DTB is not supported",
                expected=f"16 to {header.version}",
                found=str(header.last_comp_version),
            )
        self._check_header(header)
        self.report.stop_if_any()
        return header

    def _check_header(self, header: _Header) -> None:
        size = len(self.data)
        if header.totalsize != size:
            # Whatever else does not fit then, this is why.
            self._fail(
                "E0303",
                "the file is cut off" if header.totalsize > size else "the file goes on behind its end",
                expected=f"{header.totalsize} bytes, the totalsize of its header",
                found=f"{size} bytes",
            )
        if header.off_mem_rsvmap not in (40, 48):
            self._report(
                "E0306", "off_mem_rsvmap in the header is wrong", expected="40 or 48", found=str(header.off_mem_rsvmap)
            )
        map_size = header.off_dt_struct - header.off_mem_rsvmap
        if map_size < _ENTRY.size or map_size % _ENTRY.size or header.off_dt_struct > size:
            self._report(
                "E0308",
                "off_dt_struct in the header is wrong",
                expected=f"whole 16-byte entries behind off_mem_rsvmap ({header.off_mem_rsvmap}), within {size} bytes",
                found=str(header.off_dt_struct),
            )
        struct_size = header.size_dt_struct if header.version >= 17 else 0
        if header.off_dt_struct + struct_size > size or struct_size % 4:
            self._report(
                "E0308",
                "size_dt_struct in the header is wrong",
                expected=f"a multiple of 4 within {size} bytes",
                found=str(struct_size),
            )
        if not header.off_dt_struct + struct_size <= header.off_dt_strings <= size:
            self._report(
                "E0309",
                "off_dt_strings in the header is wrong",
                expected=f"{header.off_dt_struct + struct_size} to {size}",
                found=str(header.off_dt_strings),
            )
        elif header.off_dt_strings + header.size_dt_strings > size:
            self._report(
                "E0309",
                "size_dt_strings in the header is wrong",
                expected=f"at most {size - header.off_dt_strings}",
                found=str(header.size_dt_strings),
            )

    def _reservations(self, header: _Header) -> list[tuple[int, int]]:
        end = header.off_dt_struct
        found: list[tuple[int, int]] = []
        for at in range(header.off_mem_rsvmap, end, _ENTRY.size):
            entry = _ENTRY.unpack_from(self.data, at)
            if entry == (0, 0):
                if not self._is_zero(at, end):
                    self._report("E0307", "the memory reservation block holds something behind its end")
                return found
            found.append(entry)
        self._report("E0307", "the memory reservation block is not ended", expected="an entry of address 0 and size 0")
        return found

    def _check_strings(self, header: _Header) -> None:
        start, size = header.off_dt_strings, header.size_dt_strings
        block = self.data[start : start + size]
        if size and (block[0] == 0 or block[-1] != 0 or block[-2] == 0):
            self._report(
                "E0320",
                "the strings block is not a list of names",
                expected="to begin with a name, and to end with the NUL of one",
            )

    def _check_rest(self, header: _Header, end: int) -> None:
        """What stands outside of the blocks; `end` is where the structure block was seen to end."""
        data, strings = self.data, header.off_dt_strings
        strings_end = strings + header.size_dt_strings
        gaps = ((header.size, header.off_mem_rsvmap), (end, strings), (strings_end, len(data)))
        for first, last in gaps:
            if not self._is_zero(first, last):
                self._report(
                    "E0310",
                    f"bytes {first} to {last - 1} belong to no block and are not zero",
                    hint="dtc -I dtb -O dtb writes the tree anew without them",
                )
        if not header.size_dt_strings and strings != end:
            self._report("E0309", "off_dt_strings in the header is wrong", expected=str(end), found=str(strings))

    def _is_zero(self, first: int, last: int) -> bool:
        step = len(_ZEROS)
        while last - first >= step:
            if not self.data.startswith(_ZEROS, first):
                return False
            first += step
        return self.data.startswith(_ZEROS[: last - first], first)

    # The structure block

    def _structure(self, header: _Header) -> tuple[Node, int]:
        """The root node, and where the block ends."""
        start = header.off_dt_struct
        end = start + header.size_dt_struct if header.version >= 17 else header.off_dt_strings
        block = self.data[start:end]
        words, count = _words(block), len(block) // 4
        at = 0
        names, span = self.names, self.span
        root: Node | None = None
        node: Node | None = None
        # Of `node`; to ask it for them again at each token takes long.
        own: dict[str, Property] = {}
        children: dict[str, Node] = {}
        depth = nodes = properties = length = 0
        while True:
            token = words[at]
            at += 1
            if token == _PROP:
                if node is None:
                    self._fail("E0318", "a property stands outside of the root node")
                pos = 4 * at + 8
                stop = pos + words[at]
                if stop > len(block):
                    self._fail("E0311", "the structure block ends within a property", path=node.path)
                name = names.get(words[at + 1]) or self._name_at(header, words[at + 1], node)
                if children or name in own:
                    self._refuse_property(node, name)
                own[name] = Property(name, block[pos:stop], span)
                at = (stop + 3) // 4
                properties += 1
                if properties > PROPERTIES_MAX:
                    self._fail("E0212", f"the tree has more than {PROPERTIES_MAX} properties")
            elif token == _BEGIN_NODE:
                pos = 4 * at
                stop = block.find(b"\0", pos)
                if stop < 0:
                    self._fail("E0313", "a node name has no end", path=_path(node))
                own = {}
                below: dict[str, Node] = {}
                made = Node(self._node_name(block[pos:stop], node), span, node, own, below, [])
                at = stop // 4 + 1
                if node is not None:
                    if made.name in children:
                        self._report("E0206", f"node {made.name} is defined twice", path=node.path)
                    children[made.name] = made
                elif root is None:
                    root = made
                else:
                    self._fail("E0318", "there is a second root node")
                node, children = made, below
                depth += 1
                nodes += 1
                length += 1 + len(made.name)
                if depth > DEPTH_MAX or length > PATH_MAX or nodes > NODES_MAX:
                    self._refuse_node(node, depth, length)
            elif token == _END_NODE:
                if node is None:
                    self._fail("E0318", "a node is ended that was not begun")
                length -= 1 + len(node.name)
                node = node.parent
                if node is not None:
                    own, children = node.properties, node.children
                depth -= 1
            elif token == _END:
                if node is not None or root is None:
                    self._fail("E0318", "the structure block ends within a node", path=_path(node))
                if header.version >= 17 and at != count:
                    self._refuse_end(at, count)
                return root, start + 4 * at
            elif at > count:
                self._fail("E0311", "the structure block ends before its tree does", path=_path(node))
            elif token != _NOP:
                offset = start + 4 * at - 4
                self._fail("E0312", f"unknown token {token:#x} at offset {offset}", path=_path(node))

    def _refuse_node(self, node: Node, depth: int, length: int) -> NoReturn:
        """A node is too deep, its path too long, or there are too many of them."""
        if depth > DEPTH_MAX:
            self._fail("E0316", f"nodes are nested more than {DEPTH_MAX} deep")
        if length > PATH_MAX:
            self._fail("E0316", f"the path of a node is longer than {PATH_MAX} characters", path=_path(node.parent))
        self._fail("E0212", f"the tree has more than {NODES_MAX} nodes")

    def _refuse_end(self, words: int, said: int) -> NoReturn:
        """The structure block has another length than the header says, both in words."""
        what = "size_dt_struct in the header is wrong"
        self._fail("E0317", what, expected=str(4 * words), found=str(4 * said))

    def _name_at(self, header: _Header, offset: int, node: Node) -> str:
        """The property name at an offset of the strings block."""
        if offset >= header.size_dt_strings:
            self._fail(
                "E0314",
                "a property's name lies outside of the strings block",
                path=node.path,
                expected=f"an offset below {header.size_dt_strings}",
                found=str(offset),
            )
        first = header.off_dt_strings + offset
        last = self.data.find(b"\0", first, min(first + NAME_MAX + 1, header.off_dt_strings + header.size_dt_strings))
        raw = self.data[first : last if last >= 0 else first + NAME_MAX + 1]
        name = raw.decode("ascii", "backslashreplace")
        fault = property_name_fault(name)
        if fault:
            self._report("E0208", f"property name {_short(name)} {fault}", path=node.path)
        self.names[offset] = name
        return name

    def _node_name(self, raw: bytes, parent: Node | None) -> str:
        name = raw[: NAME_MAX + 1].decode("ascii", "backslashreplace")
        if parent is None:
            if name:
                self._report("E0319", "the root node has a name", expected="an empty name", found=_short(name))
            return ""
        if fault := node_name_fault(name):
            self._report("E0207", f"node name {_short(name)} {fault}", path=parent.path)
        return name

    def _refuse_property(self, node: Node, name: str) -> None:
        if name in node.properties:
            self._report("E0205", f"property {name} is defined twice", path=node.path)
        else:
            self._report("E0315", f"property {name} stands after a subnode", path=node.path)


def _words(block: bytes) -> array[int]:
    """The whole big-endian words of a block, as compact as it is itself, and some behind it that are no token."""
    words = array("I", block[: len(block) & ~3])
    if sys.byteorder == "little":
        words.byteswap()
    words.extend(_BEHIND)
    return words


def _path(node: Node | None) -> str:
    return node.path if node is not None else ""


def _short(name: str) -> str:
    """A name for a message, cut to a length that can be read."""
    return repr(name if len(name) <= 40 else name[:37] + "...")
