"""Wide and shallow: one layer of big kernels of several sizes, pooled over a coarse grid.

Source: Coates, Lee and Ng, "An Analysis of Single-Layer Networks in Unsupervised Feature
Learning" (2011), with kernels that are learnt by gradient descent instead.
"""

import torch
from torch import nn


def supported_hyperparameters():
    """Name the hyper-parameters that this network reads."""
    return {"lr", "momentum", "dropout"}


class KernelBank(nn.Module):
    """Strided filters of several kernel sizes over the same image, joined by channel."""

    def __init__(self, in_channels: int, filters: int, kernels: tuple, stride: int):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(in_channels, filters, kernel, stride, kernel // 2, bias=False)
            for kernel in kernels
        )
        self.out_channels = filters * len(kernels)

    def forward(self, x):
        return torch.cat([conv(x) for conv in self.convs], dim=1)


class Net(nn.Module):
    """A bank of big kernels, a coarse grid of averages that keeps places apart, a linear head."""

    def __init__(self, in_shape: tuple, out_shape: tuple, prm: dict, device: torch.device):
        super().__init__()
        self.device = device
        channels, num_classes = in_shape[1], out_shape[0]
        filters = 32
        kernels = (5, 9, 13)
        stride = 3
        grid = 3

        self.bank = KernelBank(channels, filters, kernels, stride)
        self.norm = nn.BatchNorm2d(self.bank.out_channels)
        self.activation = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.dropout = nn.Dropout(prm["dropout"])
        self.head = nn.Linear(self.bank.out_channels * grid * grid, num_classes)

    def forward(self, x):
        x = self.activation(self.norm(self.bank(x)))
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
