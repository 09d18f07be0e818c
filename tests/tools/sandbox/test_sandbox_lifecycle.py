"""The fork server: it starts late, ends with its parent, and is replaced when it is lost."""

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from deltanas_repo_store.errors import SandboxError
from deltanas_tools.sandbox import Completed, Failed, Limits, Sandbox
from tests.networks_for_tests import network

ENDLESS = network(module="print(os.getppid(), os.getpid(), flush=True)\nwhile True: pass")


def build(sandbox: Sandbox, source: str, *, wall_seconds: float = 60) -> Completed | Failed:
    payload = {
        "source": source,
        "hparams": {"lr": 0.1, "momentum": 0.9},
        "in_shape": [4, 1, 8, 8],
        "num_classes": 10,
        "seed": 0,
    }
    return sandbox.run("build", payload, limits=Limits(wall_seconds=wall_seconds))


def server_of(sandbox: Sandbox) -> tuple[int, Path]:
    """The server's process and the folder of all its children."""
    outcome = build(sandbox, network(module="print(os.getppid(), os.path.dirname(os.getcwd()))"))
    pid, folder = outcome.output.split()
    return int(pid), Path(folder)


@contextmanager
def interrupted_after(seconds: float) -> Generator[None]:
    """Raise KeyboardInterrupt in the block, as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_importing_the_rooms_loads_no_heavy_package() -> None:
    code = (
        "import sys\n"
        "import deltanas_tools.sandbox, deltanas_tools.checks\n"
        "import deltanas_tools.datasets, deltanas_tools.train_one_epoch\n"
        "print({'torch', 'torchvision', 'sklearn'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("set()\n", "")


def test_a_server_serves_many_requests(sandbox: Sandbox) -> None:
    assert server_of(sandbox) == server_of(sandbox)


def test_threads_take_turns(sandbox: Sandbox) -> None:
    outcomes: list[Completed | Failed] = []
    source = network()
    threads = [
        threading.Thread(target=lambda: outcomes.append(build(sandbox, source))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(outcome) for outcome in outcomes] == [Completed] * 4


def test_an_interrupt_ends_the_child_and_the_sandbox_stays_usable(sandbox: Sandbox) -> None:
    server, folder = server_of(sandbox)
    with pytest.raises(KeyboardInterrupt), interrupted_after(0.5):
        build(sandbox, ENDLESS)
    assert not Path(f"/proc/{server}").exists()
    assert not folder.exists()
    assert isinstance(build(sandbox, network()), Completed)


def test_a_candidate_that_kills_the_server_is_to_blame_at_the_second_time(
    sandbox: Sandbox,
) -> None:
    killer = network(module="os.kill(os.getppid(), 9)\nwhile True: pass")
    outcome = build(sandbox, killer)
    assert isinstance(outcome, Failed)
    assert outcome.code == "crash"
    assert "twice" in outcome.message
    assert isinstance(build(sandbox, network()), Completed)


def test_closing_leaves_no_process_and_no_folder() -> None:
    with Sandbox() as sandbox:
        server, folder = server_of(sandbox)
    assert not Path(f"/proc/{server}").exists()
    assert not folder.exists()


def test_closing_a_sandbox_that_was_never_used_is_fine() -> None:
    Sandbox().close()


@pytest.mark.parametrize(
    "executable",
    [pytest.param("/bin/false", id="ends at once"), pytest.param("/no/python", id="missing")],
)
def test_a_server_that_does_not_start_is_the_sandboxes_fault(
    monkeypatch: pytest.MonkeyPatch, executable: str
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    with pytest.raises(SandboxError, match=executable), Sandbox() as sandbox:
        build(sandbox, network())


def test_a_killed_parent_takes_server_and_child_with_it(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    os.mkfifo(pids)
    reader = os.open(pids, os.O_RDONLY | os.O_NONBLOCK)
    source = network(
        module=f"open({str(pids)!r}, 'w').write(f'{{os.getppid()}} {{os.getpid()}}\\n')\n"
        "while True: pass"
    )
    code = (
        "from deltanas_tools.sandbox import Limits, Sandbox\n"
        f"Sandbox().run('build', {{'source': {source!r}, 'hparams': {{}}, 'in_shape': [1, 1, 8, 8],"
        " 'num_classes': 2, 'seed': 0}, limits=Limits(wall_seconds=300))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    assert select.select([reader], [], [], 300)[0], "the child did not start"
    server, child = map(int, os.read(reader, 100).split())
    os.close(reader)
    watched = [os.pidfd_open(server), os.pidfd_open(child)]
    parent.kill()
    parent.wait()
    for pidfd in watched:
        assert select.select([pidfd], [], [], 60)[0], "still alive a minute after its parent"
        os.close(pidfd)
