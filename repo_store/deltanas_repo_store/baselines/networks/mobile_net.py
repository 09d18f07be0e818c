"""Inverted residuals: expand, convolve every channel on its own, project back.

Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (2018).
"""

import torch
from torch import nn


def supported_hyperparameters():
    """Name the hyper-parameters that this network reads."""
    return {"lr", "momentum"}


class InvertedResidual(nn.Module):
    """A depthwise convolution between an expansion and a linear projection."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int):
        super().__init__()
        hidden = in_channels * expansion
        self.is_residual = stride == 1 and in_channels == out_channels
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            nn.Conv2d(hidden, hidden, 3, stride, padding=1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, x):
        y = self.layers(x)
        return x + y if self.is_residual else y


class Net(nn.Module):
    """A strided stem, stages of inverted residuals, and a wide 1x1 convolution at the end."""

    def __init__(self, in_shape: tuple, out_shape: tuple, prm: dict, device: torch.device):
        super().__init__()
        self.device = device
        channels, num_classes = in_shape[1], out_shape[0]
        stem_width = 12
        widths = (12, 20, 32)
        blocks_per_stage = (1, 2, 2)
        strides = (1, 2, 2)
        expansion = 4
        last_width = 128

        self.stem = nn.Sequential(
            nn.Conv2d(channels, stem_width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(stem_width),
            nn.ReLU6(),
        )
        channels = stem_width
        blocks = []
        for width, num_blocks, stage_stride in zip(widths, blocks_per_stage, strides, strict=True):
            for block in range(num_blocks):
                stride = stage_stride if block == 0 else 1
                blocks.append(InvertedResidual(channels, width, stride, expansion))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Sequential(
            nn.Conv2d(channels, last_width, 1, bias=False),
            nn.BatchNorm2d(last_width),
            nn.ReLU6(),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(last_width, num_classes)

    def forward(self, x):
        x = self.last(self.blocks(self.stem(x)))
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
