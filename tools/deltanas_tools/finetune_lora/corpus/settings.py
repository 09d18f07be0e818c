"""What goes into a corpus."""

from typing import Annotated

from pydantic import Field

from deltanas_repo_store.records import Fraction, Name, Record

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]


class CorpusSettings(Record):
    """All that decides which pairs a corpus has, the store apart."""

    seed: Count = 0
    store_pairs: Count = 1000
    """At most so many kept deltas that were better than their parent beyond noise."""
    lemur_pairs: Count = 300
    """At most so many neighbours among LEMUR's networks, the better one the child."""
    mutation_pairs: Count = 300
    """At most so many random edits."""
    held_out: tuple[Name, ...] = ("plain-cnn", "residual-net", "squeeze-net", "mlp-mixer")
    """Baselines that adapters are measured on."""
    held_out_sample: Count = 12
    """And so many others, each of another family; those that people wrote come first."""
    max_lines: Positive = 120
    """Of a parent, since it is all in the prompt."""
    max_delta_lines: Positive = 40
    """Of a delta as a model writes it."""
    pairs_per_parent: Positive = 12
    """At most so many pairs whose parents are as good as the same text."""
    max_family_share: Annotated[Fraction, Field(gt=0)] = 0.25
    """Of LEMUR's pairs, and of the mutations, that are of one family."""
    max_dataset_share: Annotated[Fraction, Field(gt=0)] = 0.4
    """Of LEMUR's pairs that are of one data set."""
    min_gain: Annotated[Fraction, Field(gt=0)] = 0.02
    """Of a LEMUR pair that was measured alike; other comparisons need four times as much."""
    min_similarity: Fraction = 0.5
    """Jaccard similarity from which two networks of LEMUR's are neighbours."""
    mutated_networks: Positive = 72
    """How many networks are mutated, besides the held-out ones; one of each family first."""
    max_params: Positive = 40_000_000
    """Trainable parameters of a network that is drawn, to be held out or to be mutated."""
    max_edits: Positive = 3
    """Of a mutation, which has one edit at least."""
