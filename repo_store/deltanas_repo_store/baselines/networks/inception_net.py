"""An inception network: branches of several kernel sizes side by side, joined by channel.

Source: Szegedy et al., "Going Deeper with Convolutions" (2015).
"""

import torch
from torch import nn


def supported_hyperparameters():
    """Name the hyper-parameters that this network reads."""
    return {"lr", "momentum", "dropout"}


def conv_unit(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Build a convolution with normalisation and activation."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class Inception(nn.Module):
    """A 1x1 branch, one branch for every kernel behind a 1x1 reduction, and a pooled branch."""

    def __init__(self, in_channels: int, branch_width: int, reduction: int, kernels: tuple):
        super().__init__()
        branches = [conv_unit(in_channels, branch_width, 1)]
        for kernel in kernels:
            branches.append(
                nn.Sequential(
                    conv_unit(in_channels, reduction, 1),
                    conv_unit(reduction, branch_width, kernel),
                )
            )
        branches.append(
            nn.Sequential(
                nn.MaxPool2d(3, stride=1, padding=1),
                conv_unit(in_channels, branch_width, 1),
            )
        )
        self.branches = nn.ModuleList(branches)
        self.out_channels = branch_width * len(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class Net(nn.Module):
    """A strided stem, then inception modules with max pooling between them."""

    def __init__(self, in_shape: tuple, out_shape: tuple, prm: dict, device: torch.device):
        super().__init__()
        self.device = device
        channels, num_classes = in_shape[1], out_shape[0]
        stem_width = 16
        branch_widths = (12, 16, 24)
        reduction = 12
        kernels = (3, 5)

        layers = [conv_unit(channels, stem_width, kernel=3, stride=2)]
        channels = stem_width
        for stage, branch_width in enumerate(branch_widths):
            if stage > 0:
                layers.append(nn.MaxPool2d(2))
            layers.append(Inception(channels, branch_width, reduction, kernels))
            channels = layers[-1].out_channels
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(prm["dropout"])
        self.head = nn.Linear(channels, num_classes)

    def forward(self, x):
        x = self.features(x)
        x = self.pool(x).flatten(1)
        return self.head(self.dropout(x))

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
