"""`irqframe inspect --svg` and `--dot`: what is drawn, that it can be read, and that Graphviz takes it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
Rect = tuple[float, float, float, float]

SVG = "{http://www.w3.org/2000/svg}"
DATA = Path(__file__).parents[1] / "dt" / "data"
TREES = [DATA / "virt-gicv3.dts", *sorted((DATA / "interrupt-tree").glob("*.dts"))]

# Widths of a character of DejaVu Sans Mono, 0.602 of its size; the sizes are those of the style.
WIDTHS = {"name": 6.63, "label": 6.63, "label end": 6.63, "note": 5.42, "title": 7.83}


def rect_of(element: ET.Element) -> Rect:
    x, y, width, height = (float(element.attrib[key]) for key in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def groups(root: ET.Element, kind: str) -> Iterator[ET.Element]:
    return (group for group in root.iter(f"{SVG}g") if group.attrib.get("class", "").split(" ")[0] == kind)


def overlap(one: Rect, other: Rect) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def extent(text: ET.Element) -> Rect:
    kind = text.attrib["class"]
    x, y, width = float(text.attrib["x"]), float(text.attrib["y"]), len(text.text or "") * WIDTHS[kind]
    return (x - width, y - 8, x, y + 2) if kind.endswith("end") else (x, y - 8, x + width, y + 2)


@pytest.fixture(params=TREES, ids=lambda path: path.stem)
def drawn(request: pytest.FixtureRequest, irqframe: Run) -> ET.Element:
    return ET.fromstring(irqframe("inspect", "--svg", "-", request.param).stdout)


def test_nothing_overlaps(drawn: ET.Element) -> None:
    boxes = [
        rect_of(rect)
        for kind in ("chip", "controller", "nexus", "group")
        for group in groups(drawn, kind)
        for rect in group.iter(f"{SVG}rect")
        if rect.attrib["class"] in ("bar", "body")
    ]
    assert not [pair for pair in combinations(boxes, 2) if overlap(*pair)]
    width, height = float(drawn.attrib["width"]), float(drawn.attrib["height"])
    assert all(x >= 0 and y >= 0 and right <= width and below <= height for x, y, right, below in boxes)


def test_texts_stay_where_they_belong(drawn: ET.Element) -> None:
    texts = [extent(text) for text in drawn.iter(f"{SVG}text")]
    assert not [pair for pair in combinations(texts, 2) if overlap(*pair)]
    for group in (*groups(drawn, "chip"), *groups(drawn, "controller"), *groups(drawn, "nexus")):
        left, top, right, bottom = rect_of(next(group.iter(f"{SVG}rect")))
        for x, y, end, below in map(extent, group.iter(f"{SVG}text")):
            assert left <= x and end <= right
            assert top <= y and below <= bottom
    assert max(right for _, _, right, _ in texts) <= float(drawn.attrib["width"])


def test_every_source_has_its_chip_and_its_way(irqframe: Run) -> None:
    tree = TREES[0]
    root = ET.fromstring(irqframe("inspect", "--svg", "-", tree).stdout)
    chips = list(groups(root, "chip"))
    assert len(chips) == 56
    tips = [chip.findtext(f"{SVG}title") or "" for chip in chips]
    number = next(n for n, line in enumerate(tree.read_text().splitlines(), 1) if "pl011@9000000 {" in line)
    (uart,) = (tip for tip in tips if tip.startswith("pl011"))
    line = int(uart.partition("(:")[2].partition(")")[0])
    assert uart == f"pl011@9000000\ninterrupts (:{line}) -> /intc@8000000"
    assert number < line < number + 10
    states = [chip.attrib["class"] for chip in chips]
    assert (states.count("chip state-PER_CPU"), states.count("chip state-MESSAGE")) == (4, 1)
    assert [group.findtext(f"{SVG}text") for group in groups(root, "nexus")] == ["pcie@10000000"]


def test_a_device_with_many_interrupts_is_one_chip(irqframe: Run, tmp_path: Path) -> None:
    path = tmp_path / "many.dts"
    many = ", ".join(f"<&c {n}>" for n in range(200))
    path.write_text(
        "/dts-v1/;\n/ { c: c { interrupt-controller; #interrupt-cells = <1>; }; "
        f"smmu {{ interrupts-extended = {many}; }}; a {{ interrupts-extended = <&c 200>; }}; }};\n"
    )
    root = ET.fromstring(irqframe("inspect", "--svg", "-", path).stdout)
    texts = [[text.text for text in chip.iter(f"{SVG}text")] for chip in groups(root, "chip")]
    assert texts == [["smmu (200 interrupts)", "line 0, line 1, line 2, ..."], ["a", "line 200"]]
    tip = next(groups(root, "chip")).findtext(f"{SVG}title") or ""
    assert len(tip.splitlines()) == 400


def test_states_are_drawn_and_explained(irqframe: Run) -> None:
    root = ET.fromstring(irqframe("inspect", "--svg", "-", DATA / "interrupt-tree" / "controller-disabled.dts").stdout)
    assert [chip.attrib["class"] for chip in groups(root, "chip")] == ["chip state-UNRESOLVED"] + [
        "chip state-DISABLED"
    ] * 2
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"unresolved", "disabled"} <= set(texts)
    style = root.findtext(f"{SVG}style") or ""
    assert "prefers-color-scheme:dark" in style


def test_files_are_written_and_the_text_is_printed(irqframe: Run, virt_dts: Path, tmp_path: Path) -> None:
    plain = irqframe("inspect", virt_dts).stdout
    svg, dot = tmp_path / "t.svg", tmp_path / "t.dot"
    result = irqframe("inspect", "--svg", svg, "--dot", dot, virt_dts)
    assert (result.returncode, result.stdout, result.stderr) == (0, plain, "")
    assert svg.read_text() == irqframe("inspect", "--svg", "-", virt_dts).stdout
    assert dot.read_text() == irqframe("inspect", "--dot", "-", virt_dts).stdout
    assert dot.read_text().startswith("digraph ")


def test_one_thing_goes_to_standard_output(irqframe: Run, virt_dts: Path) -> None:
    result = irqframe("inspect", "--svg", "-", "--dot", "-", virt_dts)
    assert (result.returncode, result.stdout) == (2, "")
    assert irqframe("inspect", "--json", "--dot", "-", virt_dts).returncode == 2


def test_a_file_that_cannot_be_written(irqframe: Run, virt_dts: Path, tmp_path: Path) -> None:
    result = irqframe("inspect", "--svg", tmp_path / "no" / "t.svg", virt_dts)
    assert result.returncode == 1
    assert "No such file or directory" in result.stderr


def test_names_may_hold_anything(irqframe: Run, tmp_path: Path) -> None:
    path = tmp_path / "odd.dts"
    path.write_text(
        '/dts-v1/;\n/ { c: c { compatible = "<&\\"\\\\>\\x01"; interrupt-controller; #interrupt-cells = <1>; };\n'
        'a { interrupt-names = "]]>\\x02\\n\\\\\\""; interrupts-extended = <&c 1>; }; };\n'
    )
    root = ET.fromstring(irqframe("inspect", "--svg", "-", path).stdout)
    assert len(list(groups(root, "chip"))) == 1
    text = irqframe("inspect", "--dot", "-", path).stdout
    assert "\x01" not in text
    if shutil.which("dot") is not None:
        subprocess.run(["dot", "-Tplain"], input=text, text=True, check=True, capture_output=True)


def test_a_deep_cascade_can_be_drawn(irqframe: Run, tmp_path: Path) -> None:
    path = tmp_path / "deep.dts"
    one = "interrupt-controller; #interrupt-cells = <1>;"
    chain = "".join(f"c{n}: c{n} {{ {one} interrupts-extended = <&c{n + 1} 1>; }};\n" for n in range(2000))
    path.write_text(f"/dts-v1/;\n/ {{ {chain} c2000: c2000 {{ {one} }}; }};\n")
    for option in ("--svg", "--dot"):
        assert irqframe("inspect", option, "-", path).stdout.count("c2000") >= 1


@pytest.mark.parametrize("name", ["virt-gicv3", "interrupt-tree/cascade-gpio", "interrupt-tree/pci-swizzle"])
def test_graphviz_draws_the_graph(irqframe: Run, name: str) -> None:
    if shutil.which("dot") is None:
        pytest.skip("dot is not installed")
    text = irqframe("inspect", "--dot", "-", DATA / f"{name}.dts").stdout
    done = subprocess.run(["dot", "-Tplain"], input=text, text=True, check=True, capture_output=True)
    drawn = [line.partition(" ")[0] for line in done.stdout.splitlines()]
    assert drawn.count("node") == len(re.findall(r"^  \w+ \[label=", text, re.MULTILINE))
    assert drawn.count("edge") == len(re.findall(r"^  \w+ -> \w+ \[", text, re.MULTILINE))
    assert drawn.count("edge") >= 3
