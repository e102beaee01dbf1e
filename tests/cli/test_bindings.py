"""`irqframe bindings`: written, listed, begun and checked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from irqframe.cli import _bindings_check, _doc_validate
from irqframe.machine import scaffold

Run = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def no_dtschema(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bindings_check, "is_installed", lambda: False)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(scaffold("example,good"))
    return path


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


# export


def test_export_is_laid_out_as_linux_has_it(irqframe: Run, tmp_path: Path) -> None:
    done = irqframe("bindings", "export", tmp_path / "out")
    assert done.returncode == 0
    written = files(tmp_path / "out")
    assert sorted(done.stdout.splitlines()) == sorted(str(tmp_path / "out" / name) for name in written)
    machine = ROOT / "bindings"
    for path in machine.rglob("*.yaml"):
        if "schemas" not in path.parts:
            assert written.pop(str(path.relative_to(machine))) == path.read_text()
    assert written.keys() == {f"interrupt-controller/arm,{name}.yaml" for name in ("gic", "gic-v3", "rvic", "rvid")}
    for path in ROOT.glob("plugins/*/irqframe_*/bindings/*.yaml"):
        assert written[f"interrupt-controller/{path.name}"] == path.read_text()


def test_without_a_command_it_exports_here(irqframe: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert irqframe("bindings").returncode == 0
        assert "bindings/interrupt-controller/arm,rvic.yaml" in files(tmp_path)


def test_export_to_where_nothing_can_be_written(irqframe: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = irqframe("bindings", "export", tmp_path / "file")
    assert done.returncode == 1
    assert done.stderr.startswith("irqframe: error: ")


def test_dt_doc_validate_takes_what_is_exported(irqframe: Run, tmp_path: Path) -> None:
    pytest.importorskip("dtschema", reason="dtschema is not installed")
    assert irqframe("bindings", "export", tmp_path).returncode == 0
    tool = Path(sys.executable).parent / "dt-doc-validate"
    done = subprocess.run([tool, tmp_path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# list


def test_list(irqframe: Run) -> None:
    done = irqframe("bindings", "list")
    assert done.returncode == 0
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["document", "compatible", "title", "from"]
    assert any(line[0] == "interrupt-controller/arm,rvic.yaml" and line[-1] == "rvic" for line in lines)


def test_list_as_json(irqframe: Run) -> None:
    listed = json.loads(irqframe("bindings", "list", "--json").stdout)["bindings"]
    (rvid,) = [one for one in listed if one["compatible"] == ["arm,rvid"]]
    assert rvid == {
        "id": "http://devicetree.org/schemas/interrupt-controller/arm,rvid.yaml",
        "path": "interrupt-controller/arm,rvid.yaml",
        "title": "Arm reduced virtual interrupt distributor (rVID)",
        "compatible": ["arm,rvid"],
        "origin": "rvic",
        "made": False,
    }


# new


def test_new_is_valid_and_stays(irqframe: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = irqframe("bindings", "new", "example,toy-intc")
    assert (done.returncode, done.stdout) == (0, "example,toy-intc.yaml\n")
    text = Path("example,toy-intc.yaml").read_text()
    checked = irqframe("bindings", "check", "example,toy-intc.yaml")
    assert (checked.returncode, checked.stdout) == (0, "1 document, 1 example: ok\n")

    Path("example,toy-intc.yaml").write_text("mine")
    again = irqframe("bindings", "new", "example,toy-intc")
    assert again.returncode == 1
    assert again.stderr == "irqframe: error: example,toy-intc.yaml is there already, and is not overwritten\n"
    assert Path("example,toy-intc.yaml").read_text() == "mine"
    assert irqframe("bindings", "new", "example,toy-intc", "-o", "-").stdout == text
    os.mkdir("folder")
    assert irqframe("bindings", "new", "example,toy-intc", "-o", "folder").returncode == 0
    assert (tmp_path / "folder" / "example,toy-intc.yaml").read_text() == text


@pytest.mark.parametrize("name", ["toy", "Example,Toy", "example,", ",toy", "a,b/../c", "a,b c", "a,b\n", ""])
def test_new_with_a_name_that_is_none(irqframe: Run, name: str) -> None:
    done = irqframe("bindings", "new", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert "is no `compatible` string" in done.stderr


# check


def test_check_of_what_is_installed(irqframe: Run) -> None:
    done = irqframe("bindings", "check")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("examples: ok\n")


@pytest.mark.usefixtures("no_dtschema")
def test_without_dtschema_it_says_what_was_not_checked(irqframe: Run, good: Path) -> None:
    done = irqframe("bindings", "check", good)
    assert (done.returncode, done.stdout) == (0, "1 document, 1 example: ok\n")
    assert done.stderr == (
        "irqframe: note: dtschema is not installed, so dt-doc-validate did not check the documents "
        "(`pip install dtschema`)\n"
    )
    report = json.loads(irqframe("bindings", "check", "--json", good).stdout)
    assert (report["dt_doc_validate"], report["examples"], report["findings"]) == (False, 1, [])


@pytest.mark.usefixtures("no_dtschema")
@pytest.mark.parametrize(
    ("before", "after", "code", "column", "excerpt"),
    [
        ("<0x8000000 0x1000>", "<0x8000000 0x1000", "E0103", 32, "        reg = <0x8000000 0x1000;"),
        ("<0x8000000 0x1000>", "<0x8000000 0x100g>", "E0104", 26, "        reg = <0x8000000 0x100g>;"),
        ("#interrupt-cells = <2>", "#interrupt-cells = <3>", "E0503", 29, "        #interrupt-cells = <3>;"),
        ("#address-cells = <0>;", "odd;", "E0505", 9, "        odd;"),
        ("0x1000>;", "0x1000>, <1 1>;", "E0504", 9, "        reg = <0x8000000 0x1000>, <1 1>;"),
    ],
)
def test_a_fault_of_an_example_at_its_line_of_the_yaml(
    irqframe: Run, good: Path, before: str, after: str, code: str, column: int, excerpt: str
) -> None:
    text = good.read_text()
    head, _, example = text.partition("examples:")
    good.write_text(f"{head}examples:{example.replace(before, after)}")
    done = irqframe("bindings", "check", "--json", good)
    assert done.returncode == 1
    found = {one["code"]: one["span"] for one in json.loads(done.stdout)["findings"]}
    assert code in found
    line = next(n for n, one in enumerate(good.read_text().split("\n"), 1) if one == excerpt)
    assert (found[code]["file"], found[code]["line"], found[code]["column"]) == (str(good), line, column)
    shown = irqframe("bindings", "check", good).stderr
    assert f"{good}:{line}:{column}: error[{code}]" in shown
    assert f"{line:5} | {excerpt}" in shown


@pytest.mark.usefixtures("no_dtschema")
def test_an_example_with_what_stands_elsewhere(irqframe: Run, good: Path) -> None:
    """A label of another file, an interrupt without a parent: dt-extract-example has them be, too."""
    text = good.read_text().replace(
        "        #address-cells = <0>;\n",
        "        #address-cells = <0>;\n    };\n\n    user {\n        who = <&elsewhere>; /* &nobody */\n"
        "        interrupts = <1 2 3>;\n",
    )
    good.write_text(text)
    assert irqframe("bindings", "check", good).returncode == 0


@pytest.mark.usefixtures("no_dtschema")
def test_an_example_that_is_folded_is_placed_as_a_whole(irqframe: Run, good: Path) -> None:
    text = good.read_text()
    head = text.partition("examples:")[0]
    good.write_text(f'{head}examples:\n  - "intc {{ compatible = \\"example,good\\"; }};"\n')
    done = irqframe("bindings", "check", "--json", good)
    found = json.loads(done.stdout)["findings"]
    line = text.split("\n").index("examples:") + 2
    assert {(one["code"], one["span"]["line"]) for one in found} == {("E0501", line)}


@pytest.mark.usefixtures("no_dtschema")
def test_an_example_that_includes_is_a_warning(irqframe: Run, good: Path) -> None:
    good.write_text(
        good.read_text().replace("  - |\n", "  - |\n    #include <dt-bindings/interrupt-controller/irq.h>\n")
    )
    done = irqframe("bindings", "check", good)
    assert done.returncode == 0
    assert "warning[W0533]: the example needs a preprocessor, and is not checked" in done.stderr


@pytest.mark.usefixtures("no_dtschema")
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: [", "E0510"),
        ("a: 1\n", "E0511"),
        (scaffold("a,b").replace("maxItems: 1", "$ref: nowhere.yaml#"), "E0512"),
        (scaffold("a,b").partition("examples:")[0] + "examples:\n  - 1\n", "E0531"),
    ],
)
def test_documents_that_are_none_do_not_keep_others_from_being_checked(
    irqframe: Run, good: Path, text: str, code: str
) -> None:
    (good.parent / "bad.yaml").write_text(text)
    good.write_text(good.read_text().replace("= <2>", "= <3>"))
    done = irqframe("bindings", "check", "--json", good.parent)
    assert done.returncode == 1
    found = {(Path(one["span"]["file"]).name, one["code"]) for one in json.loads(done.stdout)["findings"]}
    assert {("good.yaml", "E0503"), ("bad.yaml", code)} <= found


def test_what_dt_doc_validate_finds(irqframe: Run, good: Path) -> None:
    pytest.importorskip("dtschema", reason="dtschema is not installed")
    good.write_text(good.read_text().replace("title: Interrupt", "title: Binding of interrupt"))
    done = irqframe("bindings", "check", "--json", good)
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["dt_doc_validate"] is True
    (finding,) = report["findings"]
    line = next(n for n, one in enumerate(good.read_text().split("\n"), 1) if one.startswith("title:"))
    assert (finding["code"], finding["span"]["file"]) == ("E0530", str(good))
    assert finding["span"]["line"] in (0, line)
    assert "should not be valid under" in finding["message"]


def test_dt_doc_validate_that_says_nothing_and_fails(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_doc_validate, "_RUN", "import sys; print('oh no'); sys.exit(1)")
    (finding,) = _doc_validate.doc_validate([(str(good), good.read_text())])
    assert (finding.code, finding.message) == ("E0530", "dt-doc-validate fails: oh no")


@pytest.mark.parametrize("make", ["missing", "empty"])
def test_nothing_to_check(irqframe: Run, tmp_path: Path, make: str) -> None:
    path = tmp_path / make
    if make == "empty":
        path.mkdir()
    done = irqframe("bindings", "check", "--json", path)
    assert done.returncode == 1
    assert str(path) in json.loads(done.stdout)["error"]


def test_no_such_command(irqframe: Run) -> None:
    assert irqframe("bindings", "burn").returncode == 2
