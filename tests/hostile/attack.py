"""A hostile candidate: a piece of source, and what has to come of it.

The source is put in front of a network that is otherwise fine, after `PRELUDE`. It prints "GOT ..."
for each hostile step that came off and "REFUSED ..." for each that did not. That is its own word:
`scene.Scene.contain` looks from outside first.
"""

from collections.abc import Callable
from dataclasses import dataclass

from deltanas_tools.sandbox import Completed, Failed

Outcome = Completed | Failed

PRELUDE = """\
import ctypes, errno, mmap, os, signal, socket, struct, sys, threading, time

libc = ctypes.CDLL(None, use_errno=True)

def say(*words):
    os.write(1, (" ".join(str(word) for word in words) + "\\n").encode(errors="replace"))

def call(function, *arguments):
    ctypes.set_errno(0)
    result = function(*(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

def syscall(number, *arguments):
    return call(libc.syscall, number, *arguments)

def step(name, action):
    try:
        result = action()
    except OSError as error:
        say("REFUSED", name, errno.errorcode.get(error.errno, error))
    except BaseException as error:
        say("REFUSED", name, type(error).__name__, str(error)[:200])
    else:
        say("GOT", name, repr(result)[:500])
        return result

def steps(**actions):
    for name, action in actions.items():
        step(name, action)

PARENT = os.getppid()
"""
"""What every attack has at hand; `scene.Scene.facts` follows it."""


_REACHED = {"EINVAL", "EFAULT", "EBADF", "ENOTTY", "ESRCH"}
"""Errors of a kernel that was ready to do it."""
_BROKEN = {"NameError", "TypeError", "AttributeError"}
"""Errors of an attack that tries nothing."""


def refused(outcome: Outcome) -> None:
    """Every step was refused at the door, and at least one was tried."""
    assert "GOT" not in outcome.output, outcome.output
    assert "REFUSED" in outcome.output, outcome
    assert not isinstance(outcome, Failed) or outcome.code != "timeout", "it never came to its end"
    for line in outcome.output.splitlines():
        if line.startswith("REFUSED"):
            assert not (_REACHED | _BROKEN).intersection(line.split()), outcome.output


def harmless(outcome: Outcome) -> None:
    """The candidate does no harm, and is measured as any other."""
    assert isinstance(outcome, Completed), outcome
    assert "GOT" not in outcome.output, outcome.output


def fails(*codes: str) -> Callable[[Outcome], None]:
    """The candidate comes to nothing, with one of these codes."""

    def check(outcome: Outcome) -> None:
        assert isinstance(outcome, Failed), outcome
        assert outcome.code in codes, outcome
        assert "GOT" not in outcome.output, outcome.output

    return check


def at_most(limit: int) -> Callable[[Outcome], None]:
    """What the attack says it got adds up to no more than this; memory includes the server's."""

    def check(outcome: Outcome) -> None:
        lines = outcome.output.splitlines()
        got = sum(int(line.split()[-1]) for line in lines if line.startswith("GOT"))
        assert "TRIED" in outcome.output, outcome
        assert got <= limit
        assert outcome.peak_memory_bytes < 2 * 2**30

    return check


@dataclass(frozen=True)
class Attack:
    """One hostile candidate."""

    number: str
    """Of the table in docs and notes; with a plus, a relative of that number."""
    name: str
    source: str
    check: Callable[[Outcome], None] = refused
    wall_seconds: float = 20.0
    memory_bytes: int = 2**30

    def __str__(self) -> str:
        return f"{self.number} {self.name}"
