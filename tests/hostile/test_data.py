"""The labels that a candidate is scored on are nowhere to be found."""

import pytest

from tests.hostile.attack import Attack
from tests.hostile.scene import Scene

ATTACKS = (
    Attack(
        "08",
        "labels on the disk",
        """\
import numpy
places = [FOLDER, DATASET, f"/proc/self/root{DATASET}", f"/proc/{HOST}/root{DATASET}"]
for place in places:
    for split in ("search", "test", "train"):
        step(f"{place} {split}", lambda: numpy.load(f"{place}/{split}_labels.npy")[:5])
    step(place, lambda: numpy.memmap(f"{place}/search_labels.npy", mode="r")[:5])
    step(place + " manifest", lambda: open(place + "/manifest.json").read())
step("native", lambda: torch.from_file(DATASET + "/search_labels.npy", size=10))
""",
    ),
    Attack(
        "08+",
        "search for labels everywhere",
        """\
found = []
for top in ("/", "/proc", "/tmp", "/root", "/home", "/work", "/data", os.path.dirname(DATASET)):
    for folder, _, names in os.walk(top):
        found += [f"{folder}/{name}" for name in names if "labels" in name and ".npy" in name]
say("GOT" if found else "REFUSED", found[:5])
""",
    ),
    Attack(
        "08+",
        "data sets in packages",
        """\
import gzip, importlib.resources
data = SITE + "/sklearn/datasets/data/digits.csv.gz"
steps(
    digits=lambda: gzip.open(data).read(100),
    listed=lambda: os.listdir(SITE + "/sklearn/datasets/data"),
    by_resource=lambda: importlib.resources.files("sklearn.datasets.data").joinpath(
        "digits.csv.gz").read_bytes()[:10],
    imported=lambda: __import__("sklearn.datasets").datasets.load_digits().target[:5],
    raw=lambda: os.read(syscall(257, -100, data.encode(), 0, 0), 10),
)
for pid in ("self", PARENT, HOST):
    step(pid, lambda: open(f"/proc/{pid}/root{data}", "rb").read(10))
""",
    ),
    Attack(
        "08+",
        "data sets that libraries load",
        """\
import torchvision
for place in (".", "/tmp", DATASET, os.path.dirname(DATASET), "/data", "/root/.cache"):
    for name in ("MNIST", "CIFAR10"):
        step(f"{name} {place}", lambda: getattr(torchvision.datasets, name)(place, train=False))
        step(f"{name} {place} new", lambda: getattr(torchvision.datasets, name)(
            place, train=False, download=True))
""",
    ),
    Attack(
        "42",
        "labels in the memory of the process",
        """\
import gc, numpy
found = []
for each in gc.get_objects():
    if isinstance(each, (torch.Tensor, numpy.ndarray)) and each.size not in (0, 1):
        if tuple(each.shape) in ((300,), (1197,), (300, 1, 28, 28)):
            found.append(each)
say("GOT" if found else "REFUSED", found[:3])
frame = sys._getframe()
while frame is not None:
    for name, value in frame.f_locals.items():
        if "search" in str(name) or "search_labels" in repr(value)[:10**5]:
            if frame.f_code.co_filename != "net.py":
                say("GOT", frame.f_code.co_name, name)
    frame = frame.f_back
""",
    ),
    Attack(
        "29+",
        "secrets of the environment",
        """\
known = {"PATH", "LANG", "HOME", "TMPDIR", "OMP_NUM_THREADS", "MALLOC_ARENA_MAX",
         "PYTHONHASHSEED", "PYTORCH_NVML_BASED_CUDA_CHECK", "CUDA_VISIBLE_DEVICES",
         "LD_LIBRARY_PATH", "TORCHINDUCTOR_CACHE_DIR", "PWD", "LC_CTYPE",
         "USER", "LOGNAME", "CUDA_CACHE_DISABLE",
         "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_"}
known |= {name for name in os.environ if name.startswith(("TORCH", "PYTORCH", "TRITON", "KMP"))}
others = set(os.environ) - known
say("GOT" if others else "REFUSED", sorted(others))
""",
    ),
)


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_no_labels_are_found(scene: Scene, attack: Attack) -> None:
    scene.contain(attack)
