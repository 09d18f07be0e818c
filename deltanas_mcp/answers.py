"""What the MCP tools answer: flat records whose field descriptions are for a model to read."""

from typing import Annotated, Literal

from pydantic import Field

from deltanas_repo_store.records import Record


class ArchitectureSummary(Record):
    """One line of the store's list."""

    id: Annotated[str, Field(description="Commit id; every tool takes it or the name.")]
    name: Annotated[str, Field(description="A baseline's name, or run and candidate.")]
    change: Annotated[str, Field(description="What its delta changed; empty for a baseline.")]
    dataset: Annotated[str | None, Field(description="Data set it is measured on, if it is.")]
    accuracy: Annotated[float | None, Field(description="On the search split, from 0 to 1.")]
    gain: Annotated[float | None, Field(description="Accuracy minus the parent's.")]
    num_params: int | None


class ArchitecturePage(Record):
    """A part of the store's list, best accuracy first, unmeasured architectures last."""

    items: list[ArchitectureSummary]
    total: Annotated[int, Field(description="How many there are in all.")]
    next_offset: Annotated[int | None, Field(description="Ask with this offset for the rest.")]


class ArchitectureInfo(Record):
    """An architecture in full."""

    id: str
    parent_id: str | None
    source: Annotated[str, Field(description="Python source with the class Net to edit.")]
    hparams_json: Annotated[str, Field(description="Hyper-parameters, as JSON.")]
    description: Annotated[str, Field(description="What the store knows of it, in words.")]


class ProposedDelta(Record):
    """A delta that nobody has applied yet."""

    parent_id: str
    delta: Annotated[str, Field(description="Unified diff; hand it to apply_patch.")]
    summary: str
    proposer: str


class AppliedDelta(Record):
    """A delta that applies."""

    candidate: Annotated[
        str | None,
        Field(description="Name of the pending candidate, for train_one_epoch; null: dry run."),
    ]
    delta: Annotated[str, Field(description="The canonical diff, as the store will show it.")]
    relaxations: Annotated[
        list[str],
        Field(description="What a strict reader would refuse, hunk by hunk; empty if nothing."),
    ]
    format: Annotated[str, Field(description="What was read: unified diff or search/replace.")]
    hparams_json: Annotated[
        str, Field(description="Valid hyper-parameters of the <hp> tag, as JSON: kept, not used.")
    ]
    hparams_problems: Annotated[list[str], Field(description="What is wrong with that tag.")]


class NoveltyAnswer(Record):
    """How near a network is to what the store has."""

    is_novel: bool
    similarity: Annotated[float, Field(description="To the nearest, from 0 to 1.")]
    nearest_id: str | None
    exact_duplicate_of: Annotated[
        str | None, Field(description="The same network but for names, comments and layout.")
    ]
    same_computation_as: Annotated[
        str | None, Field(description="One with the same operations and shapes, where known.")
    ]
    nearest: Annotated[list[str], Field(description="The nearest few, and how they fared.")]
    tried: Annotated[list[str], Field(description="Where this idea came up before; a hint.")]
    threshold: Annotated[float, Field(description="From this similarity on, a duplicate.")]


class TrainingAnswer(Record):
    """How a training ended."""

    id: Annotated[str, Field(description="Commit id of the architecture.")]
    status: Literal["measured", "kept", "rejected"]
    dataset: str
    accuracy: Annotated[float | None, Field(description="On the search split, from 0 to 1.")]
    parent_accuracy: float | None
    improved: Annotated[
        bool | None, Field(description="Better than its parent by more than noise explains.")
    ]
    noise_floor: Annotated[
        float | None, Field(description="The gain that luck explains; null where it is unknown.")
    ]
    flags: Annotated[list[str], Field(description="What is odd about the training, if anything.")]
    num_params: int | None
    seconds: float
    stage: Annotated[str | None, Field(description="The gate that closed, of a rejected one.")]
    code: str | None
    reason: Annotated[str | None, Field(description="Why, in words that help the next try.")]
    output: Annotated[str, Field(description="The end of what the network printed.")]
