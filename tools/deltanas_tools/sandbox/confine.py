"""The walls that a process puts round itself: prepared once in the server, raised in each fork."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from deltanas_repo_store.records import Record
from deltanas_tools.sandbox import landlock, readable
from deltanas_tools.sandbox.prctl import PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, prctl
from deltanas_tools.sandbox.seccomp import install_filter

HOLDS = "holds"
"""What `probe` prints where every wall stood."""
_OWN_OF_CUDA = (
    ("/proc/self/task", landlock.Access.WRITE_FILE | landlock.Access.TRUNCATE),
    ("/proc/self/maps", landlock.READ),
)
"""What the driver insists on: to name its threads, and to find free addresses."""


class Orders(Record):
    """Which walls to raise; the seccomp program travels beside it."""

    confined: bool
    """False for back end ``none``: nothing but limits, as the user asked."""
    uid: Annotated[int, Field(gt=0)] | None = None
    """User and group to become, for good; None where we are nobody to begin with."""
    cuda: bool = False


@dataclass
class Walls:
    """What is left to do in a fork, after all that needs files or privileges."""

    orders: Orders
    program: bytes
    ruleset_fd: int = -1

    def raise_them(self) -> None:
        """Confine this process: Landlock first, since seccomp denies it.

        Raises:
            OSError: the kernel refuses; nothing of a candidate may run then.
        """
        if self.orders.confined:
            if self.orders.cuda:
                self._open_own_proc()
            landlock.restrict_self(self.ruleset_fd)
            os.close(self.ruleset_fd)
            install_filter(self.program)

    def _open_own_proc(self) -> None:
        """Open what CUDA needs below ``/proc/self``: of this process, and of no other.

        A rule stops to match when the kernel drops the entry, so the descriptors stay open.
        """
        for path, access in _OWN_OF_CUDA:
            os.open(path, os.O_PATH)
            landlock.allow(self.ruleset_fd, Path(path), access)


def prepare(orders: Orders, program: bytes) -> Walls:
    """Become ``orders.uid`` and make ready what forks need.

    To be called after all imports: what can be read later is decided here.

    Raises:
        OSError: the kernel refuses.
    """
    walls = Walls(orders, program)
    if not orders.confined:
        return walls
    # As root still: an interpreter may lie in a home that others cannot enter.
    walls.ruleset_fd = landlock.create_ruleset(readable.rules(cuda=orders.cuda))
    if orders.uid is not None:
        os.setgroups([])
        os.setresgid(orders.uid, orders.uid, orders.uid)
        os.setresuid(orders.uid, orders.uid, orders.uid)
    # Candidates run as the same user as the server; it must not be theirs to look into.
    prctl(PR_SET_DUMPABLE, 0)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    return walls
