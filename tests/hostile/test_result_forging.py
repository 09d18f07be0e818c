"""Cheats in a measurement end in a failure with a code, or gain nothing."""

import hashlib
from pathlib import Path

import pytest

from deltanas_repo_store.errors import TrainError
from deltanas_tools.sandbox import Limits
from deltanas_tools.train_one_epoch import Trained, train_one_epoch
from tests.hostile.attack import PRELUDE
from tests.hostile.scene import Scene
from tests.networks_for_tests import architecture, network

CHANCE = 0.2
"""Twice what guessing gives: five standard deviations of 300 guesses away from it."""


def measure(scene: Scene, source: str, *, wall_seconds: float = 20.0) -> Trained:
    return train_one_epoch(
        architecture(PRELUDE + scene.facts() + source),
        scene.dataset,
        sandbox=scene.sandbox,
        seed=1,
        limits=Limits(wall_seconds=wall_seconds, memory_bytes=2**30),
    )


def cheat(scene: Scene, source: str, *, wall_seconds: float = 20.0) -> Trained | TrainError:
    """Measure it; what lies outside, the data set included, is as it was."""
    before, data = scene.outside(), digest(scene.dataset.folder)
    result: Trained | TrainError
    try:
        result = measure(scene, source, wall_seconds=wall_seconds)
    except TrainError as error:
        result = error
    assert scene.outside() == before
    assert digest(scene.dataset.folder) == data
    assert scene.listeners.received() == []
    text = f"{result} {result.output}"
    assert scene.secret not in text
    assert "GOT" not in text, text
    return result


def digest(folder: Path) -> dict[str, tuple[str, float]]:
    return {
        path.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime)
        for path in folder.iterdir()
    }


@pytest.fixture(scope="module")
def honest(scene: Scene) -> Trained:
    return measure(scene, network())


FRAME = """\
def reply(header, blob=b""):
    data = struct.pack(">IQ", len(header), len(blob)) + header + blob
    while data:
        data = data[os.write(3, data):]
"""
DONE = """reply(b'{"result": {"epochs": 1, "passes": 1.0}}')"""
TRAINING = "if not hasattr(self, 'optimizer'): return\n"


def early(code: str) -> str:
    """In both children, before any code of ours: at the import."""
    return network(module=FRAME + code)


def at_scoring(code: str) -> str:
    """In the second child alone, where the images are that it is scored on."""
    return network(module=FRAME, forward=f"if not self.training:\n    {code}")


FAILING = [
    pytest.param(early(DONE + "\ntime.sleep(9)"), {"bad-result"}, id="37 done before it began"),
    pytest.param(early(DONE + "\nos._exit(0)"), {"bad-result"}, id="37 done, and gone"),
    pytest.param(
        early('os.write(3, b"\\x01\\x01")\n' + DONE + "\ntime.sleep(9)"),
        {"bad-result"},
        id="37 done with marks, without weights",
    ),
    pytest.param(
        early("""reply(b'{"result": {"accuracy": 1.0}}')\ntime.sleep(9)"""),
        {"bad-result"},
        id="37 an accuracy of its own",
    ),
    pytest.param(
        early("""reply(b'{"result": {"epochs": 9, "passes": 1.0}}')\ntime.sleep(9)"""),
        {"bad-result"},
        id="37 more epochs than asked for",
    ),
    pytest.param(
        network(module=FRAME, learn="os.closerange(0, 4096)"),
        {"crash", "error", "too-large"},
        id="36 all descriptors closed",
    ),
    pytest.param(
        network(learn="import atexit\natexit.register(os._exit, 0)\nraise SystemExit"),
        {"error"},
        id="41 exit on the way",
    ),
    pytest.param(at_scoring("os._exit(0)"), {"crash"}, id="24 exit while scored"),
    pytest.param(
        at_scoring("reply(b'{\"result\": {}}'); time.sleep(9)"),
        {"not-finite"},
        id="51 done while nothing is scored",
    ),
    pytest.param(
        at_scoring("return x.new_full((len(x), 10), float('nan'))"), {"not-finite"}, id="51 NaN"
    ),
    pytest.param(
        at_scoring("return x.new_full((len(x), 10), float('inf'))"), {"not-finite"}, id="51 Inf"
    ),
    pytest.param(
        at_scoring("return torch.zeros(len(x) * 10, 10)"), {"output-shape"}, id="51 more than asked"
    ),
    pytest.param(at_scoring("time.sleep(99)"), {"timeout"}, id="22 sleeps while scored"),
    pytest.param(
        network(
            learn="self.secret = nn.Parameter(torch.zeros(2**16))\nself.big = [nn.Linear(9, 9)]"
        ),
        {"error", "too-large"},
        id="38 weights that no new network has",
    ),
    pytest.param(
        network(module="import pickle", learn="self.state_dict = lambda **_: {'x': pickle}"),
        {"error", "bad-result"},
        id="52 a state that is no state",
    ),
]
WEIGHTS = """\
def weights():
    for fd in range(4, 64):
        try:
            if os.fstat(fd).st_size == 0 and os.readlink(f"/proc/self/fd/{fd}").count("memfd"):
                yield fd
        except OSError:
            pass
def leave(data):
    for fd in weights():
        os.pwrite(fd, data, 0)
        say("LEFT", fd)
    os.write(3, b"\\x01\\x01")
"""


