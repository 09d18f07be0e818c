import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BloomConfig, GptOssConfig, MambaConfig

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.language_models import LanguageModel, ModelSpec, Sampling
from deltanas_tools.language_models.loading import load_language_model
from tests.tools.language_models.small_models import CONFIGS, byte_tokenizer, small_model

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "Small_Model 1.5B"
    save(small_model(), folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy that a test can damage."""
    return Path(shutil.copytree(saved, tmp_path / "model"))


def save(model: LanguageModel, folder: Path) -> None:
    model.model.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)


def load(folder: Path | str, **options: object) -> LanguageModel:
    return load_language_model(
        ModelSpec.model_validate({"model": str(folder), "dtype": "float32", **options}),
        cache=Path("no cache is used"),
    )


def answer(model: LanguageModel) -> str:
    sampling = Sampling(temperature=0, max_new_tokens=12)
    return model.generate([5, 6, 7], seeds=[0], sampling=sampling)[0].text


@pytest.mark.parametrize("name", CONFIGS)
def test_a_model_of_a_folder_answers_as_it_did(name: str, tmp_path: Path) -> None:
    save(small_model(name), tmp_path)
    assert answer(load(tmp_path)) == answer(small_model(name))


def test_a_loaded_model_has_a_name_that_the_store_takes_and_its_own_context(saved: Path) -> None:
    model = load(saved)
    assert (model.name, model.context) == ("Small_Model-1.5B", 512)


def test_the_context_can_be_made_shorter(saved: Path) -> None:
    assert load(saved, context=100).context == 100


def test_weights_are_held_as_asked(saved: Path) -> None:
    assert load(saved, dtype="bfloat16").model.dtype == torch.bfloat16
    assert load(saved).model.dtype == torch.float32


def without_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def with_a_pickle_instead(folder: Path) -> None:
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


def with_a_weight_less(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    del weights["model.norm.weight"]
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


def with_half_the_file(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:5000])


def with_other_shapes(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_bytes())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_size": 48}))


def without_a_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()


def without_a_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def with_a_broken_configuration(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def of_an_unknown_kind(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "abacus"}')


def with_code_of_its_own(folder: Path) -> None:
    code = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    (folder / "config.json").write_text(json.dumps({"model_type": "own", "auto_map": code}))
    (folder / "own.py").write_text("raise SystemExit('this code was run')")


def nothing(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (nothing, "holds no language model: it has no config.json"),
        (without_weights, r"has no weights as \.safetensors"),
        (with_a_pickle_instead, r"has no weights as \.safetensors"),
        (with_a_weight_less, r"1 weights of .* are missing, such as model\.norm\.weight"),
        (with_half_the_file, "cannot be loaded: .*(incomplete|large|invalid|not fully)"),
        (with_other_shapes, "cannot be loaded"),
        (without_a_template, "has no chat template"),
        (without_a_tokenizer, "cannot be loaded"),
        (with_a_broken_configuration, "cannot be loaded: .*not a valid JSON"),
        (of_an_unknown_kind, "cannot be loaded: .*abacus"),
        (with_code_of_its_own, "cannot be loaded: .*contains custom code"),
    ],
)
def test_a_damaged_folder_is_refused_with_the_reason(
    folder: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(folder)
    with pytest.raises(ConfigError, match=message):
        load(folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context": 513}, "was made for 512 tokens of context, and 513 are asked for"),
        ({"revision": "v1"}, "is not on the Hugging Face hub and has no revision 'v1'"),
        ({"four_bit": True}, 'four_bit needs a GPU: set device = "cuda"'),
        ({"device": "cuda:99"}, r"there is no device cuda:99: PyTorch sees \d+ GPUs"),
    ],
)
def test_what_cannot_be_done_with_a_model_is_refused(
    saved: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load(saved, **options)


@pytest.mark.parametrize("name", ["no/such/folder", "missing.gguf", "a b", "../x", "", "gpt2"])
def test_a_name_that_can_be_no_model_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises((ConfigError, ValueError), match=r"no language model|at least 1 character"):
        load(name)


@pytest.mark.parametrize(
    "config",
    [
        BloomConfig(vocab_size=320, hidden_size=32, n_layer=1, n_head=2, seq_length=64),
        MambaConfig(vocab_size=320, hidden_size=32, num_hidden_layers=1),
        GptOssConfig(
            vocab_size=320,
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            num_local_experts=2,
            pad_token_id=None,
            eos_token_id=None,
        ),
    ],
    ids=["no attention that others can compute", "no attention", "attention with sinks"],
)
def test_a_model_that_cannot_be_decoded_here_is_sent_to_a_server(
    tmp_path: Path, config: Any
) -> None:
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    byte_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r'cannot be computed here.*proposer = "openai"'):
        load(tmp_path, context=64)


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's folder on this machine, without a hub."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "models--small--model"


def test_a_model_of_the_hub_that_is_here_needs_no_hub(saved: Path, hub_cache: Path) -> None:
    shutil.copytree(saved, hub_cache / "snapshots" / ("a" * 40))
    (hub_cache / "refs").mkdir()
    (hub_cache / "refs" / "main").write_text("a" * 40)
    assert load("small/model").name == "model"


def test_a_model_of_the_hub_that_is_half_here_is_not_taken_for_whole(
    saved: Path, hub_cache: Path
) -> None:
    snapshot = Path(shutil.copytree(saved, hub_cache / "snapshots" / ("a" * 40)))
    (snapshot / WEIGHTS).rename(snapshot / "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (snapshot / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(ConfigError, match="'small/model' lacks model-00002"):
        load("small/model", revision="a" * 40)


def test_a_model_that_the_hub_does_not_give_is_refused(hub_cache: Path) -> None:
    with pytest.raises(ConfigError, match="the Hugging Face hub does not give it"):
        load("no-such/model")
