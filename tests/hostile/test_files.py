"""No file outside is read, made or changed, and no disk is filled."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.hostile.attack import Attack, at_most
from tests.hostile.scene import PLACES, SITE, Scene

READING = (
    Attack(
        "06",
        "the system's files",
        """\
for path in ("/etc/passwd", "/etc/shadow", "/etc/hostname", "/etc/resolv.conf", "/proc/1/environ"):
    step(path, lambda: open(path).read(100))
""",
    ),
    Attack(
        "07",
        "a secret key",
        """\
steps(
    key=lambda: open(SECRET).read(),
    raw=lambda: os.read(syscall(2, SECRET.encode(), 0), 1000),
    mapped=lambda: mmap.mmap(os.open(SECRET, os.O_RDONLY), 0, access=mmap.ACCESS_READ)[:],
    loaded=lambda: torch.load(SECRET, weights_only=False),
    run=lambda: exec(compile(open(FOLDER + "/planted.py").read(), "planted", "exec")),
)
sys.path.insert(0, FOLDER)
step("imported", lambda: __import__("planted"))
""",
    ),
    Attack(
        "07+",
        "a secret key by another way there",
        """\
ways = [f"/proc/{pid}/root" for pid in ("self", os.getpid(), PARENT, HOST, SERVER, 1)]
ways += [f"/proc/{pid}/cwd/../../../../.." for pid in ("self", PARENT, HOST)]
ways += ["/proc/self/task/" + str(os.getpid()) + "/root", "/../..", "/oldroot", "/newroot"]
for way in ways:
    step(way, lambda: open(way + SECRET).read())
root = os.open("/", os.O_PATH)
steps(
    by_root=lambda: open(os.open(SECRET[1:], os.O_RDONLY, dir_fd=root)).read(),
    path_only=lambda: open(f"/proc/self/fd/{os.open(SECRET, os.O_PATH)}").read(),
    changed_to=lambda: (os.fchdir(root), open(SECRET[1:]).read()),
    openat2=lambda: syscall(
        437, -100, SECRET.encode(), ctypes.create_string_buffer(24), 24
    ),
)
""",
    ),
    Attack(
        "07+",
        "a secret key by its handle",
        """\
handle = ctypes.create_string_buffer(struct.pack("=Ii", 128, 0), 136)
mount_id = ctypes.c_int()
steps(
    name=lambda: syscall(303, -100, b"/", handle, ctypes.byref(mount_id), 0),
    open=lambda: syscall(304, 3, handle, 0),
)
""",
    ),
    Attack(
        "09",
        "the host's tree",
        """\
for path in ("/", "/root", "/home", "/work", "/var/tmp", "/tmp", "/proc", "/dev", FOLDER, SITE):
    step(path, lambda: os.listdir(path))
""",
    ),
    Attack(
        "09+",
        "watching what others do with files",
        """\
steps(
    inotify=lambda: syscall(294, 0),
    inotify_old=lambda: syscall(253),
    fanotify=lambda: syscall(300, 0, 0),
)
""",
    ),
)

WRITING = (
    Attack(
        "10",
        "write outside",
        """\
steps(
    write=lambda: open(WRITABLE, "w").write("spoiled"),
    append=lambda: open(WRITABLE, "a").write("spoiled"),
    update=lambda: open(WRITABLE, "r+").write("spoiled"),
    truncate=lambda: os.truncate(WRITABLE, 0),
    truncated_by_reading=lambda: os.open(WRITABLE, os.O_RDONLY | os.O_TRUNC),
    raw=lambda: syscall(2, WRITABLE.encode(), 0o1002),
    raw_create=lambda: syscall(85, WRITABLE.encode(), 0o666),
)
for path in ("/proc/self/root", f"/proc/{PARENT}/root", f"/proc/{HOST}/root"):
    step(path, lambda: open(path + WRITABLE, "w").write("spoiled"))
