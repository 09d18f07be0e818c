"""The one call of the C library that sets attributes of the calling process (``man 2 prctl``)."""

import ctypes
import os

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP = 1, 4, 22
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
# Resolved before any fork: the candidate's process should not have to search for libraries.
_libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, *arguments: object) -> None:
    """Set an attribute of this process.

    Raises:
        OSError: the kernel refuses.
    """
    padded = [*arguments, 0, 0, 0, 0][:4]
    if _libc.prctl(option, *padded):
        error = ctypes.get_errno()
        raise OSError(error, f"prctl {option}: {os.strerror(error)}")
