"""What the values of well-known properties are, for writing those that come without a record of how they were written.

Nothing is guessed from a value: a name that is not here is bytes.
"""

from __future__ import annotations

import re
from enum import Enum

from irqframe.dt._tree import Node


class ValueKind(Enum):
    """What a value is a list of."""

    CELLS = "cells"
    STRINGS = "strings"
    BYTES = "bytes"


# DTSpec v0.4, 2.3 (standard properties), 3.2 to 3.8 (device nodes), 4.1 (serial devices); Linux, power/psci.yaml.
_STRINGS = re.compile(
    r"(linux,)?stdout-path|bootargs|compatible|device_type|enable-method|label|method|model|name|power-isa-version"
    r"|secure-status|serial-number|status|stdin-path|.*-names?"
)

_CELLS = re.compile(
    # DTSpec v0.4, 2.3.3 to 2.3.10: standard properties.
    r"(linux,)?phandle|#.*-cells|reg|virtual-reg|ranges|dma-ranges"
    # 2.4: interrupts; Linux, interrupt-controller/*.yaml and msi.txt: MSI and controllers.
    r"|interrupts|interrupts-extended|interrupt-(parent|map|map-mask|affinity|ranges)"
    r"|msi-(parent|map|map-mask|range)|mbi-(alias|ranges)|arm,msi-(base-spi|num-spis)"
    r"|redistributor-stride|#redistributor-regions|affinity|ppi-partitions|riscv,ndev|irqframe,nr-(trusted|total)"
    # 3.4 to 3.9: memory, chosen, cpus and caches; linux,* as the kernel's Documentation/arch and QEMU have them.
    r"|initial-mapped-area|linux,(initrd-start|initrd-end|pci-domain|code|usable-memory-range|elfcorehdr)"
    r"|(clock|timebase|bus|reservation-granule)-(frequency|size)|cpu-release-addr|cpu|next-level-cache|cache-level"
    r"|(d-|i-|)cache-(size|sets|block-size|line-size)|(d-|i-|)tlb-(size|sets)"
    # Linux, arm/psci.yaml: function numbers.
    r"|cpu_(suspend|off|on)|migrate|sys_(poweroff|reset)"
    # Devices: PCI hosts, clocks, gpio, flash, serial, IOMMU and reset.
    r"|bus-range|clocks|clock-indices|assigned-clocks|assigned-clock-rates|gpios|.*-gpios|ngpios|bank-width|device-width"
    r"|current-speed|reg-shift|reg-io-width|dmas|iommus|iommu-map|iommu-map-mask|phys|resets|power-domains|.*-supply"
    r"|regmap|offset|mask|value"
)

_TEXT = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]*(\0[\t\n\r\x20-\x7e\x80-\xff]*)*\0")


def value_kind(node: Node, name: str, data: bytes) -> ValueKind:
    """What to write the value `data` of property `name` as: what the name says if the value can be that, else bytes."""
    if (_STRINGS.fullmatch(name) or _holds_strings(node)) and _TEXT.fullmatch(data):
        return ValueKind.STRINGS
    if _CELLS.fullmatch(name) and len(data) % 4 == 0:
        return ValueKind.CELLS
    return ValueKind.BYTES


def _holds_strings(node: Node) -> bool:
    """Whether all properties of a node are paths: /aliases (DTSpec 3.3) and dtc's /__symbols__."""
    return node.name in ("aliases", "__symbols__") and node.parent is not None and node.parent.parent is None
