"""Where fuzzing starts: the trees and bindings of the other tests and the documentation, and the words they are of."""

from __future__ import annotations

import gzip
import struct
from importlib.resources import files
from pathlib import Path

from irqframe import dt
from irqframe.errors import InputError
from irqframe.flow import discover
from irqframe.machine import plugin_bindings

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "dt" / "data"

# Properties whose value another node decides the meaning of, and those that decide it.
CELL_PROPERTIES = (
    "#address-cells", "#size-cells", "#interrupt-cells", "#msi-cells", "#clock-cells", "#iommu-cells", "#gpio-cells",
    "reg", "ranges", "dma-ranges", "interrupts", "interrupts-extended", "interrupt-parent", "interrupt-map",
    "interrupt-map-mask", "msi-parent", "msi-map", "msi-map-mask", "msi-ranges", "phandle", "linux,phandle", "clocks",
    "gpios", "iommu-map", "affinity", "interrupt-affinity", "bus-range", "irqframe,nr-trusted", "irqframe,nr-total",
    "arm,msi-base-spi", "arm,msi-num-spis", "cpu", "dmas", "iommus", "power-domains",
)  # fmt: skip
FLAGS = ("interrupt-controller", "msi-controller", "dma-coherent", "irqframe,level-inputs", "irqframe,priorities")
STRING_PROPERTIES = {
    "compatible": (
        "arm,gic-400", "arm,cortex-a15-gic", "arm,gic-v2m-frame", "arm,rvic", "arm,rvid", "arm,armv8-timer",
        "arm,pl011", "arm,primecell", "arm,psci-1.0", "pci-host-ecam-generic", "arm,armv8-pmuv3", "arm,cortex-a57",
        "virtio,mmio", "fixed-clock", "simple-bus",
    ),
    "device_type": ("cpu", "memory", "pci", "serial"),
    "status": ("okay", "ok", "disabled", "fail"),
    "interrupt-names": ("virt", "phys", "sec-phys", "hyp-phys"),
    "enable-method": ("psci", "spin-table"),
    "method": ("hvc", "smc"),
    "name": ("name",),
    "clock-names": ("uartclk", "apb_pclk"),
}  # fmt: skip
NODES = ("cpus", "cpu@0", "cpu@1", "memory@0", "aliases", "chosen", "__symbols__", "pcie@0", "intc@0", "timer", "pmu")

_DTS_WORDS = (
    "/dts-v1/;", "/plugin/;", "/include/", "/memreserve/", "/bits/ 8", "/bits/ 64", "/incbin/(\"data.bin\")",
    "/delete-node/", "/delete-property/", "/omit-if-no-ref/", "&{/", "/* ", " */", "//", "<<", ">>", "<=", ">=", "==",
    "!=", "&&", "||", "? 1 : ", "\\x41", "\\0", "\\\n", "# 1 \"a.dts\"\n", "\"self.dtsi\"", "\"data.bin\"", "= <", ">;",
    "{ };", "/ { };", "&l {", "l: ", "&l", "<&l>", "'c'", "0x", "UL", "[00]", "\n#include \"node.dtsi\"\n",
    "\n#define A(x) x\n", "\n#define A A A\n", "\n#if ", "\n#ifdef A\n", "\n#else\n", "\n#endif\n", "##", "__VA_ARGS__",
    "defined(A)", "__fixups__", "__overlay__", "__local_fixups__", "fragment@0 {", "target-path", "target",
)  # fmt: skip
_OVERLAY_WORDS = (
    "__fixups__", "__local_fixups__", "__symbols__", "__overlay__", "fragment@0", "target", "target-path", "aliases",
    "/soc/a@0", "/fragment@0/__overlay__:p:0", "/fragment@0:target:0", ":p:4", "a", "b", "c", "l",
)  # fmt: skip
_YAML_WORDS = (
    "$id: http://devicetree.org/schemas/fuzz.yaml#\n", "$schema: http://devicetree.org/meta-schemas/core.yaml#\n",
    "$ref: '#'", "$ref: /schemas/types.yaml#/definitions/", "$ref: '#/definitions/a'", "$recursiveRef: '#'",
    "allOf:\n", "anyOf:\n", "oneOf:\n", "not:\n", "if:\n", "then:\n", "else:\n", "properties:\n",
    "patternProperties:\n", "additionalProperties: false\n", "unevaluatedProperties: false\n",
    "required:\n", "dependencies:\n",
    "dependentRequired:\n", "dependentSchemas:\n", "definitions:\n", "$defs:\n", "select:\n", "items:\n", "contains:\n",
    "const: ", "enum:\n", "pattern: ", "minItems: ", "maxItems: ", "minimum: ", "maximum: ", "multipleOf: ",
    "uniqueItems: true\n", "typeSize: ", "type: object\n", "type: boolean\n", "$nodename:\n", "compatible:\n", "fuzz,a",
    "fuzz,b", "(a+)+", "&a ", "*a", "<<: ", "!!int ", "? ", "|\n", "- ", "title: ", "maintainers:\n", "examples:\n",
)  # fmt: skip

