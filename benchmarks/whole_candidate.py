"""Compare what a whole candidate costs: the reference trainer's protocol, and ours.

Run it from the repository root, where the project is installed, on an idle machine:

    python -m benchmarks.whole_candidate                         # three rounds, about five minutes
    python -m benchmarks.whole_candidate --images 1500 --rounds 1

A candidate is one epoch over ``--images`` random images of CIFAR-10's layout, and the scoring of a
fifth as many, in batches of 64, in float32, on one thread. Both sides run the same sources. What
is compared is CPU seconds:

    reference  A fresh process and its workers: the imports of torch and torchvision, torchvision's
               CIFAR10 over its files, PIL transforms (resize to 32 pixels, flip), a DataLoader with
               one worker, `learn`; then, since that returns None, a pass for the loss and one for
               the accuracy over the training set, still augmented, and over the test set. So does
               LEMUR's trainer, nn-dataset 2.2.11, whose own imports are left out.
    ours       `train_one_epoch` in a warm sandbox: this process, the fork server, both children.
               Left out is the server's start, once for all candidates. Both memory formats are
               measured; the reference only knows the contiguous one.

The start weighs the more, the fewer the images. So both sides are measured at a quarter of the
images too, and the line through the two sizes is followed to CIFAR-10's 50,000 and 10,000. Below
a thousand images the start's own spread makes that line worthless.

What hides the data path is arithmetic, not parameters. The goals were set with networks that took
0.1, 1.2 and 5.0 ms an image on another machine, the last being ResNet-20. Those here have as many
parameters and about the same proportions: three strided layers, 0.7 million multiply-adds an image;
three layers with pooling, 10 million; six layers, 41 million, as ResNet-20. The first is far
cheaper than is common; so there is a second of its size, with pooling, 2.9 million and no goal.
"""

import argparse
import os
import pickle
import platform
import resource
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:  # The reference starts in this file too, and is not to pay for our modules.
    from deltanas_tools.datasets import Dataset
    from deltanas_tools.sandbox import Sandbox

CIFAR_10_IMAGES = 50_000
TRAIN_PER_SCORED = 5
TRAIN_FILES = tuple(f"data_batch_{number}" for number in range(1, 6))
IMAGE_SHAPE = (3, 32, 32)
NUM_CLASSES = 10
MEAN, STD = (0.5,) * 3, (0.289,) * 3
"""Of random bytes, as fractions of the pixel range."""
BATCH = 64
HPARAMS = {"lr": 0.01, "momentum": 0.9, "batch": BATCH}
FORMATS = {"contiguous": False, "channels-last": True}

TEMPLATE = """\
import torch
from torch import nn


def supported_hyperparameters():
    return {"lr", "momentum"}


class Net(nn.Module):
    def __init__(self, in_shape, out_shape, prm, device):
        super().__init__()
        self.device = device
        layers, channels = [], in_shape[1]
        for width, stride, pool in @LAYERS:
            layers += [
                nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            if pool > 1:
                layers.append(nn.MaxPool2d(pool))
            channels = width
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(channels, out_shape[0])

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))

    def train_setup(self, prm):
        self.to(self.device)
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(self.parameters(), lr=prm["lr"], momentum=prm["momentum"])

    def learn(self, train_data):
        for inputs, labels in train_data:
            inputs, labels = inputs.to(self.device), labels.to(self.device)
            self.optimizer.zero_grad()
            loss = self.criterion(self(inputs), labels)
            loss.backward()
            nn.utils.clip_grad_norm_(self.parameters(), 3)
            self.optimizer.step()
"""


class Network(NamedTuple):
    """A network and the ratio that is the goal for it, if any."""

    layers: tuple[tuple[int, int, int], ...]
    """Width, stride and pooling of each."""
    goal: float | None = None

    @property
    def source(self) -> str:
        """Return the source."""
        return TEMPLATE.replace("@LAYERS", repr(self.layers))


NETWORKS = {
    "26 k, strided": Network(((16, 2, 1), (32, 2, 1), (70, 2, 1)), goal=10),
    "26 k, pooled": Network(((16, 1, 2), (32, 1, 2), (70, 1, 1))),
    "95 k": Network(((32, 1, 2), (64, 1, 2), (128, 1, 1)), goal=3),
    "272 k": Network(
        ((36, 1, 1), (36, 1, 2), (64, 1, 1), (64, 1, 2), (128, 1, 1), (110, 1, 1)), goal=2
    ),
}


