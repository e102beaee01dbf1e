"""The types of a GICv2's register tables: rows that belong to the distributor, accessed through a CPU interface."""

from __future__ import annotations

from typing import TypeAlias

from irqframe_vgic._registers import Reader, Register, Writer
from irqframe_vgic._v2._distributor import Distributor
from irqframe_vgic._v2._interface import CpuInterface

Row: TypeAlias = Register[Distributor, CpuInterface]
Read: TypeAlias = Reader[Distributor, CpuInterface]
Write: TypeAlias = Writer[Distributor, CpuInterface]
