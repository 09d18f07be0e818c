"""The classes that operators bring into a network, as code with the names ``nn`` and ``torch``."""

from deltanas_tools.propose_delta.mutation.blocks import Block

SQUEEZE_EXCITE = Block(
    "SqueezeExcite",
    '''
class SqueezeExcite(nn.Module):
    """Weigh the channels by a bottlenecked perceptron of their means."""

    def __init__(self, channels, reduction=4):
        super().__init__()
        hidden = max(channels // reduction, 4)
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, hidden, 1),
            nn.ReLU(),
            nn.Conv2d(hidden, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return x * self.weigh(x)
''',
)

CHANNEL_ATTENTION = Block(
    "ChannelAttention",
    '''
class ChannelAttention(nn.Module):
    """Weigh the channels by one perceptron that sees their means and their maxima."""

    def __init__(self, channels, reduction=8):
        super().__init__()
        hidden = max(channels // reduction, 4)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)

    def forward(self, x):
        mean, peak = x.mean(dim=(2, 3)), x.amax(dim=(2, 3))
        weight = self.excite(self.squeeze(mean).relu() + self.squeeze(peak).relu())
        return x * weight.sigmoid()[:, :, None, None]
''',
)

GLOBAL_CONTEXT = Block(
    "GlobalContext",
    '''
class GlobalContext(nn.Module):
    """Add to every place a transform of the features at the places attended to."""

    def __init__(self, channels):
        super().__init__()
        self.attend = nn.Conv2d(channels, 1, 1)
        self.transform = nn.Linear(channels, channels)

    def forward(self, x):
        attention = self.attend(x).flatten(2).softmax(dim=-1)
        context = (x.flatten(2) * attention).sum(dim=-1)
        return x + self.transform(context)[:, :, None, None]
''',
)

EFFICIENT_CHANNEL_ATTENTION = Block(
    "EfficientChannelAttention",
    '''
class EfficientChannelAttention(nn.Module):
    """Weigh each channel by its mean and those of its neighbours, whatever their number."""

    def __init__(self, kernel=3):
        super().__init__()
        self.conv = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x):
        means = x.mean(dim=(2, 3)).unsqueeze(1)
        weights = self.conv(means).sigmoid().squeeze(1)
        return x * weights[:, :, None, None]
''',
)

SPATIAL_ATTENTION = Block(
    "SpatialAttention",
    '''
class SpatialAttention(nn.Module):
    """Weigh the places by a convolution over the mean and the maximum of their channels."""

    def __init__(self, kernel=7):
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel, padding=kernel // 2)

    def forward(self, x):
        mean, peak = x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)
        return x * self.conv(torch.cat([mean, peak], dim=1)).sigmoid()
''',
)

ENERGY_ATTENTION = Block(
    "EnergyAttention",
    '''
class EnergyAttention(nn.Module):
    """Weigh each activation by how far it stands out from its channel; has no parameters."""

    def forward(self, x):
        deviation = (x - x.mean(dim=(2, 3), keepdim=True)).square()
        variance = deviation.mean(dim=(2, 3), keepdim=True)
        return x * (deviation / (4 * variance + 1e-4) + 0.5).sigmoid()
''',
)

RESIDUAL = Block(
    "ScaledResidual",
    '''
class ScaledResidual(nn.Module):
    """Add a layer's output, times a learned scale, to its input."""

    def __init__(self, layer, scale=1.0):
        super().__init__()
        self.layer = layer
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, x):
        return x + self.scale * self.layer(x)
''',
)

PARALLEL = Block(
    "ParallelSum",
    '''
class ParallelSum(nn.Module):
    """Sum the outputs of branches that see the same input."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.stack([branch(x) for branch in self.branches]).sum(dim=0)
''',
)

DROP_PATH = Block(
    "DropPath",
    '''
class DropPath(nn.Module):
    """Drop a whole branch for some samples of the batch while training."""

    def __init__(self, drop_prob):
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x):
        if not self.training:
            return x
        kept = torch.rand(x.shape[:1] + (1,) * (x.dim() - 1), device=x.device) >= self.drop_prob
        return x * kept / (1 - self.drop_prob)
''',
)

MEAN_MAX_POOL = Block(
    "MeanMaxPool2d",
    '''
class MeanMaxPool2d(nn.Module):
    """Sum of adaptive average pooling and adaptive max pooling."""

    def __init__(self, output_size):
        super().__init__()
        self.mean = nn.AdaptiveAvgPool2d(output_size)
        self.peak = nn.AdaptiveMaxPool2d(output_size)

    def forward(self, x):
        return self.mean(x) + self.peak(x)
''',
)

GENERALISED_MEAN_POOL = Block(
    "GeneralisedMeanPool2d",
    '''
class GeneralisedMeanPool2d(nn.Module):
    """Adaptive pooling by a generalised mean whose exponent is learned."""

    def __init__(self, output_size, exponent=3.0):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(output_size)
        self.exponent = nn.Parameter(torch.tensor(exponent))

    def forward(self, x):
        return self.pool(x.clamp(min=1e-4).pow(self.exponent)).pow(1 / self.exponent)
''',
)

STANDARDISED_CONV = Block(
    "StandardisedConv2d",
    '''
class StandardisedConv2d(nn.Conv2d):
    """A convolution whose filters have zero mean and unit variance."""

    def forward(self, x):
        mean = self.weight.mean(dim=(1, 2, 3), keepdim=True)
        variance = self.weight.var(dim=(1, 2, 3), keepdim=True, unbiased=False)
        fan_in = self.weight[0].numel()
        weight = (self.weight - mean) / (variance * fan_in + 1e-4).sqrt()
        return self._conv_forward(x, weight, self.bias)
''',
)

COORDINATE_CONV = Block(
    "CoordinateConv2d",
    '''
class CoordinateConv2d(nn.Module):
    """A convolution that also sees where it is: row and column are two more channels."""

    def __init__(self, in_channels, *args, **kwargs):
        super().__init__()
        self.conv = nn.Conv2d(in_channels + 2, *args, **kwargs)

    def forward(self, x):
        batch, _, height, width = x.shape
        rows = torch.linspace(-1, 1, height, device=x.device).view(1, 1, height, 1)
        columns = torch.linspace(-1, 1, width, device=x.device).view(1, 1, 1, width)
        places = [axis.expand(batch, 1, height, width) for axis in (rows, columns)]
        return self.conv(torch.cat([x, *places], dim=1))
''',
)

GHOST_CONV = Block(
    "GhostConv2d",
    '''
class GhostConv2d(nn.Module):
    """A convolution for half of the output channels, and cheap depthwise ones for the rest."""

    def __init__(self, in_channels, out_channels, *args, **kwargs):
        super().__init__()
        half = out_channels // 2
        self.primary = nn.Conv2d(in_channels, half, *args, **kwargs)
        self.cheap = nn.Conv2d(half, half, 3, padding=1, groups=half)

    def forward(self, x):
        primary = self.primary(x)
        return torch.cat([primary, self.cheap(primary)], dim=1)
''',
)