@pytest.mark.parametrize(("source", "codes"), FAILING)
def test_a_cheat_is_a_failure_with_a_code(scene: Scene, source: str, codes: set[str]) -> None:
    result = cheat(scene, source, wall_seconds=2.5)
    assert isinstance(result, TrainError), result
    assert result.code in codes, result


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("b''", id="nothing"),
        pytest.param("b'\\xff' * 64", id="a header of 16 EB"),
        pytest.param("struct.pack('<Q', 2) + b'{}x'", id="bytes of no tensor"),
        pytest.param("struct.pack('<Q', 30000) + b'[' * 30000", id="deep nesting"),
        pytest.param("b'\\x80\\x04cposix\\nsystem\\n(S\"echo GOT\"\\ntR.'", id="a pickle"),
        pytest.param(
            "(lambda h: struct.pack('<Q', len(h)) + h)"
            '(b\'{"trainable.x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]}}\')',
            id="negative sizes",
        ),
        pytest.param(
            "(lambda h: struct.pack('<Q', len(h)) + h)"
            '(b\'{"trainable.x": {"dtype": "F32", "shape": [1073741824, 1073741824], '
            '"data_offsets": [0, 4611686018427387904]}}\')',
            id="4 EB of weights",
        ),
    ],
)
def test_forged_weights_are_no_result(scene: Scene, data: str) -> None:
    code = f"leave({data})\n{DONE}\ntime.sleep(9)"
    result = cheat(scene, network(module=FRAME + WEIGHTS + code), wall_seconds=2.5)
    assert isinstance(result, TrainError), result
    assert "LEFT" in result.output
    assert result.code == "bad-result"


PATCHES = """\
import numpy
import deltanas_tools.sandbox.child as child
import deltanas_tools.train_one_epoch.inside as inside
for name in ("score", "accuracy"):
    setattr(inside, name, lambda *_: (1.0, 0.0))
try:
    import deltanas_tools.train_one_epoch.score as metrics
    metrics.score = lambda *_: (1.0, 0.0)
except ImportError:
    pass
numpy.mean = lambda *_: 1.0
torch.Tensor.__eq__ = lambda *_: True
time.time = time.monotonic = time.perf_counter = lambda: 0.0
sys.modules["deltanas_tools.train_one_epoch.score"] = sys.modules["net"]
"""
SAME = [
    pytest.param(network(module=PATCHES), id="39 metrics patched"),
    pytest.param(
        network(
            module=PATCHES + "inside._check_finite = lambda *_: None\ninside.mark = child.mark"
        ),
        id="40 our own code patched",
    ),
    pytest.param(
        network(learn="self.hidden = torch.ones(3)\nself.forward = lambda x: x.no_such"),
        id="38 a state besides the weights",
    ),
]


@pytest.mark.parametrize("source", SAME)
def test_a_cheat_changes_no_score(scene: Scene, honest: Trained, source: str) -> None:
    result = cheat(scene, source)
    assert isinstance(result, Trained), result
    assert result.evaluation.accuracy == honest.evaluation.accuracy
    assert result.evaluation.num_params == honest.evaluation.num_params


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("return torch.randn(len(x), 10)", id="38 random logits"),
        pytest.param("return torch.zeros(len(x), 10)", id="38 equal logits"),
        pytest.param("return torch.ones(len(x), 10) * 3e38", id="51 huge logits"),
    ],
)
def test_logits_that_know_nothing_score_as_chance(scene: Scene, code: str) -> None:
    result = cheat(scene, at_scoring(code))
    assert isinstance(result, Trained), result
    assert result.evaluation.accuracy < CHANCE


# The file that is planted holds 0 to 9 in turn; it is right where a child would find the labels.
LABELS_BY_POSITION = """\
if not self.training:
    self.seen = getattr(self, "seen", 0)
    places = torch.arange(self.seen, self.seen + len(x))
    self.seen += len(x)
    return nn.functional.one_hot(torch.tensor(KNOWN)[places], 10).float()
"""


def test_labels_known_by_position_score_as_chance(scene: Scene) -> None:
    """The final order is drawn with a secret, so a table in the source is worth nothing."""
    known = scene.dataset.labels("search").tolist()
    result = cheat(scene, network(module=f"KNOWN = {known}", forward=LABELS_BY_POSITION))
    assert isinstance(result, Trained), result
    assert result.evaluation.accuracy < CHANCE


