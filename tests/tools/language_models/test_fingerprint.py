import torch

from deltanas_tools.language_models.fingerprint import fingerprint
from tests.tools.language_models.small_models import small_model


def test_a_model_has_one_fingerprint_in_every_type_that_it_is_held_in() -> None:
    expected = fingerprint(small_model().model)
    assert fingerprint(small_model().model.to(torch.bfloat16)) == expected


def test_models_of_one_shape_with_other_weights_have_other_fingerprints() -> None:
    changed = small_model().model
    with torch.no_grad():
        changed.lm_head.weight.mul_(1.01)
    assert fingerprint(changed) != fingerprint(small_model().model)
