"""No process outside is signalled, looked into or re-ranked, and none inside stays."""

import pytest

from tests.hostile.attack import Attack, Outcome, fails
from tests.hostile.scene import Scene

# The host's number is only probed: a hole should fail a test, not end the run.
TARGETS = "TARGETS = {'victim': VICTIM, 'server': SERVER, 'parent': PARENT}\n"


def only_eperm(outcome: Outcome) -> None:
    """The filter itself refused: another error would be the kernel's, of another set-up."""
    words = [line.split()[-1] for line in outcome.output.splitlines() if "REFUSED" in line]
    assert words
    assert set(words) == {"EPERM"}, outcome.output
    assert "GOT" not in outcome.output


SIGNALS = (
    Attack(
        "25",
        "kill the parent",
        TARGETS
        + """\
for name, pid in TARGETS.items():
    step(name, lambda: os.kill(pid, signal.SIGKILL))
    step(name + " stopped", lambda: os.kill(pid, signal.SIGSTOP))
    step(name + "'s group", lambda: os.killpg(pid, signal.SIGKILL))
""",
    ),
    Attack(
        "26",
        "signal the host and everybody",
        """\
steps(
    host=lambda: os.kill(HOST, 0),
    init=lambda: os.kill(1, 0),
    everybody=lambda: os.kill(-1, 0),
    group_of_host=lambda: os.killpg(os.getpgid(0), 0) if os.getpgid(0) != os.getpid()
    else os.kill(-HOST, 0),
)
""",
    ),
    Attack(
        "25+",
        "kill by other calls",
        TARGETS
        + """\
info = ctypes.create_string_buffer(struct.pack("=iii", 9, 0, -1), 128)
for name, pid in TARGETS.items():
    steps(**{
        name + " tkill": lambda: syscall(200, pid, 9),
        name + " tgkill": lambda: syscall(234, pid, pid, 9),
        name + " queued": lambda: syscall(129, pid, 9, info),
        name + " queued to thread": lambda: syscall(297, pid, pid, 9, info),
        name + " high bits": lambda: syscall(62, pid | 1 << 32, 9),
        name + " pidfd": lambda: signal.pidfd_send_signal(os.pidfd_open(pid), 9),
        name + " pidfd alone": lambda: os.pidfd_open(pid),
        name + " pidfd_send_signal": lambda: syscall(424, 3, 9, 0, 0),
    })
""",
    ),
    Attack(
        "25+",
        "kill by the owner of a descriptor",
        TARGETS
        + """\
import fcntl
reading, writing = os.pipe()
for name, pid in TARGETS.items():
    owner = ctypes.create_string_buffer(struct.pack("=ii", 1, pid))
    steps(**{
        name + " F_SETOWN": lambda: fcntl.fcntl(reading, fcntl.F_SETOWN, pid),
        name + " F_SETOWN high bits": lambda: syscall(72, reading, 8 | 1 << 32, pid),
        name + " F_SETOWN_EX": lambda: syscall(72, reading, 15, owner),
        name + " FIOSETOWN": lambda: syscall(16, reading, 0x8901, owner),
        name + " F_SETSIG": lambda: fcntl.fcntl(reading, 10, signal.SIGKILL),
        name + " F_NOTIFY": lambda: fcntl.fcntl(os.open("/", os.O_RDONLY), 1026, 2),
    })
    try:
        fcntl.fcntl(reading, fcntl.F_SETFL, os.O_ASYNC)
        os.write(writing, b"now")
    except OSError:
        pass
""",
    ),
    Attack(
        "25+",
        "kill by a timer",
        """\
event = ctypes.create_string_buffer(struct.pack("=qiii", 0, 9, 4, VICTIM), 64)
step("timer", lambda: syscall(222, 1, event, ctypes.byref(ctypes.c_int())))
""",
    ),
    Attack(
        "64",
        "outlive the parent",
        """\
steps(
    pdeathsig=lambda: call(libc.prctl, 1, 0, 0, 0, 0),
    pdeathsig_high_bits=lambda: syscall(157, 1 | 1 << 32, 0, 0, 0, 0),
    subreaper=lambda: call(libc.prctl, 36, 1, 0, 0, 0),
    keep_capabilities=lambda: call(libc.prctl, 8, 1, 0, 0, 0),
    session=os.setsid,
    group=lambda: os.setpgid(0, PARENT),
)
""",
    ),
)

