"""Train every baseline for one epoch on the digits and print what it costs and scores.

Run it from the repository root, where the project is installed, on an idle machine:

    python -m benchmarks.baseline_accuracy            # seeds 0, 1 and 2, about a minute
    python -m benchmarks.baseline_accuracy --seeds 5  # seeds 0 to 4

The data are scikit-learn's 1,797 digits of 8x8 pixels, enlarged to 28x28, in a fixed stratified
split of 1,197 images to train on, 300 to search by and 300 to test. The hyper-parameters of the
baselines were chosen by the search accuracy, so the test accuracy is the unbiased one. Seconds are
the median CPU time of `learn` on one thread.
"""

import argparse
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import sklearn
import torch

from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.records import Architecture
from deltanas_tools.datasets import Dataset, prepare
from deltanas_tools.datasets.dataset import SPLITS, ArrayName
from deltanas_tools.datasets.dataset import Split as SplitName

NUM_CLASSES = 10
IMAGE_SIZE = 28

Batch = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Split:
    """Images of shape ``(n, 1, 28, 28)`` and their labels, of shape ``(n,)``."""

    images: torch.Tensor
    labels: torch.Tensor

    def shuffled_batches(self, batch_size: int, seed: int) -> Iterator[Batch]:
        """Yield the whole split in batches, the last one perhaps smaller."""
        order = torch.randperm(len(self.labels), generator=torch.Generator().manual_seed(seed))
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            yield self.images[batch], self.labels[batch]


@dataclass(frozen=True)
class Trial:
    """One baseline, trained for one epoch from one seed."""

    num_params: int
    cpu_seconds: float
    search_accuracy: float
    test_accuracy: float


def digits() -> dict[str, Split]:
    """Load the three splits, normalised by the mean and deviation of the training images."""
    with TemporaryDirectory() as cache:
        data = prepare("digits", cache=Path(cache))
        return {name: _split(data, name) for name in SPLITS}


def _split(data: Dataset, name: SplitName) -> Split:
    array: ArrayName = f"{name}_images"  # type: ignore[assignment]
    images = torch.from_numpy(np.load(data.path(array))).float() / 255
    return Split((images - data.mean[0]) / data.std[0], torch.from_numpy(data.labels(name)))


def load_net(architecture: Architecture, seed: int) -> Any:
    """Build the network of a baseline. The sources are the project's own, so they run here."""
    namespace: dict[str, Any] = {"__name__": "baseline"}
    exec(architecture.source, namespace)
    prm = dict(architecture.hparams)
    in_shape = (prm["batch"], 1, IMAGE_SIZE, IMAGE_SIZE)
    torch.manual_seed(seed)
    net = namespace["Net"](in_shape, (NUM_CLASSES,), prm, torch.device("cpu"))
    net.train_setup(prm)
    return net


@torch.no_grad()
def accuracy(net: Any, split: Split) -> float:
    """Return the fraction of the split that the network labels correctly."""
    net.eval()
    logits = net(split.images)
    if not torch.isfinite(logits).all():
        return 0.0
    return float((logits.argmax(dim=1) == split.labels).float().mean())


def run_trial(architecture: Architecture, data: dict[str, Split], seed: int) -> Trial:
    """Train one baseline for one epoch from one seed, and score it."""
    net = load_net(architecture, seed)
    batches = data["train"].shuffled_batches(int(architecture.hparams["batch"]), seed)
    start = time.process_time()
    net.learn(batches)
    return Trial(
        num_params=sum(p.numel() for p in net.parameters() if p.requires_grad),
        cpu_seconds=time.process_time() - start,
        search_accuracy=accuracy(net, data["search"]),
        test_accuracy=accuracy(net, data["test"]),
    )


def table_row(name: str, trials: list[Trial]) -> str:
    """Format the trials of one baseline as a line of Markdown."""
    cells = [name, f"{trials[0].num_params:,}", f"{median(t.cpu_seconds for t in trials):.2f}"]
    for scores in ([t.search_accuracy for t in trials], [t.test_accuracy for t in trials]):
        cells += [f"{mean(scores):.3f}", f"{min(scores):.3f}"]
    return f"| {' | '.join(cells)} |\n"


def main() -> None:
    """Print a Markdown table with a row for every baseline."""
    parser = argparse.ArgumentParser(description="Train every baseline for one epoch.")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds (default 3)")
    num_seeds = parser.parse_args().seeds
    torch.set_num_threads(1)
    data = digits()

    sys.stdout.write(
        f"Digits, one epoch, {num_seeds} seeds, one thread ({platform.machine()}), "
        f"torch {torch.__version__}, scikit-learn {sklearn.__version__}\n\n"
        "| network | params | seconds | search mean | search min | test mean | test min |\n"
        "|---|---:|---:|---:|---:|---:|---:|\n"
    )
    for name, architecture in baselines().items():
        trials = [run_trial(architecture, data, seed) for seed in range(num_seeds)]
        sys.stdout.write(table_row(name, trials))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
