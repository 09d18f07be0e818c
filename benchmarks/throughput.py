"""Measure how many candidates a machine trains in a minute, with more and more side by side.

Run it from the repository root, where the project is installed, on an idle machine:

    python -m benchmarks.throughput                                  # CPU, 1 and 2 places
    python -m benchmarks.throughput --devices cuda:0 --per-device 1 2 4 8 --images 20000

A candidate is `train_one_epoch` of a baseline on random images of CIFAR-10's layout: an epoch, and
the scoring of a fifth as many. Every place has its own sandbox, and its server is warm before the
clock starts. What `--devices` and `--per-device` of `deltanas run` do; the gates before training
are left out.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.epoch_overhead import LIMITS, SEED, TRAIN_PER_SCORED, cifar_like
from deltanas_agent.trainers import Place, Trainers
from deltanas_repo_store.baselines import baseline_names, baselines
from deltanas_repo_store.records import Architecture, Evaluation
from deltanas_tools.datasets import Dataset
from deltanas_tools.sandbox import Sandbox
from deltanas_tools.train_one_epoch import Numerics, train_one_epoch


def main() -> None:
    """Print a Markdown table with a row for each number of places per device."""
    options = parse()
    architecture = baselines()[options.network]
    devices = options.devices.split(",")
    hardware = platform.machine() if devices[0] == "cpu" else torch.cuda.get_device_name()
    say(
        f"{hardware}, {os.cpu_count()} CPUs, torch {torch.__version__}, {options.network}, "
        f"{options.images} images, {options.precision}, load {os.getloadavg()[0]:.1f}\n\n"
        "| per device | trained | wall s | candidates per minute | against the first | "
        "seconds of one | CPU s of one | GPU MiB of one |\n"
        "|---:|---:|---:|---:|---:|---:|---:|---:|"
    )
    first = 0.0
    with tempfile.TemporaryDirectory() as folder:
        data = cifar_like(Path(folder), options.images, options.images // TRAIN_PER_SCORED)
        for per_device in options.per_device:
            places = [device for device in devices for _ in range(per_device)]
            num_jobs = options.rounds * len(places)
            seconds, evaluations = run(architecture, data, places, num_jobs, options.precision)
            rate = 60.0 * num_jobs / seconds
            first = first or rate
            cells = (
                f"{per_device}",
                f"{num_jobs}",
                f"{seconds:.1f}",
                f"{rate:.1f}",
                f"{rate / first:.2f}",
                f"{sum(each.seconds for each in evaluations) / num_jobs:.2f}",
                f"{sum(each.cpu_seconds for each in evaluations) / num_jobs:.2f}",
                f"{max(each.peak_gpu_bytes for each in evaluations) / 2**20:.0f}",
            )
            say(f"| {' | '.join(cells)} |")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--devices", default="cpu", help="as in cuda:0,cuda:1 (default cpu)")
    parser.add_argument("--per-device", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--network", choices=baseline_names(), default="residual-net")
    parser.add_argument("--images", type=int, default=1500, help="to train on (default 1500)")
    parser.add_argument("--rounds", type=int, default=3, help="candidates per place (default 3)")
    parser.add_argument("--precision", choices=("float32", "bf16"), default="float32")
    return parser.parse_args()


def run(
    architecture: Architecture, data: Dataset, devices: list[str], num_jobs: int, precision: str
) -> tuple[float, list[Evaluation]]:
    """Return the wall time of ``num_jobs`` trainings at the places, and their records."""

    def job(place: Place) -> Evaluation:
        numerics = Numerics.model_validate({"device": place.device, "precision": precision})
        return train_one_epoch(
            architecture, data, sandbox=place.sandbox, seed=SEED, limits=LIMITS, numerics=numerics
        ).evaluation

    places = [Place(Sandbox(cuda=device != "cpu"), device) for device in devices]
    with Trainers(places) as trainers:
        for future in [trainers.submit(job) for _ in places]:
            future.result()
        started = time.perf_counter()
        evaluations = [
            future.result() for future in [trainers.submit(job) for _ in range(num_jobs)]
        ]
        return time.perf_counter() - started, evaluations


def say(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
