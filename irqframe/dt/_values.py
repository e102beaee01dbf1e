"""Values of properties in DTS: arrays, strings, bytes, references, and files taken in whole."""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack

from irqframe.dt._expressions import integer, starts_integer
from irqframe.dt._files import INCBIN_MAX, TooLargeError, find_file, read_bounded
from irqframe.dt._lexer import Token
from irqframe.dt._syntax import Label, Part, PropertySyntax
from irqframe.dt._tree import PieceKind
from irqframe.dt._words import SyntaxFaultError, Words
from irqframe.errors import Span

_U64 = 0xFFFFFFFFFFFFFFFF


class ValueParser:
    """Reads the values of a text; keeps how much /incbin/ has taken in."""

    def __init__(self, words: Words, include_dirs: Sequence[str]) -> None:
        self.words = words
        self.include_dirs = include_dirs
        self._room = INCBIN_MAX

    def value(self, prop: PropertySyntax) -> None:
        """Read what stands behind `=`, up to the `;`, into `prop`.

        Raises:
            SyntaxFaultError: it cannot be read on, which is reported.
        """
        while True:
            self._labels(prop)
            self._element(prop)
            self._labels(prop)
            if not self.words.take_if(","):
                return

    def _labels(self, prop: PropertySyntax) -> None:
        while label := self.words.take_if("label"):
            prop.marks.append(Label(label.text, label.span))

    def _element(self, prop: PropertySyntax) -> None:
        kind = self.words.token.kind
        if kind == "<":
            self.words.take()
            self._array(prop, 32)
        elif kind == "string":
            token = self.words.take()
            prop.parts.append(Part(PieceKind.STRING, token.data + b"\0", token.span))
        elif kind in ("label-ref", "path-ref"):
            token = self.words.take()
            prop.parts.append(Part(PieceKind.PATH, b"", token.span, token.text))
        elif kind == "[":
            self.words.take()
            self._bytes(prop)
        elif kind == "/bits/":
            self._bits(prop)
        elif kind == "/incbin/":
            self._incbin(prop)
        elif kind == "word":
            self.words.take_unknown("a value")
        else:
            self.words.fault("a value")
            raise SyntaxFaultError

    # < >

    def _bits(self, prop: PropertySyntax) -> None:
        self.words.take()
        width = self.words.expect("number")
        if width.value not in (8, 16, 32, 64):
            self.words.report.add(
                "E0115", f"elements of {width.text} bits", width.span, expected="8, 16, 32 or 64", found=width.text
            )
        self.words.expect("<")
        self._array(prop, width.value if width.value in (8, 16, 64) else 32)

    def _array(self, prop: PropertySyntax, bits: int) -> None:
        words = self.words
        while not words.take_if(">"):
            token = words.token
            found = words.take_run() if bits == 32 else None
            if found is not None:
                values, run = found
                data = pack(f">{len(values)}I", *values)
                prop.parts.append(Part(PieceKind.CELLS, data, run.places.span(run.start, run.end), run=run))
            elif starts_integer(token):
                value = integer(words)
                prop.parts.append(self._cell(value, bits, _join(token, words.last)))
            elif token.kind in ("label-ref", "path-ref"):
                prop.parts.append(self._reference(words.take(), bits))
            elif token.kind == "label":
                prop.marks.append(Label(token.text, words.take().span))
            elif token.kind == "word":
                words.take_unknown()
            else:
                words.fault("a number, a reference or '>'")
                raise SyntaxFaultError

    def _cell(self, value: int, bits: int, span: Span) -> Part:
        mask = (1 << bits) - 1
        # As dtc: a negative number fits if all that is cut off are ones.
        if value > mask and value | mask != _U64:
            self.words.report.add(
                "E0108", f"{value:#x} does not fit", span, expected=f"{bits} bits", found=f"{value.bit_length()} bits"
            )
        return Part(PieceKind.CELLS, (value & mask).to_bytes(bits // 8, "big"), span)

    def _reference(self, token: Token, bits: int) -> Part:
        if bits != 32:
            self.words.report.add(
                "E0116",
                f"&{token.text} stands in an array of {bits}-bit elements",
                token.span,
                expected="32-bit elements around a phandle",
            )
        return Part(PieceKind.REF, b"", token.span, token.text)

    # [ ]

    def _bytes(self, prop: PropertySyntax) -> None:
        words = self.words
        first = words.token
        data = bytearray()
        while not words.take_if("]"):
            if words.token.kind == "byte":
                data.append(words.take().value)
            elif label := words.take_if("label"):
                prop.marks.append(Label(label.text, label.span))
            else:
                words.fault("two hexadecimal digits or ']'")
                raise SyntaxFaultError
        prop.parts.append(Part(PieceKind.BYTES, bytes(data), _join(first, words.last)))

    # /incbin/

    def _incbin(self, prop: PropertySyntax) -> None:
        words = self.words
        keyword = words.take()
        words.expect("(")
        name = words.expect("string")
        offset, size = 0, None
        if words.take_if(","):
            offset = integer(words)
            words.expect(",")
            size = integer(words)
        words.expect(")")
        data = self._file(name)
        # As dtc: what lies beyond the end of the file is left out.
        taken = data[offset:] if size is None else data[offset : offset + size]
        prop.parts.append(Part(PieceKind.INCBIN, taken, _join(keyword, words.last)))

    def _file(self, name: Token) -> bytes:
        path = find_file(name.data.decode("utf-8", "replace"), self.words.lexer.path, self.include_dirs)
        if path is None:
            self._refuse(name, "is not found")
            return b""
        try:
            data = read_bounded(path, self._room)
        except (OSError, ValueError) as error:
            self._refuse(name, f"cannot be read: {getattr(error, 'strerror', None) or error}")
            return b""
        except TooLargeError:
            self._refuse(name, f"would make more than {INCBIN_MAX} bytes by /incbin/")
            return b""
        self._room -= len(data)
        return data

    def _refuse(self, name: Token, reason: str) -> None:
        self.words.report.add("E0007", f"{name.text} {reason}", name.span)


def _join(first: Token, last: Token) -> Span:
    """From the start of one word to the end of another."""
    if first.places is last.places:
        return first.places.span(first.start, last.end)
    begin, end = first.span, last.span
    return begin._replace(end_line=end.end_line, end_column=end.end_column) if begin.file == end.file else begin
