"""A tiny network with the architecture interface, and ways to spoil it."""

from textwrap import indent

from deltanas_repo_store.records import Architecture, HParamValue

_TEMPLATE = """\
import os
import random
import torch
from torch import nn


def supported_hyperparameters():
    return {"lr", "momentum"}


@MODULE
class Net(nn.Module):
    def __init__(self, in_shape, out_shape, prm, device):
        super().__init__()
        self.device = device
        self.conv = nn.Conv2d(in_shape[1], 8, 3, stride=2, padding=1)
        self.head = nn.Linear(8, out_shape[0])
@INIT

    def forward(self, x):
        x = torch.relu(self.conv(x))
@FORWARD
        return self.head(x.mean((2, 3)))

    def train_setup(self, prm):
        self.to(self.device)
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(self.parameters(), lr=prm["lr"], momentum=prm["momentum"])
@SETUP

    def learn(self, train_data):
        for inputs, labels in train_data:
            self.optimizer.zero_grad()
            loss = self.criterion(self(inputs), labels)
            loss.backward()
            self.optimizer.step()
@LEARN
"""


def network(
    *, module: str = "", init: str = "", forward: str = "", setup: str = "", learn: str = ""
) -> str:
    """The tiny network's source with lines added at the end of its parts (before `return`)."""
    return (
        _TEMPLATE.replace("@MODULE", module)
        .replace("@INIT", indent(init, " " * 8))
        .replace("@FORWARD", indent(forward, " " * 8))
        .replace("@SETUP", indent(setup, " " * 8))
        .replace("@LEARN", indent(learn, " " * 8))
    )


def architecture(source: str, **hparams: HParamValue) -> Architecture:
    """The source with the hyper-parameters that the tiny network needs."""
    return Architecture(source=source, hparams={"lr": 0.1, "momentum": 0.9, **hparams})
