"""Installs a compiled seccomp filter; `syscalls` compiles it."""

import ctypes
import os
import struct

from deltanas_tools.sandbox.prctl import PR_SET_SECCOMP, prctl

OWN_PID = 0x7DE17A05
"""Stands for the child's process number in a compiled filter, which is made before the fork."""
_INSTRUCTION = struct.Struct("=HBBI")
_SECCOMP_MODE_FILTER = 2


def install_filter(program: bytes) -> None:
    """Confine the calling thread, and all that it starts, to the filter. Needs NO_NEW_PRIVS.

    Raises:
        OSError: the kernel refuses.
    """
    own = _with_own_pid(program)
    instructions = ctypes.create_string_buffer(own, len(own))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    attr = Program(len(own) // _INSTRUCTION.size, ctypes.addressof(instructions))
    prctl(PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(attr))


def _with_own_pid(program: bytes) -> bytes:
    return b"".join(
        _INSTRUCTION.pack(code, yes, no, os.getpid() if value == OWN_PID else value)
        for code, yes, no, value in _INSTRUCTION.iter_unpack(program)
    )
