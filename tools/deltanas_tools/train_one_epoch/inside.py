"""The entries ``train`` and ``predict``: what `train` asks of its two children.

Runs model-written code. The first child has training data and leaves weights; the second, which
never saw a label, has the weights and images and leaves logits.
"""

import mmap
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import nn

from deltanas_tools.sandbox.candidate import (
    Fault,
    blamed,
    build_net,
    load_module,
    seed_everything,
)
from deltanas_tools.sandbox.child import Files, Reply, mark
from deltanas_tools.sandbox.memory_files import read_all, write_all
from deltanas_tools.train_one_epoch.batches import Batches, Inputs, ranges
from deltanas_tools.train_one_epoch.weights import FIXED, TRAINABLE
from deltanas_tools.transforms import parse, supported_names
from deltanas_tools.transforms.batched import MEMORY_BUDGET, Pipeline

_NUMPY = {"uint8": np.uint8, "int64": np.int64}
_TRANSFORMS = {name: parse(name) for name in supported_names()}
"""Read while files can be: in the server, before there are walls."""


def train(payload: Mapping[str, Any], files: Files) -> Reply:
    """Train for ``epochs`` epochs, or as many as begin within ``budget_seconds``.

    Reads ``images`` and ``labels``; fills ``weights``, and ``epoch-1`` and so on where given.
    Marks the end of the construction and of each epoch.

    Raises:
        Fault: the candidate fails at one of the steps.
    """
    net, source, device = _net(payload)
    mark()
    images, pipeline = _pipeline(payload, train=True).prepare(
        _array(files, payload, "images").to(device), memory_budget=_memory_budget(payload, device)
    )
    batches = Batches(
        images,
        _array(files, payload, "labels").to(device),
        pipeline,
        batch=payload["in_shape"][0],
        seed=payload["seed"],
        memory_format=_memory_format(payload),
    )
    with blamed("error", "Net.train_setup", source):
        net.train_setup(_prm(payload))  # type: ignore[operator]
    started, epoch = time.monotonic(), 0
    while epoch < payload["epochs"] and not _is_late(payload, started, epoch):
        epoch += 1
        net.train()
        with blamed("error", f"Net.learn in epoch {epoch}", source), _precision(payload):
            net.learn(batches)  # type: ignore[operator]
        _check_finite(net, epoch)
        mark()
        if f"epoch-{epoch}" in files:
            _save(net, source, files[f"epoch-{epoch}"])
    _save(net, source, files["weights"])
    return {"epochs": epoch, "passes": batches.num_drawn / len(batches)}, b""


def predict(payload: Mapping[str, Any], files: Files) -> Reply:
    """Fill ``logits`` with those of ``images``, for each file of ``weights`` one after the other.

    Marks the end of the construction and of the first batch, which costs more than the others.

    Raises:
        Fault: the candidate fails at one of the steps.
    """
    net, source, device = _net(payload)
    images = _array(files, payload, "images")
    mark()
    inputs = Inputs(_pipeline(payload, train=False), memory_format=_memory_format(payload))
    start = 0
    for name in payload["weights"]:
        _load(net, source, files[name])
        net.eval()
        # As large as in training: networks may have the batch size of in_shape built in.
        for first, last in ranges(len(images), payload["in_shape"][0]):
            batch = inputs(images[first:last].to(device))
            with _precision(payload):
                logits = _logits(net, source, batch, payload["num_classes"])
            data = logits.float().cpu().contiguous().numpy().astype("<f4", copy=False).tobytes()
            write_all(files["logits"], data, start)
            if start == 0:
                mark()
            start += len(data)
    return {}, b""


def _net(payload: Mapping[str, Any]) -> tuple[nn.Module, str, torch.device]:
    source, device = payload["source"], torch.device(payload["device"])
    seed_everything(payload["seed"], threads=payload["threads"])
    net = build_net(
        load_module(source),
        source,
        in_shape=tuple(payload["in_shape"]),
        num_classes=payload["num_classes"],
        prm=_prm(payload),
        device=device,
    )
    return net.to(memory_format=_memory_format(payload)), source, device


