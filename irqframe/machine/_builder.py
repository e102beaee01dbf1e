"""A machine from nothing: its CPUs, its irqchip and its devices are named, its tree is written.

1. The irqchip describes its nodes and encodes every interrupt, as when a machine is re-targeted.
2. Nothing is random, and nothing depends on where it runs: the same call gives the same bytes.
3. What was built is loaded: it is checked by the same rules as a tree that was read from a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from irqframe.dt import Node, Tree, addresses
from irqframe.errors import Finding, InputError, Span, SpecifierError
from irqframe.flow import DescribeRequest, Flow, Plugin, Source, SourceKind, discover, find
from irqframe.machine._describe import Described, ask_describe, ask_encode
from irqframe.machine._device import Device, Lines, Room, Value, devices_of
from irqframe.machine._guest_nodes import (
    PMU,
    PMU_SOURCE,
    RAM_BASE,
    RAM_SIZE,
    TIMER,
    TIMER_SOURCES,
    cpus_node,
    memory_node,
    mpidrs,
    per_cpu_node,
    psci_node,
    set_chosen,
    wide,
)
from irqframe.machine._load import load_machine
from irqframe.machine._model import Machine

FILE = "<built>"
"""What findings about a built machine call its tree."""

_CELLS = 2
_CLOCK_HZ = 24_000_000


def build_machine(
    irqchip: str,
    cpus: int | Sequence[int] = 1,
    memory: int | tuple[int, int] = RAM_SIZE,
    devices: Iterable[Device | str] = ("pl011",),
    *,
    bootargs: str | None = None,
    initrd: tuple[int, int] | None = None,
    timer: bool = True,
    pmu: bool = True,
    plugins: Sequence[Plugin] | None = None,
) -> Machine:
    """See `Machine.build`."""
    known = discover() if plugins is None else plugins
    chip = find(irqchip, known)
    flow = Flow()
    flow.register_chip(chip(), irqchip)
    building = _Building(flow, _affinities(cpus), devices_of(devices))
    building.base((RAM_BASE, memory) if isinstance(memory, int) else memory)
    building.irqchip(timer, pmu)
    building.devices()
    set_chosen(building.tree, bootargs, initrd)
    return load_machine(building.tree, known)


def _affinities(cpus: int | Sequence[int]) -> tuple[int, ...]:
    affinities = mpidrs(cpus) if isinstance(cpus, int) else tuple(cpus)
    if not affinities:
        raise ValueError("a machine has one CPU or more")
    if len(set(affinities)) < len(affinities):
        raise ValueError("two CPUs have the same MPIDR")
    return affinities


class _Building:
    """A machine that is being built."""

    def __init__(self, flow: Flow, affinities: tuple[int, ...], devices: tuple[Device, ...]) -> None:
        self.flow = flow
        self.affinities = affinities
        self.asked = devices
        self.span = Span(FILE)
        self.tree = Tree(Node("", self.span), FILE)
        self.room = Room()
        lines = Lines(devices)
        self.sources = [
            [Source(SourceKind.SPI, lines.number(line), trigger) for line, trigger in device.lines]
            for device in devices
        ]
        self.described: Described

    def add(self, name: str) -> Node:
        return self.tree.root.add(Node(name, self.span))

    def base(self, memory: tuple[int, int]) -> None:
        root = self.tree.root
        root.set_strings("model", "irqframe,virt")
        root.set_strings("compatible", "linux,dummy-virt")
        root.set_cells("#address-cells", _CELLS)
        root.set_cells("#size-cells", _CELLS)
        self.add("chosen")
        if any(device.alias for device in self.asked):
            self.add("aliases")
        self.room.take(*memory, "memory")
        root.add(memory_node(*memory, _CELLS, _CELLS, self.span))
        root.add(cpus_node(self.affinities, self.span))
        root.add(psci_node(self.span))

    def irqchip(self, timer: bool, pmu: bool) -> None:
        per_cpu = [(TIMER_SOURCES, "timer", TIMER)] if timer else []
        per_cpu += [((PMU_SOURCE,), "pmu", PMU)] if pmu else []
        wired = [source for listed in self.sources for source in listed]
        wired += [source for sources, _, _ in per_cpu for source in sources]
        request = DescribeRequest(
            self.affinities,
            tuple(dict.fromkeys(wired)),
            any(device.msi for device in self.asked),
            address_cells=_CELLS,
            size_cells=_CELLS,
        )
        try:
            self.described = ask_describe(self.flow, request, self.tree)
        except SpecifierError as error:
            raise self._refusal(str(error), error) from error
        for node in self.described.nodes:
            self.tree.root.add(node)
        for node in self.described.nodes:
            for below in node.walk():
                for address, size in addresses(below):
                    self.room.take(address, size, below.path)
        main = self.described.serves.get(SourceKind.SPI) or self.described.nodes[0]
        self.tree.root.set_cells("interrupt-parent", main.phandle or 0)
        for sources, name, compatible in per_cpu:
            encoded = [self.encode(source, f"/{name}") for source in sources]
            cells = [cell for _, specifier in encoded for cell in specifier]
            self.tree.root.add(per_cpu_node(name, compatible, encoded[0][0], cells, self.span))
        if timer:
            self.tree.root.children["timer"].set("always-on", b"")

    def encode(self, source: Source, path: str) -> tuple[int, tuple[int, ...]]:
        """Phandle of the controller and specifier of a source."""
        try:
            return ask_encode(self.flow, self.described, source)
        except SpecifierError as error:
            raise self._refusal(f"{path}: {error}", error) from error

    def _refusal(self, message: str, error: SpecifierError) -> InputError:
        return InputError([Finding("E0608", message, self.span, expected=error.expected)])

    def devices(self) -> None:
        for device in self.asked:
            if device.size and device.address is not None:
                self.room.take(device.address, device.size, device.name)
        clock = self._clock() if any(device.clocked for device in self.asked) else 0
        aliases: dict[str, int] = {}
        for device, sources in zip(self.asked, self.sources, strict=True):
            node = self._device(device, sources, clock)
            if device.alias:
                number = aliases.setdefault(device.alias, 0)
                aliases[device.alias] += 1
                self.tree.root.children["aliases"].set_strings(f"{device.alias}{number}", node.path)
                if device.alias == "serial" and number == 0:
                    self.tree.root.children["chosen"].set_strings("stdout-path", node.path)

    def _clock(self) -> int:
        node = self.add("apb-pclk")
        node.set_strings("compatible", "fixed-clock")
        node.set_cells("#clock-cells", 0)
        node.set_cells("clock-frequency", _CLOCK_HZ)
        node.set_strings("clock-output-names", "clk24mhz")
        phandle = self.tree.free_phandle()
        node.set_cells("phandle", phandle)
        return phandle

    def _device(self, device: Device, sources: Sequence[Source], clock: int) -> Node:
        root = self.tree.root
        name = device.name
        address = device.address
        if device.size:
            if address is None:
                address = self.room.place(device.near, device.size, name)
            name += f"@{address:x}"
        if name in root.children:
            raise ValueError(f"two nodes would have the name {name!r}")
        node = self.add(name)
        node.set_strings("compatible", *device.compatible)
        if device.size and address is not None:
            node.set_cells("reg", *wide(address, _CELLS), *wide(device.size, _CELLS))
        if sources:
            cells = [cell for source in sources for cell in self.encode(source, node.path)[1]]
            node.set_cells("interrupts", *cells)
        receiver = self.described.serves.get("msi")
        if device.msi and receiver is not None:
            width = receiver.u32("#msi-cells") or 0
            node.set_cells("msi-parent", receiver.phandle or 0, *(len(root.children) for _ in range(width)))
        if device.clocked:
            node.set_cells("clocks", clock, clock)
            node.set_strings("clock-names", "uartclk", "apb_pclk")
        for key, value in device.properties.items():
            _set(node, key, value)
        return node


def _set(node: Node, name: str, value: Value) -> None:
    if isinstance(value, bytes):
        node.set(name, value)
    elif isinstance(value, str):
        node.set_strings(name, value)
    elif isinstance(value, int):
        node.set_cells(name, value)
    elif all(isinstance(part, str) for part in value):
        node.set_strings(name, *(str(part) for part in value))
    else:
        node.set_cells(name, *(int(part) for part in value))
