"""The list of operators: every way in which a mutation may edit a network."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deltanas_tools.propose_delta.mutation import (
    activations,
    attention,
    conv_replacements,
    convolutions,
    dropout,
    head,
    normalisations,
    pooling,
    ratios,
    repetition,
    residuals,
    widths,
)
from deltanas_tools.propose_delta.mutation.network import Network
from deltanas_tools.propose_delta.mutation.source import Edit


@dataclass(frozen=True)
class Operator:
    """A kind of edit, with a name for reports. `edits` yields one edit for each site and choice."""

    name: str
    edits: Callable[[Network], Iterator[Edit]]


OPERATORS = (
    Operator("width", widths.scale_width),
    Operator("all-widths", widths.scale_all_widths),
    Operator("literal-width", widths.scale_literal_width),
    Operator("hidden-width", ratios.change_hidden_width),
    Operator("expansion", ratios.change_expansion),
    Operator("depth", ratios.change_depth),
    Operator("groups", ratios.change_groups),
    Operator("kernel", convolutions.change_kernel),
    Operator("dilation", convolutions.change_dilation),
    Operator("stride", convolutions.change_stride),
    Operator("separable-conv", conv_replacements.separate),
    Operator("factorised-conv", conv_replacements.factorise),
    Operator("bottleneck-conv", conv_replacements.bottleneck),
    Operator("grouped-conv", convolutions.group),
    Operator("parallel-branch", conv_replacements.branch),
    Operator("standardised-conv", conv_replacements.standardise),
    Operator("coordinate-conv", conv_replacements.see_coordinates),
    Operator("ghost-conv", conv_replacements.ghost),
    Operator("activation", activations.swap_activation),
    Operator("gate", activations.swap_gate),
    Operator("added-activation", activations.add_activation),
    Operator("norm", normalisations.swap_norm),
    Operator("added-norm", normalisations.add_norm),
    Operator("norm-order", normalisations.swap_order),
    Operator("pre-activation", normalisations.activate_first),
    Operator("pool", pooling.swap_pool),
    Operator("mean-max-pool", pooling.add_peaks),
    Operator("generalised-mean-pool", pooling.generalise_mean),
    Operator("pool-for-stride", pooling.pool_instead_of_stride),
    Operator("stride-for-pool", pooling.stride_instead_of_pool),
    Operator("overlapping-pool", pooling.overlap_pool),
    Operator("squeeze-excite", attention.squeeze_excite),
    Operator("channel-attention", attention.channel_attention),
    Operator("global-context", attention.global_context),
    Operator("efficient-channel-attention", attention.efficient_channel_attention),
    Operator("spatial-attention", attention.spatial_attention),
    Operator("energy-attention", attention.energy_attention),
    Operator("residual-layer", residuals.add_residual_around_layer),
    Operator("residual-forward", residuals.add_residual_in_forward),
    Operator("branch-scale", residuals.scale_branch),
    Operator("stochastic-depth", residuals.drop_branch),
    Operator("repeated-layer", repetition.repeat_layer),
    Operator("removed-layer", repetition.remove_layer),
    Operator("added-conv", repetition.add_conv),
    Operator("dropout", dropout.change_dropout),
    Operator("added-dropout", dropout.add_dropout),
    Operator("hidden-head", head.add_hidden_layer),
    Operator("head-norm", head.normalise_features),
    Operator("head-dropout", head.drop_features),
)
