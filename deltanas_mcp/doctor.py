"""What works on this machine, and how to mend what does not. Nothing is changed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from deltanas_mcp.folders import cache_folder, data_source
from deltanas_mcp.settings import parse_measurement
from deltanas_repo_store.errors import DeltaNasError
from deltanas_repo_store.repository.git import GitRepository
from deltanas_tools.datasets import availability, names
from deltanas_tools.sandbox import Limits, Sandbox
from deltanas_tools.sandbox.isolation import BACKENDS, why_not

OLDEST_GIT = (2, 36)
"""First git with ``core.fsync``, which the store relies on to survive a power cut."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    state: Literal["ok", "note", "bad"]
    what: str
    remedy: str = ""


def examine(store: Path) -> Iterator[Finding]:
    """Look at everything a search needs, cheapest first."""
    yield _python()
    yield _git()
    yield from _packages()
    yield _store(store)
    yield _folder("the data cache", cache_folder())
    yield from _datasets()
    yield from _sandbox()
    yield _gpu()


def _python() -> Finding:
    found = ".".join(str(part) for part in sys.version_info[:3])
    if sys.platform != "linux":
        return Finding("bad", f"{sys.platform}: candidates run only on Linux", "use a Linux host")
    return Finding("ok", f"Python {found} on {sys.platform}, {os.cpu_count()} CPUs")


def _git() -> Finding:
    found = shutil.which("git")
    if found is None:
        return Finding("bad", "git is missing", "install git, version 2.36 or newer")
    text = subprocess.run([found, "version"], capture_output=True, text=True).stdout.split()[2]
    numbers = tuple(int(part) for part in text.split(".")[:2])
    if numbers < OLDEST_GIT:
        return Finding(
            "note", f"git {text} does not sync refs to disk", "install git 2.36 or newer"
        )
    return Finding("ok", f"git {text}")


def _packages() -> Iterator[Finding]:
    for package in ("torch", "torchvision", "mcp", "datasketch", "scikit-learn", "gitpython"):
        try:
            yield Finding("ok", f"{package} {version(package)}")
        except PackageNotFoundError:
            yield Finding("bad", f"{package} is missing", f"pip install {package}")


def _store(path: Path) -> Finding:
    try:
        GitRepository(path).close()
    except DeltaNasError as error:
        return Finding("note", str(error))
    return _folder(f"the store {path}", path)


def _folder(what: str, path: Path) -> Finding:
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not os.access(there, os.W_OK):
        return Finding("bad", f"{what}: {there} cannot be written", "choose another place")
    free = shutil.disk_usage(there).free / 2**30
    state: Literal["ok", "note"] = "ok" if free > 1 else "note"
    return Finding(state, f"{what}: {path} can be written, {free:.1f} GiB free")


def _datasets() -> Iterator[Finding]:
    for name in names():
        yield Finding("ok", f"data set {name}: {availability(name, cache_folder(), data_source())}")


def _sandbox() -> Iterator[Finding]:
    missing = [f"{name}: {reason}" for name in BACKENDS if (reason := why_not(name))]
    probe = {"source": "", "hparams": {}, "in_shape": [1, 1, 28, 28], "num_classes": 10}
    probe |= {"complex_inputs": False, "seed": 0}
    with Sandbox(parse_measurement().sandbox) as sandbox:
        try:
            sandbox.run("build", probe, limits=Limits(wall_seconds=60))
        except DeltaNasError as error:
            yield Finding("bad", str(error), "mend what the message names")
            return
        if sandbox.isolation == "none":
            what = "sandbox: DELTANAS_SANDBOX=none: candidates reach your files and the network"
            yield Finding("note", what, "unset it")
        else:
            yield Finding("ok", f"sandbox: candidates run behind {sandbox.isolation}")
    for each in missing:
        yield Finding("note", f"sandbox: not {each}", "optional: another wall round the others")
    if os.geteuid() != 0:
        yield Finding(
            "note",
            "sandbox: candidates run as this user, who cannot become another",
            "optional: as root, each process of ours takes a user of its own",
        )


def _gpu() -> Finding:
    found = shutil.which("nvidia-smi")
    if found is None:
        return Finding("note", "no NVIDIA GPU found: training runs on the CPU")
    listing = subprocess.run([found, "-L"], capture_output=True, text=True)
    if listing.returncode:
        return Finding(
            "note", f"nvidia-smi fails: {listing.stdout.strip() or listing.stderr.strip()}"
        )
    return Finding("ok", f"{len(listing.stdout.splitlines())} NVIDIA GPU(s): --device cuda:0")
