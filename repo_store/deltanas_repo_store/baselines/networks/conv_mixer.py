"""Patches at one resolution throughout: depthwise convolutions mix places, 1x1 mix channels.

Source: Trockman and Kolter, "Patches Are All You Need?" (2022).
"""

import torch
from torch import nn


def supported_hyperparameters():
    """Name the hyper-parameters that this network reads."""
    return {"lr", "momentum"}


class Residual(nn.Module):
    """Add the input of a layer to its output."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return x + self.layer(x)


class MixerBlock(nn.Sequential):
    """Mix places within each channel, residually, then mix the channels at each place."""

    def __init__(self, width: int, kernel: int):
        super().__init__(
            Residual(
                nn.Sequential(
                    nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width),
                    nn.GELU(),
                    nn.BatchNorm2d(width),
                )
            ),
            nn.Conv2d(width, width, 1),
            nn.GELU(),
            nn.BatchNorm2d(width),
        )


class Net(nn.Module):
    """Embed the patches, then apply equal blocks of one width."""

    def __init__(self, in_shape: tuple, out_shape: tuple, prm: dict, device: torch.device):
        super().__init__()
        self.device = device
        channels, num_classes = in_shape[1], out_shape[0]
        patch = 3
        width = 64
        depth = 4
        kernel = 5

        self.embed = nn.Sequential(
            nn.Conv2d(channels, width, patch, stride=patch),
            nn.GELU(),
            nn.BatchNorm2d(width),
        )
        self.blocks = nn.Sequential(*[MixerBlock(width, kernel) for _ in range(depth)])
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x):
        x = self.blocks(self.embed(x))
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
