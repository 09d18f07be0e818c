"""Fire modules without normalisation: squeeze the channels, then expand them two ways.

Source: Iandola et al., "SqueezeNet: AlexNet-Level Accuracy with 50x Fewer Parameters and <0.5MB
Model Size" (2016).
"""

import torch
from torch import nn


def supported_hyperparameters():
    """Name the hyper-parameters that this network reads."""
    return {"lr", "momentum", "dropout"}


class Fire(nn.Module):
    """A narrow 1x1 layer that feeds a 1x1 and a 3x3 layer of equal width."""

    def __init__(self, in_channels: int, squeeze: int, expand: int):
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)
        self.activation = nn.ReLU()

    def forward(self, x):
        x = self.activation(self.squeeze(x))
        x = torch.cat([self.expand1x1(x), self.expand3x3(x)], dim=1)
        return self.activation(x)


class Net(nn.Module):
    """A strided stem, then stages of fire modules with max pooling between them."""

    def __init__(self, in_shape: tuple, out_shape: tuple, prm: dict, device: torch.device):
        super().__init__()
        self.device = device
        channels, num_classes = in_shape[1], out_shape[0]
        stem_width = 32
        stem_kernel = 5
        expands = (32, 64)
        fires_per_stage = 2
        squeeze_ratio = 0.25
        grid = 2

        layers = [
            nn.Conv2d(channels, stem_width, stem_kernel, stride=2, padding=stem_kernel // 2),
            nn.ReLU(),
        ]
        channels = stem_width
        for expand in expands:
            for _ in range(fires_per_stage):
                squeeze = int(2 * expand * squeeze_ratio)
                layers.append(Fire(channels, squeeze, expand))
                channels = 2 * expand
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        for module in self.features.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.dropout = nn.Dropout(prm["dropout"])
        self.head = nn.Linear(channels * grid * grid, num_classes)

    def forward(self, x):
        x = self.features(x)
        x = self.pool(x).flatten(1)
        return self.head(self.dropout(x))

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