def main() -> None:
    """Print a Markdown table with a row for every network."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=4000, help="to train on (default 4000)")
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds (default 3)")
    parser.add_argument("--reference", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reference:
        folder, name = options.reference
        say(str(run_reference(folder, NETWORKS[name])))
        return
    from deltanas_tools.sandbox import Sandbox

    sizes = (options.images // 4, options.images)
    say(
        f"{platform.machine()}, torch {version('torch')}, torchvision {version('torchvision')}, "
        f"Pillow {version('pillow')}, median CPU seconds of {options.rounds} rounds, "
        f"load {os.getloadavg()[0]:.1f}\n\n"
        f"| network | params | ours | reference, {options.images} images | ours | ratio "
        f"| reference, {CIFAR_10_IMAGES} images | ours | ratio | goal |\n"
        f"|---|---:|---|{'---:|' * 7}"
    )
    with tempfile.TemporaryDirectory() as parent, Sandbox() as sandbox:
        data = {size: write_images(Path(parent, str(size)), size) for size in sizes}
        for name, network in NETWORKS.items():
            report(name, network, data, sandbox, options.rounds)


def report(
    name: str, network: Network, data: "dict[int, Dataset]", sandbox: "Sandbox", rounds: int
) -> None:
    """Measure both sides by turns at both sizes, and print a row for each memory format."""
    num_params, _ = run_ours(network, data[min(data)], sandbox)  # starts the server
    taken: dict[int, list[list[float]]] = {size: [] for size in data}
    for _ in range(rounds):
        for size, dataset in data.items():
            ours = [
                run_ours(network, dataset, sandbox, channels_last=channels_last)[1]
                for channels_last in FORMATS.values()
            ]
            taken[size].append([start_reference(name, dataset.folder), *ours])
    (small, at_small), (large, at_large) = (
        (size, np.median(rows, axis=0)) for size, rows in taken.items()
    )
    slope = (at_large - at_small) / (large - small)
    at_all = at_large + (CIFAR_10_IMAGES - large) * slope
    goal = "-" if network.goal is None else f"{network.goal:g}"
    for column, memory_format in enumerate(FORMATS, start=1):
        cells = [name, f"{num_params:,}", memory_format]
        for seconds in (at_large, at_all):
            reference, our_seconds = seconds[0], seconds[column]
            cells += [f"{reference:.2f}", f"{our_seconds:.2f}", f"{reference / our_seconds:.1f}"]
        say(f"| {' | '.join([*cells, goal])} |")


def run_ours(
    network: Network, dataset: "Dataset", sandbox: "Sandbox", *, channels_last: bool = False
) -> tuple[int, float]:
    """Return the number of parameters, and the CPU seconds of all that takes part."""
    from benchmarks.tiny_candidate import used
    from deltanas_repo_store.records import Architecture
    from deltanas_tools.sandbox import Limits
    from deltanas_tools.train_one_epoch import Numerics, train_one_epoch
    from deltanas_tools.transforms import parse

    architecture = Architecture(source=network.source, hparams=HPARAMS)
    before = used()
    trained = train_one_epoch(
        architecture,
        dataset,
        sandbox=sandbox,
        seed=1,
        limits=Limits(),
        transform=parse("norm_32_flip"),
        numerics=Numerics(channels_last=channels_last),
    )
    return trained.evaluation.num_params, used() - before


def start_reference(name: str, folder: Path) -> float:
    """Return the CPU seconds of a fresh process that does as LEMUR does."""
    module = [sys.executable, "-m", "benchmarks.whole_candidate"]
    answer = subprocess.run(
        [*module, "--reference", str(folder), name], check=True, stdout=subprocess.PIPE
    )
    return float(answer.stdout)


def run_reference(folder: str, network: Network) -> float:
    """Train and score as LEMUR does; return the CPU seconds of this process and its workers."""
    import torch
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import CIFAR10

    torch.set_num_threads(1)
    # Ours have other checksums than the published files; without one, a file only has to be there.
    CIFAR10.train_list = [(file, None) for file, _ in CIFAR10.train_list]
    CIFAR10.test_list = [(file, None) for file, _ in CIFAR10.test_list]
    CIFAR10.meta = CIFAR10.meta | {"md5": None}
    transform = transforms.Compose(
        [
            transforms.Resize(32),
            transforms.CenterCrop(32),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    loaders = [
        DataLoader(
            CIFAR10(folder, train=is_train, transform=transform),
            batch_size=BATCH,
            shuffle=is_train,
            num_workers=1,
        )
        for is_train in (True, False)
    ]
    namespace: dict[str, Any] = {"__name__": "net"}
    exec(network.source, namespace)
    in_shape = (BATCH, *IMAGE_SHAPE)
    net = namespace["Net"](in_shape, (NUM_CLASSES,), HPARAMS, torch.device("cpu"))
    net.train_setup(HPARAMS)
    net.train()
    net.learn(loaders[0])
    net.eval()
    with torch.no_grad():
        for loader in loaders:
            for inputs, labels in loader:
                net.criterion(net(inputs), labels).item()
        for loader in loaders:
            for inputs, labels in loader:
                (net(inputs).argmax(1) == labels).sum().item()
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def write_images(folder: Path, num_train: int) -> "Dataset":
    """Write random images as our prepared data set, and as CIFAR-10's files beside it."""
    from benchmarks.epoch_overhead import cifar_like

    folder.mkdir()
    dataset = cifar_like(folder, num_train, num_train // TRAIN_PER_SCORED)
    published = folder / "cifar-10-batches-py"
    published.mkdir()
    (published / "batches.meta").write_bytes(pickle.dumps({"label_names": list("0123456789")}))
    for split, files in (("train", TRAIN_FILES), ("search", ("test_batch",))):
        images, labels = (np.load(folder / f"{split}_{kind}.npy") for kind in ("images", "labels"))
        rows = images.reshape(len(images), -1)
        for file, chosen in zip(
            files, np.array_split(np.arange(len(rows)), len(files)), strict=True
        ):
            batch = {"data": rows[chosen], "labels": labels[chosen].tolist()}
            (published / file).write_bytes(pickle.dumps(batch))
    return dataset


def say(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
