"""Fields of networks whose long accuracy is known to follow, or not, from how they begin."""

import numpy as np

from deltanas_agent.studies.trainings import Field, Network, Training


def field_of(
    name: str,
    accuracies: dict[str, dict[int, float]],
    *,
    families: int = 1000,
    num_params: int | None = None,
) -> Field:
    """Networks with one training each, spread over so many families."""
    networks = [
        Network(each, f"family{number % families}", (Training(curve),), num_params)
        for number, (each, curve) in enumerate(accuracies.items())
    ]
    return Field(name, tuple(networks))


def noisy_field(name: str = "cifar-10", *, seed: int = 0, num_networks: int = 40) -> Field:
    """Networks whose accuracies come nearer to the long one from epoch to epoch."""
    rng = np.random.default_rng(seed)
    long = rng.uniform(0.4, 0.9, num_networks)
    curves = {
        f"net{number:02d}": {
            **{epoch: accuracy - 0.2 + rng.normal(0, 0.3 / epoch**2) for epoch in (1, 2, 3)},
            50: float(accuracy),
        }
        for number, accuracy in enumerate(long)
    }
    return field_of(name, curves)
