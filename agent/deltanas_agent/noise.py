"""The noise floor: by how much two measurements differ although nothing is better."""

import math
from collections.abc import Iterable, Sequence

DEVIATIONS = 2.0
"""Of the difference of two measurements; about 1 in 40 differences of mere luck is larger."""


def noise_floor(accuracies: Iterable[Sequence[float]]) -> float | None:
    """Return the gain from which a single measurement counts as better than another.

    ``accuracies`` holds, architecture by architecture, one accuracy for each seed. The variance
    over seeds is pooled over architectures (the sum of squared deviations by the sum of degrees of
    freedom); a difference of two measurements has twice that variance.

    Returns None where no architecture has two seeds.
    """
    squares, degrees = 0.0, 0
    for each in accuracies:
        if len(each) > 1:
            mean = math.fsum(each) / len(each)
            squares += math.fsum((accuracy - mean) ** 2 for accuracy in each)
            degrees += len(each) - 1
    if degrees == 0:
        return None
    return DEVIATIONS * math.sqrt(2.0 * squares / degrees)
