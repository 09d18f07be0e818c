"""Reading what the store keeps in objects: texts, folders, architectures, candidates' records."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from deltanas_repo_store.delta import render_delta
from deltanas_repo_store.errors import StoreCorrupt, UnknownArchitecture
from deltanas_repo_store.layout import (
    ANSWER_FILE,
    CHECK_FILE,
    EVALUATION_FILE,
    HPARAMS_FILE,
    OUTPUT_FILE,
    RECORD_FILE,
    SOURCE_FILE,
    architecture_objects,
    record_files,
)
from deltanas_repo_store.messages import outcome_message, read_trailers
from deltanas_repo_store.records import (
    Architecture,
    ArchitectureId,
    Check,
    Evaluation,
    Kept,
    Outcome,
    Pending,
    Rejected,
)
from deltanas_repo_store.repository import Repository
from deltanas_repo_store.repository.objects import (
    Commit,
    GitObject,
    blob,
    commit,
    read_commit,
    tree,
    tree_files,
)

_Value = TypeVar("_Value")


def folder(files: Mapping[str, str], written: Mapping[str, str] = {}) -> list[GitObject]:
    """Return the blobs of texts by name, and last their tree; ``written`` blobs are in it too."""
    blobs = {name: blob(text) for name, text in files.items()}
    new = {name: each.id for name, each in blobs.items()}
    return [*blobs.values(), tree({**new, **written})]


class Finished(NamedTuple):
    """The objects of a candidate that has ended."""

    objects: list[GitObject]
    commit: str
    record: str


def finished(outcome: Outcome, *, answer: str, unchanged: str, when: datetime) -> Finished:
    """Return what is written of a candidate, whose ``answer`` is a blob already.

    ``unchanged`` is its parent's tree, for an answer that made no source.
    """
    made = [] if outcome.architecture is None else architecture_objects(outcome.architecture)
    result = commit(
        tree_id=made[-1].id if made else unchanged,
        parents=(outcome.pending.parent,),
        author=outcome.pending.proposal.proposer,
        when=when,
        message=outcome_message(outcome),
    )
    record = folder(record_files(outcome), {ANSWER_FILE: answer})
    return Finished([*made, result, *record], result.id, record[-1].id)


def files_of(repository: Repository, tree_id: str) -> dict[str, str]:
    """Return the files of a tree: name to blob id.

    Raises:
        StoreCorrupt: it is no flat tree.
    """
    try:
        return tree_files(repository.read(tree_id).data)
    except ValueError as error:
        raise StoreCorrupt(f"the tree {tree_id} is not one of this store: {error}") from error


def text_of(repository: Repository, blob_id: str) -> str:
    """Return a blob as text."""
    return repository.read(blob_id).data.decode(errors="replace")


def json_of(
    repository: Repository, files: Mapping[str, str], name: str, kind: TypeAdapter[_Value]
) -> _Value:
    """Return a file of a folder, read as JSON of a known shape.

    Raises:
        StoreCorrupt: it is not there, or of another shape.
    """
    try:
        value = json.loads(text_of(repository, files[name]))
    except (KeyError, json.JSONDecodeError) as error:
        raise StoreCorrupt(f"{name} of a record cannot be read: {error}") from error
    return checked(kind, value, name)


def checked(kind: TypeAdapter[_Value], value: object, where: str) -> _Value:
    """Return the value that data spells, or raise `StoreCorrupt`."""
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        raise StoreCorrupt(f"{where} of the store is not as its format says: {error}") from error


def commit_of(repository: Repository, architecture_id: ArchitectureId) -> Commit:
    """Return an architecture's commit, or raise `UnknownArchitecture`."""
    found = repository.find(architecture_id)
    if found is None:
        raise UnknownArchitecture(architecture_id)
    return read_commit(repository.read(found).data)


def read_architecture(repository: Repository, architecture_id: ArchitectureId) -> Architecture:
    """Return the architecture of a commit.

    Raises:
        UnknownArchitecture: no commit of the store has this id.
    """
    files = files_of(repository, commit_of(repository, architecture_id).tree)
    try:
        return Architecture(
            source=text_of(repository, files[SOURCE_FILE]),
            hparams=json.loads(text_of(repository, files[HPARAMS_FILE])),
        )
    except KeyError:
        raise UnknownArchitecture(architecture_id) from None
    except (ValidationError, json.JSONDecodeError) as error:
        raise StoreCorrupt(f"the commit {architecture_id} is no architecture: {error}") from error


def read_pending(repository: Repository, blob_id: str) -> Pending:
    """Return the candidate under way that a file holds."""
    return checked(TypeAdapter(Pending), _pending_facts(repository, blob_id), ANSWER_FILE)


def _pending_facts(repository: Repository, blob_id: str) -> dict[str, Any]:
    head, _, answer = text_of(repository, blob_id).partition("\n")
    try:
        facts: dict[str, Any] = json.loads(head)
        facts["proposal"]["answer"] = answer
    except (json.JSONDecodeError, LookupError, TypeError) as error:
        raise StoreCorrupt(f"the answer {blob_id} has no first line of facts: {error}") from error
    return facts


def read_outcome(repository: Repository, record: str, commit_id: ArchitectureId) -> Outcome:
    """Return what a candidate's record and commit say."""
    files = files_of(repository, record)
    facts = json_of(repository, files, RECORD_FILE, TypeAdapter(dict[str, Any]))
    try:
        facts["pending"] = _pending_facts(repository, files[ANSWER_FILE])
    except KeyError as error:
        raise StoreCorrupt(f"the record {record} of {commit_id} has no {error}") from error
    if OUTPUT_FILE in files:
        facts["output"] = text_of(repository, files[OUTPUT_FILE])
    facts["trace"] = read_trailers(commit_of(repository, commit_id).message).get("Trace", "")
    facts["architecture"] = None
    if facts.pop("applied"):
        made = read_architecture(repository, commit_id)
        parent = read_architecture(repository, facts["pending"]["parent"])
        facts["architecture"] = made.model_dump()
        facts["delta"] = render_delta(parent.source, made.source)
    kind: type[Outcome] = Kept if "evaluation" in facts else Rejected
    return checked(TypeAdapter[Outcome](kind), facts, f"{RECORD_FILE} of {commit_id}")


def read_evaluations(found: Mapping[str, GitObject], where: str) -> list[Evaluation]:
    """Return the measurements among a record's files, in the order of their keys.

    The first is in the record itself, and counts unless it was made again.

    Raises:
        StoreCorrupt: a file is not as the format says.
    """
    made: dict[str, Evaluation] = {}
    for name in sorted(found, key=lambda each: each != RECORD_FILE):
        try:
            if name == RECORD_FILE:
                facts = json.loads(found[name].data).get("evaluation")
                first = None if facts is None else Evaluation.model_validate(facts)
            elif name.startswith(EVALUATION_FILE):
                first = Evaluation.model_validate_json(found[name].data)
            else:
                continue
        except (ValueError, AttributeError) as error:
            raise StoreCorrupt(f"{name} of {where} is not as the format says: {error}") from error
        if first is not None:
            made[first.key] = first
    return [made[key] for key in sorted(made)]


def read_checks(found: Mapping[str, GitObject], where: str) -> list[Check]:
    """Return what came of building a network, from the files that say so.

    Raises:
        StoreCorrupt: a file is not as the format says.
    """
    try:
        return [
            Check.model_validate_json(each.data)
            for name, each in found.items()
            if name.startswith(CHECK_FILE)
        ]
    except ValidationError as error:
        raise StoreCorrupt(f"a check of {where} is not as the format says: {error}") from error
