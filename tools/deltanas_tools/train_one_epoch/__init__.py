"""train_one_epoch: train a network for an epoch in the sandbox, and score it outside.

One child gets training data and leaves weights; a second gets those and unlabelled images and
leaves logits. The labels they are scored on never leave the parent.
"""

from deltanas_tools.train_one_epoch.children import OnEpoch
from deltanas_tools.train_one_epoch.train import (
    Numerics,
    Trained,
    batch_size,
    in_shape,
    train_one_epoch,
)

__all__ = ["Numerics", "OnEpoch", "Trained", "batch_size", "in_shape", "train_one_epoch"]
