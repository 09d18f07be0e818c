"""Compare a whole epoch, as `train_one_epoch` takes it, with the bare arithmetic of the network.

Run it from the repository root, where the project is installed, on an idle machine:

    python -m benchmarks.epoch_overhead              # three networks, three rounds, 90 s
    python -m benchmarks.epoch_overhead --networks plain-cnn mobile-net --images 20000 --rounds 1
    python -m benchmarks.epoch_overhead --device cuda --precision bf16 --images 45000

Ours is `train_one_epoch` in the sandbox, on random images of CIFAR-10's layout: an epoch over
``--images`` of them, and the scoring of a fifth as many. What it is compared with is a fresh
process that builds the same network and calls `learn` with one batch of floats, as often as the
epoch has batches, and then the network on that batch as often as scoring has. Only these two loops
are timed, after one batch that warms up. The goal is a ratio of at most 1.10.

On the CPU, seconds are CPU seconds, on one thread; on CUDA they are wall-clock seconds. Ours are
all that both children use:

    construct  both children: from the fork until the network is built, the start of CUDA included
    epoch      training child: `train_setup`, the data's way to the device, and `learn`
    save       training child: from the end of the epoch to its own end
    score      scoring child: from the built network to its own end

``ratio`` has all four in it. ``rest`` has ``epoch`` and ``score``: what grows with the data, and
the first batch's cost, which the bare arithmetic leaves out too.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch

from deltanas_repo_store.baselines import baseline_names, baselines
from deltanas_repo_store.records import Architecture, Record
from deltanas_tools.datasets import Dataset
from deltanas_tools.datasets.write_arrays import checksums, moments
from deltanas_tools.sandbox import Completed, Failed, Limits, Sandbox
from deltanas_tools.sandbox.candidate import build_net, load_module, seed_everything
from deltanas_tools.sandbox.isolation import KEEPING_MEMORY
from deltanas_tools.train_one_epoch import Numerics, batch_size, train_one_epoch
from deltanas_tools.train_one_epoch.batches import ranges

IMAGE_SHAPE = (3, 32, 32)
NUM_CLASSES = 10
TRAIN_PER_SCORED = 5
"""As CIFAR-10 has it: 50,000 images to train on, 10,000 to test."""
NETWORKS = ("wide-net", "residual-net", "fractal-net")
"""Of the baselines the cheapest, one between, and the dearest; the largest too."""
SEED = 1
Batches = list[tuple[torch.Tensor, torch.Tensor]]
LIMITS = Limits(wall_seconds=3600.0)


class Case(Record):
    """What is measured on both sides."""

    network: str
    num_images: int
    numerics: Numerics

    @property
    def num_scored(self) -> int:
        """Return the number of images that are scored."""
        return self.num_images // TRAIN_PER_SCORED


class Ours(NamedTuple):
    """Seconds of the two children; the names are explained above."""

    construct: float
    epoch: float
    save: float
    score: float


class Pure(NamedTuple):
    """Seconds of the two loops."""

    train: float
    score: float


class Watched(Sandbox):
    """A sandbox that keeps what was measured of each child."""

    def __init__(self, *, cuda: bool) -> None:
        super().__init__(cuda=cuda)
        self.outcomes: list[Completed] = []

    def run(self, *arguments: Any, **options: Any) -> Completed | Failed:
        """Run a child as `Sandbox` does, and note the outcome."""
        outcome = super().run(*arguments, **options)
        if isinstance(outcome, Completed):
            self.outcomes.append(outcome)
        return outcome


def main() -> None:
    """Print a Markdown table with two rows for every network, one for each memory format."""
    options = parse()
    if options.pure:
        say(json.dumps(run_pure(Case.model_validate_json(options.pure))))
        return
    on_cuda = options.device == "cuda"
    say(
        f"{torch.cuda.get_device_name() if on_cuda else platform.machine()}, "
        f"torch {torch.__version__}, {options.precision}, {options.images} images, "
        f"median {'wall-clock' if on_cuda else 'CPU'} seconds of {options.rounds} rounds, "
        f"load {os.getloadavg()[0]:.1f}\n\n"
        "| network | params | batch | format | construct | epoch | save | score "
        "| pure train | pure score | ratio | rest | ours to contiguous | pure to contiguous |\n"
        "|---|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    )
    with tempfile.TemporaryDirectory() as folder, Watched(cuda=on_cuda) as sandbox:
        data = cifar_like(Path(folder), options.images, options.images // TRAIN_PER_SCORED)
        for network in options.networks:
            numerics = Numerics(device=options.device, precision=options.precision)
            faster = numerics.model_copy(update={"channels_last": True})
            cases = [
                Case(network=network, num_images=options.images, numerics=each)
                for each in (numerics, faster)
            ]
            report(cases, data, sandbox, options.rounds)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--networks", nargs="+", choices=baseline_names(), default=NETWORKS)
    parser.add_argument("--images", type=int, default=1500, help="to train on (default 1500)")
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds (default 3)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("float32", "bf16"), default="float32")
    parser.add_argument("--pure", help=argparse.SUPPRESS)
    return parser.parse_args()


def report(cases: list[Case], data: Dataset, sandbox: Watched, rounds: int) -> None:
    """Measure a network's cases by turns, the first in contiguous format; print a row for each."""
    architecture = baselines()[cases[0].network]
    taken: list[list[tuple[Ours, Pure]]] = [[] for _ in cases]
    for _ in range(rounds):
        for case, pairs in zip(cases, taken, strict=True):
            num_params, ours = run_ours(architecture, case, data, sandbox)
            pairs.append((ours, start_pure(case)))
    contiguous: tuple[float, float] | None = None
    for case, pairs in zip(cases, taken, strict=True):
        of_ours, of_pure = zip(*pairs, strict=True)
        ours = Ours(*map(median, zip(*of_ours, strict=True)))
        pure = Pure(*map(median, zip(*of_pure, strict=True)))
        whole, bare = sum(ours), sum(pure)
        contiguous = contiguous or (whole, bare)
        cells = [
            case.network,
            f"{num_params:,}",
            str(batch_size(architecture)),
            "channels-last" if case.numerics.channels_last else "contiguous",
            *(f"{seconds:.3f}" for seconds in (*ours, *pure)),
            f"{whole / bare:.3f}",
            f"{(ours.epoch + ours.score) / bare:.3f}",
            f"{whole / contiguous[0]:.2f}",
            f"{bare / contiguous[1]:.2f}",
        ]
        say(f"| {' | '.join(cells)} |")


