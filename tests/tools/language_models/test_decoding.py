from typing import Any

import pytest
import torch

from deltanas_repo_store.errors import ProposerError
from deltanas_tools.language_models import LanguageModel, Sampling
from tests.tools.language_models.small_models import CONFIGS, small_model

PROMPT = "x = conv(x)\nx = pool(x)\nx = conv(x)\nx = "
HOT = Sampling(temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=80)
GREEDY = Sampling(temperature=0, max_new_tokens=60)


def encoded(model: LanguageModel, text: str = PROMPT) -> list[int]:
    return list(model.tokenizer.encode(text))


def texts(model: LanguageModel, seeds: list[int], sampling: Sampling, **options: Any) -> list[str]:
    answers = model.generate(encoded(model), seeds=seeds, sampling=sampling, **options)
    return [answer.text for answer in answers]


@pytest.mark.parametrize("name", CONFIGS)
def test_the_likeliest_tokens_are_those_of_transformers(name: str) -> None:
    model = small_model(name)
    prompt = torch.tensor([encoded(model)])
    theirs = model.model.generate(prompt, max_new_tokens=60, do_sample=False)
    expected = model.tokenizer.decode(theirs[0, prompt.shape[1] :], skip_special_tokens=True)
    assert texts(model, [1, 2], GREEDY) == [expected, expected]


@pytest.mark.parametrize("name", CONFIGS)
def test_a_seed_gives_the_same_answer_alone_and_among_others(name: str) -> None:
    model = small_model(name)
    together = texts(model, [3, 4, 5, 6, 7], HOT)
    assert together == [texts(model, [seed], HOT)[0] for seed in [3, 4, 5, 6, 7]]
    assert len(set(together)) == 5


def test_answers_end_where_the_model_ends_them_while_others_go_on() -> None:
    model = small_model()
    answers = model.generate(encoded(model), seeds=range(12), sampling=HOT)
    finished = [answer for answer in answers if answer.finished]
    assert 0 < len(finished) < len(answers)
    assert all(answer.num_tokens < 80 for answer in finished)
    assert all(answer.num_tokens == 80 for answer in answers if not answer.finished)


def test_the_prompt_is_read_once_for_all_answers() -> None:
    model = small_model()
    read: list[int] = []
    model.model.register_forward_pre_hook(
        lambda _, __, kwargs: read.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    answers = model.generate(encoded(model), seeds=[1, 2, 3, 4], sampling=HOT)
    num_prompt = len(encoded(model))
    assert read[0] == num_prompt
    # What was drafted in vain is read as well, but no answer reads the prompt again.
    assert all(num < num_prompt for num in read[1:])
    assert len(answers) == 4


def test_a_text_that_repeats_itself_takes_far_fewer_passes_than_tokens() -> None:
    model = small_model("Qwen2.5-Coder")
    for layer in model.model.model.layers:
        # Nothing but the last token reaches the head, whose weights are the embedding's.
        torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
        torch.nn.init.zeros_(layer.mlp.down_proj.weight)
    passes: list[int] = []
    model.model.register_forward_hook(lambda *_: passes.append(1))
    (answer,) = model.generate(encoded(model, "abxx"), seeds=[0], sampling=GREEDY)
    assert answer.text == "x" * 60
    assert len(passes) < 12


def test_an_answer_has_at_most_the_tokens_that_are_asked_for() -> None:
    model = small_model()
    (answer,) = model.generate(
        encoded(model), seeds=[0], sampling=Sampling(temperature=0, max_new_tokens=7)
    )
    assert (answer.num_tokens, answer.finished) == (7, False)


def test_prompt_and_answer_together_fit_in_the_context() -> None:
    model = small_model()
    (answer,) = model.generate([5] * 505, seeds=[0], sampling=GREEDY)
    assert answer.num_tokens == 7


def test_a_prompt_longer_than_the_context_is_refused_with_both_lengths() -> None:
    with pytest.raises(ProposerError, match=r"512 tokens, and small can take 1 to 511 of its 512"):
        small_model().generate([5] * 512, seeds=[0], sampling=GREEDY)


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(ProposerError, match="the prompt has 0 tokens"):
        small_model().generate([], seeds=[0], sampling=GREEDY)


def test_no_seeds_are_no_answers() -> None:
    assert small_model().generate([5], seeds=[], sampling=GREEDY) == []


def test_an_answer_can_be_stopped_at_the_end_of_a_line() -> None:
    model = small_model()
    whole = texts(model, [4], HOT)[0]
    seen: list[str] = []

    def stop(text: str) -> bool:
        seen.append(text)
        return True

    (answer,) = model.generate(encoded(model), seeds=[4], sampling=HOT, stop=stop)
    assert answer.finished
    assert [answer.text] == seen
    assert whole.startswith(answer.text)
    assert answer.text.count("\n") == 1


def test_where_memory_does_not_suffice_fewer_answers_are_written_at_once() -> None:
    model = small_model()
    expected = texts(model, [1, 2, 3, 4, 5], HOT)
    model.model.register_forward_pre_hook(room_for(2), with_kwargs=True)
    assert texts(model, [1, 2, 3, 4, 5], HOT) == expected


def test_where_one_answer_does_not_fit_the_error_says_what_to_do() -> None:
    model = small_model()
    model.model.register_forward_pre_hook(room_for(0), with_kwargs=True)
    with pytest.raises(ProposerError, match="does not suffice for one answer of 80 tokens"):
        texts(model, [1, 2, 3], HOT)


def room_for(num: int) -> Any:
    """Return a hook that runs out of memory where more answers are advanced at once."""

    def hook(module: Any, args: Any, kwargs: Any) -> None:
        if "step" in kwargs and kwargs["step"].shape[0] > num:
            raise torch.OutOfMemoryError

    return hook


def test_a_model_that_computes_nan_is_an_error_and_no_answer() -> None:
    model = small_model()
    torch.nn.init.constant_(model.model.lm_head.weight, torch.nan)
    with pytest.raises(ProposerError, match="NaN"):
        texts(model, [1], HOT)


def test_the_model_attends_as_before_after_an_answer() -> None:
    model = small_model()
    before = model.model.config._attn_implementation
    texts(model, [1], HOT)
    assert model.model.config._attn_implementation == before
