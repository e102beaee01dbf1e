"""Damaged source text: a tree or findings, nothing else, in bounded time."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irqframe.dt import Tree, parse_dts, to_dtb
from irqframe.errors import InputError

DATA = Path(__file__).parent / "data"

TEXT = """\
/dts-v1/;
/memreserve/ 0x1000 (1 << 12);
/ { // comment
    l: compatible = "a,b", "c\\x41", m: <1 (2 ? 3 : 4) &x 'c'>, [01 ab], /bits/ 64 <1>;
    #address-cells = <1>; /* another */ /delete-property/ q;
    x: y: n@1 { ref = &x, <&{/n@1}>; /delete-node/ z; /omit-if-no-ref/ o { p = <0x1UL>; }; };
};
&x { empty; };
/delete-node/ &{/n@1/o};
/ { n@1 { ref = /incbin/("case.txt", 0, 1); }; };
"""

MARKS = "; / { } < > [ ] ( ) = , : ? + - * % & && | ^ ~ ! << >> // /* */ # \\ \" ' &{/"
KEYWORDS = "dts-v1 plugin bits incbin include memreserve delete-node delete-property omit-if-no-ref"
OTHERS = "\"s\" 's' 'c' 1 0x10 09 8 64 n n@1 #p l: &l &{/n} 00 aB GIC_SPI"
WORDS = [*MARKS.split(), *OTHERS.split(), *(f"/{word}/" for word in KEYWORDS.split())]
WORDS += ["\n", '# 3 "f.c"\n', "\n#define X\n", "\0", "\ufeff", "é"]


def outcome(text: str) -> Tree | None:
    try:
        return parse_dts(text, "t.dts")
    except InputError as error:
        assert error.findings
        assert len(error.findings) <= 101
        assert all(found.span.file in ("t.dts", "f.c") for found in error.findings)
        return None


def test_the_text_itself_is_right() -> None:
    assert outcome(TEXT.replace('"case.txt"', f'"{DATA / "README.md"}"')) is not None


def test_random_damage_1000_times() -> None:
    source = random.Random(5)
    slowest = 0.0
    for _ in range(1000):
        text = TEXT
        for _ in range(source.randint(1, 4)):
            at = source.randrange(len(text))
            end = at + source.choice((0, 1, 1, 5))
            text = text[:at] + source.choice((*WORDS, "", "", "", "")) + text[end:]
        start = time.process_time()
        outcome(text)
        slowest = max(slowest, time.process_time() - start)
    assert slowest < 2


@settings(deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=40), st.booleans())
def test_any_words(words: list[str], inside: bool) -> None:
    text = " ".join(words)
    tree = outcome(f"/dts-v1/; / {{ {text} }};" if inside else text)
    if tree is not None:
        to_dtb(tree)


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text(text: str) -> None:
    outcome(text)
    outcome(f"/dts-v1/; / {{ a = {text}; }};")


@pytest.mark.parametrize(
    "text",
    [
        "/dts-v1/; / { a = <" + "1 " * 100_000 + ">; };",
        "/dts-v1/; / { a = [" + "00" * 100_000 + "]; };",
        "/dts-v1/; / { " + "n { " * 50_000,
        "/dts-v1/; / { " + "};" * 50_000,
        '/dts-v1/; / { a = "' + "\\" * 100_001,
        "/dts-v1/; / { a = '" + "\\" * 100_001,
        "/dts-v1/; /*" + "*" * 100_000,
        "/dts-v1/; / { " + "l: " * 50_000 + "n { }; };",
        "/dts-v1/; / { };" + "\n/ { n { }; };" * 20_000,
        "/dts-v1/; / { l: n { }; };" + "/delete-node/ &l;\n/ { l: n { m { }; }; };" * 10_000,
        "/dts-v1/; / { };" + "".join(f"/ {{ l: n {{ m{n} {{ }}; }}; }};\n/delete-node/ &l;\n" for n in range(10_000)),
        "/dts-v1/; / { a; };" + "".join(f"/ {{ a{n}; /delete-property/ a; }};\n" for n in range(10_000)),
        "/dts-v1/; / { " + "".join(f"n{number} {{ p = <&l{number}>; }};" for number in range(20_000)) + "};",
        "/dts-v1/; / { " + "".join(f"l{n}: n{n} {{ p = <&l{n // 2}>; }};" for n in range(10_000)) + "};",
        "/dts-v1/; / { " + "".join(f"l: n{n} {{ }};" for n in range(20_000)) + "};" + "/delete-node/ &l;" * 20_000,
        "#" * 100_000,
        "\n" * 500_000,
        '# 1 "a"\n' * 20_000,
    ],
    ids=lambda text: repr(text[:40]),
)
def test_large_texts_take_linear_time(text: str) -> None:
    start = time.process_time()
    try:
        parse_dts(text, "t.dts")
    except InputError as error:
        assert error.findings
    assert time.process_time() - start < 5