def run_ours(
    architecture: Architecture, case: Case, data: Dataset, sandbox: Watched
) -> tuple[int, Ours]:
    """Return the number of parameters, and the seconds of both children."""
    sandbox.outcomes.clear()
    trained = train_one_epoch(
        architecture, data, sandbox=sandbox, seed=SEED, limits=LIMITS, numerics=case.numerics
    )
    training, scoring = sandbox.outcomes
    clock = attrgetter("cpu_seconds" if case.numerics.device == "cpu" else "seconds")
    built, ended, saved = map(clock, (*training.marks, training))
    ready, *_, scored = map(clock, (*scoring.marks, scoring))
    ours = Ours(built + ready, ended - built, saved - ended, scored - ready)
    return trained.evaluation.num_params, ours


def start_pure(case: Case) -> Pure:
    """Measure the two loops in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.epoch_overhead", "--pure", case.model_dump_json()]
    # Memory is had as cheaply as in the sandbox: what is compared is the work.
    environment = {**os.environ, **KEEPING_MEMORY}
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    return Pure(*json.loads(answer.stdout))


def run_pure(case: Case) -> Pure:
    """Run the network on one batch, again and again. The sources are the project's own."""
    architecture, numerics = baselines()[case.network], case.numerics
    batch, device = batch_size(architecture), torch.device(numerics.device)
    memory_format = torch.channels_last if numerics.channels_last else torch.contiguous_format
    prm = {"batch": batch, **architecture.hparams}
    seed_everything(SEED, threads=numerics.threads)
    net: Any = build_net(
        load_module(architecture.source),
        architecture.source,
        in_shape=(batch, *IMAGE_SHAPE),
        num_classes=NUM_CLASSES,
        prm=prm,
        device=device,
    ).to(memory_format=memory_format)
    # One more than a batch: a single left-over image joins the last.
    inputs = torch.randn(batch + 1, *IMAGE_SHAPE, device=device)
    inputs = inputs.contiguous(memory_format=memory_format)
    labels = torch.randint(NUM_CLASSES, (batch + 1,), device=device)

    def batches(num_images: int) -> Batches:
        lengths = [stop - start for start, stop in ranges(num_images, batch)]
        return [(inputs[:length], labels[:length]) for length in lengths]

    def score(batches: Batches) -> None:
        with torch.inference_mode():
            for images, _ in batches:
                net(images)

    # Cached casts would keep the weights in bfloat16 as they were before the first step.
    is_bf16 = numerics.precision == "bf16"
    with torch.autocast(device.type, torch.bfloat16, enabled=is_bf16, cache_enabled=False):
        net.train_setup(prm)
        net.train()
        net.learn(batches(batch))
        train_seconds = timed(net.learn, batches(case.num_images), device)
        net.eval()
        score(batches(batch))
        return Pure(train_seconds, timed(score, batches(case.num_scored), device))


def timed(run: Callable[[Batches], None], batches: Batches, device: torch.device) -> float:
    """Return the CPU seconds of a run; on CUDA wall-clock seconds, until its work is done."""
    if device.type == "cpu":
        start = time.process_time()
        run(batches)
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    run(batches)
    torch.cuda.synchronize()
    return time.perf_counter() - start


def cifar_like(folder: Path, num_train: int, num_search: int) -> Dataset:
    """Write random images of CIFAR-10's layout into ``folder``, as a prepared data set."""
    random = np.random.default_rng(0)
    for split, size in (("train", num_train), ("search", num_search), ("test", 1)):
        images = random.integers(0, 256, (size, *IMAGE_SHAPE), dtype=np.uint8)
        np.save(folder / f"{split}_images.npy", images)
        np.save(folder / f"{split}_labels.npy", random.integers(0, NUM_CLASSES, size))
    mean, std = moments(folder / "train_images.npy")
    return Dataset(
        name="cifar-10-random",
        num_classes=NUM_CLASSES,
        image_shape=IMAGE_SHAPE,
        mean=mean,
        std=std,
        num_train=num_train,
        num_search=num_search,
        num_test=1,
        source="random bytes",
        checksums=checksums(folder),
        folder=folder,
    )


def say(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
