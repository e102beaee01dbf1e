"""The irqchip's state in the columns of the reference's debugfs files.

Per interrupt, one blank between columns: INTID and a colon; host interrupt in brackets, 0 for none; P pending or p; M
masked or m unmasked; name of the level callback or 0x0; x if the callback is used, else the line's level H or L; Q if
it is queued for delivery or i. Only lines of trusted INTIDs and level inputs have a level: others show L.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from irqframe.bits import MASKED, PENDING, Fifo, Priority
from irqframe_rvic._instance import Instance
from irqframe_rvic._vm_data import VmData

if TYPE_CHECKING:
    from irqframe.vm import Vm


def dump(vm: Vm, per_interrupt: bool) -> dict[str, str]:
    """Every file's content by its path.

    Args:
        vm: the VM, from NR_IRQS on; before, there is no file.
        per_interrupt: one file per interrupt (quirk K28), not one for all.
    """
    if not isinstance(vm.chip_data, VmData):
        return {}
    files = {}
    for vcpu in vm.vcpus:
        if isinstance(vcpu.chip, Instance):
            folder = f"rvic-{vcpu.vcpu_id}"
            files[f"{folder}/state"] = _state(vcpu.chip)
            lines = [interrupt_line(vcpu.chip, intid) for intid in range(vcpu.chip.total)]
            if per_interrupt:
                files.update({f"{folder}/{intid}": f"{line}\n" for intid, line in enumerate(lines)})
            else:
                files[f"{folder}/irqs"] = _text(lines)
    files["rvid"] = _rvid(vm.chip_data)
    return files


def interrupt_line(rvic: Instance, intid: int) -> str:
    """One interrupt in the columns above."""
    byte = rvic.target.state[intid]
    mapping = rvic.mapped.get(intid)
    if mapping is None:
        host, symbol, level = 0, "0x0", "H" if rvic.level(intid) else "L"
    else:
        host = mapping.host_irq.number if mapping.host_irq is not None else 0
        symbol, level = getattr(mapping.get_level, "__name__", type(mapping.get_level).__name__), "x"
    pending = "P" if byte & PENDING else "p"
    masked = "M" if byte & MASKED else "m"
    return f"{intid}: [{host}] {pending} {masked} {symbol} {level} {'Q' if byte == PENDING else 'i'}"


def delivery_order(rvic: Instance) -> list[int]:
    """The deliverable interrupts in the order of delivery."""
    target = rvic.target
    if isinstance(target, Fifo):
        return target.order()
    queued = [intid for intid, byte in enumerate(target.state) if byte == PENDING]
    if isinstance(target, Priority):
        queued.sort(key=lambda intid: (target.priority[intid], intid))
    return queued


def _state(rvic: Instance) -> str:
    head = ["Enabled" if rvic.enabled else "Disabled", f"{rvic.trusted} Trusted", f"{rvic.total} Total"]
    return _text([*head, *(interrupt_line(rvic, intid) for intid in delivery_order(rvic))])


def _rvid(data: VmData) -> str:
    lines = [f"{data.trusted} Trusted", f"{data.total} Total"]
    for number, entry in enumerate(data.rvid.map[: data.inputs]):
        if entry is not None:
            lines.append(f"{number:4}: vcpu-{entry.vcpu_id} {entry.intid}")
    return _text(lines)


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
