"""Random source, right and slightly wrong, against dtc: both refuse it, or both make the same tree of it.

The generator follows dtc's grammar with few names, so that blocks collide, merge and delete. Two texts in three keep to
what is right as far as that is known while writing; of the others half are damaged by a word or two. The same texts are
tried each time; with `IRQFRAME_DTS_EXAMPLES` it is that many, and new ones.

Left out is what dtc's scanner makes of a backslash between apostrophes (it reads on to the next apostrophe of the
text), of a line end between them, and of a number to which a word is glued.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from irqframe.dt import Tree, parse_dts, read_dtb
from irqframe.errors import InputError

HERE = Path(__file__).parent / "data" / "dtc"
EXAMPLES = os.environ.get("IRQFRAME_DTS_EXAMPLES", "")

Item = TypeVar("Item")
Draw = Callable[[int], int]

LABELS = ("l0", "l1", "l2", "l3", "l4", "l5")
NODES = ("a", "b", "a", "b", "c@1", "d-e", "cpus", "1f")
PROPERTIES = ("p", "q", "p", "q", "#x", "reg", "r,s", "0x10", "-", "if")
NUMBERS = ("0", "1", "7", "010", "0x1F", "0X2", "1U", "2UL", "3LL", "255", "65535")
WIDE = ("0xffffffff", "0x100000000", "0xffffffffffffffff", "18446744073709551615", "9223372036854775808")
BAD_NUMBERS = ("08", "0x", "1u", "0b1", "0x1ffffffffffffffff", "1UU", "1_")
CHARACTERS = ("'a'", r"'\n'", r"'\x41'", "'\"'", r"'\101'", "';'")
BAD_CHARACTERS = (r"'\''", "'ab'", "''")
STRINGS = (
    '"a"',
    '""',
    r'"\n\x41\0b"',
    '"x;y//z/*"',
    r'"\\"',
    r'"\"}"',
    '"é"',
    r'"\400\8"',
    '"two\nlines"',
    '"l0:"',
    r'"\xfff"',
)
BAD_STRINGS = (r'"\xg"', r'"\x"', '"a\\\n"')
DIVISIONS = ("/", "%")
OPERATORS = ("+", "-", "*", "<<", ">>", "<", ">", "<=", ">=", "==", "!=", "&", "^", "|", "&&", "||")
SPACES = (" ", " ", " ", " ", "\n", "\t", "/* c */", "/**/", "// c\n", "/* * // **/ ", '\n# 7 "f.dts" 1\n', "\n\n")
#: Characters that may make one word of two.
GLUE = set(map(chr, range(33, 127))) - set("{};,()[]")
#: What damage puts in.
WORDS = (
    *(";", "{", "}", "<", ">", "[", "]", "(", ")", ",", "=", ":", "&", "/", "-", "\\", "?", "#", "@", '"', "'"),
    *("/dts-v1/;", "/bits/ 8", "/delete-node/", "/delete-property/", "/omit-if-no-ref/", "/memreserve/", "/incbin/"),
    *(
        "l0:",
        "&l0",
        "&{/a}",
        "&{/",
        "a",
        "p",
        "1",
        "0xg",
        '"s"',
        "'c'",
        "< 1 >",
        "a { } ;",
        '/include/ "inc.dtsi"',
        "//",
        "/*",
    ),
)


class Writer:
    """Writes one text, word by word; `draw(n)` gives a number from 0 to n - 1, 0 being the plainest."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.words: list[str] = []
        self.wild = self.chance(33)
        self.defined: list[str] = []
        self.on_nodes: list[str] = []
        self.wanted: set[str] = set()
        self.paths = ["/"]

    def chance(self, percent: int) -> bool:
        return self.draw(100) >= 100 - percent

    def wrong(self, percent: int) -> bool:
        """Whether to write what is wrong, or may well be."""
        return self.wild and self.chance(percent)

    def pick(self, items: Sequence[Item]) -> Item:
        return items[self.draw(len(items))]

    def put(self, *words: str) -> None:
        self.words += words

    # Statements

    def source(self) -> str:
        if not self.wrong(3):
            self.put("/dts-v1/", ";")
        while self.chance(10):
            self.labels(20)
            self.put("/memreserve/", self.number(), self.number(), ";")
        self.put("/")
        self.block("", 0)
        for _ in range(self.draw(4)):
            self.statement()
        if self.wanted - set(self.on_nodes) and not self.wrong(10):
            self.put("/", "{")
            for index, label in enumerate(sorted(self.wanted - set(self.on_nodes))):
                self.put(f"{label}:", f"z{index}", "{", "}", ";")
            self.put("}", ";")
        if self.wrong(50):
            self.damage()
        return self.joined()

    def statement(self) -> None:
        kind = self.draw(12)
        if kind < 4:
            self.put("/")
            self.block("", 0)
        elif kind < 8:
            if self.chance(15):
                self.label(on_node=True)
                if self.wrong(5):
                    self.label()
            path = self.target()
            self.block(path, 1)
        elif kind < 10:
            self.put("/delete-node/")
            self.forget(self.target())
            self.put(";")
        else:
            self.put("/omit-if-no-ref/")
            self.target()
            self.put(";")

    def target(self) -> str:
        """A reference to what most probably exists; the path that is meant, as far as it is known."""
        if self.on_nodes and self.chance(50):
            label = self.pick(self.on_nodes)
            self.put(f"&{label}")
            return label
        path = self.pick(self.paths)
        self.put(f"&{{{path}}}")
        return path

    def forget(self, target: str) -> None:
        """A node is deleted; of those below, the labels stay, which may be wrong."""
        self.on_nodes = [label for label in self.on_nodes if label != target]
        self.defined = [label for label in self.defined if label != target]
        self.paths = ["/", *(path for path in self.paths[1:] if not f"{path}/".startswith(f"{target}/"))]

    def block(self, path: str, depth: int) -> None:
        self.put("{")
        used: set[str] = set()
        for _ in range(self.draw(4)):
            self.property(used)
        if depth < 3:
            for _ in range(self.draw(4 - depth)):
                self.child(path, depth, used)
        if self.wrong(3):
            self.property(used)
        self.put("}", ";")

    def name(self, names: Sequence[str], used: set[str]) -> str:
        name = self.pick(names)
        if name in used and not self.wrong(5):
            name += f"{len(used)}"
        used.add(name)
        return name

    def child(self, path: str, depth: int, used: set[str]) -> None:
        while self.chance(12):
            if self.chance(40):
                self.put("/omit-if-no-ref/")
            else:
                self.label(on_node=True)
        if self.chance(12):
            self.put("/delete-node/", self.name(NODES, used), ";")
            return
        name = self.name(NODES, used)
        below = f"{path.rstrip('/')}/{name}"
        if below.startswith("/"):
            self.paths.append(below)
        self.put(f"\\{name}" if self.chance(2) else name)
        self.block(below, depth + 1)

    def labels(self, percent: int) -> None:
        while self.chance(percent):
            self.label()

    def label(self, *, on_node: bool = False) -> None:
        free = [label for label in LABELS if label not in self.defined]
        if not free and not self.wrong(50):
            return
        label = self.pick(free) if free and not self.wrong(5) else self.pick(LABELS)
        self.defined.append(label)
        if on_node:
            self.on_nodes.append(label)
        self.put(f"{label}:")

    def property(self, used: set[str]) -> None:
        self.labels(5)
        if self.chance(10):
            self.put("/delete-property/", self.name(PROPERTIES, used), ";")
            return
        if self.chance(2):
            self.put("phandle", "=", "<", str(len(self.words)), ">", ";")
            return
        if self.wrong(3):
            self.put(
                self.pick(("phandle", "linux,phandle")), "=", "<", self.pick(("1", "2", "0", "(-1)", "&l0")), ">", ";"
            )
            return
        if self.wrong(2):
            self.put("name", "=", self.pick(('"a"', '"b"', '""', '"c"')), ";")
            return
        self.put(self.name(PROPERTIES, used))
        if not self.chance(20):
            self.put("=")
            self.value()
            while self.chance(25):
                self.put(",")
                self.value()
        self.put(";")

    # Values

    def value(self) -> None:
        self.labels(4)
        kind = self.draw(12)
        if kind < 6:
            self.array()
        elif kind < 8:
            self.put(self.pick(BAD_STRINGS if self.wrong(5) else STRINGS))
        elif kind == 8:
            self.reference()
        elif kind == 9:
            self.bytes()
        elif kind == 10:
            self.array(self.pick(("7", "0", "(8)") if self.wrong(10) else ("8", "16", "64", "32", "0x10")))
        else:
            self.incbin()
        self.labels(4)

    def bytes(self) -> None:
        self.put("[")
        for _ in range(self.draw(4)):
            self.labels(5)
            self.put("f" if self.wrong(5) else self.pick(("00", "aB", "0102")))
        self.put("]")

    def incbin(self) -> None:
        self.put("/incbin/", "(", '"data.bin"')
        if self.chance(50):
            self.put(",", self.pick(("0", "1", "9")), ",", self.pick(NUMBERS))
        self.put(")")

    def reference(self) -> None:
        if self.chance(30):
            self.put(f"&{{{self.pick(self.paths)}}}")
            return
        label = self.pick(self.on_nodes) if self.on_nodes and self.chance(50) else self.pick(LABELS)
        self.wanted.add(label)
        self.put(f"&{label}")

    def array(self, bits: str = "") -> None:
        if bits:
            self.put("/bits/", bits)
        self.put("<")
        for _ in range(self.draw(5)):
            self.labels(3)
            if self.wrong(3) if bits else self.chance(25):
                self.reference()
            else:
                self.cell(bits)
        self.labels(3)
        self.put(">")

    def cell(self, bits: str) -> None:
        if self.chance(60):
            self.put(self.pick(("1", "0x7f")) if bits == "8" and not self.wrong(5) else self.number())
        elif not self.wrong(20):
            self.put("(", "(")
            self.expression(0)
            self.put(")", "&", "0xff", ")")
        else:
            self.put("(")
            self.expression(0)
            self.put(")")

    def number(self) -> str:
        if self.chance(8):
            return self.pick(BAD_CHARACTERS if self.wrong(10) else CHARACTERS)
        if self.wrong(4):
            return self.pick(WIDE)
        return self.pick(BAD_NUMBERS if self.wrong(1) else NUMBERS)

    def expression(self, depth: int) -> None:
        self.operand(depth)
        for _ in range(self.draw(3)):
            if self.chance(15):
                self.put(self.pick(DIVISIONS))
                if not self.wrong(20):
                    self.put(self.pick(("3", "(-1)", "0x10")))
                    continue
            else:
                self.put(self.pick(OPERATORS))
            self.operand(depth)
        if self.chance(15) and depth < 3:
            self.put("?")
            self.expression(depth + 1)
            self.put(":")
            self.expression(depth + 1)

    def operand(self, depth: int) -> None:
        while self.chance(15):
            self.put(self.pick(("-", "~", "!")))
        if self.chance(20) and depth < 3:
            self.put("(")
            self.expression(depth + 1)
            self.put(")")
        else:
            self.put(self.pick(WIDE) if self.chance(30) else self.number())

    # The whole

    def damage(self) -> None:
        for _ in range(1 + self.draw(2)):
            at = self.draw(len(self.words))
            kind = self.draw(4)
            if kind == 0:
                del self.words[at]
            elif kind == 1:
                self.words.insert(at, self.pick(WORDS))
            elif kind == 2:
                self.words[at] = self.pick(WORDS)
            else:
                other = self.draw(len(self.words))
                self.words[at], self.words[other] = self.words[other], self.words[at]

    def joined(self) -> str:
        """Words with blanks of all kinds between them, now and then with none."""
        text = []
        for word, following in zip(self.words, (*self.words[1:], "\n"), strict=True):
            glued = not (word[-1] in GLUE and following[0] in GLUE)
            glued = glued or (self.wrong(3) and not (word[-1].isalnum() and following[0].isalnum()))
            text += [word, "" if glued and self.chance(30) else " " * (word[-1] == "/") + self.pick(SPACES)]
        return "".join((*text, "\n"))


