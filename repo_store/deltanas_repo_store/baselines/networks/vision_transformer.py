"""A small vision transformer: self-attention between the patches of the image.

Source: Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image Recognition at
Scale" (2021).
"""

import torch
import torch.nn.functional as F
from torch import nn


def supported_hyperparameters():
    """Name the hyper-parameters that this network reads."""
    return {"lr", "momentum", "dropout"}


class SelfAttention(nn.Module):
    """Multi-head self-attention over a sequence of shape ``(B, P, W)``."""

    def __init__(self, width: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.project_in = nn.Linear(width, 3 * width)
        self.project_out = nn.Linear(width, width)

    def forward(self, x):
        batch, patches, width = x.shape
        x = self.project_in(x).view(batch, patches, 3, self.num_heads, width // self.num_heads)
        query, key, value = x.permute(2, 0, 3, 1, 4)
        x = F.scaled_dot_product_attention(query, key, value)
        return self.project_out(x.transpose(1, 2).reshape(batch, patches, width))


class TransformerBlock(nn.Module):
    """Attention, then a perceptron for each patch; both are normalised first and residual."""

    def __init__(self, width: int, num_heads: int, expansion: int, dropout: float):
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, num_heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, expansion * width),
            nn.GELU(),
            nn.Linear(expansion * width, width),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        x = x + self.dropout(self.attention(self.attention_norm(x)))
        return x + self.dropout(self.mlp(self.mlp_norm(x)))


class Net(nn.Module):
    """Embed the patches, add their positions, attend, and classify the mean of the patches."""

    def __init__(self, in_shape: tuple, out_shape: tuple, prm: dict, device: torch.device):
        super().__init__()
        self.device = device
        _, channels, height, width = in_shape
        num_classes = out_shape[0]
        patch = 4
        features = 64
        depth = 2
        num_heads = 4
        expansion = 2
        dropout = prm["dropout"]

        num_patches = (height // patch) * (width // patch)
        self.embed = nn.Conv2d(channels, features, patch, stride=patch)
        # As large as the embedded patches, so that attention sees places from the first step.
        self.positions = nn.Parameter(torch.randn(1, num_patches, features))
        self.blocks = nn.Sequential(
            *[TransformerBlock(features, num_heads, expansion, dropout) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(features)
        self.pool = nn.AdaptiveAvgPool1d(1)
        self.head = nn.Linear(features, num_classes)

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2) + self.positions
        x = self.norm(self.blocks(x)).transpose(1, 2)
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
