"""Adapters with every field filled in, for tests that care about one of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from deltanas_repo_store.adapters import AdapterId, AdapterRecord, AdapterTrial

HELD_OUT = "0123456789abcdef"


def trial(num_effective: int, *, improvement: float = 0.01, answers: int = 40) -> AdapterTrial:
    """A trial on the held-out briefs."""
    return AdapterTrial(
        briefs=HELD_OUT,
        num_answers=answers,
        num_effective=num_effective,
        mean_improvement=improvement,
    )


def record(tuned_from: AdapterId | None = None, **changes: Any) -> AdapterRecord:
    """What is kept of an adapter that was found better than what was in use."""
    facts: dict[str, Any] = {
        "base_model": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "tuned_from": tuned_from,
        "corpus": "c0ffee" * 8,
        "num_examples": 242,
        "loss": 0.4321,
        "trial": trial(25),
        "previous": tuned_from,
        "previous_trial": trial(19),
        "promoted": True,
        "verdict": "effective 25 of 40 (0.62) against 19 of 40 (0.47): better",
    }
    return AdapterRecord.model_validate({**facts, **changes})


def adapter_folder(path: Path, *, seed: int = 0, num_weights: int = 8) -> Path:
    """A folder such as `finetune_lora` leaves, with weights of 4 bytes each."""
    path.mkdir(parents=True, exist_ok=True)
    weights = np.random.default_rng(seed).normal(size=(num_weights, 1)).astype(np.float32)
    save_file({"layer.lora_A.weight": weights}, path / "adapter_model.safetensors")
    (path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 1}))
    (path / "manifest.json").write_text(json.dumps({"num_examples": 242}))
    (path / "README.md").write_text("What PEFT writes as well.\n")
    return path
