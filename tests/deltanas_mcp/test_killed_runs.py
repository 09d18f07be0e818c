"""A run that is killed at any moment and started again ends as one that was not."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deltanas_mcp.wiring import open_store
from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.entries import KeptEntry
from deltanas_repo_store.repository.git import FORMAT

ROOT = Path(__file__).parents[2]
CONFIG = """\
cycles = 2
candidates = 3
attempts = 3
baselines = ["shuffle-net", "plain-cnn"]

[replication]
seeds = 2
top = 1
"""


# A shell that starts us in the background has SIGINT ignored; a terminal has not.
PROGRAM = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from deltanas_mcp.cli import main
main()
"""
AT_A_TERMINAL = [sys.executable, "-u", "-c", PROGRAM]


def start(store: Path, config: Path, cache: Path, *, places: int = 1) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from deltanas_mcp.cli import main; main()"]
    command += ["run", str(config), "--store", str(store), "--if-exists", "resume"]
    command += ["--per-device", str(places)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "DELTANAS_CACHE": str(cache)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def finished(store: Path) -> dict[str, str]:
    with open_store(store) as opened:
        runs = opened.runs()
        return {entry.name: entry.id for run in runs for entry in opened.candidates(run)}


def endings(store: Path) -> list[tuple[str, float | str]]:
    with open_store(store) as opened:
        return sorted(
            (entry.name, entry.accuracy if isinstance(entry, KeptEntry) else entry.code)
            for entry in opened.candidates("night")
        )


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_killing_a_run_at_random_points_loses_and_repeats_nothing(
    store_path: Path, tmp_path: Path, cache: Path, kills: int
) -> None:
    config = tmp_path / "night.toml"
    config.write_text(CONFIG)
    rng = random.Random(7)
    known: dict[str, str] = {}
    for turn in range(kills):
        process = start(store_path, config, cache, places=1 + turn % 2)
        time.sleep(rng.uniform(0.3, 9.0))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        now = finished(store_path)
        # Finished candidates keep their commits: none is lost, none is made again.
        assert now.items() >= known.items()
        known = now
        fsck = ["git", "-C", str(store_path), "fsck", "--no-dangling"]
        seen = subprocess.run(fsck, capture_output=True, text=True)
        assert (seen.returncode, seen.stdout) == (0, "")
    assert start(store_path, config, cache).wait(300) == 0
    assert finished(store_path).items() >= known.items()

    with open_store(store_path) as opened:
        assert opened.pending("night") == ()
    untouched = tmp_path / "untouched"
    subprocess.run(["git", "clone", "-q", "--mirror", str(store_path), str(untouched)], check=True)
    git = ["git", "-C", str(untouched)]
    subprocess.run([*git, "config", "deltanas.format", FORMAT], check=True)
    for place in ("delta", "records", "rejected", "runs"):
        pattern = "refs/heads/delta" if place == "delta" else f"refs/{place}"
        listing = subprocess.run(
            [*git, "for-each-ref", "--format=delete %(refname)", pattern],
            check=True,
            capture_output=True,
        )
        subprocess.run([*git, "update-ref", "--stdin"], input=listing.stdout, check=True)
    assert start(untouched, config, cache).wait(300) == 0
    assert endings(untouched) == endings(store_path)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on(
    store_path: Path, tmp_path: Path, cache: Path, sent: signal.Signals
) -> None:
    config = tmp_path / "night.toml"
    config.write_text(CONFIG)
    with subprocess.Popen(
        [*AT_A_TERMINAL, "run", str(config), "--store", str(store_path)],
        cwd=ROOT,
        env={**os.environ, "DELTANAS_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "baseline" in process.stdout.readline()
        process.send_signal(sent)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"deltanas resume night --store {store_path}" in errors
    with open_store(store_path) as store:
        assert store.runs() == ("night",)


def test_what_is_under_way_is_finished_at_the_first_interrupt_and_left_at_the_second(
    store_path: Path, tmp_path: Path, cache: Path
) -> None:
    slow = baselines()["plain-cnn"]
    head = "    def learn(self, train_data):\n"
    assert head in slow.source
    source = slow.source.replace(head, f"{head}        import time; time.sleep(600)\n")
    with open_store(store_path) as store:
        store.import_baseline("sleeper", slow.model_copy(update={"source": source}))
    config = tmp_path / "night.toml"
    config.write_text('baselines = ["sleeper"]\n[replication]\nseeds = 1\n')
    with subprocess.Popen(
        [*AT_A_TERMINAL, "run", str(config), "--store", str(store_path)],
        cwd=ROOT,
        env={**os.environ, "DELTANAS_CACHE": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        while not (store_path / "refs" / "runs" / "night").exists():
            time.sleep(0.05)
        time.sleep(1)  # until its handlers are set
        process.send_signal(signal.SIGINT)
        for line in process.stderr:
            if "Ctrl-C again" in line:
                break
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        errors = process.stderr.read()
    assert process.returncode == 130
    assert "deltanas resume night" in errors