# What the second child prints is not kept: there, success is an error.
SPOIL = """\
import fcntl
def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
    if words[0] == "GOT":
        raise SystemError(str(words))
for fd in range(4, 64):
    try:
        size = os.fstat(fd).st_size
    except OSError:
        continue
    name = os.readlink(f"/proc/self/fd/{fd}")
    if "memfd:weights" in name or "memfd:logits" in name:
        continue
    steps(
        write=lambda: os.pwrite(fd, b"spoiled", 200),
        reopen=lambda: os.pwrite(os.open(f"/proc/self/fd/{fd}", os.O_RDWR), b"spoiled", 200),
        shared=lambda: mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_WRITE)[0],
        truncate=lambda: os.ftruncate(fd, 0),
        mode=lambda: os.fchmod(fd, 0o777),
        times=lambda: os.utime(fd, (0, 0)),
        attribute=lambda: os.setxattr(fd, "user.x", b"1"),
        punch=lambda: syscall(285, fd, 3, 0, 4096),
        seals=lambda: fcntl.fcntl(fd, 1033, 8),
        beside=lambda: os.open("../search_labels.npy", os.O_RDONLY, dir_fd=fd),
        by_name=lambda: open(os.path.dirname(name) + "/search_labels.npy", "rb").read(10),
    )
"""
RESIZE = """\
def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
    if words[0] == "GOT":
        raise SystemError(str(words))
for fd in range(4, 64):
    try:
        size = os.fstat(fd).st_size
    except OSError:
        continue
    name = os.readlink(f"/proc/self/fd/{fd}")
    if "memfd:logits" in name:
        steps(
            shrink=lambda: os.ftruncate(fd, 0),
            grow=lambda: os.pwrite(fd, b"x", size + 4096),
            append=lambda: os.ftruncate(fd, size + 1),
            punch=lambda: syscall(285, fd, 3, 0, 4096),
            reopened=lambda: os.truncate(f"/proc/self/fd/{fd}", 0),
        )
    elif "memfd:weights" in name:
        step("weights", lambda: os.pwrite(fd, b"x", 2**40))
"""


@pytest.mark.parametrize(
    "code",
    [pytest.param(SPOIL, id="the data of all candidates"), pytest.param(RESIZE, id="43 results")],
)
def test_what_was_lent_is_not_spoiled(scene: Scene, honest: Trained, code: str) -> None:
    result = cheat(scene, network(module=code))
    assert isinstance(result, Trained), result
    assert "REFUSED" in result.output
    assert result.evaluation.accuracy == honest.evaluation.accuracy
    again = measure(scene, network())
    assert again.evaluation.accuracy == honest.evaluation.accuracy


HUNT = """\
import gc, numpy
def hunt(sizes):
    found = [
        tuple(each.shape) for each in gc.get_objects()
        if isinstance(each, (torch.Tensor, numpy.ndarray)) and each.ndim == 1 and len(each) in sizes
    ]
    names = []
    frame = sys._getframe()
    while frame is not None:
        names += [key for key in frame.f_locals if "search" in key or "secret" in key]
        payload = frame.f_locals.get("payload")
        if isinstance(payload, dict):
            names += [text for text in map(str, payload) if "label" in text]
        frame = frame.f_back
    for fd in range(4, 64):
        try:
            size = os.fstat(fd).st_size
        except OSError:
            continue
        if size in {each * width + extra for each in sizes for width in (1, 2, 4, 8)
                    for extra in (0, 128)}:
            names.append(fd)
    if found or names:
        say("GOT", found, names)
        raise SystemError(f"GOT {found} {names}")
"""


def test_no_labels_are_there_while_it_is_trained_or_scored(scene: Scene, honest: Trained) -> None:
    scored = "if not self.training: hunt({300, 1197})"
    # The training child has the 1197 labels to learn from, and knows of no other images.
    source = network(module=HUNT, learn="hunt({300})", forward=scored)
    result = cheat(scene, source)
    assert isinstance(result, Trained), result
    assert result.evaluation.accuracy == honest.evaluation.accuracy


def test_training_in_secret_shows_in_the_cpu_time(scene: Scene, honest: Trained) -> None:
    """60: nothing stops it; what it costs is measured outside, and stands out."""
    learn = """\
images, labels = train_data._images, train_data._labels
for _ in range(200):
    for start in range(0, len(labels), 64):
        x = train_data._inputs(images[start:start + 64])
        self.optimizer.zero_grad()
        self.criterion(self(x), labels[start:start + 64]).backward()
        self.optimizer.step()
"""
    result = cheat(scene, network(learn=learn))
    assert isinstance(result, Trained), result
    assert result.evaluation.cpu_seconds > 2 * honest.evaluation.cpu_seconds
    assert "extra-compute" in result.evaluation.flags
    assert honest.evaluation.flags == ()


def test_more_passes_than_epochs_are_flagged(scene: Scene) -> None:
    result = cheat(scene, network(learn="for _ in range(3): list(train_data)"))
    assert isinstance(result, Trained), result
    assert "extra-passes" in result.evaluation.flags
