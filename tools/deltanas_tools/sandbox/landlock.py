"""Landlock: takes file system, TCP and signals from the calling process, for good.

The kernel's interface has no wrapper in the C library (``man 7 landlock``); its three calls and
its constants are all that is here. What a kernel does not know yet is left to seccomp.
"""

import ctypes
import os
from collections.abc import Iterable
from contextlib import suppress
from enum import IntFlag
from pathlib import Path
from stat import S_ISDIR

_libc = ctypes.CDLL(None, use_errno=True)
# The same numbers on every architecture: the calls are younger than the common table.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
_SCOPES = 0b11  # abstract unix sockets, signals
_TCP = 0b11  # bind, connect


class Access(IntFlag):
    """What may be done with files below a path (``linux/landlock.h``)."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


READ = Access.READ_FILE | Access.READ_DIR
_OF_FILES = Access.EXECUTE | Access.WRITE_FILE | Access.READ_FILE | Access.TRUNCATE
_NUM_FS_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many of the rights a version of the interface knows; 16 from version 5 on."""


class _RulesetAttr(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneathAttr(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def abi() -> int:
    """Return the version of the kernel's interface; 0 where it has none or has it switched off."""
    version: int = _libc.syscall(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)
    return max(0, version)


def create_ruleset(rules: Iterable[tuple[Path, Access]]) -> int:
    """Return the descriptor of a ruleset that allows ``rules`` and nothing else.

    Paths that do not exist are left out.

    Raises:
        OSError: the kernel has no Landlock, or refuses.
    """
    version = abi()
    attr = _RulesetAttr(
        _fs_rights(version), _TCP if version >= 4 else 0, _SCOPES if version >= 6 else 0
    )
    # Older kernels know a shorter structure, and refuse a longer one unless the rest is zero.
    ruleset_fd = _checked(
        _libc.syscall(_CREATE_RULESET, ctypes.byref(attr), ctypes.sizeof(attr), 0)
    )
    for path, access in rules:
        with suppress(FileNotFoundError):
            allow(ruleset_fd, path, access)
    return ruleset_fd


def restrict_self(ruleset_fd: int) -> None:
    """Confine the calling thread, and all that it starts, to the ruleset.

    Needs NO_NEW_PRIVS. Only for a process of one thread: others would go free.

    Raises:
        OSError: the kernel refuses.
    """
    _checked(_libc.syscall(_RESTRICT_SELF, ruleset_fd, 0))


def allow(ruleset_fd: int, path: Path, access: Access) -> None:
    """Add a rule, as far as this kernel knows the rights.

    Raises:
        OSError: there is no such path, or the kernel refuses.
    """
    access &= Access(_fs_rights(abi()))
    path_fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not S_ISDIR(os.fstat(path_fd).st_mode):
            access &= _OF_FILES | Access.IOCTL_DEV
        attr = _PathBeneathAttr(access, path_fd)
        _checked(_libc.syscall(_ADD_RULE, ruleset_fd, _RULE_PATH_BENEATH, ctypes.byref(attr), 0))
    finally:
        os.close(path_fd)


def _fs_rights(version: int) -> int:
    return (1 << _NUM_FS_RIGHTS.get(version, 16)) - 1


def _checked(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"Landlock: {os.strerror(error)}")
    return result
