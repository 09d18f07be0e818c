"""Grouped 1x1 convolutions, with a shuffle that mixes the channels of the groups.

Source: Zhang, Zhou, Lin and Sun, "ShuffleNet: An Extremely Efficient Convolutional Neural Network
for Mobile Devices" (2018).
"""

import torch
from torch import nn


def supported_hyperparameters():
    """Name the hyper-parameters that this network reads."""
    return {"lr", "momentum"}


class ChannelShuffle(nn.Module):
    """Interleave the channels of the groups, so that the next grouped layer sees all groups."""

    def __init__(self, groups: int):
        super().__init__()
        self.groups = groups

    def forward(self, x):
        batch, channels, height, width = x.shape
        x = x.view(batch, self.groups, channels // self.groups, height, width)
        return x.transpose(1, 2).reshape(batch, channels, height, width)


class ShuffleUnit(nn.Module):
    """A grouped bottleneck; with stride 2 its output is appended to the pooled input."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, groups: int):
        super().__init__()
        self.is_strided = stride > 1
        hidden = out_channels // 2
        added = out_channels - in_channels if self.is_strided else out_channels
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, hidden, 1, groups=groups, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            ChannelShuffle(groups),
            nn.Conv2d(hidden, hidden, 3, stride, padding=1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.Conv2d(hidden, added, 1, groups=groups, bias=False),
            nn.BatchNorm2d(added),
        )
        self.shortcut = nn.AvgPool2d(3, stride, padding=1) if self.is_strided else nn.Identity()
        self.activation = nn.ReLU()

    def forward(self, x):
        y, shortcut = self.layers(x), self.shortcut(x)
        y = torch.cat([shortcut, y], dim=1) if self.is_strided else shortcut + y
        return self.activation(y)


class Net(nn.Module):
    """A strided stem, then stages that start with a strided shuffle unit."""

    def __init__(self, in_shape: tuple, out_shape: tuple, prm: dict, device: torch.device):
        super().__init__()
        self.device = device
        channels, num_classes = in_shape[1], out_shape[0]
        groups = 4
        stem_width = 24
        widths = (64, 128)  # growing, and twice a multiple of groups
        units_per_stage = 3

        layers = [
            nn.Conv2d(channels, stem_width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(stem_width),
            nn.ReLU(),
        ]
        channels = stem_width
        for width in widths:
            for unit in range(units_per_stage):
                stride = 2 if unit == 0 else 1
                layers.append(ShuffleUnit(channels, width, stride, groups))
                channels = width
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, x):
        x = self.features(x)
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
