"""What goes wrong in a training, and what is said and done then."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM

from deltanas_repo_store.errors import ConfigError, ProposerError
from deltanas_tools.finetune_lora.example import Example
from deltanas_tools.finetune_lora.settings import LoraSettings
from deltanas_tools.finetune_lora.training import Tuned, train
from deltanas_tools.language_models.model import LanguageModel
from tests.tools.finetune_lora.tiny_models import (
    byte_tokenizer,
    examples,
    same_bits,
    tiny_model,
    weights,
)

SETTINGS = LoraSettings(rank=4, learning_rate=1e-2, micro_batch=4, accumulation=1, epochs=2)

CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
CPU = RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory")


class Crammed(LlamaForCausalLM):  # type: ignore[misc] # transformers is Any to mypy
    """A model on a device with too little memory."""

    holds = 1000
    """Examples that fit; with gradient checkpointing, twice as many."""
    fault: RuntimeError = CUDA

    def forward(self, input_ids: torch.Tensor, **kwargs: Any) -> Any:
        holds = self.holds * (2 if self.is_activation_checkpointing else 1)
        output = super().forward(input_ids, **kwargs)
        if len(input_ids) > holds:
            # In the middle of a step, when dropout has drawn its random numbers.
            raise self.fault
        return output


class Brittle(LlamaForCausalLM):  # type: ignore[misc]
    """A model that can be made to answer nonsense."""

    is_broken = False

    def forward(self, input_ids: torch.Tensor, **kwargs: Any) -> Any:
        output = super().forward(input_ids, **kwargs)
        if self.is_broken:
            output.logits = output.logits * float("nan")
        return output


def crammed(holds: float, fault: RuntimeError = CUDA) -> LanguageModel:
    model = tiny_model(kind=Crammed)
    model.model.holds, model.model.fault = holds, fault
    return model


@pytest.mark.parametrize(
    ("holds", "fault"),
    [pytest.param(1, CUDA, id="1 on a GPU"), pytest.param(3, CPU, id="3 on a CPU")],
)
def test_a_micro_batch_that_does_not_fit_is_halved_and_the_step_is_the_same(
    holds: int, fault: RuntimeError, tmp_path: Path
) -> None:
    fits = 1 if holds == 1 else 2
    result = train(crammed(holds, fault), examples(8), SETTINGS, folder=tmp_path / "crammed")
    assert isinstance(result, Tuned)
    assert (result.manifest.micro_batch, result.manifest.num_steps) == (fits, 4)
    assert not result.manifest.gradient_checkpointing
    # To the bit, dropout included: the step begins anew, not in the middle.
    small = SETTINGS.model_copy(update={"micro_batch": fits, "accumulation": 4 // fits})
    train(tiny_model(), examples(8), small, folder=tmp_path / "small")
    assert same_bits(tmp_path / "crammed", tmp_path / "small")


def test_gradient_checkpointing_is_switched_on_where_one_example_does_not_fit(
    tmp_path: Path,
) -> None:
    result = train(
        crammed(0.5), examples(8), SETTINGS, folder=tmp_path / "crammed", held_out=examples(2)
    )
    assert isinstance(result, Tuned)
    assert result.manifest.micro_batch == 1
    assert result.manifest.gradient_checkpointing
    small = SETTINGS.model_copy(update={"micro_batch": 1, "accumulation": 4})
    train(tiny_model(), examples(8), small, folder=tmp_path / "small")
    assert same_bits(tmp_path / "crammed", tmp_path / "small")


def test_what_memory_allows_is_remembered_by_the_checkpoint(tmp_path: Path) -> None:
    calls = iter([False, False, False, False, True])
    train(crammed(1), examples(8), SETTINGS, folder=tmp_path / "a", cancelled=lambda: next(calls))
    result = train(tiny_model(), examples(8), SETTINGS, folder=tmp_path / "a")
    assert isinstance(result, Tuned)
    assert result.manifest.micro_batch == 1


def test_memory_for_not_even_one_example_is_said_with_what_to_lower(tmp_path: Path) -> None:
    with pytest.raises(ProposerError, match=r"out of memory on cpu .* lower max_tokens or rank"):
        train(crammed(0.25), examples(8), SETTINGS, folder=tmp_path)


def test_an_error_that_is_not_of_memory_is_passed_on(tmp_path: Path) -> None:
    model = crammed(1, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        train(model, examples(8), SETTINGS, folder=tmp_path)
    assert not hasattr(model.model, "peft_config")


def test_a_loss_that_is_no_number_ends_it_before_the_weights_are_lost(tmp_path: Path) -> None:
    model = tiny_model(kind=Brittle)

    def break_it(made: object) -> None:
        model.model.is_broken = True

    with pytest.raises(ProposerError, match=r"loss of step 2 of 4 is nan.*lower learning rate"):
        train(model, examples(8), SETTINGS, folder=tmp_path / "a", progress=break_it)
    kept = weights(tmp_path / "a" / "checkpoints" / "step-000001")
    assert all(bool(each.isfinite().all()) for each in kept.values())
    # It was the model, not the learning rate: mended, it goes on.
    train(tiny_model(), examples(8), SETTINGS, folder=tmp_path / "a")
    train(tiny_model(), examples(8), SETTINGS, folder=tmp_path / "b")
    assert same_bits(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize(
    ("given", "max_tokens", "said"),
    [
        pytest.param([], 512, "at least 2 .*512 tokens.* found 0, and 0 longer", id="none"),
        pytest.param(examples(1), 512, "found 1, and 0 longer", id="one"),
        pytest.param(examples(5), 20, "of at most 20 tokens.* found 0, and 5 longer", id="long"),
    ],
)
def test_a_corpus_with_too_little_in_it_is_refused_with_its_numbers(
    given: Sequence[Example], max_tokens: int, said: str, tmp_path: Path
) -> None:
    settings = SETTINGS.model_copy(update={"max_tokens": max_tokens})
    with pytest.raises(ConfigError, match=said):
        train(tiny_model(), given, settings, folder=tmp_path)


def test_longer_examples_are_left_out_and_counted(tmp_path: Path) -> None:
    # The model's own context counts, where it is shorter than what was asked for.
    model = replace(tiny_model(), context=90)
    result = train(model, examples(8), SETTINGS, folder=tmp_path, held_out=examples(4))
    assert isinstance(result, Tuned)
    found = result.manifest
    assert found.num_examples + found.num_too_long == 8
    assert found.num_held_out + found.num_held_out_too_long == 4
    assert 0 < found.num_too_long < 7


def test_held_out_examples_that_are_all_too_long_are_refused(tmp_path: Path) -> None:
    long = Example(prompt=examples(1)[0].prompt, completion="+x\n" * 200)
    with pytest.raises(ConfigError, match="none of the 2 held-out examples has at most 512 tokens"):
        train(tiny_model(), examples(4), SETTINGS, folder=tmp_path, held_out=[long, long])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(
            {"targets": ("q_proj", "c_attn")},
            r"tiny has no layers c_attn to adapt; its linear layers are: down_proj, .*lm_head",
            id="layers that the model lacks",
        ),
        pytest.param({"four_bit": True}, "loaded without 4-bit weights", id="4 bits"),
    ],
)
def test_settings_that_do_not_fit_the_model_are_refused(
    change: dict[str, object], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=said):
        train(
            tiny_model(), examples(4), SETTINGS.model_copy(update=change), folder=tmp_path / "new"
        )
    assert not (tmp_path / "new").exists()


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")
def test_a_model_with_an_adapter_is_refused(tmp_path: Path) -> None:
    model = tiny_model()
    get_peft_model(model.model, LoraConfig(target_modules=["q_proj"]))
    with pytest.raises(ConfigError, match="carries an adapter already"):
        train(model, examples(4), SETTINGS, folder=tmp_path)


def test_a_tokenizer_without_an_end_is_refused(tmp_path: Path) -> None:
    model = replace(tiny_model(), tokenizer=byte_tokenizer())
    with pytest.raises(ConfigError, match="names no end-of-text token"):
        train(model, examples(4), SETTINGS, folder=tmp_path)


def test_a_manifest_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"origin": 3}')
    with pytest.raises(ConfigError, match="is not the manifest of an adapter"):
        train(tiny_model(), examples(4), SETTINGS, folder=tmp_path)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot be written in .*file"):
        train(tiny_model(), examples(4), SETTINGS, folder=tmp_path / "file" / "adapter")
