"""What the store lists: one entry per architecture, read from its commit message alone."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from deltanas_repo_store.errors import StoreCorrupt
from deltanas_repo_store.messages import read_trailers
from deltanas_repo_store.records import (
    ArchitectureId,
    CandidateKey,
    Fraction,
    Name,
    Record,
    Stage,
    TriedIdea,
)
from deltanas_repo_store.repository import RefCommit

BASELINES = "refs/heads/baseline/"
KEPT = "refs/heads/delta/"
REJECTED = "refs/rejected/"


class BaselineEntry(Record):
    """An architecture without a parent."""

    status: Literal["baseline"] = "baseline"
    id: ArchitectureId
    name: Name
    made: int
    """When it was committed, in seconds since 1970 (UTC)."""


class _CandidateEntry(Record):
    id: ArchitectureId
    key: CandidateKey
    made: int
    """When it was committed, in seconds since 1970 (UTC)."""
    parent: ArchitectureId
    subject: str
    """First line of the commit message: what changed, and how it ended."""
    proposer: Name
    seconds: Annotated[float, Field(ge=0.0)]
    """Wall time spent on the candidate."""
    trace: str = ""
    """Digest of what it computes, where it was built: `records.Trace`."""
    tokens: Annotated[int, Field(ge=0)]

    @property
    def name(self) -> str:
        """Run and candidate, as in the ref's name."""
        return f"{self.key.run}/{self.key.name}"


class KeptEntry(_CandidateEntry):
    """A candidate that was trained and kept."""

    status: Literal["kept"] = "kept"

    dataset: Name
    epochs: int
    seed: int
    accuracy: Fraction
    parent_accuracy: Fraction
    noise_floor: Annotated[float, Field(ge=0.0)] | None = None
    """The gain from which it counts as better, where that was known when it was made."""
    num_params: int
    similarity: Fraction
    """Jaccard similarity to the nearest architecture when it was made."""

    @property
    def improved(self) -> bool:
        """Whether its gain is beyond the noise floor, or beyond zero where none was known."""
        return self.accuracy - self.parent_accuracy > (self.noise_floor or 0.0)


class RejectedEntry(_CandidateEntry):
    """A candidate that a gate closed on."""

    status: Literal["rejected"] = "rejected"
    stage: Stage
    code: str


Entry = Annotated[BaselineEntry | KeptEntry | RejectedEntry, Field(discriminator="status")]
_ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)


def entry_of(text: object) -> Entry:
    """Read an entry back from its JSON, as the index has it."""
    return _ENTRY.validate_json(str(text))


def fate(entry: BaselineEntry | KeptEntry | RejectedEntry) -> str:
    """Say in words how an architecture fared."""
    if isinstance(entry, BaselineEntry):
        return "a baseline"
    if isinstance(entry, RejectedEntry):
        return f"rejected, {entry.stage}: {entry.code}"
    gain = entry.accuracy - entry.parent_accuracy
    return f"kept, {entry.dataset} {entry.accuracy:.4f} ({gain:+.4f})"


def in_words(idea: TriedIdea) -> str:
    """Say where an idea came up before, for a proposer or a person."""
    if idea.kind == "same-delta":
        return f"the same delta was tried as {idea.name} ({idea.fate})"
    lines = "; ".join(f"`{line}`" for line in idea.lines)
    return f"it brings back what {idea.name} took out ({idea.fate}): {lines}"


def read_entry(found: RefCommit) -> Entry:
    """Read the entry of a ref.

    Raises:
        StoreCorrupt: the commit is not one that this store's format knows.
    """
    try:
        if found.ref.startswith(BASELINES):
            return BaselineEntry(
                id=ArchitectureId(found.id),
                name=found.ref.removeprefix(BASELINES),
                made=found.commit.made,
            )
        return _read_candidate(found)
    except (ValueError, KeyError, ValidationError) as error:
        raise StoreCorrupt(
            f"the commit {found.id} at {found.ref} is not one of this store: "
            f"{str(error).splitlines()[0]}; move foreign branches to another repository"
        ) from error


def _read_candidate(found: RefCommit) -> KeptEntry | RejectedEntry:
    prefix = KEPT if found.ref.startswith(KEPT) else REJECTED
    run, name = found.ref.removeprefix(prefix).split("/")
    facts = read_trailers(found.commit.message)
    [parent] = found.commit.parents
    common = {
        "id": ArchitectureId(found.id),
        "key": CandidateKey.parse(run, name),
        "made": found.commit.made,
        "parent": ArchitectureId(parent),
        "subject": found.commit.message.split("\n", 1)[0],
        "proposer": facts["Proposer"],
        "seconds": facts["Seconds"],
        "tokens": facts["Tokens"],
        "trace": facts.get("Trace", ""),
    }
    if prefix == REJECTED:
        return RejectedEntry.model_validate(
            {**common, "stage": facts["Stage"], "code": facts["Reason"]}
        )
    return KeptEntry.model_validate(
        {
            **common,
            "dataset": facts["Dataset"],
            "epochs": facts["Epochs"],
            "seed": facts["Seed"],
            "accuracy": facts["Accuracy"],
            "parent_accuracy": facts["Parent-Accuracy"],
            "noise_floor": facts.get("Noise-Floor"),
            "num_params": facts["Params"],
            "similarity": facts["Novelty"],
        }
    )