""",
    ),
    Attack(
        "10+",
        "make something outside",
        """\
for folder in (FOLDER, "/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/", "/dev"):
    path = f"{folder}/{MARK}"
    steps(**{
        "file " + folder: lambda: open(path, "x").close(),
        "folder " + folder: lambda: os.mkdir(path),
        "pipe " + folder: lambda: os.mkfifo(path),
        "device " + folder: lambda: os.mknod(path, 0o20666, os.makedev(1, 3)),
        "unnamed " + folder: lambda: os.open(folder, os.O_TMPFILE | os.O_RDWR),
    })
""",
    ),
    Attack(
        "10+",
        "rename and remove",
        """\
away = FOLDER + "/" + MARK
steps(
    remove=lambda: os.unlink(WRITABLE),
    rename=lambda: os.rename(WRITABLE, away),
    exchange=lambda: syscall(316, -100, WRITABLE.encode(), -100, SECRET.encode(), 2),
    replace=lambda: os.replace(SECRET, WRITABLE),
    remove_folder=lambda: os.rmdir(FOLDER),
)
""",
    ),
    Attack(
        "10+",
        "change properties",
        """\
steps(
    mode=lambda: os.chmod(WRITABLE, 0o4777),
    mode_of_folder=lambda: os.chmod(FOLDER, 0o755),
    fchmodat2=lambda: syscall(452, -100, WRITABLE.encode(), 0o777, 0),
    owner=lambda: os.chown(WRITABLE, os.getuid(), os.getgid()),
    times=lambda: os.utime(WRITABLE, (0, 0)),
    attribute=lambda: os.setxattr(WRITABLE, "user.hostile", b"1"),
    attribute_removed=lambda: os.removexattr(WRITABLE, "user.hostile"),
    flags=lambda: syscall(16, os.open(WRITABLE, os.O_RDONLY), 0x40086602, b"\\x40" + bytes(7)),
)
""",
    ),
    Attack(
        "10+",
        "system settings",
        """\
for path in (
    "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger",
    "/proc/self/oom_score_adj", "/proc/self/uid_map", "/proc/self/setgroups", "/proc/self/comm",
    "/proc/self/mem", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/power/state",
    "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/unified/cgroup.procs",
    "/proc/self/coredump_filter", "/proc/self/clear_refs", "/proc/self/attr/current",
):
    step(path, lambda: open(path, "r+b", buffering=0).fileno())
""",
    ),
    Attack(
        "11",
        "code that the environment would run later",
        """\
for path in (SITE + "/" + MARK + ".pth", SITE + "/sitecustomize.py", SITE + "/usercustomize.py"):
    step(path, lambda: open(path, "x").close())
home = os.path.expanduser("~")
for name in (".bashrc", ".profile", ".config", ".local"):
    step(name, lambda: open(f"{home}/{name}", "a").close())
""",
    ),
    Attack(
        "62",
        "its own source and the interpreter",
        """\
import deltanas_tools.train_one_epoch.score as score
for path in (score.__file__, sys.executable, torch.__file__, os.__file__, "/proc/self/exe"):
    step(path, lambda: os.close(os.open(path, os.O_RDWR)))
""",
    ),
    Attack(
        "63",
        "the launcher",
        """\
import deltanas_tools.sandbox as sandbox
folder = os.path.dirname(sandbox.__file__)
for name in ("server.py", "child.py", "host.py", "__pycache__/x.pyc"):
    step(name, lambda: os.close(os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT, 0o644)))
""",
    ),
    Attack(
        "32",
        "symbolic links",
        """\
for folder in (".", "/tmp", FOLDER):
    step(folder, lambda: os.symlink(WRITABLE, f"{folder}/{MARK}"))
    step("log in " + folder, lambda: os.symlink("/etc/passwd", f"{folder}/log.txt"))
""",
    ),
    Attack(
        "33",
        "hard links",
        """\
