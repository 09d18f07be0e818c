"""What the MCP tools answer: flat records whose field descriptions are for a model to read."""

from typing import Annotated, Literal

from pydantic import Field

from deltanas_repo_store.records import Record


class ArchitectureSummary(Record):
    """One line of the store's list."""

    id: Annotated[str, Field(description="Commit id; every tool takes it or the name.")]
    name: Annotated[str, Field(description="A baseline's name, or run and candidate.")]
    change: Annotated[str, Field(description="What its delta changed; empty for a baseline.")] = ""
    dataset: Annotated[str | None, Field(description="Data set it is measured on, if it is.")] = (
        None
    )
    accuracy: Annotated[float | None, Field(description="On the search split, from 0 to 1.")] = None
    gain: Annotated[float | None, Field(description="Accuracy minus the parent's.")] = None
    num_params: int | None = None


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
    next_line: Annotated[
        int | None, Field(description="The source goes on at this line: ask with from_line.")
    ]
    hparams_json: Annotated[str, Field(description="Hyper-parameters, as JSON.")]
    description: Annotated[str, Field(description="What the store knows of it, in words.")]


class ProposedDelta(Record):
    """A delta that nobody has applied yet, or what is needed to write one."""

    status: Annotated[
        Literal["ready", "needs_diff", "pending"],
        Field(
            description="ready: delta has it. needs_diff: write it as brief says, then call "
            "apply_patch. pending: get_job waits for it."
        ),
    ]
    parent_id: str
    delta: Annotated[str, Field(description="Unified diff; hand it to apply_patch.")] = ""
    summary: str = ""
    proposer: Annotated[str, Field(description="Who wrote it, or is to write it.")]
    brief: Annotated[str, Field(description="The task and the source, to write a diff from.")] = ""
    job_id: str | None = None


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


class SearchAnswer(Record):
    """How a session of a run ended."""

    run: str
    answers: Annotated[int, Field(description="Answers of the run over all its sessions.")]
    kept: int
    improved: Annotated[int, Field(description="Better than their parent beyond noise.")]
    seconds: Annotated[float, Field(description="Wall time on candidates, over all sessions.")]
    stopped: Annotated[str, Field(description="The limit that was reached; empty: all done.")]
    best: list[ArchitectureSummary]


class TuningAnswer(Record):
    """An adapter that was trained, tried and kept."""

    run: str
    adapter: Annotated[str, Field(description="Its name in the store.")]
    promoted: Annotated[bool, Field(description="Whether the run uses it from now on.")]
    reason: str
    num_examples: int
    loss: float
    effective: Annotated[float, Field(description="Share of its answers that do something.")]
    effective_before: Annotated[float, Field(description="The same of what it is tried against.")]


class JobInfo(Record):
    """A job: work that outlives the call, the connection and the server."""

    job_id: Annotated[str, Field(description="get_job, cancel_job and tasks/get take it.")]
    kind: Literal["train", "propose", "search", "finetune"]
    state: Annotated[
        Literal["queued", "running", "done", "failed", "cancelled"],
        Field(description="The last three are ends."),
    ]
    device: str
    progress: float
    total: Annotated[float | None, Field(description="What progress counts up to, if known.")]
    message: str
    queue_position: Annotated[int | None, Field(description="1 is next; null: not waiting.")]
    eta_s: Annotated[float | None, Field(description="Seconds left, at the speed so far.")]
    poll_after_s: Annotated[float, Field(description="Ask again after so long; 0: it has ended.")]
    created_at: str
    started_at: str | None
    ended_at: str | None
    error: Annotated[str, Field(description="Why it failed, and what to do; else empty.")]
    log: Annotated[str, Field(description="End of its log: untrusted text.")] = ""
    training: TrainingAnswer | None = None
    proposal: ProposedDelta | None = None
    search: SearchAnswer | None = None
    tuning: TuningAnswer | None = None


class JobPage(Record):
    """Jobs, the newest first."""

    items: list[JobInfo]


class ImportedBaseline(Record):
    """A network that the store has as a baseline."""

    id: str
    name: str
    is_new: Annotated[bool, Field(description="False: the same network was there already.")]
