"""State of the irqchip as plain data, and back: version 1.

What set-up makes (sizes, extensions, host interrupts, owners) is not part of it, but is compared where it is known. A
state comes from a file: everything is checked before anything changes.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from irqframe.bits import MASKED, PENDING
from irqframe.errors import VmError
from irqframe.flow import Injected
from irqframe_rvic._as_is import UNQUEUED, LosesUnmasked
from irqframe_rvic._instance import Instance
from irqframe_rvic._rvid import Entry, LevelRvid
from irqframe_rvic._vm_data import VmData

if TYPE_CHECKING:
    from irqframe.vm import Vm

VERSION: Final = 1


def save_instance(rvic: Instance) -> dict[str, Any]:
    """State of one rVIC."""
    return {
        "version": VERSION,
        "trusted": rvic.trusted,
        "total": rvic.total,
        "policy": type(rvic.target).__name__,
        "enabled": rvic.enabled,
        "target": rvic.target.save(),
        "lines": rvic.lines.hex(),
        "held": sorted(rvic.held),
        "dropped": {reason.name: count for reason, count in sorted(rvic.dropped.items())},
        "withdrawn": rvic.withdrawn,
        "resampled": rvic.resampled,
    }


def restore_instance(rvic: Instance, state: object) -> None:
    """Take over what `save_instance` saved.

    Raises:
        VmError: EINVAL, and nothing has changed.
    """
    saved = _Checked(state, "of an rVIC")
    saved.expect("version", VERSION)
    saved.expect("trusted", rvic.trusted)
    saved.expect("total", rvic.total)
    saved.expect("policy", type(rvic.target).__name__)
    enabled = saved.flag("enabled")
    lines = saved.flags("lines", rvic.trusted)
    held = saved.numbers("held", rvic.total)
    dropped = saved.reasons("dropped")
    withdrawn, resampled = saved.count("withdrawn"), saved.count("resampled")
    target = saved.mapping("target")
    _check_bytes(target.get("state"), UNQUEUED if isinstance(rvic, LosesUnmasked) else 0)
    try:
        rvic.target.restore(target)
    except (ValueError, TypeError) as error:
        raise VmError(errno.EINVAL, f"state of an rVIC: {error}") from None
    rvic.enabled = enabled
    rvic.lines[:] = lines
    rvic.held = set(held)
    rvic.dropped = dropped
    rvic.withdrawn, rvic.resampled = withdrawn, resampled


def save_shared(data: VmData) -> dict[str, Any]:
    """State of the rVID."""
    rvid = data.rvid
    shared: dict[str, Any] = {
        "version": VERSION,
        "trusted": data.trusted,
        "total": data.total,
        "level_inputs": isinstance(rvid, LevelRvid),
        "map": [None if entry is None else [entry.vcpu_id, entry.intid] for entry in rvid.map],
    }
    if isinstance(rvid, LevelRvid):
        shared["levels"] = rvid.levels.hex()
        shared["level_triggered"] = rvid.level_triggered.hex()
    return shared


def restore_shared(vm: Vm, data: VmData, state: object) -> None:
    """Take over what `save_shared` saved.

    Raises:
        VmError: EINVAL, and nothing has changed.
    """
    rvid = data.rvid
    saved = _Checked(state, "of the rVID")
    saved.expect("version", VERSION)
    saved.expect("trusted", data.trusted)
    saved.expect("total", data.total)
    saved.expect("level_inputs", isinstance(rvid, LevelRvid))
    entries = [_entry(vm, data, one) for one in saved.items("map", len(rvid.map))]
    if isinstance(rvid, LevelRvid):
        levels = saved.flags("levels", len(rvid.map))
        kinds = saved.flags("level_triggered", len(rvid.map))
        rvid.levels[:] = levels
        rvid.level_triggered[:] = kinds
    for number, entry in enumerate(entries):
        rvid.assign(number, entry)


def _entry(vm: Vm, data: VmData, saved: object) -> Entry | None:
    if saved is None:
        return None
    if not (isinstance(saved, (list, tuple)) and len(saved) == 2 and all(type(n) is int for n in saved)):
        raise VmError(errno.EINVAL, f"state of the rVID: an entry is null or [vcpu id, INTID], not {saved!r:.60}")
    vcpu_id, intid = saved
    vcpu = vm.vcpu_by_id(vcpu_id)
    if vcpu is None:
        raise VmError(errno.EINVAL, f"state of the rVID: there is no vCPU of id {vcpu_id}")
    if not data.trusted <= intid < data.total:
        raise VmError(errno.EINVAL, f"state of the rVID: INTID {intid} is not untrusted")
    return data.rvid.entry(vcpu, intid)


def _check_bytes(text: object, extra: int) -> None:
    """Refuse bits that mean something to other irqchips only; what is no text at all the target refuses."""
    if isinstance(text, str):
        try:
            state = bytes.fromhex(text)
        except ValueError:
            return
        if any(byte & ~(PENDING | MASKED | extra) for byte in state):
            raise VmError(errno.EINVAL, "state of an rVIC: 'state' has bits that no rVIC interrupt has")


class _Checked:
    """A saved mapping whose values are checked as they are read."""

    def __init__(self, state: object, what: str) -> None:
        self._what = what
        if not isinstance(state, Mapping):
            raise self._bad(f"a mapping was expected, not {type(state).__name__}")
        self._state = state

    def expect(self, key: str, value: object) -> None:
        found = self._state.get(key)
        if type(found) is not type(value) or found != value:
            raise self._bad(f"{key!r} must be {value!r}, not {found!r:.60}")

    def flag(self, key: str) -> bool:
        value = self._state.get(key)
        if not isinstance(value, bool):
            raise self._bad(f"{key!r} must be true or false, not {value!r:.60}")
        return value

    def count(self, key: str) -> int:
        return self._count(key, self._state.get(key))

    def flags(self, key: str, size: int) -> bytes:
        text = self._state.get(key)
        try:
            flags = bytes.fromhex(text) if isinstance(text, str) else b""
        except ValueError:
            flags = b""
        if len(flags) != size or any(flag > 1 for flag in flags):
            raise self._bad(f"{key!r} must be {size} bytes of 00 or 01 in hexadecimal")
        return flags

    def items(self, key: str, size: int) -> list[object]:
        value = self._state.get(key)
        if not isinstance(value, (list, tuple)) or len(value) != size:
            raise self._bad(f"{key!r} must be a list of {size}")
        return list(value)

    def numbers(self, key: str, below: int) -> list[int]:
        value = self._state.get(key)
        if not isinstance(value, (list, tuple)) or any(type(n) is not int or not 0 <= n < below for n in value):
            raise self._bad(f"{key!r} must be a list of INTIDs below {below}")
        return list(value)

    def reasons(self, key: str) -> dict[Injected, int]:
        names = {reason.name: reason for reason in Injected if reason >= Injected.DROPPED}
        value = self.mapping(key)
        unknown = [name for name in value if name not in names]
        if unknown:
            raise self._bad(f"{key!r} has {unknown[0]!r:.60}, which is no reason to drop an interrupt")
        return {names[name]: self._count(key, count) for name, count in value.items()}

    def mapping(self, key: str) -> Mapping[str, Any]:
        value = self._state.get(key)
        if not isinstance(value, Mapping):
            raise self._bad(f"{key!r} must be a mapping, not {type(value).__name__}")
        return value

    def _count(self, key: str, value: object) -> int:
        if type(value) is not int or value < 0:
            raise self._bad(f"{key!r} must be a count, not {value!r:.60}")
        return value

    def _bad(self, why: str) -> VmError:
        return VmError(errno.EINVAL, f"state {self._what}: {why}")
