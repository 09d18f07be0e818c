"""Compare what it costs to feed a network: the reference trainer's PIL pipeline, and ours.

Run it from the repository root, where the project is installed, on an idle machine:

    python -m benchmarks.input_pipeline            # seven rounds, about a minute
    python -m benchmarks.input_pipeline --rounds 3

Both sides turn the same 32×32 images, laid out as torchvision's CIFAR-10 has them, into batches of
64 in a new order. The reference is a DataLoader without workers over PIL images and torchvision's
transforms, one image at a time, as LEMUR's trainer has it. Everything runs in one process, on one
core and one thread; the rounds alternate, and the numbers are medians of CPU time per image.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL
import torch
import torchvision
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from deltanas_tools.transforms import Transform, parse
from deltanas_tools.transforms.batched import Pipeline
from deltanas_tools.transforms.steps import Flip, RandomCrop

BATCH = 64
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)


class PilImages(Dataset[torch.Tensor]):
    """Images of shape ``(n, 32, 32, 3)``, handed out one by one through PIL."""

    def __init__(self, images: npt.NDArray[np.uint8], transform: Callable[[Any], Any]) -> None:
        self._images = images
        self._transform = transform

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._images)

    def __getitem__(self, index: int) -> torch.Tensor:
        """Return one transformed image."""
        transformed: torch.Tensor = self._transform(Image.fromarray(self._images[index]))
        return transformed


@dataclass(frozen=True)
class Case:
    """One transform on both sides, and the ratio that the project promises, if any."""

    transform: Transform
    reference: tuple[Any, ...]
    num_images: int
    target: float | None = None


def cases() -> tuple[Case, ...]:
    """Return what is compared."""
    flip = transforms.RandomHorizontalFlip()
    crop_flip = Transform("crop 32, padding 4, and flip", (RandomCrop(32, padding=4), Flip()))
    to_32, to_256 = ((transforms.Resize(n), transforms.CenterCrop(n)) for n in (32, 256))
    return (
        Case(parse("norm_32_flip"), (*to_32, flip), 2048, 20),
        Case(crop_flip, (transforms.RandomCrop(32, padding=4), flip), 2048, 10),
        Case(parse("norm_256_flip"), (*to_256, flip), 512, 2.3),
        Case(
            parse("bf-v1-RandomHorizontalFlip_RandomCrop_4"),
            (
                transforms.RandomHorizontalFlip(p=0.51),
                transforms.RandomCrop(29),
                transforms.Resize((64, 64)),
            ),
            2048,
        ),
    )


def reference_pass(case: Case, images: npt.NDArray[np.uint8]) -> Callable[[], None]:
    """Return a pass over the images as the reference trainer makes it."""
    ending = (transforms.ToTensor(), transforms.Normalize(MEAN, STD))
    data = PilImages(images, transforms.Compose([*case.reference, *ending]))
    loader = DataLoader(data, batch_size=BATCH, shuffle=True, num_workers=0)

    def run() -> None:
        for _ in loader:
            pass

    return run


def our_pass(
    images: torch.Tensor, pipeline: Pipeline, *, out: torch.Tensor | None = None
) -> Callable[[], None]:
    """Return a pass over the images, of shape ``(n, C, H, W)``, through our pipeline."""
    generator = torch.Generator().manual_seed(0)

    def run() -> None:
        order = torch.randperm(len(images), generator=generator)
        for start in range(0, len(images), BATCH):
            chosen = images.index_select(0, order[start : start + BATCH])
            pipeline(chosen, generator, out=out)

    return run


def our_passes(case: Case, images: npt.NDArray[np.uint8]) -> dict[str, Callable[[], None]]:
    """Return our ways of doing it: all steps for each batch, and what is fixed only once."""
    resident = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    pipeline = Pipeline.of(case.transform, mean=MEAN, std=STD, train=True)
    ways = {"each batch": our_pass(resident, pipeline)}
    prepared, rest = pipeline.prepare(resident)
    if prepared.shape != resident.shape:
        shape = case.transform.image_shape(*resident.shape[1:])
        out = torch.empty(BATCH, *shape)
        ways["each batch, into one buffer"] = our_pass(resident, pipeline, out=out)
        ways["resized once"] = our_pass(prepared, rest)
        ways["resized once, into one buffer"] = our_pass(prepared, rest, out=out)
    return ways


def measure(
    passes: dict[str, Callable[[], None]], rounds: int, num_images: int
) -> dict[str, float]:
    """Return the median CPU time of each pass, in microseconds per image."""
    times: dict[str, list[float]] = {way: [] for way in passes}
    for number in range(rounds + 1):
        for way, run in passes.items():
            start = time.process_time()
            run()
            if number:  # The first round warms up.
                times[way].append((time.process_time() - start) / num_images * 1e6)
    return {way: median(values) for way, values in times.items()}


def main() -> None:
    """Print a Markdown table with a row for every transform and way."""
    parser = argparse.ArgumentParser(description="Compare the cost of input pipelines.")
    parser.add_argument("--rounds", type=int, default=7, help="number of rounds (default 7)")
    rounds = parser.parse_args().rounds
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    sys.stdout.write(
        f"One core ({platform.machine()}), batches of {BATCH}, median of {rounds} rounds, "
        f"torch {torch.__version__}, torchvision {torchvision.__version__}, "
        f"Pillow {PIL.__version__}\n\n"
        "| transform | PIL µs/image | ours | µs/image | ratio | promised |\n"
        "|---|---:|---|---:|---:|---:|\n"
    )
    rng = np.random.default_rng(0)
    for case in cases():
        images = rng.integers(0, 256, (case.num_images, 32, 32, 3), dtype=np.uint8)
        passes = {"PIL": reference_pass(case, images), **our_passes(case, images)}
        cost = measure(passes, rounds, case.num_images)
        promised = f"{case.target:g}" if case.target else "-"
        for way in list(passes)[1:]:
            sys.stdout.write(
                f"| {case.transform.name} | {cost['PIL']:.1f} | {way} | {cost[way]:.1f} "
                f"| {cost['PIL'] / cost[way]:.1f} | {promised} |\n"
            )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
