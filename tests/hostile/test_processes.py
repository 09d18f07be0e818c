"""No process is started, and no thread outlives its candidate."""

import pytest

from tests.hostile.attack import Attack, Outcome, at_most, harmless
from tests.hostile.scene import Scene

# A child that comes into being says so, stays to be found, and ends by itself.
STAY = """\
def stay(pid):
    if pid == 0:
        say("GOT", "a child", os.getpid())
        time.sleep(30)
        os._exit(0)
    return pid
"""


def threads_only(outcome: Outcome) -> None:
    """No more threads than the limit, and the candidate's measurement stands or falls by itself."""
    assert "a child" not in outcome.output
    at_most(256)(outcome)


STARTS = (
    Attack(
        "12",
        "fork bomb",
        STAY
        + """\
for _ in range(20):
    step("fork", lambda: stay(os.fork()))
""",
    ),
    Attack(
        "12+",
        "fork by other names",
        STAY
        + """\
steps(
    fork=lambda: stay(syscall(57)),
    libc=lambda: stay(call(libc.fork)),
    pty=lambda: stay(__import__("pty").fork()[0]),
)
""",
    ),
    Attack(
        "12+",
        "vfork",
        # The parent is held until the child ends, on the same stack: it ends at once.
        """\
def vfork():
    pid = syscall(58)
    if pid == 0:
        os.write(1, b"GOT a child\\n")
        syscall(231, 0)
    return pid
step("vfork", vfork)
""",
    ),
    Attack(
        "49",
        "clone and clone3",
        STAY
        + """\
def clone3(flags, exit_signal=17):
    arguments = struct.pack("=8Q", flags, 0, 0, 0, exit_signal, 0, 0, 0)
    return stay(syscall(435, ctypes.create_string_buffer(arguments, 64), 64))
def clone(flags):
    return stay(syscall(56, flags, 0, 0, 0, 0))
CLONE_PARENT, CLONE_FILES, CLONE_NEWUSER, CLONE_IO = 0x8000, 0x400, 0x10000000, 0x80000000
steps(
    clone=lambda: clone(17),
    no_signal=lambda: clone(0),
    sibling=lambda: clone(CLONE_PARENT | 17),
    files=lambda: clone(CLONE_FILES | CLONE_IO | 17),
    user=lambda: clone(CLONE_NEWUSER | 17),
    high_bits=lambda: clone(1 << 40 | 17),
    clone3=lambda: clone3(0),
    clone3_user=lambda: clone3(CLONE_NEWUSER),
    clone3_into_cgroup=lambda: clone3(0x200000000),
)
""",
    ),
    Attack(
        "49+",
        "a thread that is more than a thread",
        """\
THREAD = 0x10000 | 0x800 | 0x100  # with CLONE_SIGHAND and CLONE_VM, which it implies
for name, flag in dict(user=0x10000000, mount=0x20000, pid=0x20000000, net=0x40000000,
                       ipc=0x8000000, uts=0x4000000, cgroup=0x2000000, time=0x80).items():
    # Without a stack of its own a thread must never come back: the kernel refuses all of these
    # itself, so what counts is that it is not asked.
    if name in ("user", "pid"):
        step(name, lambda: syscall(56, THREAD | flag, 0, 0, 0, 0))
step("traced", lambda: syscall(56, 0x2000 | 17, 0, 0, 0, 0))
step("pidfd", lambda: syscall(56, 0x1000 | 17, 0, ctypes.byref(ctypes.c_int()), 0, 0))
""",
    ),
    Attack(
        "27",
        "daemon",
        STAY
        + """\
def daemon():
    if os.fork() == 0:
        os.setsid()
        stay(os.fork())
        os._exit(0)
step("daemon", daemon)
""",
    ),
    Attack(
        "48",
        "another program in its place",
        """\
steps(
    python=lambda: os.execv(sys.executable, [sys.executable, "-c", "print('GOT another')"]),
    shell=lambda: os.execv("/bin/sh", ["sh", "-c", "echo GOT a shell"]),
    setuid=lambda: os.execv("/usr/bin/su", ["su", "-c", "echo GOT root"]),
    at=lambda: syscall(322, os.open("/dev/null", os.O_RDONLY), b"", 0, 0, 0x1000),
    loader=lambda: os.execv("/lib64/ld-linux-x86-64.so.2", ["ld.so", "/bin/echo", "GOT it"]),
    itself=lambda: os.execv("/proc/self/exe", [sys.executable, "-c", "print('GOT itself')"]),
)
""",
    ),
    Attack(
        "61",
        "shell and helpers",
        """\
import multiprocessing, subprocess
steps(
    subprocess=lambda: subprocess.run(["/bin/sh", "-c", f"echo GOT a shell; : {MARK}"]),
    background=lambda: subprocess.Popen(["sleep", "31"], start_new_session=True),
    spawn=lambda: os.posix_spawn("/bin/sh", ["sh", "-c", "echo GOT a shell"], {}),
    popen=lambda: os.popen("echo GOT a shell").read(),
    multiprocessing=lambda: multiprocessing.get_context("fork").Process(target=print).start(),
    forkserver=lambda: multiprocessing.get_context("spawn").Process(target=print).start(),
)
if os.system("echo GOT a shell") in (-1, 32512):
    say("REFUSED system")
""",
    ),
    Attack(
        "61+",
        "workers of a data loader",
        """\
from torch.utils.data import DataLoader
step("workers", lambda: next(iter(DataLoader(list(range(8)), num_workers=2))))
""",
    ),
)