TRACING = (
    Attack(
        "28",
        "ptrace",
        TARGETS
        + """\
for name, pid in {**TARGETS, "host": HOST}.items():
    steps(**{
        name + " attach": lambda: syscall(101, 16, pid, 0, 0),
        name + " seize": lambda: syscall(101, 0x4206, pid, 0, 0),
    })
steps(
    traced=lambda: syscall(101, 0, 0, 0, 0),
    dumpable=lambda: call(libc.prctl, 4, 1, 0, 0, 0),
    tracer=lambda: call(libc.prctl, 0x59616D61, -1, 0, 0, 0),
)
""",
    ),
    Attack(
        "29",
        "other processes' environment and arguments",
        TARGETS
        + """\
for name, pid in {**TARGETS, "host": HOST, "itself": os.getpid()}.items():
    for what in ("environ", "cmdline", "maps", "cwd/.", "root/etc/passwd", "stat", "status"):
        if CUDA and name == "itself" and what == "maps":
            continue
        step(f"{name} {what}", lambda: open(f"/proc/{pid}/{what}", "rb").read())
step("list", lambda: os.listdir("/proc"))
""",
    ),
    Attack(
        "30",
        "other processes' memory",
        TARGETS
        + """\
buffer = ctypes.create_string_buffer(4096)
local = ctypes.create_string_buffer(struct.pack("=QQ", ctypes.addressof(buffer), 4096))
remote = ctypes.create_string_buffer(struct.pack("=QQ", ctypes.addressof(buffer), 4096))
for name, pid in {**TARGETS, "host": HOST}.items():
    steps(**{
        name + " mem": lambda: open(f"/proc/{pid}/mem", "rb").read(1),
        name + " readv": lambda: syscall(310, pid, local, 1, remote, 1, 0),
        name + " writev": lambda: syscall(311, pid, local, 1, remote, 1, 0),
        name + " madvise": lambda: syscall(440, 3, remote, 1, 21, 0),
        name + " mrelease": lambda: syscall(448, 3, 0),
        name + " move_pages": lambda: syscall(279, pid, 0, 0, 0, 0, 0),
        name + " migrate_pages": lambda: syscall(256, pid, 0, 0, 0),
    })
""",
    ),
    Attack(
        "30+",
        "other processes' descriptors",
        TARGETS
        + """\
for name, pid in {**TARGETS, "host": HOST}.items():
    steps(**{
        name + " pidfd_getfd": lambda: syscall(438, 3, 3, 0),
        name + " kcmp": lambda: syscall(312, os.getpid(), pid, 0, 1, 1),
    })
    for fd in range(3, 12):
        step(f"{name} fd {fd}", lambda: open(f"/proc/{pid}/fd/{fd}", "rb").read(1))
""",
    ),
    Attack(
        "31",
        "limits of other processes",
        TARGETS
        + """\
new = ctypes.create_string_buffer(struct.pack("=QQ", 0, 0))
for name, pid in TARGETS.items():
    steps(**{
        name + " set": lambda: syscall(302, pid, 7, new, 0),
        name + " read": lambda: syscall(302, pid, 7, 0, new),
        name + " high bits": lambda: syscall(302, pid | 1 << 32, 7, new, 0),
        name + " oom": lambda: open(f"/proc/{pid}/oom_score_adj", "w").write("1000"),
    })
""",
    ),
    Attack(
        "59",
        "processors and rank of other processes",
        TARGETS
        + """\
mask = ctypes.create_string_buffer(b"\\x01", 128)
parameters = ctypes.create_string_buffer(struct.pack("=i", 0))
attributes = ctypes.create_string_buffer(struct.pack("=IIQiIQQQ", 48, 5, 0, 0, 0, 0, 0, 0))
for name, pid in {**TARGETS, "host": HOST}.items():
    steps(**{
        name + " affinity": lambda: syscall(203, pid, 128, mask),
        name + " policy": lambda: syscall(144, pid, 5, parameters),
        name + " attributes": lambda: syscall(314, pid, attributes, 0),
        name + " nice": lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
        name + " io": lambda: syscall(251, 1, pid, 3 << 13),
    })
step("everybody of the user", lambda: os.setpriority(os.PRIO_USER, 0, 19))
""",
    ),
    Attack(
        "55",
        "a rank of its own",
        """\
parameters = ctypes.create_string_buffer(struct.pack("=i", 50))
steps(
    fifo=lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)),
    raw=lambda: syscall(144, 0, 1, parameters),
    nice=lambda: os.nice(-20),
    io=lambda: syscall(251, 1, 0, 1 << 13),
    oom=lambda: open("/proc/self/oom_score_adj", "w").write("-1000"),
)
""",
    ),
    Attack(
        "65",
        "typing into a terminal",
        """\
letter = ctypes.create_string_buffer(b"x")
for name, request in dict(TIOCSTI=0x5412, TIOCLINUX=0x541C, TIOCSCTTY=0x540E,
                          TIOCSETD=0x5423, TIOCSPGRP=0x5410).items():
    for fd in (0, 1):
        step(name, lambda: syscall(16, fd, request, letter))
        step(name + " high bits", lambda: syscall(16, fd, request | 1 << 32, letter))
""",
        only_eperm,
    ),
)

