import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.language_models import LanguageModel, ModelSpec, Sampling
from deltanas_tools.language_models.adapters import attach_adapter
from deltanas_tools.language_models.fingerprint import fingerprint
from deltanas_tools.language_models.loading import load_language_model
from tests.tools.language_models.small_models import small_model

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "small"
    model = small_model()
    model.model.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    return folder


def adapter(folder: Path, model: str = "DeepSeek-Coder", **settings: Any) -> Path:
    """Save an adapter that changes what the model says."""
    settings = {"r": 4, "target_modules": ["q_proj", "down_proj", "lm_head"], **settings}
    config = LoraConfig(task_type="CAUSAL_LM", init_lora_weights=False, **settings)
    base = small_model(model).model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        get_peft_model(base, config).save_pretrained(folder, save_embedding_layers=False)
    return folder


def load(saved: Path, folder: Path | None) -> LanguageModel:
    spec = ModelSpec(model=str(saved), adapter=folder, dtype="float32")
    return load_language_model(spec, cache=Path("no cache is used"))


def answers(model: LanguageModel) -> list[str]:
    sampling = Sampling(max_new_tokens=12)
    return [each.text for each in model.generate([5, 6], seeds=[0, 1], sampling=sampling)]


def test_an_adapter_changes_what_the_model_answers_and_its_name(
    saved: Path, tmp_path: Path
) -> None:
    adapted, plain = load(saved, adapter(tmp_path)), load(saved, None)
    assert answers(adapted) != answers(plain)
    assert plain.name == "small"
    assert adapted.name.startswith("small-lora-")


def test_an_adapter_without_effect_changes_nothing(saved: Path, tmp_path: Path) -> None:
    adapted = load(saved, adapter(tmp_path, lora_alpha=0))
    assert answers(adapted) == answers(load(saved, None))


def test_an_adapter_that_says_which_weights_it_was_trained_on_goes_with_them(
    saved: Path, tmp_path: Path
) -> None:
    manifest(adapter(tmp_path), fingerprint(small_model().model))
    assert load(saved, tmp_path).name.startswith("small-lora-")


def test_an_adapter_of_other_weights_is_refused(saved: Path, tmp_path: Path) -> None:
    manifest(adapter(tmp_path), "another")
    with pytest.raises(ConfigError, match="was trained on 'the-base', which has other weights"):
        load(saved, tmp_path)


def manifest(folder: Path, base: str) -> None:
    origin = {
        "base": {"name": "the-base", "fingerprint": base},
        "settings": {"four_bit": False},
    }
    (folder / "manifest.json").write_text(json.dumps({"origin": origin}))


@pytest.mark.parametrize(
    ("base", "name", "fits"),
    [
        ("Qwen/Qwen2.5-7B", "Qwen/Qwen2.5-Coder-7B", False),
        ("copies/Qwen2.5-7B", "Qwen/Qwen2.5-7B", True),
        ("Qwen/Qwen2.5-7B", "/models/qwen", True),
        ("/models/qwen", "Qwen/Qwen2.5-7B", True),
        (None, "Qwen/Qwen2.5-7B", True),
    ],
)
def test_an_adapter_from_elsewhere_goes_by_the_name_of_its_base(
    tmp_path: Path, base: str | None, name: str, fits: bool
) -> None:
    edit(adapter(tmp_path) / "adapter_config.json", base_model_name_or_path=base)
    with nullcontext() if fits else pytest.raises(ConfigError, match="was trained on 'Qwen"):
        attach_adapter(small_model().model, tmp_path, name=name, four_bit=False)


@pytest.mark.parametrize("other", ["wider", "shallower", "deeper"])
def test_an_adapter_of_a_model_with_other_layers_is_refused(
    saved: Path, tmp_path: Path, other: str
) -> None:
    if other == "wider":
        adapter(tmp_path, r=8)
        edit(tmp_path / "adapter_config.json", r=4)
    if other == "shallower":
        adapter(tmp_path, layers_to_transform=[0])
        edit(tmp_path / "adapter_config.json", layers_to_transform=None)
    if other == "deeper":
        adapter(tmp_path)
        edit(tmp_path / "adapter_config.json", layers_to_transform=[0])
    with pytest.raises(ConfigError, match=r"(does not fit|is not one for) th(e|is) language model"):
        load(saved, tmp_path)


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **changes}))


def test_an_adapter_for_layers_that_the_model_has_not_is_refused(
    saved: Path, tmp_path: Path
) -> None:
    edit(adapter(tmp_path) / "adapter_config.json", target_modules=["fc1"])
    with pytest.raises(ConfigError, match=r"does not fit the language model: .*fc1"):
        load(saved, tmp_path)


def test_an_adapter_as_a_pickle_is_not_read(saved: Path, tmp_path: Path) -> None:
    adapter(tmp_path)
    torch.save(load_file(tmp_path / WEIGHTS), tmp_path / "adapter_model.bin")
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(ConfigError, match=r"has no adapter_model\.safetensors"):
        load(saved, tmp_path)


def test_another_kind_of_adapter_is_refused(saved: Path, tmp_path: Path) -> None:
    edit(adapter(tmp_path) / "adapter_config.json", peft_type="PROMPT_TUNING")
    with pytest.raises(ConfigError, match="of the kind 'PROMPT_TUNING'; only LORA"):
        load(saved, tmp_path)


def test_an_empty_folder_is_no_adapter(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"does not fit .*adapter_config\.json"):
        load(saved, tmp_path)
