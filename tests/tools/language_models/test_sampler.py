import pytest
import torch
from transformers.generation.logits_process import (
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from deltanas_repo_store.errors import ProposerError
from deltanas_tools.language_models import Sampling
from deltanas_tools.language_models.sampler import draw

NUM_DRAWS = 2000


def theirs(logits: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """Return the probabilities that transformers would draw from."""
    warpers = [TemperatureLogitsWarper(sampling.temperature)]
    if sampling.top_k:
        warpers.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        warpers.append(TopPLogitsWarper(sampling.top_p))
    for warper in warpers:
        logits = warper(None, logits)
    return logits.softmax(dim=-1)[0]


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(temperature=1.5, top_k=0, top_p=1.0),
        Sampling(temperature=1.0, top_k=5, top_p=1.0),
        Sampling(temperature=2.0, top_k=0, top_p=0.6),
        Sampling(temperature=1.0, top_k=500, top_p=0.95),
    ],
    ids=["the paper's", "hot", "top-k", "top-p", "more than there are"],
)
def test_tokens_are_as_likely_as_with_transformers(sampling: Sampling) -> None:
    logits = 3 * torch.randn(1, 40, generator=torch.Generator().manual_seed(1))
    places = [(each + 0.5) / NUM_DRAWS for each in range(NUM_DRAWS)]
    drawn = torch.tensor(draw(logits.expand(NUM_DRAWS, -1), sampling, places))
    shares = torch.bincount(drawn, minlength=40) / NUM_DRAWS
    # Evenly spaced places count each token's probability to within one of them.
    assert (shares - theirs(logits, sampling)).abs().max() <= 1.001 / NUM_DRAWS


def test_temperature_0_takes_the_likeliest_token() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0], [5.0, 2.0, 1.0]])
    assert draw(logits, Sampling(temperature=0), [0.999, 0.999]) == [1, 0]


@pytest.mark.parametrize("place", [0.0, 0.5, 1 - 2**-53])
def test_a_forbidden_token_is_never_drawn(place: float) -> None:
    logits = torch.full((1, 100), -torch.inf)
    logits[0, [7, 8]] = torch.tensor([0.0, -30.0])
    assert draw(logits, Sampling(temperature=1.0, top_p=1.0), [place])[0] in (7, 8)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_logits_that_leave_nothing_to_draw_are_an_error(value: float) -> None:
    with pytest.raises(ProposerError, match="NaN or infinite"):
        draw(torch.full((1, 4), value), Sampling(), [0.5])
