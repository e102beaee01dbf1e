"""Reading a device tree of either format from a file or from standard input."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import BinaryIO, NoReturn

from irqframe.dt._dtb import MAGIC, read_dtb
from irqframe.dt._dts import parse_dts
from irqframe.dt._files import DTB_MAX, TEXT_MAX, TooLargeError, read_bounded
from irqframe.dt._tree import Tree
from irqframe.errors import Finding, InputError, Span

STDIN = "-"

# Something that each source text has; the version line may stand in a file that it includes.
_LOOKS_LIKE_DTS = re.compile(r"/dts-v1/|/include/|#[ \t]*include|/\s*\{")


def load(
    path: str | os.PathLike[str],
    *,
    stdin: BinaryIO | None = None,
    include_dirs: Sequence[str] = (),
    defines: Sequence[str] = (),
    symbols: bool = False,
) -> Tree:
    """Read a device tree; the first four bytes tell DTB from DTS.

    Args:
        path: a file, or "-" for standard input, which findings call `<stdin>`.
        stdin: what stands for standard input; the process's own by default.
        include_dirs: for DTS, where included files are looked for; see `parse_dts`.
        defines: for DTS, macros to begin with; see `parse_dts`.
        symbols: whether a DTS shall name its labels, as by dtc -@; a DTB has none that could be named.

    Returns:
        The tree.

    Raises:
        InputError: the file cannot be read (E0001), is too large (E0004), is no UTF-8 text (E0002) or neither format
            (E0003), or what it holds is wrong; see `read_dtb` and `parse_dts`.
    """
    name = os.fspath(path)
    parse = partial(parse_dts, include_dirs=include_dirs, defines=defines, symbols=symbols)
    if name == STDIN:
        return _read(_standard_input(stdin or sys.stdin.buffer), "<stdin>", parse)
    try:
        data = read_bounded(name, DTB_MAX, regular=False)
    except TooLargeError:
        _refuse("E0004", f"the file is larger than {DTB_MAX >> 20} MiB", name)
    except (OSError, ValueError) as error:
        _refuse("E0001", f"cannot be read: {getattr(error, 'strerror', None) or error}", name)
    return _read(data, name, parse)


def _standard_input(stream: BinaryIO) -> bytes:
    data = stream.read(DTB_MAX + 1)
    if len(data) > DTB_MAX:
        _refuse("E0004", f"the input is larger than {DTB_MAX >> 20} MiB", "<stdin>")
    return data


def _read(data: bytes, file: str, parse: Callable[[str, str], Tree]) -> Tree:
    if data.startswith(MAGIC.to_bytes(4, "big")):
        return read_dtb(data, file)
    if b"\0" in data:
        _refuse("E0003", "this is neither a DTB nor device-tree source", file)
    if len(data) > TEXT_MAX:
        _refuse("E0004", f"the text is larger than {TEXT_MAX >> 20} MiB", file)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        _refuse("E0002", "this is not UTF-8 text", file, Span(file, line, column, line, column + 1))
    if not _LOOKS_LIKE_DTS.search(text):
        _refuse("E0003", "this is neither a DTB nor device-tree source", file)
    return parse(text, file)


def _refuse(code: str, message: str, file: str, span: Span | None = None) -> NoReturn:
    raise InputError([Finding(code, message, span or Span(file))])