def _pipeline(payload: Mapping[str, Any], *, train: bool) -> Pipeline:
    transform = _TRANSFORMS[payload["transform"]]
    return Pipeline.of(transform, mean=payload["mean"], std=payload["std"], train=train)


def _memory_budget(payload: Mapping[str, Any], device: torch.device) -> int:
    """Return how many bytes the training set may take once it is resized."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free // 4
    limit: int = payload["memory_bytes"]
    return min(MEMORY_BUDGET, limit // 4)


def _prm(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {"batch": payload["in_shape"][0], **payload["hparams"]}


def _memory_format(payload: Mapping[str, Any]) -> torch.memory_format:
    return torch.channels_last if payload["channels_last"] else torch.contiguous_format


def _precision(payload: Mapping[str, Any]) -> AbstractContextManager[object]:
    if payload["precision"] == "float32":
        return nullcontext()
    kind = torch.device(payload["device"]).type
    # A cache of weights in bfloat16 would live as long as the context: a whole epoch, in which the
    # network would go on to compute with those it began with.
    return torch.autocast(kind, dtype=torch.bfloat16, cache_enabled=False)


def _is_late(payload: Mapping[str, Any], started: float, epoch: int) -> bool:
    """Say whether no further epoch may begin; the first always may."""
    budget = payload["budget_seconds"]
    return budget is not None and epoch > 0 and time.monotonic() - started >= budget


def _array(files: Files, payload: Mapping[str, Any], name: str) -> torch.Tensor:
    """Map an array that all candidates share; what this one writes to it, only it sees."""
    layout = payload["arrays"][name]
    pages = mmap.mmap(files[name], 0, flags=mmap.MAP_PRIVATE)
    dtype = _NUMPY[layout["dtype"]]
    array = np.frombuffer(pages, dtype=dtype, offset=layout["offset"]).reshape(layout["shape"])
    return torch.from_numpy(array)


def _check_finite(net: nn.Module, epoch: int) -> None:
    for name, parameter in net.named_parameters():
        if not torch.isfinite(parameter.detach()).all():
            raise Fault("not-finite", f"the parameter {name} is not finite after epoch {epoch}")


def _save(net: nn.Module, source: str, fd: int) -> None:
    """Write the network's state as safetensors, each tensor once however many names it has."""
    with blamed("error", "Net.state_dict after training", source):
        trainable = {id(p) for p in net.parameters() if p.requires_grad}
        seen: set[int] = set()
        tensors: dict[str, torch.Tensor] = {}
        for name, tensor in net.state_dict(keep_vars=True).items():
            if isinstance(tensor, torch.Tensor) and id(tensor) not in seen:
                seen.add(id(tensor))
                kind = TRAINABLE if id(tensor) in trainable else FIXED
                # A copy of its own: the format refuses tensors that share memory.
                tensors[kind + name] = (
                    tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
                )
        data = safetensors.torch.save(tensors)
    try:
        write_all(fd, data)
    except OSError as error:
        raise Fault("too-large", f"the weights have {len(data)} bytes: {error}") from error


def _load(net: nn.Module, source: str, fd: int) -> None:
    with blamed("error", "loading the trained weights into a new Net", source):
        saved = safetensors.torch.load(read_all(fd))
        state = {name.partition(".")[2]: tensor for name, tensor in saved.items()}
        own = net.state_dict(keep_vars=True)
        first_names = {id(tensor): name for name, tensor in reversed(own.items())}
        for name, tensor in own.items():
            if name not in state and first_names[id(tensor)] in state:
                state[name] = state[first_names[id(tensor)]]
        net.load_state_dict(state)


def _logits(net: nn.Module, source: str, inputs: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Return the logits ``(samples, classes)`` of the network in evaluation mode."""
    with torch.inference_mode(), blamed("error", "Net.forward in evaluation mode", source):
        logits = net(inputs)
    expected = (len(inputs), num_classes)
    if not isinstance(logits, torch.Tensor) or logits.shape != expected:
        is_tensor = isinstance(logits, torch.Tensor)
        found = tuple(logits.shape) if is_tensor else type(logits).__name__
        raise Fault("output-shape", f"expected logits of shape {expected}, found {found}")
    return logits
