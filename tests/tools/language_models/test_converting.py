from pathlib import Path

import pytest
import torch

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.language_models import ModelSpec
from deltanas_tools.language_models.converting import convert
from deltanas_tools.language_models.loading import load_language_model
from tests.tools.language_models.gguf_files import write_gguf
from tests.tools.language_models.small_models import TEMPLATE, small_model


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "small.gguf"
    write_gguf(small_model(), path)
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, file: Path) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    convert(file, cache=folder)
    return folder


def test_a_gguf_file_becomes_the_model_that_it_was_made_of(file: Path, cache: Path) -> None:
    loaded = load_language_model(ModelSpec(model=str(file), dtype="float32"), cache=cache)
    own = small_model()
    prompt = own.tokenizer.encode("x = ab\n ")
    with torch.no_grad():
        logits, expected = (each.model(torch.tensor([prompt])).logits for each in (loaded, own))
    torch.testing.assert_close(logits, expected)
    assert loaded.tokenizer.encode("abc") == own.tokenizer.encode("abc")
    assert loaded.tokenizer.chat_template == TEMPLATE
    assert (loaded.name, loaded.context) == ("small", 512)


def test_a_converted_model_can_be_trained_and_saved_again(
    file: Path, cache: Path, tmp_path: Path
) -> None:
    loaded = load_language_model(ModelSpec(model=str(file), dtype="float32"), cache=cache)
    loaded.model(torch.tensor([[1, 2, 3]])).logits.sum().backward()
    loaded.model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()


def test_a_file_is_converted_once_whatever_it_is_called(
    file: Path, cache: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "other.gguf"
    copy.write_bytes(file.read_bytes())
    said: list[str] = []
    folder = convert(copy, cache=cache, progress=lambda what, *_: said.append(what))
    assert said == ["check other.gguf"]
    assert [each.name for each in folder.parent.iterdir()] == [folder.name]


def test_a_file_that_cannot_be_read_leaves_nothing_behind(file: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(file.read_bytes()[:20_000])
    with pytest.raises(ConfigError, match=r"broken\.gguf cannot be converted"):
        convert(broken, cache=tmp_path / "cache")
    assert list((tmp_path / "cache" / "models").iterdir()) == []
