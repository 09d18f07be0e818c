"""Without walls the same attacks come off: the set cannot pass by being broken.

Only those that do this machine no harm; what they do is undone with the scene.
"""

from collections.abc import Callable, Generator

import pytest

from deltanas_tools.datasets import Dataset
from tests.hostile.attack import Attack, Outcome
from tests.hostile.scene import Scene, set_scene
from tests.hostile.test_data import ATTACKS as DATA
from tests.hostile.test_files import READING, WRITING
from tests.hostile.test_kernel_interfaces import ATTACKS as KERNEL
from tests.hostile.test_memory import ATTACKS as MEMORY
from tests.hostile.test_network import ATTACKS as NETWORK
from tests.hostile.test_processes import STARTS
from tests.hostile.test_signals_and_tracing import SIGNALS, TRACING

ALL = (*NETWORK, *READING, *WRITING, *STARTS, *MEMORY, *SIGNALS, *TRACING, *KERNEL, *DATA)
HARMLESS = (
    "TCP",
    "TCP without connect: fast open, multipath",
    "TCP by system calls alone",
    "UDP",
    "abstract unix socket",
    "unix socket in a folder open to all",
    "a secret key",
    "a secret key by another way there",
    "the host's tree",
    "write outside",
    "change properties",
    "fork by other names",
    "vfork",
    "memory file",
    "outlive the parent",
    "other processes' environment and arguments",
    "typing into a terminal",
    "labels on the disk",
    "data sets in packages",
)


def named(name: str) -> Attack:
    (attack,) = (each for each in ALL if each.name == name)
    return attack


@pytest.fixture(scope="module")
def open_scene(digits: Dataset) -> Generator[Scene]:
    with set_scene("none", digits) as scene:
        yield scene


@pytest.mark.parametrize("name", HARMLESS)
def test_without_walls_it_is_noticed(open_scene: Scene, name: str) -> None:
    attack = named(name)
    outcome = open_scene.attacked(attack)
    open_scene.listeners.received()
    with pytest.raises(AssertionError):
        attack.check(outcome)


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        pytest.param("TCP", lambda s, _: s.listeners.received(), id="a connection"),
        pytest.param("UDP", lambda s, _: s.listeners.received(), id="a packet"),
        pytest.param(
            "abstract unix socket", lambda s, _: s.listeners.received(), id="an abstract connection"
        ),
        pytest.param("a secret key", lambda s, outcome: s.secret in outcome.output, id="a secret"),
        pytest.param(
            "other processes' environment and arguments",
            lambda s, outcome: s.secret in outcome.output,
            id="an environment",
        ),
    ],
)
def test_what_came_off_is_seen_from_outside(
    open_scene: Scene, name: str, seen: Callable[[Scene, Outcome], object]
) -> None:
    open_scene.listeners.received()
    outcome = open_scene.attacked(named(name))
    assert seen(open_scene, outcome)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param('open(WRITABLE, "a").write("spoiled")', id="a file"),
        pytest.param("os.mkdir(FOLDER + '/' + MARK)", id="a folder"),
        pytest.param("os.setxattr(WRITABLE, 'user.x', b'1')", id="an attribute"),
        pytest.param("os.sched_setaffinity(VICTIM, {0})", id="an affinity"),
        pytest.param("os.setpriority(os.PRIO_PROCESS, VICTIM, 5)", id="a rank"),
        pytest.param("import resource\nresource.prlimit(VICTIM, 7, (9, 9))", id="a limit"),
        pytest.param("os.kill(VICTIM, signal.SIGSTOP)\ntime.sleep(0.1)", id="a stopped process"),
    ],
)
def test_a_change_outside_is_seen(open_scene: Scene, source: str) -> None:
    before = open_scene.outside()
    open_scene.attacked(Attack("", "", source, wall_seconds=10))
    assert open_scene.outside() != before
