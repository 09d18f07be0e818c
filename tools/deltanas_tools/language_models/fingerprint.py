"""Tells language models apart by their weights, wherever they were loaded from."""

import hashlib
from typing import Any

import torch

_SAMPLES = 64


def fingerprint(model: Any) -> str:
    """Return a digest of a model's weights: names, shapes and 64 values of each, evenly spaced.

    The values are rounded to bfloat16, so that a model has one fingerprint in every floating-point
    type that it is loaded in. In 4 bits it has another.
    """
    digest = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        digest.update(f"{name} {tuple(parameter.shape)}\n".encode())
        flat = parameter.detach().reshape(-1)
        places = torch.linspace(
            0, flat.numel() - 1, min(_SAMPLES, flat.numel()), dtype=torch.float64
        )
        values = flat[places.long().to(flat.device)].cpu().to(torch.bfloat16)
        digest.update(values.view(torch.int16).numpy().tobytes())
    return digest.hexdigest()
