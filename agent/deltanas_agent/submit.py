"""Candidates from outside a search: a person's or an assistant's delta takes the same way.

They live in a run of their own, one cycle without an end. The delta is applied at once, so
that a refusal is answered while its author is there; the other gates come with training.
"""

import contextlib

from deltanas_agent.config import Deltas
from deltanas_agent.deltas import apply_answer, architecture_of, rejection_of
from deltanas_repo_store.errors import ConfigError, PatchError, StoreBusy
from deltanas_repo_store.records import (
    Architecture,
    ArchitectureId,
    CandidateKey,
    HParams,
    Pending,
    Proposal,
    Record,
    Rejected,
)
from deltanas_repo_store.store import Store
from deltanas_tools.apply_patch import Applied, Format, Refused

KIND = "submissions"
"""Kind of a run that no loop drives, in its configuration."""

RULES = Deltas()
"""Rules for deltas from outside a search: the defaults."""

_TRIES = 50


class Submission(Record):
    """A delta that applies, pending until somebody trains it."""

    pending: Pending
    delta: str
    """The canonical delta."""
    relaxations: tuple[str, ...]
    format: Format
    """What kind of answer it was read from."""
    hparams: HParams
    """Valid hyper-parameters of its ``<hp>`` tag; they are recorded, and not used."""
    hparams_problems: tuple[str, ...]
    """What is wrong with that tag."""


def submit(store: Store, *, run: str, parent: ArchitectureId, proposal: Proposal) -> Submission:
    """Apply a delta to ``parent`` and keep it as a pending candidate of ``run``.

    Raises:
        PatchError: the delta does not apply; the attempt is recorded as rejected.
        ConfigError: ``run`` is a search, which only its loop adds to.
        UnknownArchitecture: the parent is not in the store.
    """
    architecture = store.get(parent)
    _open_run(store, run)
    result = apply_answer(architecture, proposal.answer, RULES)
    pending = _reserve(store, run, parent, proposal)
    if isinstance(result, Refused):
        store.finish(_rejected(pending, architecture, result))
        raise result.error()
    return Submission(
        pending=pending,
        delta=result.canonical_diff,
        relaxations=result.relaxations,
        format=result.format,
        hparams=result.hparams,
        hparams_problems=result.hparams_problems,
    )


def preview(store: Store, *, parent: ArchitectureId, answer: str) -> Applied:
    """Return what `submit` would keep, and keep nothing.

    Raises:
        PatchError: the delta does not apply.
        UnknownArchitecture: the parent is not in the store.
    """
    result = apply_answer(store.get(parent), answer, RULES)
    if isinstance(result, Refused):
        raise result.error()
    return result


def applied(store: Store, pending: Pending) -> Architecture:
    """Return the architecture that a pending candidate's delta makes.

    Raises:
        PatchError: the delta does not apply.
    """
    result = preview(store, parent=pending.parent, answer=pending.proposal.answer)
    return architecture_of(result, store.get(pending.parent), RULES)


def _rejected(pending: Pending, parent: Architecture, refused: Refused) -> Rejected:
    made = refused.applied
    architecture = None
    if made is not None:
        with contextlib.suppress(PatchError):  # what the store cannot take, it does not keep
            architecture = architecture_of(made, parent, RULES)
    return Rejected(
        pending=pending,
        architecture=architecture,
        delta=made.canonical_diff if made else "",
        relaxations=made.relaxations if made else (),
        proposed_hparams=made.hparams if made else {},
        hparams_problems=made.hparams_problems if made else (),
        rejection=rejection_of(refused),
        seconds=0.0,
    )


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
