"""Three networks in styles that the baselines do not have, and all that the tests mutate."""

from deltanas_repo_store.baselines import baselines

FROZEN_PART = """
    def train_setup(self, prm):
        self.to(self.device)
        self.criteria = (nn.CrossEntropyLoss().to(self.device),)
        self.optimizer = torch.optim.SGD(self.parameters(), lr=prm['lr'], momentum=prm['momentum'])

    def learn(self, train_data):
        self.train()
        for inputs, labels in train_data:
            inputs, labels = inputs.to(self.device), labels.to(self.device)
            self.optimizer.zero_grad()
            loss = self.criteria[0](self(inputs), labels)
            loss.backward()
            nn.utils.clip_grad_norm_(self.parameters(), 3)
            self.optimizer.step()
"""

LITERAL_WIDTHS = (
    """import torch
import torch.nn as nn


def supported_hyperparameters():
    return {'lr', 'momentum'}


class Net(nn.Module):
    def __init__(self, in_shape: tuple, out_shape: tuple, prm: dict, device: torch.device) -> None:
        super(Net, self).__init__()
        self.device = device
        self.features = nn.Sequential(
            nn.Conv2d(in_shape[1], 16, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(16, 16, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=2, stride=2),
            nn.Conv2d(16, 32, kernel_size=3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=2, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((4, 4))
        self.classifier = nn.Sequential(
            nn.Dropout(p=0.5),
            nn.Linear(32 * 4 * 4, 64),
            nn.ReLU(inplace=True),
            nn.Dropout(p=0.25),
            nn.Linear(64, out_shape[0]),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x)
        x = self.avgpool(x)
        x = x.view(-1, 32 * 4 * 4)
        return self.classifier(x)
"""
    + FROZEN_PART
)

MAKE_LAYER = (
    """import torch
from torch import nn
import torch.nn.functional as F


def supported_hyperparameters():
    return {'lr', 'momentum'}


class SEGate(nn.Module):
    def __init__(self, channels, reduction=4):
        super().__init__()
        self.fc1 = nn.Linear(channels, channels // reduction)
        self.fc2 = nn.Linear(channels // reduction, channels)
        self.gate = nn.Sigmoid()

    def forward(self, x):
        w = F.relu(self.fc1(x.mean((2, 3))))
        return x * self.gate(self.fc2(w)).unsqueeze(-1).unsqueeze(-1)


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, in_planes, planes, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.gate = SEGate(planes)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_planes != self.expansion * planes:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_planes, self.expansion * planes, 1, stride=stride, bias=False),
                nn.BatchNorm2d(self.expansion * planes),
            )

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.gate(self.bn2(self.conv2(out)))
        out += self.shortcut(x)
        return F.relu(out)


class Unused(nn.Module):
    def __init__(self, planes):
        super().__init__()
        self.conv = nn.Conv2d(planes, planes, 3, padding=1)
        self.act = nn.ReLU()

    def forward(self, x):
        return x + self.act(self.conv(x))


class Net(nn.Module):
    def __init__(self, in_shape, out_shape, prm, device):
        super().__init__()
        self.device = device
        self.in_planes = 16
        self.conv1 = nn.Conv2d(in_shape[1], 16, 3, stride=1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self._make_layer(16, 1, stride=1)
        self.layer2 = self._make_layer(32, 2, stride=2)
        self.linear = nn.Linear(32, out_shape[0])
        self.unread = nn.Conv2d(16, 16, 3, padding=1)

    def _make_layer(self, planes, num_blocks, stride):
        layers = []
        for s in [stride] + [1] * (num_blocks - 1):
            layers.append(BasicBlock(self.in_planes, planes, s))
            self.in_planes = planes * BasicBlock.expansion
        return nn.Sequential(*layers)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.layer2(self.layer1(out))
        out = F.adaptive_avg_pool2d(out, 1).flatten(1)
        return self.linear(out)
"""
    + FROZEN_PART
)

FUNCTIONAL = (
    '''"""Ein Netz mit Umlauten: Größe, Übergang."""
import torch
import torch.nn as nn
import torch.nn.functional as F


def supported_hyperparameters():
    return {'lr', 'momentum'}


class Net(nn.Module):
    def __init__(self, in_shape, out_shape, prm, device):
        super().__init__()
        self.device = device
        dim = 24
        self.größe, self.conv1 = dim, nn.Conv2d(in_shape[1], dim, 5, padding=2)  # Größe bleibt
        self.conv2 = nn.Conv2d(dim, dim, 3, padding=1)
        self.mix1 = nn.Linear(dim, dim * 4)
        self.mix2 = nn.Linear(dim * 4, dim)
        self.tail = nn.Sequential(nn.Conv2d(dim, dim, 3, padding='same'), nn.Conv2d(dim, 48, 1))
        self.drop = nn.Dropout2d(0.2)
        self.fc = nn.Linear(48, out_shape[0])

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.relu(self.conv2(x))
        y = self.mix2(torch.relu(self.mix1(x.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)
        x = self.drop(self.tail(x + y))
        x = x.mean(dim=(2, 3))
        return self.fc(x)
'''
    + FROZEN_PART
)

HPARAMS = {"lr": 0.01, "momentum": 0.9, "dropout": 0.1}

SOURCES = {
    "literal widths": LITERAL_WIDTHS,
    "make_layer": MAKE_LAYER,
    "functional": FUNCTIONAL,
    **{name: architecture.source for name, architecture in baselines().items()},
}
