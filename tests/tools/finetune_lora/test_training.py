"""What is trained, on what loss, and what comes out."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel

from deltanas_tools.finetune_lora.batches import Batch, encode, micro_batches, order
from deltanas_tools.finetune_lora.loss import completion_loss
from deltanas_tools.finetune_lora.manifest import read_manifest
from deltanas_tools.finetune_lora.run import Progress, learning_rate
from deltanas_tools.finetune_lora.settings import LoraSettings
from deltanas_tools.finetune_lora.training import Tuned, train
from deltanas_tools.language_models.fingerprint import fingerprint
from deltanas_tools.language_models.model import LanguageModel
from tests.tools.finetune_lora.tiny_models import (
    examples,
    llama_config,
    qwen_config,
    same_bits,
    tiny_model,
    weights,
)

FAST = LoraSettings(rank=4, learning_rate=1e-2, accumulation=2, epochs=2)

ARCHITECTURES = pytest.mark.parametrize(
    "config",
    [
        pytest.param(llama_config(tied=True), id="Llama with a tied head"),
        pytest.param(llama_config(tied=False), id="Llama"),
        pytest.param(qwen_config(tied=True), id="Qwen2 with a tied head"),
        pytest.param(qwen_config(tied=False), id="Qwen2"),
    ],
)


def batches(model: LanguageModel, size: int) -> list[Batch]:
    return list(micro_batches(encode(model, examples(), max_tokens=512).sequences, size))


def test_the_defaults_are_the_papers() -> None:
    settings = LoraSettings()
    assert (settings.rank, settings.alpha, settings.dropout) == (32, 32, 0.05)
    assert (settings.learning_rate, settings.epochs, settings.batch) == (1e-5, 3, 8)
    assert settings.layers == 24
    assert settings.targets[-1] == "lm_head"


@ARCHITECTURES
@pytest.mark.parametrize("size", [1, 4])
def test_the_loss_is_that_of_all_logits_with_the_prompt_masked(config: Any, size: int) -> None:
    model = tiny_model(config)
    for batch in batches(model, size):
        labels = batch.tokens.clone()
        is_target = torch.zeros_like(batch.predicting)
        is_target[:, 1:] = batch.predicting[:, :-1]
        labels[~is_target] = -100
        with torch.no_grad():
            full = model.model(batch.tokens, attention_mask=batch.attention, labels=labels).loss
            ours = completion_loss(model.model, batch) / int(is_target.sum())
        assert ours.item() == pytest.approx(full.item(), rel=1e-6)


@pytest.mark.parametrize("size", [1, 3, 6])
def test_the_targets_are_the_answers_and_the_ends_of_their_turns(size: int) -> None:
    model = tiny_model()
    found = [
        model.tokenizer.decode(batch.tokens[row, 1:][batch.predicting[row, :-1]])
        for batch in batches(model, size)
        for row in range(len(batch.tokens))
    ]
    assert sorted(found) == sorted(f"{each.completion}<|im_end|>" for each in examples())


def test_padding_changes_no_loss() -> None:
    model = tiny_model()
    with torch.no_grad():
        alone = sum(completion_loss(model.model, each).item() for each in batches(model, 1))
        beside = sum(completion_loss(model.model, each).item() for each in batches(model, 6))
    assert beside == pytest.approx(alone, rel=1e-6)


def test_every_epoch_has_every_example_once_in_an_order_of_its_own() -> None:
    orders = [order(50, seed=7, epoch=epoch) for epoch in range(3)]
    assert all(sorted(each) == list(range(50)) for each in orders)
    assert len({tuple(each) for each in orders}) == 3


def test_micro_batches_add_up_to_the_same_step(tmp_path: Path) -> None:
    # Answers of 24 to 57 tokens: means of means would differ by far more than rounding.
    plain = FAST.model_copy(update={"dropout": 0.0, "learning_rate": 1e-3})
    ways = {"at once": (4, 1), "in pairs": (2, 2), "one by one": (1, 4)}
    for name, (size, accumulation) in ways.items():
        settings = plain.model_copy(update={"micro_batch": size, "accumulation": accumulation})
        train(tiny_model(), examples(8), settings, folder=tmp_path / name)
    due = weights(tmp_path / "at once")
    for name in ("in pairs", "one by one"):
        for key, found in weights(tmp_path / name).items():
            torch.testing.assert_close(found, due[key], rtol=1e-3, atol=1e-5)


def test_the_learning_rate_rises_in_a_line_and_falls_with_the_cosine() -> None:
    settings = LoraSettings(learning_rate=1.0, warmup=0.1)
    rates = [learning_rate(step, 100, settings) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * at for at in range(1, 11)])
    assert rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.001


def test_the_loss_falls_and_the_manifest_says_so(tmp_path: Path) -> None:
    told: list[Progress] = []
    result = train(
        tiny_model(),
        examples(),
        FAST,
        folder=tmp_path,
        held_out=examples(2),
        progress=told.append,
    )
    assert isinstance(result, Tuned)
    manifest = result.manifest
    assert manifest == read_manifest(tmp_path)
    assert manifest.losses[0] > manifest.losses[1] > 0
    before, *after = manifest.held_out_losses
    assert before > after[0] > after[1]
    assert [each.step for each in told] == list(range(1, manifest.num_steps + 1))
    assert [each.epoch for each in told] == [1, 1, 1, 2, 2, 2]
    assert manifest.num_trainable == sum(each.numel() for each in weights(tmp_path).values())
    assert {"torch", "transformers", "peft"} <= manifest.versions.keys()


@ARCHITECTURES
@pytest.mark.filterwarnings("ignore:Model has .tie_word_embeddings=True")
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")
def test_peft_loads_the_adapter_onto_the_base_model(config: Any, tmp_path: Path) -> None:
    held_out = examples(2)
    result = train(tiny_model(config), examples(), FAST, folder=tmp_path, held_out=held_out)
    assert isinstance(result, Tuned)
    fresh = tiny_model(config)
    loaded = PeftModel.from_pretrained(fresh.model, tmp_path)
    sequences = encode(fresh, held_out, max_tokens=512).sequences
    with torch.no_grad():
        loss = sum(completion_loss(loaded, each).item() for each in micro_batches(sequences, 1))
    found = loss / sum(each.num_targets for each in sequences)
    assert found == pytest.approx(result.manifest.held_out_losses[-1], rel=1e-6)


@ARCHITECTURES
def test_the_record_lists_the_layers_that_really_have_an_adapter(
    config: Any, tmp_path: Path
) -> None:
    # PEFT versions differ in whether `layers_to_transform` silently leaves the head out.
    settings = FAST.model_copy(update={"layers": 1, "epochs": 1})
    result = train(tiny_model(config), examples(), settings, folder=tmp_path)
    assert isinstance(result, Tuned)
    attention = [f"model.layers.0.self_attn.{each}_proj" for each in "qkvo"]
    mlp = [f"model.layers.0.mlp.{each}_proj" for each in ("gate", "up", "down")]
    assert result.manifest.adapted_modules == (*attention, *mlp, "lm_head")
    names = {key.removeprefix("base_model.model.").split(".lora_")[0] for key in weights(tmp_path)}
    assert names == set(result.manifest.adapted_modules)
    assert all(float(each.abs().sum()) > 0 for each in weights(tmp_path).values())


def test_the_model_is_left_as_it_was(tmp_path: Path) -> None:
    model = tiny_model()
    before, tokens = fingerprint(model.model), torch.arange(20)[None]
    due = model.model(tokens).logits
    settings = FAST.model_copy(update={"gradient_checkpointing": True})
    train(model, examples(), settings, folder=tmp_path)
    assert torch.equal(model.model(tokens).logits, due)
    assert fingerprint(model.model) == before
    assert not model.model.training
    assert not model.model.is_activation_checkpointing


def test_the_callers_random_numbers_go_on_as_if_nothing_had_been_trained(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    train(tiny_model(), examples(2), FAST, folder=tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    train(tiny_model(), examples(), FAST, folder=folder)
    return folder


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        pytest.param({}, True, id="the same seed"),
        pytest.param({"gradient_checkpointing": True}, True, id="with gradient checkpointing"),
        pytest.param({"seed": 1}, False, id="another seed"),
    ],
)
def test_the_seed_decides(
    change: dict[str, object], is_same: bool, plain: Path, tmp_path: Path
) -> None:
    train(tiny_model(), examples(), FAST.model_copy(update=change), folder=tmp_path)
    assert same_bits(plain, tmp_path) is is_same


def test_the_adapters_configuration_is_the_same_text_every_time(plain: Path) -> None:
    config = json.loads((plain / "adapter_config.json").read_text())
    assert config["target_modules"] == sorted(FAST.targets)
    assert (config["r"], config["lora_alpha"], config["inference_mode"]) == (4, 32, True)


def test_the_file_of_an_adapted_tied_head_holds_none_of_the_embedding(plain: Path) -> None:
    manifest = read_manifest(plain)
    assert manifest is not None
    assert manifest.origin.base.tied_head
    assert all(".lora_" in name for name in weights(plain))
