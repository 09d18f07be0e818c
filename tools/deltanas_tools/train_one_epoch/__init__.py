"""train_one_epoch: train a network for an epoch in the sandbox, and score it outside.

The child gets training data and unlabelled images and hands back logits; the labels it is
scored on never leave the parent.
"""

from deltanas_tools.train_one_epoch.train import Trained, batch_size, train_one_epoch

__all__ = ["Trained", "batch_size", "train_one_epoch"]