@st.composite
def sources(draw: st.DrawFn) -> str:
    return Writer(lambda count: draw(st.integers(0, count - 1))).source()


def content(tree: Tree) -> object:
    nodes = [(node.path, [(prop.name, prop.data) for prop in node.properties.values()]) for node in tree.walk()]
    return tree.reservations, tree.boot_cpu, nodes


def ours(text: str) -> tuple[object, str]:
    try:
        return content(parse_dts(text, str(HERE / "case.dts"))), ""
    except InputError as error:
        return None, str(error)


def theirs(text: str) -> tuple[object, str]:
    command: list[Any] = ["dtc", "-q", "-I", "dts", "-O", "dtb", "-"]
    run = subprocess.run(command, input=text.encode(), capture_output=True, cwd=HERE, check=False, timeout=60)
    if run.returncode:
        return None, run.stderr.decode(errors="replace")
    try:
        return content(read_dtb(run.stdout, "dtc")), ""
    except InputError as error:
        # Where the root was deleted dtc writes a DTB without any node.
        assert [finding.code for finding in error.findings] == ["E0318"], error
        return None, str(error)


def has_dtc() -> bool:
    if shutil.which("dtc") is None:
        return False
    return "1.6.1" in subprocess.run(["dtc", "--version"], capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(not has_dtc(), reason="dtc 1.6.1 is not installed")
@settings(
    max_examples=int(EXAMPLES or 400),
    derandomize=not EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(sources())
def test_same_as_dtc(text: str) -> None:
    mine, findings = ours(text)
    expected, errors = theirs(text)
    assert mine == expected, f"{text}\nours: {findings or 'taken'}\ndtc: {errors or 'taken'}"
