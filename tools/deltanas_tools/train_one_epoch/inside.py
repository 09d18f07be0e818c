"""The entry ``train``: what `train.train_one_epoch` asks of the child. Runs model-written code."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from deltanas_tools.sandbox.candidate import (
    Fault,
    blamed,
    build_net,
    load_module,
    num_trainable,
    seed_everything,
)
from deltanas_tools.sandbox.child import Reply

PIXEL_RANGE = 255.0


class Batches:
    """The training set as batches in a new order each epoch: what `Net.learn` iterates over.

    The whole set stays on the device as bytes and is normalised batch by batch: 26 times as many
    images per CPU second as a DataLoader with one PIL image at a time. The layout stays NCHW:
    channels_last pays on a CPU, and breaks every network that flattens with ``view``.
    """

    def __init__(
        self,
        images: torch.Tensor,
        labels: torch.Tensor,
        *,
        batch: int,
        mean: Sequence[float],
        std: Sequence[float],
        seed: int,
    ) -> None:
        self._images = images
        self._labels = labels
        self._ranges = ranges(len(images), batch)
        self._normalise = Normalise(mean, std, images.device)
        # A generator of its own: how often a network draws must not change the order it sees.
        self._generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self._ranges)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield inputs ``(B, C, H, W)`` in float32 and labels ``(B,)`` in int64."""
        order = torch.randperm(len(self._images), generator=self._generator)
        order = order.to(self._images.device)
        for start, end in self._ranges:
            chosen = order[start:end]
            yield self._normalise(self._images[chosen]), self._labels[chosen]


class Normalise:
    """Turns bytes into floats with mean 0 and standard deviation 1 per channel."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: torch.device) -> None:
        self._mean = PIXEL_RANGE * torch.tensor(mean, device=device).view(1, -1, 1, 1)
        self._std = PIXEL_RANGE * torch.tensor(std, device=device).view(1, -1, 1, 1)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return ``images`` as float32."""
        return images.float().sub_(self._mean).div_(self._std)


def ranges(num_samples: int, batch: int) -> list[tuple[int, int]]:
    """Cut samples into batches, the last as short as it comes out, but not of one sample.

    BatchNorm cannot train on one sample of a 1 × 1 map, and ``squeeze`` loses its dimension; a
    single left-over sample joins the batch before it, so that no sample is dropped.
    """
    starts = list(range(0, num_samples, batch))
    if batch > 1 and len(starts) > 1 and num_samples - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], num_samples], strict=True))


def train(payload: Mapping[str, Any]) -> Reply:
    """Train for ``epochs`` epochs and return the logits of the search images, in float32.

    Raises:
        Fault: the candidate fails at one of the steps.
    """
    source, in_shape = payload["source"], tuple(payload["in_shape"])
    device = torch.device(payload["device"])
    seed_everything(payload["seed"], threads=payload["threads"])
    prm = {"batch": in_shape[0], **payload["hparams"]}
    net = build_net(
        load_module(source),
        source,
        in_shape=in_shape,
        num_classes=payload["num_classes"],
        prm=prm,
        device=device,
    )
    mean, std = payload["mean"], payload["std"]
    batches = Batches(
        _load(payload["train_images"], device),
        _load(payload["train_labels"], device).long(),
        batch=in_shape[0],
        mean=mean,
        std=std,
        seed=payload["seed"],
    )
    with blamed("error", "Net.train_setup", source):
        net.train_setup(dict(prm))  # type: ignore[operator]
    for epoch in range(1, payload["epochs"] + 1):
        net.train()
        with blamed("error", f"Net.learn in epoch {epoch}", source):
            net.learn(batches)  # type: ignore[operator]
        _check_finite(net, epoch)
    images = _load(payload["search_images"], device)
    logits = _predict(
        net, source, images, payload["num_classes"], in_shape[0], Normalise(mean, std, device)
    )
    return {"num_params": num_trainable(net)}, logits.numpy().astype("<f4").tobytes()


def _load(path: str, device: torch.device) -> torch.Tensor:
    array = np.load(path, mmap_mode="c", allow_pickle=False)
    return torch.from_numpy(array).clone().to(device)


def _check_finite(net: nn.Module, epoch: int) -> None:
    for name, parameter in net.named_parameters():
        if not torch.isfinite(parameter.detach()).all():
            raise Fault("not-finite", f"the parameter {name} is not finite after epoch {epoch}")


def _predict(
    net: nn.Module,
    source: str,
    images: torch.Tensor,
    num_classes: int,
    batch: int,
    normalise: Normalise,
) -> torch.Tensor:
    """Return the logits ``(samples, classes)`` of the network in evaluation mode."""
    net.eval()
    parts = []
    # As large as in training: networks may have the batch size of in_shape built in.
    for start, end in ranges(len(images), batch):
        with torch.inference_mode(), blamed("error", "Net.forward in evaluation mode", source):
            logits = net(normalise(images[start:end]))
        expected = (end - start, num_classes)
        if not isinstance(logits, torch.Tensor) or logits.shape != expected:
            is_tensor = isinstance(logits, torch.Tensor)
            found = tuple(logits.shape) if is_tensor else type(logits).__name__
            raise Fault("output-shape", f"expected logits of shape {expected}, found {found}")
        parts.append(logits.float().cpu())
    return torch.cat(parts)
