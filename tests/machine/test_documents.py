"""The binding documents of what is installed, and those made for irqchips that bring none; dtschema is the witness."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from irqframe import InputError, Irqchip, Source, hookimpl
from irqframe.dt import example_findings, load_bindings, machine_bindings, read_binding
from irqframe.flow import DescribeRequest, NodeSpec, Phandle, Plugin, SourceKind, discover
from irqframe.machine import BindingDocument, installed_bindings, scaffold
from irqframe.machine._binding_made import made_bindings


class Mute(Irqchip):
    """Says nothing of its nodes."""

    compatible = ("example,mute", "example,mute-2")


class Frank(Irqchip):
    """Describes two nodes, one in the other.

    And has a second paragraph: about 'quotes', and colons.
    """

    compatible = ("example,frank", "example,frank-msi", "example,frank-old")

    @hookimpl
    def irqchip_encode(self, source: Source) -> tuple[int, ...]:
        return (source.number, int(source.trigger))

    @hookimpl
    def irqchip_describe(self, request: DescribeRequest) -> tuple[NodeSpec, ...]:
        frames = NodeSpec(
            "msi@8001000",
            {
                "compatible": ("example,frank-msi",),
                "reg": request.reg(0x8001000, 0x1000),
                "msi-controller": (),
                "interrupt-parent": (Phandle("intc@8000000"),),
            },
            serves=frozenset({"msi"}),
        )
        properties = {
            "compatible": ("example,frank",),
            "reg": (*request.reg(0x8000000, 0x1000), *request.reg(0x9000000, 0x100)),
            "interrupt-controller": (),
            "#interrupt-cells": (2,),
            "#address-cells": (request.address_cells,),
            "#size-cells": (request.size_cells,),
            "ranges": (),
            "example,cpus": (len(request.mpidrs),),
            "example,masks": (1, 2, 3),
            "example,words": ("a", "b"),
            "example,fast": (),
        }
        children = (frames,) if request.msis else ()
        serves = frozenset({SourceKind.SPI, SourceKind.PPI})
        return (NodeSpec("intc@8000000", properties, children, serves),)


def plugin(chip: type[Irqchip], name: str = "strange") -> Plugin:
    return Plugin(name, "irqframe-strange", "1.0", "strange:Chip", chip)


def made(chip: type[Irqchip]) -> tuple[BindingDocument, ...]:
    return tuple(one for one in installed_bindings([plugin(chip)]) if one.origin == "strange")


def lay_out(folder: Path, documents: list[tuple[str, str]]) -> Path:
    for name, text in documents:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def tool(name: str) -> Path:
    pytest.importorskip("dtschema", reason="dtschema is not installed")
    return Path(sys.executable).parent / name


def check_by_dtschema(folder: Path, documents: list[tuple[str, str]]) -> None:
    """dt-doc-validate accepts the documents, and dt-validate their examples."""
    everything = lay_out(folder / "all", [*machine_bindings(), *documents])
    done = subprocess.run([tool("dt-doc-validate"), everything], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    if shutil.which("dtc") is None:
        return
    for name, text in documents:
        if "\nexamples:" not in text:
            continue
        command = [tool("dt-extract-example"), everything / name]
        source = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        blob = folder / "example.dtb"
        subprocess.run(["dtc", "-q", "-O", "dtb", "-o", blob], input=source, text=True, check=True)
        valid = subprocess.run(
            [tool("dt-validate"), "-s", everything, blob], capture_output=True, text=True, check=False
        )
        assert (valid.returncode, valid.stdout, valid.stderr) == (0, "", "")


def test_what_is_installed() -> None:
    documents = installed_bindings(discover())
    assert {"irqframe", "gicv2", "rvic"} <= {one.origin for one in documents}
    by_path = {one.path: one for one in documents}
    assert len(by_path) == len(documents)
    rvid = by_path["interrupt-controller/arm,rvid.yaml"]
    assert rvid.id == "http://devicetree.org/schemas/interrupt-controller/arm,rvid.yaml"
    assert (rvid.compatibles, rvid.origin, rvid.made) == (("arm,rvid",), "rvic", False)
    assert rvid.title == "Arm reduced virtual interrupt distributor (rVID)"
    # The frames of a GIC stand in the GIC's document.
    assert not any(one.made for one in documents)


@pytest.mark.parametrize("chip", [Mute, Frank])
def test_made_documents_are_valid(chip: type[Irqchip], tmp_path: Path) -> None:
    documents = made(chip)
    assert [one.compatibles for one in documents] == [(name,) for name in chip.compatible]
    assert all(one.made for one in documents)
    check_by_dtschema(tmp_path, [(one.path, one.text) for one in documents])


def test_what_a_made_document_says() -> None:
    frank, frames, old = (read_binding(one.path, one.text).content for one in made(Frank))
    properties = frank["properties"]
    assert properties["compatible"] == {"const": "example,frank"}
    assert properties["reg"] == {"maxItems": 2}
    assert properties["#interrupt-cells"] == {"const": 2}
    assert properties["#address-cells"] == {"enum": [1, 2]}
    assert properties["interrupt-controller"] is True
    assert properties["example,cpus"]["$ref"].endswith("/uint32")
    assert properties["example,masks"]["$ref"].endswith("/uint32-array")
    assert properties["example,words"]["$ref"].endswith("/string-array")
    assert properties["example,fast"]["type"] == "boolean"
    assert "reg" in frank["required"] and "phandle" not in properties
    assert frank["description"].startswith("Describes two nodes, one in the other. Made by irqframe")
    assert list(frank["patternProperties"]) == ["^msi(@[0-9a-f]+)?$"]
    assert frames["properties"]["reg"] == {"maxItems": 1}
    assert old["properties"]["compatible"] == {"const": "example,frank-old"}
    assert "examples" in frank and "examples" not in old


def test_examples_of_made_documents_are_right() -> None:
    documents = [(one.path, one.text) for one in made(Frank)]
    bindings = load_bindings([*machine_bindings(), *documents])
    texts = [read_binding(name, text) for name, text in documents]
    assert [len(text.examples) for text in texts] == [1, 1, 0]
    assert [example_findings(text, bindings) for text in texts] == [(), (), ()]


def test_a_machine_is_checked_by_a_made_document() -> None:
    """Made for people to go on from: it refuses what the irqchip never said."""
    text = made(Frank)[0].text.replace("example,masks = <0x1", "example,mask = <0x1")
    documents = [("frank.yaml", text), *((one.path, one.text) for one in made(Frank)[1:])]
    bindings = load_bindings([*machine_bindings(), *documents])
    findings = example_findings(read_binding("frank.yaml", text), bindings)
    assert {finding.code for finding in findings} == {"E0501", "E0505"}


def test_a_scaffold_is_valid(tmp_path: Path) -> None:
    text = scaffold("example,new-intc")
    documents = [("interrupt-controller/example,new-intc.yaml", text)]
    check_by_dtschema(tmp_path, documents)
    binding = read_binding(*documents[0])
    assert binding.id == "http://devicetree.org/schemas/interrupt-controller/example,new-intc.yaml"
    assert example_findings(binding, load_bindings([*machine_bindings(), *documents])) == ()


@pytest.mark.parametrize("name", ["../../etc/x", "a/../../x", "/etc/x"])
def test_an_id_that_would_leave_the_folder(name: str) -> None:
    class Bad(Irqchip):
        compatible = (name,)

    with pytest.raises(InputError, match="E0532"):
        installed_bindings([plugin(Bad)])


def test_two_irqchips_with_the_same_document() -> None:
    with pytest.raises(InputError, match="E0513"):
        installed_bindings([plugin(Mute, "one"), plugin(Mute, "two")])


def test_a_broken_plugin_has_none() -> None:
    broken = Plugin("broken", "", "", "", error="it is")
    assert {one.origin for one in installed_bindings([broken])} == {"irqframe"}


def test_required_is_what_a_small_machine_has_too() -> None:
    (rvic,) = [one for one in discover() if one.name == "rvic"]
    ((_, text),) = made_bindings(rvic, ["arm,rvid"])
    content = read_binding("t", text).content
    assert {"msi-range", "irqframe,level-inputs"} <= content["properties"].keys() - set(content["required"])
    assert {"compatible", "interrupt-parent"} <= set(content["required"])
    assert content["properties"]["#interrupt-cells"] == {"enum": [1, 2]}