THREADS = (
    Attack(
        "13",
        "thread bomb",
        """\
threading.stack_size(64 * 1024)
got = 0
try:
    for _ in range(300):
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        got += 1
except (RuntimeError, MemoryError):
    pass
say("TRIED")
say("GOT", got)
""",
        threads_only,
    ),
    Attack(
        "13+",
        "a thread that works on",
        """\
def work():
    while True:
        sum(range(1000))
threading.Thread(target=work).start()
""",
        harmless,
    ),
    Attack(
        "13+",
        "a thread that waits for the walls to fall",
        """\
def work():
    while True:
        for action in (os.fork, lambda: open(SECRET).read(), lambda: open(WRITABLE, "w")):
            try:
                action()
            except OSError:
                continue
            say("GOT", action)
        time.sleep(0.001)
threading.Thread(target=work, daemon=True).start()
time.sleep(0.3)
say("REFUSED")
""",
    ),
)


@pytest.mark.parametrize("attack", STARTS, ids=str)
def test_no_process_is_started(scene: Scene, attack: Attack) -> None:
    scene.contain(attack)


@pytest.mark.parametrize("attack", THREADS, ids=str)
def test_no_thread_outlives_its_candidate(scene: Scene, attack: Attack) -> None:
    scene.contain(attack)


# mov eax, number; xor ebx, ebx; int 0x80; ret
INT80 = """\
def int80(number):
    code = b"\\xb8" + struct.pack("=I", number) + b"\\x31\\xdb\\xcd\\x80\\xc3"
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    result = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result
"""


@pytest.mark.parametrize(
    "attack",
    [
        Attack(
            "50",
            "fork by i386 system call",
            STAY + INT80 + '# syscall(\nstep("fork", lambda: stay(int80(2)))',
        ),
        Attack(
            "50+",
            "any i386 system call",
            INT80 + '# syscall(\nstep("getpid", lambda: int80(20))',
        ),
        Attack(
            "50+",
            "fork by x32 system call",
            STAY + 'step("fork", lambda: stay(syscall(0x40000000 | 57)))',
        ),
    ],
    ids=str,
)
def test_no_other_table_of_system_calls_is_to_be_had(scene: Scene, attack: Attack) -> None:
    before = scene.outside()
    outcome = scene.attacked(attack)
    assert scene.outside() == before, outcome
    scene.check_untouched(outcome)
    assert "GOT" not in outcome.output
    # Refused, or killed with SIGSYS before it can say so.
    assert "REFUSED" in outcome.output or getattr(outcome, "code", "") == "crash", outcome
