"""Device trees: DTS and DTB in and out, the interrupt tree, and validation by binding.

`load` reads either format into a `Tree`; `to_dts` and `to_dtb` write one. `apply_overlay` changes one by an overlay.
"""

from __future__ import annotations

from irqframe.dt._addresses import address, addresses, reg
from irqframe.dt._binding_findings import document_findings
from irqframe.dt._binding_folder import BindingFolders, read_binding_folders
from irqframe.dt._binding_text import BindingText, Example, read_binding
from irqframe.dt._bindings import BindingSet, load_bindings
from irqframe.dt._cascade import Upstream, is_controller, upstreams
from irqframe.dt._codes import CODES
from irqframe.dt._copy import copy_tree
from irqframe.dt._dtb import read_dtb
from irqframe.dt._dts import parse_dts
from irqframe.dt._emit import to_dtb, to_dts
from irqframe.dt._examples import example_findings
from irqframe.dt._interrupts import Hop, InterruptRef, interrupts, specifiers_at
from irqframe.dt._intx import IntxRoute, intx_routes
from irqframe.dt._load import load
from irqframe.dt._machine_nodes import Cpu, PmuNode, Region, TimerNode, cpus, memory, pmu, timer
from irqframe.dt._msi import MsiRef, msi_routes
from irqframe.dt._msi_ranges import MsiRange, msi_ranges
from irqframe.dt._overlay import apply_overlay, is_overlay, refuse_overlay
from irqframe.dt._report import bounded
from irqframe.dt._shipped import machine_bindings
from irqframe.dt._status import enabled, is_enabled
from irqframe.dt._symbols import add_symbols
from irqframe.dt._tree import Node, Piece, PieceKind, Property, Tree
from irqframe.dt._validate import distinct, validate

__all__ = [
    "CODES",
    "BindingFolders",
    "BindingSet",
    "BindingText",
    "Cpu",
    "Example",
    "Hop",
    "InterruptRef",
    "IntxRoute",
    "MsiRange",
    "MsiRef",
    "Node",
    "Piece",
    "PieceKind",
    "PmuNode",
    "Property",
    "Region",
    "TimerNode",
    "Tree",
    "Upstream",
    "add_symbols",
    "address",
    "addresses",
    "apply_overlay",
    "bounded",
    "copy_tree",
    "cpus",
    "distinct",
    "document_findings",
    "enabled",
    "example_findings",
    "interrupts",
    "intx_routes",
    "is_controller",
    "is_enabled",
    "is_overlay",
    "load",
    "load_bindings",
    "machine_bindings",
    "memory",
    "msi_ranges",
    "msi_routes",
    "parse_dts",
    "pmu",
    "read_binding",
    "read_binding_folders",
    "read_dtb",
    "refuse_overlay",
    "reg",
    "specifiers_at",
    "timer",
    "to_dtb",
    "to_dts",
    "upstreams",
    "validate",
]
