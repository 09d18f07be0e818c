"""Where everything stands in the repository: refs, trees and file names.

========================================  =====================================================
``refs/heads/baseline/<name>``            root commit: ``net.py`` and ``hparams.json``
``refs/heads/delta/<run>/c01-003``        kept candidate: commit on its parent architecture
``refs/rejected/<run>/c01-003``           rejected candidate: commit on its parent architecture
``refs/pending/<run>/c01-003``            blob: an answer whose evaluation is under way
``refs/records/<run>/c01-003``            tree: answer, record, output, and later evaluations
``refs/records/baseline/<name>``          tree: evaluations of a baseline
``refs/runs/<run>``                       tree: the run's resolved configuration, and its id
``refs/aliases/<name>``                   commit of a baseline that has this name as well
``refs/adapters/<run>/c01``               adapter: commit on the adapter that it was tuned from
``refs/promotions/<run>/p001``            blob: from when on the run uses which adapter
========================================  =====================================================

Pending, records, runs and promotions are no commits, so that ``git log --all`` is the lineage;
adapters are one of their own in it, which ``--exclude='refs/adapters/*'`` before ``--all`` leaves
out.
"""

import json
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from deltanas_repo_store.entries import BASELINES, KEPT, BaselineEntry, KeptEntry
from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.messages import baseline_message
from deltanas_repo_store.records import Architecture, CandidateKey, Name, Outcome, Pending
from deltanas_repo_store.repository.objects import GitObject, blob, commit, tree

PENDING = "refs/pending/"
RECORDS = "refs/records/"
RUNS = "refs/runs/"
ALIASES = "refs/aliases/"
ADAPTERS = "refs/adapters/"
PROMOTIONS = "refs/promotions/"
EVALUATION_FILE = "evaluation-"
REPORTED_FILE = "reported-"
CHECK_FILE = "check-"
ANSWER_FILE = "answer.txt"
OUTPUT_FILE = "output.txt"
RECORD_FILE = "record.json"
SOURCE_FILE = "net.py"
HPARAMS_FILE = "hparams.json"
BASELINE_TIME = datetime(2026, 1, 1, tzinfo=UTC)
"""Date of all baselines' commits; a search begins after it, so that logs by date have them last."""
RESERVED_RUN = "baseline"
"""No run may have this name: ``refs/records/baseline/`` belongs to the baselines."""


def checked_name(name: str, *, what: str) -> str:
    """Return ``name`` if it can be a run's or baseline's, or raise `ConfigError`."""
    try:
        return TypeAdapter[str](Name).validate_python(name)
    except ValidationError:
        raise ConfigError(
            f"{name[:80]!r} cannot name a {what}: use 1 to 64 letters, digits, and single '.', '_' "
            "or '-' between them, not ending in '.lock'"
        ) from None


def candidate_ref(place: str, key: CandidateKey) -> str:
    """Return the ref of a candidate in one of the places above."""
    return f"{place}{key.run}/{key.name}"


def record_ref(entry: BaselineEntry | KeptEntry) -> str:
    """Return the ref of an architecture's record."""
    if isinstance(entry, BaselineEntry):
        return f"{RECORDS}{RESERVED_RUN}/{entry.name}"
    return candidate_ref(RECORDS, entry.key)


def baseline_objects(name: str, architecture: Architecture) -> list[GitObject]:
    """Return the objects of a baseline, its root commit last.

    They depend on name and content alone, so that two people's stores have the same commit.
    """
    objects = architecture_objects(architecture)
    root = commit(
        tree_id=objects[-1].id,
        parents=(),
        author="DeltaNAS",
        when=BASELINE_TIME,
        message=baseline_message(name),
    )
    return [*objects, root]


def measured_ref(record: str) -> str:
    """Return the ref of the architecture that a record's evaluations are of."""
    name = record.removeprefix(RECORDS)
    baseline = name.removeprefix(f"{RESERVED_RUN}/")
    return KEPT + name if baseline == name else BASELINES + baseline


def architecture_objects(architecture: Architecture) -> list[GitObject]:
    """Return the blobs of an architecture's commit, and last its tree."""
    source, hparams = blob(architecture.source), blob(architecture.hparams_text())
    return [source, hparams, tree({SOURCE_FILE: source.id, HPARAMS_FILE: hparams.id})]


def superseded(name: str, blob_id: str) -> str:
    """Return the name under which a record keeps a file when another takes its place."""
    return f"other-{name.removesuffix('.json')}-{blob_id[:8]}.json"


def pending_text(pending: Pending) -> str:
    """Return the file of a candidate under way: a line of JSON, then the answer as it was written.

    Its record has the same file, so that nothing is left over when it has ended.
    """
    facts = pending.model_dump(mode="json")
    answer = facts["proposal"].pop("answer")
    return f"{json.dumps(facts)}\n{answer}"


def record_files(outcome: Outcome) -> dict[str, str]:
    """Return the files of a finished candidate's record, but for the answer's.

    What is to be had elsewhere is not repeated: the source, the delta that made it, what the
    commit says it computes, and how its neighbours fared.
    """
    left_out: dict[str, Any] = {"pending": True, "architecture": True, "output": True}
    left_out |= {"trace": True, "novelty": {"neighbours"}}
    if outcome.architecture is not None:
        left_out["delta"] = True
    facts = outcome.model_dump(mode="json", exclude=left_out)
    facts["applied"] = outcome.architecture is not None
    files = {RECORD_FILE: to_json(facts, indent=2).decode() + "\n"}
    if outcome.output:
        files[OUTPUT_FILE] = outcome.output
    return files
