"""Accuracy and loss of logits, computed where the labels are."""

import numpy as np
from numpy.typing import NDArray


def score(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> tuple[float, float]:
    """Return accuracy (a fraction) and mean cross-entropy (in nats).

    ``logits`` has shape ``(samples, classes)`` and is finite; ``labels`` has shape ``(samples,)``.
    Of equal logits the first class wins.
    """
    wide = logits.astype(np.float64)
    shifted = wide - wide.max(axis=1, keepdims=True)  # exp of a logit may overflow, of these not
    log_normaliser = np.log(np.exp(shifted).sum(axis=1))
    of_label = shifted[np.arange(len(labels)), labels]
    accuracy = float(np.mean(logits.argmax(axis=1) == labels))
    return accuracy, float(np.mean(log_normaliser - of_label))
