"""A residual network whose shortcuts carry the image through unchanged.

Source: He, Zhang, Ren and Sun, "Identity Mappings in Deep Residual Networks" (2016).
"""

import torch
from torch import nn


def supported_hyperparameters():
    """Name the hyper-parameters that this network reads."""
    return {"lr", "momentum"}


class ResidualBlock(nn.Module):
    """Normalise, activate, convolve, twice; then add the shortcut."""

    def __init__(self, in_channels: int, width: int, stride: int, kernel: int):
        super().__init__()
        padding = kernel // 2
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, width, kernel, stride, padding, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel, padding=padding, bias=False)
        self.activation = nn.ReLU()
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != width:
            self.shortcut = nn.Conv2d(in_channels, width, 1, stride, bias=False)

    def forward(self, x):
        y = self.conv1(self.activation(self.norm1(x)))
        y = self.conv2(self.activation(self.norm2(y)))
        return self.shortcut(x) + y


class Net(nn.Module):
    """A strided stem, then stages of residual blocks; all but the first halve the image."""

    def __init__(self, in_shape: tuple, out_shape: tuple, prm: dict, device: torch.device):
        super().__init__()
        self.device = device
        channels, num_classes = in_shape[1], out_shape[0]
        widths = (16, 32, 64)
        blocks_per_stage = 1
        kernel = 3

        self.stem = nn.Conv2d(channels, widths[0], kernel, 2, kernel // 2, bias=False)
        channels = widths[0]
        blocks = []
        for stage, width in enumerate(widths):
            for block in range(blocks_per_stage):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(ResidualBlock(channels, width, stride, kernel))
                channels = width
        self.blocks = nn.Sequential(*blocks, nn.BatchNorm2d(channels), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, x):
        x = self.blocks(self.stem(x))
        return self.head(self.pool(x).flatten(1))

    def train_setup(self, prm):
        self.to(self.device)
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(self.parameters(), lr=prm["lr"], momentum=prm["momentum"])

    def learn(self, train_data):
        self.train()
        for inputs, labels in train_data:
            inputs, labels = inputs.to(self.device), labels.to(self.device)
            self.optimizer.zero_grad()
            loss = self.criterion(self(inputs), labels)
            loss.backward()
            nn.utils.clip_grad_norm_(self.parameters(), 3)
            self.optimizer.step()