for folder in (".", "/tmp", FOLDER):
    step(folder, lambda: os.link(WRITABLE, f"{folder}/{MARK}"))
step("by descriptor", lambda: os.link("/proc/self/fd/1", FOLDER + "/" + MARK))
""",
    ),
    Attack(
        "47",
        "devices",
        """\
for name in ("vda", "sda", "nvme0n1", "loop0", "loop-control", "kmsg", "kvm", "mem", "port", "fuse",
             "net/tun", "ptmx", "pts/ptmx", "tty", "console", "vhost-vsock", "userfaultfd",
             "full", "hwrng", "rtc0", "fd/../../" + SECRET):
    step(name, lambda: os.open("/dev/" + name, os.O_RDWR))
""",
    ),
    Attack(
        "57",
        "descriptors that were left open",
        """\
opened = []
for fd in range(100_000):
    try:
        os.fstat(fd)
        opened.append(fd)
    except OSError:
        pass
# With CUDA, names of two places in /proc that are its own.
if opened == list(range(4 + 2 * CUDA)):
    say("REFUSED", "no others")
else:
    say("GOT", opened)
""",
    ),
)

FILL = """\
BLOCK = bytes(2**20)
def places():
    tried = [".", "/tmp", "/var/tmp", "/dev/shm", "/dev", os.environ.get("HOME", "/"), FOLDER]
    return tried + [os.environ.get("TMPDIR", "/"), "/run/lock", "/proc/self/cwd"]
"""

FILLING = (
    Attack(
        "18",
        "one file",
        FILL
        + """\
got = 0
for place in places():
    try:
        with open(f"{place}/{MARK}", "xb", buffering=0) as file:
            for _ in range(300):
                got += file.write(BLOCK)
    except OSError:
        pass
say("TRIED")
say("GOT", got)
""",
        at_most(0),
    ),
    Attack(
        "19",
        "many files",
        FILL
        + """\
got = 0
for place in places():
    for number in range(30):
        try:
            with open(f"{place}/{MARK}{number}", "xb", buffering=0) as file:
                got += sum(file.write(BLOCK) for _ in range(10))
        except OSError:
            break
say("TRIED")
say("GOT", got)
""",
        at_most(0),
    ),
    Attack(
        "20",
        "inodes",
        FILL
        + """\
got = 0
for place in places():
    for number in range(3000):
        try:
            open(f"{place}/{MARK}{number}", "x").close()
            got += 1
        except OSError:
            break
say("TRIED")
say("GOT", got)
""",
        at_most(0),
    ),
    Attack(
        "56",
        "folders nested 3000 deep",
        FILL
        + """\
got = 0
for place in places():
    try:
        os.chdir(place)
        for _ in range(3000):
            os.mkdir(MARK)
            os.chdir(MARK)
            got += 1
    except OSError:
        pass
say("TRIED")
say("GOT", got)
""",
        at_most(0),
    ),
)


@pytest.mark.parametrize("attack", READING, ids=str)
def test_nothing_outside_is_read(scene: Scene, attack: Attack) -> None:
    scene.contain(attack)


@pytest.mark.parametrize("attack", WRITING, ids=str)
def test_nothing_outside_is_changed(scene: Scene, attack: Attack) -> None:
    scene.contain(attack)


@pytest.mark.parametrize("attack", FILLING, ids=str)
def test_no_disk_is_filled(scene: Scene, attack: Attack) -> None:
    scene.contain(attack)


def test_no_file_belongs_to_candidates(scene: Scene) -> None:
    if scene.uid == os.getuid():
        pytest.skip("candidates run as this user")
    places = [str(place) for place in (*PLACES, SITE, Path.home()) if place.exists()]
    command = ["find", *places, "-xdev", "-uid", str(scene.uid), "-print", "-quit"]
    assert subprocess.run(command, capture_output=True, check=False).stdout == b""
