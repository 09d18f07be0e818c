"""A self-similar network: paths of many depths side by side, averaged, without shortcuts.

Source: Larsson, Maire and Shakhnarovich, "FractalNet: Ultra-Deep Neural Networks without
Residuals" (2017).
"""

import torch
from torch import nn


def supported_hyperparameters():
    """Name the hyper-parameters that this network reads."""
    return {"lr", "momentum", "dropout"}


class ConvUnit(nn.Sequential):
    """A convolution with normalisation and activation."""

    def __init__(self, in_channels: int, width: int, kernel: int):
        super().__init__(
            nn.Conv2d(in_channels, width, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )


class Fractal(nn.Module):
    """One convolution beside two smaller fractals in a row; training drops a side at random."""

    def __init__(self, in_channels: int, width: int, columns: int, kernel: int, drop_path: float):
        super().__init__()
        self.drop_path = drop_path
        self.shallow = ConvUnit(in_channels, width, kernel)
        self.deep = None
        if columns > 1:
            self.deep = nn.Sequential(
                Fractal(in_channels, width, columns - 1, kernel, drop_path),
                Fractal(width, width, columns - 1, kernel, drop_path),
            )

    def forward(self, x):
        if self.deep is None:
            return self.shallow(x)
        if self.training and torch.rand(()) < self.drop_path:
            return self.shallow(x) if torch.rand(()) < 0.5 else self.deep(x)
        return (self.shallow(x) + self.deep(x)) / 2


class Net(nn.Module):
    """Fractals of growing width, each followed by a pooling that halves the image."""

    def __init__(self, in_shape: tuple, out_shape: tuple, prm: dict, device: torch.device):
        super().__init__()
        self.device = device
        channels, num_classes = in_shape[1], out_shape[0]
        stem_width = 16
        widths = (16, 32, 48)
        columns = 3
        kernel = 3

        layers = [ConvUnit(channels, stem_width, kernel), nn.MaxPool2d(2)]
        channels = stem_width
        for width in widths:
            layers.append(Fractal(channels, width, columns, kernel, prm["dropout"]))
            layers.append(nn.MaxPool2d(2))
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
