"""Records with every field filled in, for tests that care about one of them."""

from deltanas_repo_store.records import (
    Architecture,
    ArchitectureId,
    CandidateKey,
    Evaluation,
    Kept,
    NoveltyReport,
    Pending,
    Proposal,
    Rejected,
    Rejection,
)

PARENT = Architecture(source="width = 16\n", hparams={"lr": 0.1, "batch": 32})
CHILD = Architecture(source="width = 24\n", hparams={"lr": 0.1, "batch": 32})
DELTA = "--- a/net.py\n+++ b/net.py\n@@ -1 +1 @@\n-width = 16\n+width = 24\n"


def pending(
    parent: ArchitectureId,
    *,
    run: str = "night",
    index: int = 1,
    attempt: int = 1,
    summary: str = "Widen the stem",
    answer: str = DELTA,
) -> Pending:
    """A pending candidate."""
    return Pending(
        key=CandidateKey(run=run, cycle=1, index=index, attempt=attempt),
        parent=parent,
        proposal=Proposal(answer=answer, proposer="mutation", summary=summary, seed=7),
    )


def evaluation(accuracy: float = 0.9, *, dataset: str = "digits", seed: int = 1) -> Evaluation:
    """A measurement on the search split."""
    return Evaluation(
        dataset=dataset,
        epochs=1,
        seed=seed,
        accuracy=accuracy,
        loss=0.3,
        num_params=12_345,
        seconds=1.5,
        cpu_seconds=1.4,
        peak_memory_bytes=300_000_000,
        isolation="process",
    )


def kept(begun: Pending, *, accuracy: float = 0.9, architecture: Architecture = CHILD) -> Kept:
    """The good end of a candidate."""
    return Kept(
        pending=begun,
        architecture=architecture,
        delta=DELTA,
        novelty=NoveltyReport(similarity=0.7, nearest=begun.parent, threshold=0.9),
        evaluation=evaluation(accuracy),
        parent_accuracy=0.85,
        seconds=1.75,
        output="epoch 1\n",
    )


def rejected(
    begun: Pending, *, message: str = "no", architecture: Architecture | None = None
) -> Rejected:
    """A bad end of a candidate: by default its delta does not apply."""
    return Rejected(
        pending=begun,
        architecture=architecture,
        rejection=Rejection(stage="patch", code="not-found", message=message),
        seconds=0.01,
    )
