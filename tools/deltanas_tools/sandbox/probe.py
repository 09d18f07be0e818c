"""Tries the walls from inside: what a back end promises is seen to hold before it is chosen.

Run as ``python -m deltanas_tools.sandbox.probe FD``, started just as the fork server is, with
orders on the socket whose number is ``FD``. Prints `HOLDS`, or what gave way.
"""

import errno
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from deltanas_tools.sandbox.confine import HOLDS, Orders, prepare
from deltanas_tools.sandbox.messages import read_frame
from deltanas_tools.sandbox.prctl import PR_SET_PDEATHSIG, prctl

_REFUSALS = (errno.EPERM, errno.EACCES, errno.ENOENT)


def main() -> None:
    """Raise the walls in a fork, run against each, and print those that gave way."""
    header, program = read_frame(socket.socket(fileno=int(sys.argv[1])))
    walls = prepare(Orders.model_validate(header), program)
    if os.fork() == 0:
        try:
            walls.raise_them()
            print("; ".join(_gave_way(walls.orders)) or HOLDS)  # noqa: T201 (to the parent's pipe)
        except OSError as error:
            print(error)  # noqa: T201
        sys.stdout.flush()
        os._exit(0)
    os.wait()


def _gave_way(orders: Orders) -> list[str]:
    attacks: dict[str, Callable[[], object]] = {
        "a file outside could be read": lambda: os.open("/etc/passwd", os.O_RDONLY),
        "a file could be made": lambda: Path(f"/tmp/deltanas-{os.getpid()}").touch(),
        "a socket could be opened": socket.socket,
        "a process could be started": os.fork,
        "a signal could be sent": lambda: os.kill(os.getppid(), 0),
        "the death signal could be cut": lambda: prctl(PR_SET_PDEATHSIG, 0),
    }
    found = [name for name, attack in attacks.items() if not _is_refused(attack)]
    if orders.uid is not None and os.getuid() != orders.uid:
        found.append("the user could not be changed")
    return found


def _is_refused(attack: Callable[[], object]) -> bool:
    try:
        attack()
    except OSError as error:
        return error.errno in _REFUSALS
    return False


if __name__ == "__main__":
    main()
