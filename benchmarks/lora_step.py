"""Measure a micro-batch of LoRA training: logits everywhere or where the loss is, and memory.

Run it from the repository root, where the project is installed, with a folder of a model that
transformers loads (safetensors), on an idle machine:

    python -m benchmarks.lora_step MODEL                     # minutes on one core for 135M
    python -m benchmarks.lora_step MODEL --tokens 2000       # longer examples

Forward and backward pass of one example, adapter and base model in float32, one thread, medians of
CPU seconds. *Full logits* is what a model computes when it is handed labels, *completion* is the
trainer's loss; the two must agree. The ways take turns, so that they share a busy machine's moods.
*Peak* is the most memory above the loaded model, each way in a process of its own.
"""

import argparse
import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
from rich.console import Console
from rich.table import Table

from deltanas_tools.finetune_lora.batches import Batch, TokenSequence, micro_batches
from deltanas_tools.finetune_lora.lora import adapted
from deltanas_tools.finetune_lora.loss import completion_loss
from deltanas_tools.finetune_lora.settings import LoraSettings
from deltanas_tools.language_models.loading import load_language_model
from deltanas_tools.language_models.model import LanguageModel
from deltanas_tools.language_models.records import ModelSpec

Loss = Callable[[Any, Batch], torch.Tensor]


def full_logits(model: Any, batch: Batch) -> torch.Tensor:
    """Return the same loss as `completion_loss`, from the logits of the prompt as well."""
    labels = batch.tokens.clone()
    is_target = torch.zeros_like(batch.predicting)
    is_target[:, 1:] = batch.predicting[:, :-1]
    labels[~is_target] = -100
    mean: torch.Tensor = model(input_ids=batch.tokens, labels=labels, use_cache=False).loss
    return mean * len(batch.targets)


WAYS: dict[str, tuple[Loss, bool]] = {
    "full logits": (full_logits, False),
    "completion": (completion_loss, False),
    "full, checkpointing": (full_logits, True),
    "completion, checkpointing": (completion_loss, True),
}


def example(num_tokens: int, num_completion: int, vocabulary: int) -> Batch:
    """Return one example of random tokens."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(vocabulary, (num_tokens,), generator=generator).tolist()
    sequence = TokenSequence(tokens=tuple(tokens), num_prompt=num_tokens - num_completion)
    return next(micro_batches([sequence], 1))


def run(way: str, peft_model: Any, batch: Batch) -> tuple[float, float]:
    """Return the CPU seconds of one forward and backward pass, and the loss."""
    loss_of, checkpointing = WAYS[way]
    base = peft_model.get_base_model()
    if checkpointing:
        base.activation_checkpointing_enable()
    else:
        base.activation_checkpointing_disable()
    peft_model.train()
    peft_model.zero_grad()
    torch.manual_seed(0)  # the same dropout every time
    started = time.process_time()
    loss = loss_of(peft_model, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    return time.process_time() - started, loss.item()


def loaded(folder: Path) -> LanguageModel:
    """Load the model as the trainer gets it."""
    torch.set_num_threads(1)
    return load_language_model(ModelSpec(model=str(folder), dtype="float32"), cache=folder)


def peak(way: str, folder: Path, batch: Batch, settings: LoraSettings) -> float:
    """Return how many GB more than the loaded model a pass takes at its peak."""
    model = loaded(folder)
    with adapted(model, settings) as peft_model:
        # Forgets the peak so far. Source: Linux, Documentation/filesystems/proc.rst, clear_refs.
        Path("/proc/self/clear_refs").write_text("5")
        before = memory("VmRSS")
        run(way, peft_model, batch)
        return (memory("VmHWM") - before) / 1e9


def memory(kind: str) -> int:
    """Return a line of this process's status in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{kind}:"))


def main() -> None:
    """Print a table with a row for every way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="folder of a model in safetensors")
    parser.add_argument("--tokens", type=int, default=700, help="of the example (700)")
    parser.add_argument("--completion", type=int, default=200, help="of them the answer's (200)")
    parser.add_argument("--repeats", type=int, default=5, help="passes of each way (5)")
    parser.add_argument("--rank", type=int, default=LoraSettings().rank, help="(the paper's, 32)")
    given = parser.parse_args()

    settings = LoraSettings(rank=given.rank, layers=None)
    model = loaded(given.model)
    batch = example(given.tokens, given.completion, len(model.tokenizer))
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    losses: dict[str, float] = {}
    with adapted(model, settings) as peft_model:
        for repeat in range(given.repeats + 1):
            for way, measured in seconds.items():
                cpu, losses[way] = run(way, peft_model, batch)
                if repeat:  # the first warms up
                    measured.append(cpu)
    spread = max(losses.values()) / min(losses.values()) - 1
    if spread > 1e-5:
        raise SystemExit(f"the ways disagree about the loss: {losses}")

    table = Table("way", "CPU s", "min", "max", "of full", "peak GB", "loss per token")
    base = statistics.median(seconds["full logits"])
    spawn = multiprocessing.get_context("spawn")
    for way, measured in seconds.items():
        with ProcessPoolExecutor(1, mp_context=spawn) as alone:
            gigabytes = alone.submit(peak, way, given.model, batch, settings).result()
        middle = statistics.median(measured)
        numbers = (middle, min(measured), max(measured), middle / base, gigabytes)
        table.add_row(
            way, *(f"{each:.2f}" for each in numbers), f"{losses[way] / given.completion:.6f}"
        )
    console = Console()
    console.print(
        f"{given.model.name}: {given.tokens} tokens, {given.completion} of them the answer's, "
        f"rank {given.rank}, n={given.repeats}, 1 thread ({platform.machine()}), torch "
        f"{torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}"
    )
    console.print(table)


if __name__ == "__main__":
    main()
