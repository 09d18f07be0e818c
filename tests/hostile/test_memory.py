"""No more memory is used than is allowed, by whatever kind of it."""

import pytest

from deltanas_tools.sandbox import Completed
from tests.hostile.attack import Attack, Outcome, at_most, fails
from tests.hostile.scene import Scene

LIMIT = 512 * 2**20
STEP = 32 * 2**20
KERNEL = 160 * 2**20
"""What pipes and the like may hold: the kernel's own limit per user is 64 MiB."""

GRAB = f"""\
STEP, MOST = {STEP}, {2 * LIMIT}
kept = []
def grab(take):
    got = 0
    try:
        while got < MOST:
            kept.append(take())
            got += STEP
    except (OSError, MemoryError, RuntimeError, ValueError, OverflowError, ImportError):
        pass
    kept.clear()
    say("TRIED")
    say("GOT", got)
def filled(area):
    for place in range(0, STEP, 4096):
        area[place] = 1
    return area
"""


def grab(number: str, name: str, code: str, limit: int = LIMIT) -> Attack:
    """Take memory in steps until it is refused, or twice the limit is reached."""
    return Attack(number, name, GRAB + code, at_most(limit), memory_bytes=LIMIT)


def unreal(outcome: Outcome) -> None:
    """Refused, by whatever exception; and what is resident stays small."""
    assert "GOT" not in outcome.output
    assert "REFUSED" in outcome.output
    assert outcome.peak_memory_bytes < 2**30


ATTACKS = (
    grab("14", "private mapping", "grab(lambda: filled(mmap.mmap(-1, STEP, mmap.MAP_PRIVATE)))"),
    grab("14", "shared mapping", "grab(lambda: filled(mmap.mmap(-1, STEP, mmap.MAP_SHARED)))"),
    grab("14+", "bytes", "grab(lambda: b'x' * STEP)"),
    grab("14+", "tensors", "grab(lambda: torch.ones(STEP, dtype=torch.uint8))"),
    grab("14+", "shared tensors", "grab(lambda: torch.ones(STEP // 4).share_memory_())"),
    grab(
        "14+",
        "the break",
        """\
libc.sbrk.restype = ctypes.c_ssize_t
grab(lambda: ctypes.memset(call(libc.sbrk, STEP), 1, STEP))
""",
    ),
    grab(
        "14+",
        "a mapping that grows",
        """\
area = mmap.mmap(-1, STEP, mmap.MAP_PRIVATE)
def grow():
    area.resize(len(area) + STEP)
    area[len(area) - STEP :] = bytes(STEP)
grab(grow)
""",
    ),
    grab(
        "14+",
        "files that are mapped",
        'grab(lambda: filled(mmap.mmap(os.open("/dev/zero", os.O_RDWR), STEP)))',
    ),
    grab(
        "15",
        "memory file",
        """\
def take():
    for _ in range(8):
        file = syscall(319, b"hostile", 0)
        for _ in range(STEP // 8 // 2**20):
            os.write(file, b"x" * 2**20)
grab(take)
""",
        0,
    ),
    grab(
        "15+",
        "secret and huge memory",
        """\
def secret():
    file = syscall(447, 0)
    os.ftruncate(file, STEP)
    return filled(mmap.mmap(file, STEP))
grab(secret)
grab(lambda: syscall(319, b"hostile", 4))
""",
        0,
    ),
    grab(
        "16",
        "/dev/shm",
        """\
def named():
    with open(f"/dev/shm/{MARK}{len(kept)}", "xb", buffering=0) as file:
        for _ in range(STEP // 2**20):
            file.write(b"x" * 2**20)
grab(named)
def shared():
    from multiprocessing.shared_memory import SharedMemory
    return filled(SharedMemory(create=True, size=STEP).buf)
grab(shared)
""",
        0,
    ),
    grab(
        "16+",
        "pipes",
        """\
import fcntl
def take():
    got = 0
    while got < STEP:
        reading, writing = os.pipe2(os.O_NONBLOCK)
        kept.append((reading, writing))
        try:
            fcntl.fcntl(writing, 1031, 2**20)
        except OSError:
            pass
        try:
            while True:
                got += os.write(writing, bytes(65536))
        except BlockingIOError:
            pass
grab(take)
""",
        KERNEL,
    ),
    Attack(
        "16+",
        "descriptors",
        """\
got = 0
try:
    while got < 20_000:
        os.eventfd(0)
        got += 1
except OSError:
    pass
say("TRIED")
say("GOT", got)
""",
        at_most(4096),
    ),
    Attack(
        "17",
        "a tensor of 4 TB",
        """\
import numpy
steps(
    empty=lambda: torch.empty(2**40),
    zeros=lambda: torch.zeros(2**40, dtype=torch.uint8),
    numpy=lambda: numpy.zeros(2**42, numpy.uint8),
    reserved=lambda: mmap.mmap(-1, 2**42, mmap.MAP_PRIVATE | 0x4000),
    text=lambda: "x" * 2**42,
)
""",
        unreal,
    ),
    Attack(
        "17+",
        "a network of 4 TB",
        "nn.Linear(2**20, 2**20)",
        fails("out-of-memory", "construct"),
    ),
    Attack(
        "45+",
        "the limit itself",
        """\
import resource
for which in ("AS", "CORE", "FSIZE", "NPROC", "CPU"):
    number = getattr(resource, "RLIMIT_" + which)
    _, hard = resource.getrlimit(number)
    assert hard != resource.RLIM_INFINITY, which
    steps(**{
        which: lambda: resource.setrlimit(number, (resource.RLIM_INFINITY,) * 2),
        which + " by one": lambda: resource.setrlimit(number, (hard, hard + 1)),
    })
    new = ctypes.create_string_buffer(struct.pack("=QQ", hard + 1, hard + 1))
    step(which + " raw", lambda: syscall(302, 0, number, new, 0))
""",
    ),
)


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_memory_is_bounded(scene: Scene, attack: Attack) -> None:
    if scene.cuda and attack.number.startswith("15"):
        pytest.skip("with CUDA a cgroup alone bounds what memory files take; docs/sandbox.md")
    scene.contain(attack)


def test_the_peak_is_measured_outside(scene: Scene) -> None:
    before = scene.build("import torch\nkept = torch.ones(2**26)\nraise SystemExit")
    after = scene.build("raise SystemExit")
    assert not isinstance(before, Completed)
    assert before.peak_memory_bytes - after.peak_memory_bytes > 200 * 2**20