BINDING = """\
$id: http://devicetree.org/schemas/fuzz.yaml#
$schema: http://devicetree.org/meta-schemas/core.yaml#
title: Fuzzed
maintainers: [Nobody <nobody@example.com>]
properties:
  compatible:
    contains:
      const: fuzz,a
  reg:
    maxItems: 1
  a:
    $ref: /schemas/types.yaml#/definitions/uint32
    enum: [1, 2]
  b:
    items:
      - pattern: '^t[a-z]*$'
      - const: x
patternProperties:
  '^a@': { type: object }
  '^aa+-$': true
required: [compatible, c]
unevaluatedProperties: false
"""


def seeds(kind: str) -> list[bytes]:
    """Inputs of a kind that other tests know: "dtb", "overlay", "dts" or "yaml"."""
    if kind == "yaml":
        return [BINDING.encode(), *(text.encode() for _, text in _bindings() if len(text) < 4096)]
    texts = [path.read_text() for path in sorted((ROOT / "docs" / "examples").glob("*.dts"))]
    overlays = [*_cases("overlay/sources.txt"), *_cases("overlay/applied.txt")]
    if kind == "overlay":
        return _compiled([part for text in overlays for part in text.split("--- overlay\n")])
    texts += [*_cases("dtc/cases.txt"), *_cases("cpp/cases.txt"), *overlays]
    if kind == "dts":
        return [text.encode() for text in texts]
    return [_compact(gzip.decompress(path.read_bytes())) for path in sorted(DATA.glob("*.dtb.gz"))] + _compiled(texts)


def _cases(name: str) -> list[str]:
    """The texts of a file of named cases."""
    return [case.partition("\n")[2] for case in (DATA / name).read_text().split("=== ")[1:]]


def _compiled(texts: list[str]) -> list[bytes]:
    """Those texts that are right, as DTBs."""
    made = []
    for text in texts:
        try:
            made.append(dt.to_dtb(dt.parse_dts(text, str(DATA / "dtc" / "case.dts"))))
        except InputError:
            continue
    return made


def dictionary(kind: str) -> str:
    """Words for libFuzzer, in its own notation."""
    words: list[bytes] = []
    if kind in ("dtb", "overlay"):
        words += [struct.pack(">I", token) for token in (1, 2, 3, 4, 9, 0xD00DFEED, 16, 17, 40, 0xFFFFFFFF)]
    names = [*CELL_PROPERTIES, *FLAGS, *STRING_PROPERTIES, *NODES]
    if kind == "overlay":
        words += [word.encode() for word in _OVERLAY_WORDS]
    if kind != "yaml":
        words += [name.encode() for name in names]
        words += [value.encode() for values in STRING_PROPERTIES.values() for value in values]
    words += [word.encode() for word in {"dts": _DTS_WORDS, "yaml": _YAML_WORDS}.get(kind, ())]
    return "".join(f'"{_escaped(word)}"\n' for word in words)


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _compact(data: bytes) -> bytes:
    """A DTB without the room that QEMU leaves."""
    return dt.to_dtb(dt.read_dtb(data, "seed"))


def _bindings() -> list[tuple[str, str]]:
    found = list(dt.machine_bindings())
    for plugin in discover():
        if plugin.chip is not None:
            found += plugin_bindings(plugin.chip, plugin.name)
    core = files("irqframe.bindings") / "schemas"
    return found + [(entry.name, entry.read_text()) for entry in core.iterdir() if entry.name.endswith(".yaml")]
