"""A densely connected network: every layer sees the outputs of all before it.

Source: Huang, Liu, van der Maaten and Weinberger, "Densely Connected Convolutional Networks"
(2017).
"""

import torch
from torch import nn


def supported_hyperparameters():
    """Name the hyper-parameters that this network reads."""
    return {"lr", "momentum"}


class DenseLayer(nn.Module):
    """A bottlenecked convolution whose output is appended to its input."""

    def __init__(self, in_channels: int, growth: int, bottleneck: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.ReLU(),
            nn.Conv2d(in_channels, bottleneck * growth, 1, bias=False),
            nn.BatchNorm2d(bottleneck * growth),
            nn.ReLU(),
            nn.Conv2d(bottleneck * growth, growth, 3, padding=1, bias=False),
        )

    def forward(self, x):
        return torch.cat([x, self.layers(x)], dim=1)


class Transition(nn.Sequential):
    """Compress the channels and halve the image between two dense blocks."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(
            nn.BatchNorm2d(in_channels),
            nn.ReLU(),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.AvgPool2d(2),
        )


class Net(nn.Module):
    """A strided stem, then dense blocks with a compressing transition between them."""

    def __init__(self, in_shape: tuple, out_shape: tuple, prm: dict, device: torch.device):
        super().__init__()
        self.device = device
        in_channels, num_classes = in_shape[1], out_shape[0]
        growth = 12
        layers_per_block = (2, 3, 4)
        bottleneck = 2
        compression = 0.5

        channels = 2 * growth
        layers = [nn.Conv2d(in_channels, channels, 3, stride=2, padding=1, bias=False)]
        for block, num_layers in enumerate(layers_per_block):
            if block > 0:
                compressed = int(channels * compression)
                layers.append(Transition(channels, compressed))
                channels = compressed
            for _ in range(num_layers):
                layers.append(DenseLayer(channels, growth, bottleneck))
                channels += growth
        self.features = nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU())
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
