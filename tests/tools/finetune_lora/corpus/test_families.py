"""Families are told by the prefix of the name."""

import pytest

from deltanas_tools.finetune_lora.corpus import family_of

HASH = "5612679a3a1b0a88cf443aaf5f9356a8"


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("AirNet-626c3eb9-5c0a-43be-bcba-745592729769", "AirNet"),
        ("DPN107", "DPN"),
        ("MobileNetV2", "MobileNet"),
        ("BayesianNet-3", "BayesianNet"),
        ("UNet2D", "UNet2D"),
        ("ga-12", "ga"),
        ("ga-mut-3", "ga-mut"),
        (f"alt-{HASH}", "alt"),
        (f"alt-1nn-{HASH}", "alt"),
        (f"alt-nn1-{HASH}", "alt-nn"),
        (f"ast-dimension-AlexNet-{HASH}", "ast"),
        (f"rl-init1-{HASH}", "rl-init"),
        (f"FractalNet-{HASH}", "FractalNet"),
        ("FractalNet", "FractalNet"),
        ("plain-cnn", "plain-cnn"),
        ("gallery", "gallery"),
        (HASH, HASH),
        ("42", "42"),
    ],
)
def test_the_family_of_a_name(name: str, family: str) -> None:
    assert family_of(name) == family
