"""The world outside of the sandbox, set up so that an attack that gets out is seen."""

import ctypes
import os
import platform
import secrets
import socket
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from deltanas_tools.datasets import Dataset
from deltanas_tools.sandbox import Completed, Limits, Sandbox
from deltanas_tools.sandbox.isolation import Choice
from tests.hostile.attack import PRELUDE, Attack, Outcome
from tests.networks_for_tests import network
from tests.processes_for_tests import descendants

SITE = Path(sysconfig.get_path("purelib"))
PLACES = tuple(map(Path, ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock")))
_libc = ctypes.CDLL(None, use_errno=True)

STUBBORN = """\
import signal, threading, time
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
for _ in range(5):
    threading.Thread(target=time.sleep, args=(1000,)).start()
time.sleep(1000)
"""
"""A candidate that ignores every signal it can, in six threads."""


class Listeners:
    """Where word of a candidate would arrive: TCP, UDP, abstract and path sockets."""

    def __init__(self, folder: Path, mark: str) -> None:
        self.path, self.abstract = folder / "socket", f"\0{mark}"
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.tcp6 = _tcp6()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.streams = [_unix(socket.SOCK_STREAM, at) for at in (str(self.path), self.abstract)]
        self.datagrams = _unix(socket.SOCK_DGRAM, self.abstract + "-datagrams")
        self.path.chmod(0o777)
        for each in self.all():
            each.setblocking(False)

    def all(self) -> list[socket.socket]:
        """Every socket."""
        six = [self.tcp6] if self.tcp6 is not None else []
        return [self.tcp, *six, self.udp, *self.streams, self.datagrams]

    def received(self) -> list[str]:
        """What has come since the last time."""
        found = []
        for each in self.all():
            with suppress(BlockingIOError):
                if each.type == socket.SOCK_DGRAM:
                    found.append(repr(each.recv(1000)))
                else:
                    connection, _ = each.accept()
                    connection.close()
                    found.append(f"a connection to {each.getsockname()!r}")
        return found


def _tcp6() -> socket.socket | None:
    try:
        return socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:  # a machine without IPv6
        return None


def _unix(kind: socket.SocketKind, address: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, kind)
    listener.bind(address)
    if kind == socket.SOCK_STREAM:
        listener.listen()
    return listener


@dataclass
class Scene:
    """A sandbox of one back end, and all that its candidates must not reach."""

    sandbox: Sandbox
    back_end: Choice
    cuda: bool
    """Whether what CUDA needs is open."""
    folder: Path
    """Open to everybody, were it not for the walls."""
    mark: str
    """Stands in the names of what attacks make, to be found again."""
    secret: str
    listeners: Listeners
    victim: "subprocess.Popen[bytes]"
    """Sleeps; same user as the candidates where that can be had."""
    processes: frozenset[int]
    """The fork server and what is round it."""
    server: int
    uid: int
    dataset: Dataset

    def build(
        self, source: str, *, wall_seconds: float = 20.0, memory_bytes: int = 2**30
    ) -> Outcome:
        """Build the candidate in the sandbox."""
        return build(self.sandbox, source, wall_seconds=wall_seconds, memory_bytes=memory_bytes)

    def facts(self) -> str:
        """What an attacker may have found out, as source."""
        tcp6 = self.listeners.tcp6.getsockname()[1] if self.listeners.tcp6 else 9
        return f"""\
HOST, VICTIM, SERVER, MARK = {os.getpid()}, {self.victim.pid}, {self.server}, {self.mark!r}
TCP, TCP6, UDP = {self.listeners.tcp.getsockname()[1]}, {tcp6}, {self._udp_port()}
CUDA = {self.cuda}
ABSTRACT, SOCKET = {self.listeners.abstract!r}, {str(self.listeners.path)!r}
FOLDER, SITE, DATASET = {str(self.folder)!r}, {str(SITE)!r}, {str(self.dataset.folder)!r}
SECRET, WRITABLE = FOLDER + "/id_ed25519", FOLDER + "/writable"
"""

    def _udp_port(self) -> int:
        port: int = self.listeners.udp.getsockname()[1]
        return port

    def listed_numbers(self) -> list[int]:
        """System calls that the filter lets pass or answers in its own way, by their numbers."""
        # Where libseccomp is missing these cannot be imported, and no scene is set.
        import pyseccomp

        from deltanas_tools.sandbox import syscalls

        names = list(syscalls.ALLOWED)
        if self.cuda:
            names += syscalls.ALLOWED_WITH_CUDA
            names += [name for name, _ in syscalls.LISTENING_OF_CUDA]
            names += [name for name, _ in syscalls.REFUSED_FOR_CUDA]
        native = pyseccomp.Arch.NATIVE
        return [pyseccomp.resolve_syscall(native, name) for name in names]

    def attacked(self, attack: Attack) -> Outcome:
        """Run the attack, whatever comes of it."""
        if "syscall(" in attack.source and platform.machine() != "x86_64":
            pytest.skip("its numbers are those of x86-64")
        return self.build(
            network(module=PRELUDE + self.facts() + attack.source),
            wall_seconds=attack.wall_seconds,
            memory_bytes=attack.memory_bytes,
        )

    def contain(self, attack: Attack) -> None:
        """Run the attack and see, from outside first, that nothing came of it."""
        before = self.outside()
        outcome = self.attacked(attack)
        assert self.outside() == before, outcome
        self.check_untouched(outcome)
        attack.check(outcome)

    def check_untouched(self, outcome: Outcome) -> None:
        """Nothing came out of the sandbox besides the outcome, and no secret is in that."""
        assert self.listeners.received() == []
        assert self.secret not in repr(outcome)

    def outside(self) -> dict[str, object]:
        """All of the world that attacks aim at; the same before and after."""
        return {
            "processes": {pid: _status(pid) for pid in self._ours()},
            "host": _status(os.getpid()),
            "files": {path: _file(path) for path in sorted(self.folder.rglob("*"))},
            "folder": _file(self.folder),
            "packages": sorted(os.listdir(SITE)),
            "left behind": self._left_behind(),
            "inside": self._inside(),
            "ipc": {kind: _ipc(kind) for kind in ("shm", "sem", "msg")},
            "name": platform.node(),
        }

    def _ours(self) -> set[int]:
        found = descendants(os.getpid())
        for status in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                owned = self.uid != os.getuid() and status.stat().st_uid == self.uid
                if owned or self.mark.encode() in (status / "cmdline").read_bytes():
                    found.add(int(status.name))
        return found

    def _left_behind(self) -> list[str]:
        """What lies about that belongs to candidates, or has the mark in its name."""
        found = []
        for place in PLACES:
            with suppress(OSError):
                for entry in os.scandir(place):
                    with suppress(OSError):
                        owner = entry.stat(follow_symlinks=False).st_uid
                        foreign = self.uid != os.getuid() and owner == self.uid
                        if foreign or self.mark in entry.name:
                            found.append(entry.path)
        return sorted(found)

    def _inside(self) -> object:
        """What is in the places within the sandbox, and how much of them is used."""
        root = Path(f"/proc/{self.server}/root")
        found: dict[str, object] = {}
        if self.back_end.startswith("bwrap") and os.geteuid() == 0:
            for place in ("tmp", "dev", "dev/shm"):
                used = os.statvfs(root / place)
                names = sorted(os.listdir(root / place))
                found[place] = (names, used.f_blocks - used.f_bfree, used.f_files - used.f_ffree)
        return found


def build(
    sandbox: Sandbox, source: str, *, wall_seconds: float = 20.0, memory_bytes: int = 2**30
) -> Outcome:
    """Build a candidate as the search does."""
    payload = {
        "source": source,
        "hparams": {"lr": 0.1, "momentum": 0.9},
        "in_shape": [2, 1, 8, 8],
        "num_classes": 10,
        "complex_inputs": False,
        "seed": 0,
    }
    limits = Limits(wall_seconds=wall_seconds, memory_bytes=memory_bytes)
    return sandbox.run("build", payload, limits=limits)


def _status(pid: int) -> object:
    """What others could change of a process: whether it runs, its limits, its rank."""
    try:
        stat_fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        kept = ("Uid", "Gid", "TracerPid", "Seccomp", "NoNewPrivs", "Cpus_allowed")
        return (
            stat_fields[0] in "RSD",  # neither stopped nor dead
            stat_fields[15:17],  # priority and niceness
            stat_fields[38],  # scheduling policy
            [line for line in lines if line.partition(":")[0] in kept],
            Path(f"/proc/{pid}/limits").read_text(),
            Path(f"/proc/{pid}/oom_score_adj").read_text(),
            _libc.syscall(252, 1, pid) if platform.machine() == "x86_64" else 0,  # ioprio_get
        )
    except OSError:
        return "ended"


def _file(path: Path) -> object:
    """Content and properties of a file; times of reading do not count."""
    status = path.lstat()
    content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
    attributes = os.listxattr(path, follow_symlinks=False)
    return content, status.st_mode, status.st_uid, status.st_mtime_ns, status.st_nlink, attributes


def _ipc(kind: str) -> set[str]:
    table = Path("/proc/sysvipc", kind)
    return {line.split()[1] for line in table.read_text().splitlines()} if table.exists() else set()


def _plant(folder: Path, secret: str) -> None:
    """Fill the folder with what must not be read and what could be spoiled."""
    folder.chmod(0o777)
    (folder / "id_ed25519").write_text(f"-----BEGIN OPENSSH PRIVATE KEY-----\n{secret}\n")
    (folder / "writable").write_text("as it was\n")
    (folder / "planted.py").write_text(f"print({secret!r})\n")
    np.save(folder / "search_labels.npy", np.arange(300) % 10)
    for path in folder.iterdir():
        path.chmod(0o666)


def find_server(processes: Iterable[int]) -> int:
    """The one of a sandbox's processes that forks candidates."""
    for pid in sorted(processes):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if command.startswith(sys.executable.encode()):
            return pid
    raise AssertionError("no fork server among the processes that came with the sandbox")


def _owner(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Uid:")).split()[1])


@contextmanager
def set_scene(back_end: Choice, dataset: Dataset, *, cuda: bool = False) -> Generator[Scene]:
    """Start a sandbox and surround it with what it has to protect."""
    mark = f"deltanas-hostile-{secrets.token_hex(4)}"
    secret = f"planted-{secrets.token_hex(16)}"
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(back_end, cuda=cuda))
        before = descendants(os.getpid())
        assert isinstance(build(sandbox, network()), Completed)
        processes = frozenset(descendants(os.getpid()) - before)
        server = find_server(processes)
        uid = _owner(server)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="deltanas-hostile-")))
        _plant(folder, secret)
        listeners = Listeners(folder, mark)
        for each in listeners.all():
            stack.enter_context(each)
        victim = subprocess.Popen(
            ["sleep", "10000"],
            env={"SECRET": secret},
            start_new_session=True,
            user=uid if os.geteuid() == 0 else None,
        )
        stack.callback(victim.wait)
        stack.callback(victim.kill)
        yield Scene(
            sandbox=sandbox,
            back_end=back_end,
            cuda=cuda,
            folder=folder,
            mark=mark,
            secret=secret,
            listeners=listeners,
            victim=victim,
            processes=processes,
            server=server,
            uid=uid,
            dataset=dataset,
        )
        assert isinstance(build(sandbox, network()), Completed)
        assert processes <= descendants(os.getpid()), "the fork server was lost on the way"
