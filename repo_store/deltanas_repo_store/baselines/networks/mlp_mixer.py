"""Perceptrons only: one mixes the patches of the image, one mixes their features.

Source: Tolstikhin et al., "MLP-Mixer: An all-MLP Architecture for Vision" (2021).
"""

import torch
from torch import nn


def supported_hyperparameters():
    """Name the hyper-parameters that this network reads."""
    return {"lr", "momentum", "dropout"}


class Perceptron(nn.Sequential):
    """Two linear layers over the last dimension, with a hidden width between them."""

    def __init__(self, width: int, hidden: int, dropout: float):
        super().__init__(
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
        )


class MixerBlock(nn.Module):
    """Mix across patches, then across features; both are residual. Shape ``(B, P, W)``."""

    def __init__(self, num_patches: int, width: int, expansion: int, dropout: float):
        super().__init__()
        self.patch_norm = nn.LayerNorm(width)
        self.mix_patches = Perceptron(num_patches, num_patches, dropout)
        self.feature_norm = nn.LayerNorm(width)
        self.mix_features = Perceptron(width, expansion * width, dropout)

    def forward(self, x):
        y = self.patch_norm(x).transpose(1, 2)
        x = x + self.mix_patches(y).transpose(1, 2)
        return x + self.mix_features(self.feature_norm(x))


class Net(nn.Module):
    """Embed the patches, mix them, and classify their mean."""

    def __init__(self, in_shape: tuple, out_shape: tuple, prm: dict, device: torch.device):
        super().__init__()
        self.device = device
        _, channels, height, width = in_shape
        num_classes = out_shape[0]
        patch = 4
        features = 64
        depth = 4
        expansion = 2
        dropout = prm["dropout"]

        num_patches = (height // patch) * (width // patch)
        self.embed = nn.Conv2d(channels, features, patch, stride=patch)
        self.blocks = nn.Sequential(
            *[MixerBlock(num_patches, features, expansion, dropout) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(features)
        self.pool = nn.AdaptiveAvgPool1d(1)
        self.head = nn.Linear(features, num_classes)

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = self.norm(self.blocks(x)).transpose(1, 2)
        return self.head(self.pool(x).flatten(1))

    def train_setup(self, prm):
        self.to(self.device)
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.AdamW(
            self.parameters(), lr=prm["lr"], betas=(prm["momentum"], 0.999)
        )

    def learn(self, train_data):
        self.train()
        for inputs, labels in train_data:
            inputs, labels = inputs.to(self.device), labels.to(self.device)
            self.optimizer.zero_grad()
            loss = self.criterion(self(inputs), labels)
            loss.backward()
            nn.utils.clip_grad_norm_(self.parameters(), 3)
            self.optimizer.step()