ENDLESS = (
    Attack(
        "21",
        "a loop that ignores all signals",
        """\
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
while True:
    pass
""",
        fails("timeout"),
        wall_seconds=0.5,
    ),
    Attack("22", "sleep", "time.sleep(1000)", fails("timeout"), wall_seconds=0.5),
    Attack(
        "44",
        "stops itself",
        "os.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(1000)",
        fails("timeout"),
        wall_seconds=0.5,
    ),
    Attack(
        "44+",
        "deadlock",
        "lock = threading.Lock()\nlock.acquire()\nlock.acquire()",
        fails("timeout"),
        wall_seconds=0.5,
    ),
    Attack("23", "segfault", "ctypes.string_at(0)", fails("crash")),
    Attack(
        "54",
        "stack overflow",
        """\
sys.setrecursionlimit(10**9)
def deep(_):
    return sorted([0], key=deep)
deep(0)
""",
        fails("crash", "out-of-memory", "construct"),
    ),
    Attack(
        "54+",
        "stack overflow in C",
        "nested = []\nfor _ in range(10**6): nested = [nested]\nrepr(nested)",
        fails("crash", "construct"),
    ),
    Attack("24", "exit without a result", "os._exit(0)", fails("crash")),
    Attack("24+", "abort", "os.abort()", fails("crash")),
    Attack(
        "24+",
        "illegal instruction of its own making",
        """\
page = mmap.mmap(-1, 4096, prot=7)
page.write(b"\\x0f\\x0b")
ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
""",
        fails("crash"),
    ),
)


@pytest.mark.parametrize("attack", SIGNALS, ids=str)
def test_nobody_outside_is_signalled(scene: Scene, attack: Attack) -> None:
    scene.contain(attack)


@pytest.mark.parametrize("attack", TRACING, ids=str)
def test_nobody_outside_is_looked_into(scene: Scene, attack: Attack) -> None:
    scene.contain(attack)


@pytest.mark.parametrize("attack", ENDLESS, ids=str)
def test_whatever_it_does_it_ends(scene: Scene, attack: Attack) -> None:
    scene.contain(attack)
