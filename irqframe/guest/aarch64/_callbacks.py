"""C callbacks of a Uc that are Python functions, installed past the binding's wrappers.

1. Nothing that a function raises is lost: Unicorn cannot pass it on, so it is handed to `failed`, and the callback
   returns 0.
2. A callback lives as long as the object that installed it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Final

from unicorn import Uc, UcError, arm64_const, unicorn_const
from unicorn.unicorn_py3.unicorn import uclib

_U32 = ctypes.c_uint32
_U64 = ctypes.c_uint64
_POINTER = ctypes.c_void_p

BLOCK: Final[int] = unicorn_const.UC_HOOK_BLOCK
INTERRUPT: Final[int] = unicorn_const.UC_HOOK_INTR
_INSTRUCTION: Final[int] = unicorn_const.UC_HOOK_INSN

MRS: Final[int] = arm64_const.UC_ARM64_INS_MRS
MSR: Final[int] = arm64_const.UC_ARM64_INS_MSR
SYS: Final[int] = arm64_const.UC_ARM64_INS_SYS

#: Kind of hook -> type of its callback.
_PROTOTYPES: Final = {
    BLOCK: ctypes.CFUNCTYPE(None, _POINTER, _U64, _U32, _POINTER),
    INTERRUPT: ctypes.CFUNCTYPE(None, _POINTER, _U32, _POINTER),
    _INSTRUCTION: ctypes.CFUNCTYPE(_U32, _POINTER, _U32, _POINTER, _POINTER),
}
_MMIO_READ: Final = ctypes.CFUNCTYPE(_U64, _POINTER, _U64, ctypes.c_uint, _POINTER)
_MMIO_WRITE: Final = ctypes.CFUNCTYPE(None, _POINTER, _U64, ctypes.c_uint, _U64, _POINTER)


class Callbacks:
    """What one engine has installed.

    Args:
        uc: where.
        failed: called with what a function raised.
    """

    def __init__(self, uc: Uc, failed: Callable[[BaseException], None]) -> None:
        self._handle = uc._uch
        self._failed = failed
        self._kept: list[Any] = []

    def hook(self, kind: int, function: Callable[..., Any], instruction: int = 0) -> None:
        """Call a function for `BLOCK` or `INTERRUPT`, anywhere.

        Args:
            kind: one of these.
            function: takes what the library's callback type says.
            instruction: internal; see `instruction`.

        Raises:
            UcError: if the library refuses.
        """
        callback = self._keep(_PROTOTYPES[kind], function)
        more = (ctypes.c_int(instruction),) if instruction else ()
        hook = ctypes.c_size_t()
        everywhere = (_U64(1), _U64(0))
        status = uclib.uc_hook_add(self._handle, ctypes.byref(hook), kind, callback, None, *everywhere, *more)
        _check(status)

    def instruction(self, instruction: int, function: Callable[[int, int, int, int], int]) -> None:
        """Call a function before each MRS, MSR (register) or SYS: (engine, general register, `CpReg` *, data).

        It returns whether the CPU is to leave the instruction out.
        """
        self.hook(_INSTRUCTION, function, instruction)

    def mmio(
        self, base: int, size: int, read: Callable[[int, int], int], write: Callable[[int, int, int], None]
    ) -> None:
        """Have whole pages served.

        Args:
            base: guest physical address.
            size: bytes.
            read: (guest physical address, size of the access) -> value.
            write: (guest physical address, size of the access, value).
        """

        def load(_uc: int, offset: int, size: int, _data: int) -> int:
            return read(base + offset, size)

        def store(_uc: int, offset: int, size: int, value: int, _data: int) -> None:
            write(base + offset, size, value)

        callbacks = self._keep(_MMIO_READ, load), self._keep(_MMIO_WRITE, store)
        _check(uclib.uc_mmio_map(self._handle, base, size, callbacks[0], None, callbacks[1], None))

    def _keep(self, prototype: Any, function: Callable[..., Any]) -> Any:
        failed = self._failed

        def guarded(*args: Any) -> Any:
            try:
                return function(*args)
            except BaseException as error:
                failed(error)
                return 0

        callback = prototype(guarded)
        self._kept.append(callback)
        return ctypes.cast(callback, _POINTER)


def _check(status: int) -> None:
    if status:
        raise UcError(status)
