"""Trees to measure with: a GIC and as many virtio transports as asked for."""

from __future__ import annotations

_HEAD = """\
/dts-v1/;

/ {
	#address-cells = <2>;
	#size-cells = <2>;
	interrupt-parent = <&gic>;

	gic: interrupt-controller@8000000 {
		compatible = "arm,cortex-a15-gic";
		#interrupt-cells = <3>;
		interrupt-controller;
		reg = <0x0 0x8000000 0x0 0x10000>;
	};
"""


def wide(nodes: int) -> str:
    """As DTS; 4,000 nodes are some 670 kB."""
    return _HEAD + "".join(_transport(index) for index in range(nodes)) + "};\n"


def _transport(index: int) -> str:
    address = 0xA000000 + index * 0x200
    return f"""
	virtio_{index}: virtio_mmio@{address:x} {{
		compatible = "virtio,mmio";
		reg = <0x0 {address:#x} 0x0 0x200>;
		interrupts = <0 {index % 900} 4>;
		dma-coherent;
		status = "okay";
	}};
"""
