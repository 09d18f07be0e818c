"""The entry ``build``: what `build.check_build` asks of the child. Runs model-written code."""

import hashlib
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from deltanas_tools.sandbox.candidate import (
    Fault,
    blamed,
    build_net,
    load_module,
    num_trainable,
    seed_everything,
)
from deltanas_tools.sandbox.child import Files, Reply


def build(payload: Mapping[str, Any], files: Files) -> Reply:
    """Build the network, run one forward pass in training mode, and report.

    Raises:
        Fault: the candidate fails at one of the steps.
    """
    source, hparams = payload["source"], payload["hparams"]
    in_shape, num_classes = tuple(payload["in_shape"]), payload["num_classes"]
    seed_everything(payload["seed"], threads=1)
    prm = {"batch": in_shape[0], **hparams}
    module = load_module(source)
    _check_hyperparameters(module, source, prm)
    net = build_net(
        module,
        source,
        in_shape=in_shape,
        num_classes=num_classes,
        prm=prm,
        device=torch.device("cpu"),
    )
    dtype = torch.complex64 if payload["complex_inputs"] else torch.float32
    inputs = torch.randn(in_shape, dtype=dtype)
    net.train()
    with _Trace() as trace, blamed("forward", "Net.forward", source):
        output = net(inputs)
    _check_output(output, in_shape[0], num_classes)
    report: dict[str, object] = {
        "num_params": num_trainable(net),
        "num_operations": trace.num_operations,
        "trace": trace.digest(),
    }
    return report, b""


def _check_hyperparameters(module: ModuleType, source: str, prm: Mapping[str, object]) -> None:
    with blamed("interface", "supported_hyperparameters()", source):
        supported = module.supported_hyperparameters()
        if not isinstance(supported, set | frozenset | list | tuple | dict):
            found = type(supported).__name__
            raise Fault(
                "interface", f"supported_hyperparameters() must return a set, found {found}"
            )
        missing = sorted(str(name) for name in supported if name not in prm)
    if missing:
        raise Fault(
            "interface",
            f"supported_hyperparameters() names {', '.join(missing)[:200]}, and the network's "
            f"hyper-parameters are {', '.join(sorted(prm))}",
        )


def _check_output(output: object, batch: int, num_classes: int) -> None:
    expected = f"expected logits of shape ({batch}, {num_classes}) in floating point"
    if not isinstance(output, torch.Tensor):
        raise Fault("output-shape", f"forward: {expected}, found {type(output).__name__}")
    if output.shape != (batch, num_classes) or not output.is_floating_point():
        found = f"shape {tuple(output.shape)} in {output.dtype}"
        raise Fault("output-shape", f"forward: {expected}, found {found}")
    if not torch.isfinite(output.detach()).all():
        raise Fault("not-finite", "forward: the logits of the untrained network are not all finite")


class _Trace(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Digests every operation below autograd: name, shapes and types of tensors, scalars."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.num_operations = 0
        self._hash = hashlib.sha256()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Note the operation, then run it."""
        kwargs = kwargs or {}
        self.num_operations += 1
        text = f"{func}({', '.join(_words(args))}; {', '.join(_words(kwargs))})"
        self._hash.update(text.encode(errors="backslashreplace") + b"\n")
        return func(*args, **kwargs)

    def digest(self) -> str:
        """Return the digest of all lines so far: 128 bits of SHA-256."""
        return self._hash.hexdigest()[:32]


def _words(value: object) -> Iterator[str]:
    """Spell an argument without its data: the trace must not depend on initial weights."""
    match value:
        case torch.Tensor():
            yield f"{value.dtype}{tuple(value.shape)}"
        case dict():
            for key in sorted(value):
                yield f"{key}="
                yield from _words(value[key])
        case list() | tuple():
            yield "["
            for each in value:
                yield from _words(each)
            yield "]"
        case None | bool() | int() | float() | complex() | str() | torch.dtype() | torch.device():
            yield repr(value)
        case torch.layout() | torch.memory_format():
            yield repr(value)
        case _:
            yield type(value).__name__  # a repr might hold an address
