"""Candidates from outside a search: a person's or an assistant's delta takes the same way.

They live in a run of their own, one cycle without an end. The delta is applied at once, so
that a refusal is answered while its author is there; the other gates come with training.
"""

import contextlib

from deltanas_repo_store.errors import ConfigError, StoreBusy
from deltanas_repo_store.records import (
    Architecture,
    ArchitectureId,
    CandidateKey,
    Pending,
    Proposal,
    Record,
    Rejected,
    Rejection,
)
from deltanas_repo_store.store import Store
from deltanas_tools.apply_patch import Applied, Refused, apply

KIND = "submissions"
"""Kind of a run that no loop drives, in its configuration."""

_TRIES = 50


class Submission(Record):
    """A delta that applies, pending until somebody trains it."""

    pending: Pending
    source: str
    """The parent with the delta applied."""
    delta: str
    """The canonical delta."""
    relaxations: tuple[str, ...]


def submit(store: Store, *, run: str, parent: ArchitectureId, proposal: Proposal) -> Submission:
    """Apply a delta to ``parent`` and keep it as a pending candidate of ``run``.

    Raises:
        PatchError: the delta does not apply; the attempt is recorded as rejected.
        ConfigError: ``run`` is a search, which only its loop adds to.
        UnknownArchitecture: the parent is not in the store.
    """
    source = store.get(parent).source
    _open_run(store, run)
    result = apply(source, proposal.answer)
    pending = _reserve(store, run, parent, proposal)
    match result:
        case Refused():
            reason = Rejection(stage="patch", code=result.code, message=result.message)
            store.finish(
                Rejected(pending=pending, architecture=None, rejection=reason, seconds=0.0)
            )
            raise result.error()
        case Applied():
            return Submission(
                pending=pending,
                source=result.text,
                delta=result.canonical_diff,
                relaxations=result.relaxations,
            )


def applied(store: Store, pending: Pending) -> Architecture:
    """Return the architecture that a pending candidate's delta makes.

    Raises:
        PatchError: the delta does not apply.
    """
    parent = store.get(pending.parent)
    result = apply(parent.source, pending.proposal.answer)
    if isinstance(result, Refused):
        raise result.error()
    return Architecture(source=result.text, hparams=parent.hparams)


def _open_run(store: Store, run: str) -> None:
    if run not in store.runs():
        # Somebody else may open it at the same time; what it is, is looked at next.
        with contextlib.suppress(StoreBusy, ConfigError):
            store.begin_run(run, {"kind": KIND})
    if store.run_config(run).get("kind") != KIND:
        raise ConfigError(f"{run!r} is a search; choose another run for candidates of your own")


def _reserve(store: Store, run: str, parent: ArchitectureId, proposal: Proposal) -> Pending:
    """Take the first free slot; others may be taking slots at the same time."""
    for attempt in range(_TRIES):
        taken = [entry.key.index for entry in store.candidates(run)]
        taken += [each.key.index for each in store.pending(run)]
        key = CandidateKey(run=run, cycle=1, index=max(taken, default=0) + 1)
        pending = Pending(key=key, parent=parent, proposal=proposal)
        try:
            store.reserve(pending)
        except StoreBusy:
            if attempt == _TRIES - 1:
                raise
        else:
            return pending
    raise AssertionError("unreachable: the last try returns or raises")
