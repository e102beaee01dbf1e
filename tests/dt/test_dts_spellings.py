"""Random trees, written as nobody would write them, are read as what they are: the tree is there before its text."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from irqframe.dt import Tree, parse_dts, read_dtb, to_dtb, to_dts

NAMES = st.from_regex(r"[a-z#][a-z0-9,._+-]{0,4}", fullmatch=True).filter(lambda name: name not in ("name", "gone"))
NODE_NAMES = st.from_regex(r"[a-z][a-z0-9,._+-]{0,3}(@[0-9a-f]{1,3})?", fullmatch=True)
GAPS = st.sampled_from([" ", "\n", "\t", ' /* } ; " */ ', " // >;\n", '\n# 7 "other.dts"\n', "\r\n", "\f"])


@dataclass(slots=True)
class Made:
    """A node: its name, the bytes of each property, and its children."""

    name: str
    properties: dict[str, bytes] = field(default_factory=dict)
    children: dict[str, Made] = field(default_factory=dict)


@st.composite
def numbers(draw: st.DrawFn, bits: int) -> tuple[str, int]:
    """A number of so many bits, somehow written."""
    value = draw(st.integers(0, 2**bits - 1))
    other = draw(st.integers(1, 2**16))
    wrapped = (value + other) % 2**64
    texts = [f"{value}", f"{value:#x}", f"0X{value:X}", f"0{value:o}", f"{value}UL", f"{value:#x}ull".upper()]
    texts += [f"({value:#x})", f"({wrapped:#x} - {other})", f"(0 ? {other} : {value})", f"({value} * 1 + 0)"]
    texts += [f"(~(~{value}))", f"(!{other} | {value})", f"({value} / 1)"]
    return draw(st.sampled_from(texts)), value


@st.composite
def strings(draw: st.DrawFn) -> tuple[str, bytes]:
    value = draw(st.binary(max_size=6))
    parts = []
    for at, byte in enumerate(value):
        # A digit behind it would belong to an octal escape; three digits are all that it can have.
        forms = [f"\\x{byte:02x}", f"\\{byte:03o}"]
        if 32 <= byte < 127 and byte not in b'"\\':
            forms.append(chr(byte))
        if byte in b'"\\':
            forms.append("\\" + chr(byte))
        if byte == 10:
            forms += ["\\n", "\n"]
        parts.append(forms[(at + byte) % len(forms)])
    return f'"{"".join(parts)}"', value + b"\0"


@st.composite
def values(draw: st.DrawFn) -> tuple[str, bytes]:
    """A value and its bytes."""
    texts, data = [], b""
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["cells", "bits", "string", "bytes"]))
        if kind == "string":
            text, more = draw(strings())
        elif kind == "bytes":
            more = draw(st.binary(max_size=5))
            text = f"[{more.hex(chr(32)) if draw(st.booleans()) else more.hex()}]"
        else:
            bits = 32 if kind == "cells" else draw(st.sampled_from([8, 16, 32, 64]))
            cells = draw(st.lists(numbers(bits), max_size=4))
            text = f"<{' '.join(text for text, _ in cells)}>"
            text = text if kind == "cells" else f"/bits/ {bits} {text}"
            more = b"".join(value.to_bytes(bits // 8, "big") for _, value in cells)
        texts.append(text)
        data += more
    return f"{draw(GAPS)},".join(texts), data


@st.composite
def nodes(draw: st.DrawFn, name: str = "", depth: int = 3) -> tuple[Made, str]:
    """A node, and the text between its braces: some of it is said twice, and the last time counts."""
    made = Made(name)
    parts = []
    for prop in draw(st.lists(NAMES, unique=True, max_size=4)):
        text, data = draw(values()) if draw(st.booleans()) else ("", b"")
        made.properties[prop] = data
        parts.append(f"{prop}{draw(GAPS)}={draw(GAPS)}{text};" if text else f"{prop};")
    for child in draw(st.lists(NODE_NAMES, unique=True, max_size=3 if depth else 0)):
        below, text = draw(nodes(child, depth - 1))
        made.children[child] = below
        parts.append(f"{child}{draw(GAPS)}{{{text}}};")
    return made, draw(GAPS) + draw(GAPS).join(parts)


@st.composite
def sources(draw: st.DrawFn) -> tuple[Made, str]:
    """A tree and its text: the root in one block, or each of its nodes in blocks of its own as well."""
    root, body = draw(nodes())
    blocks = [f"/ {{{body}}};"]
    for child in draw(st.lists(st.sampled_from(list(root.children.values())), max_size=3)) if root.children else ():
        name = draw(NAMES)
        text, data = draw(values())
        child.properties[name] = data
        target = draw(st.sampled_from([f"&{{/{child.name}}}", f"/ {{ {child.name}"]))
        blocks.append(f"{target} {{ gone; }}; {'};' if target[0] == '/' else ''}")
        blocks.append(f"&{{/{child.name}}} {{ /delete-property/ gone; {name} = {text}; }};")
    return root, "/dts-v1/;" + draw(GAPS) + draw(GAPS).join(blocks)


def plain(made: Made, path: str = "/") -> list[tuple[str, dict[str, bytes]]]:
    found = [(path, made.properties)]
    for child in made.children.values():
        found += plain(child, f"{path.rstrip('/')}/{child.name}")
    return found


def read(tree: Tree) -> list[tuple[str, dict[str, bytes]]]:
    return [(node.path, {prop.name: prop.data for prop in node.properties.values()}) for node in tree.walk()]


@settings(deadline=None, max_examples=300)
@given(sources())
def test_a_tree_is_read_as_it_was_meant(source: tuple[Made, str]) -> None:
    made, text = source
    tree = parse_dts(text, "t.dts")
    assert read(tree) == plain(made)
    for again in (read_dtb(to_dtb(tree), "t.dtb"), parse_dts(to_dts(tree), "again.dts")):
        assert read(again) == plain(made)


@settings(deadline=None, max_examples=100)
@given(sources(), st.data())
def test_references_mean_their_nodes(source: tuple[Made, str], data: st.DataObject) -> None:
    """A phandle for whoever is referred to, in the order of the references; and paths as they are."""
    made, text = source
    paths = [path for path, _ in plain(made) if path != "/"]
    if not paths:
        return
    wanted = data.draw(st.lists(st.sampled_from(paths), min_size=1, max_size=4))
    cells = " ".join(f"&{{{path}}}" for path in wanted)
    text += f"\n/ {{ zz-refs = <{cells}>; zz-paths = {', '.join(f'&{{{path}}}' for path in wanted)}; }};"
    tree = parse_dts(text, "t.dts")
    numbers = {path: index + 1 for index, path in enumerate(dict.fromkeys(wanted))}
    assert tree.root.cells("zz-refs") == tuple(numbers[path] for path in wanted)
    assert tree.root.strings("zz-paths") == tuple(wanted)
    assert {path: node.phandle for path in numbers if (node := tree.node(path))} == numbers
