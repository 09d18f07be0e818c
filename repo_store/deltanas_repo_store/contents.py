"""Reading what the store keeps in objects: texts, folders, architectures, candidates' records."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from deltanas_repo_store.delta import render_delta
from deltanas_repo_store.errors import StoreCorrupt, UnknownArchitecture
from deltanas_repo_store.layout import (
    ANSWER_FILE,
    HPARAMS_FILE,
    OUTPUT_FILE,
    PENDING_FILE,
    PENDING_FOLDER,
    RECORD_FILE,
    SOURCE_FILE,
)
from deltanas_repo_store.objects import Commit, GitObject, blob, read_commit, tree, tree_files
from deltanas_repo_store.records import (
    Architecture,
    ArchitectureId,
    Kept,
    Outcome,
    Pending,
    Rejected,
)
from deltanas_repo_store.repository import Repository

_Value = TypeVar("_Value")


def folder(files: Mapping[str, str], folders: Mapping[str, str] = {}) -> list[GitObject]:
    """Return the blobs of texts by name, and last their tree; ``folders`` are trees in it."""
    blobs = {name: blob(text) for name, text in files.items()}
    files = {name: each.id for name, each in blobs.items()}
    return [*blobs.values(), tree({**files, **folders})]


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


def read_pending(repository: Repository, tree_id: str) -> Pending:
    """Return the candidate under way that a folder holds."""
    return checked(TypeAdapter(Pending), _pending_facts(repository, tree_id), PENDING_FILE)


def _pending_facts(repository: Repository, tree_id: str) -> dict[str, Any]:
    files = files_of(repository, tree_id)
    facts = json_of(repository, files, PENDING_FILE, TypeAdapter(dict[str, Any]))
    facts["proposal"]["answer"] = text_of(repository, files[ANSWER_FILE])
    return facts


def read_outcome(repository: Repository, record: str, commit_id: ArchitectureId) -> Outcome:
    """Return what a candidate's record and commit say."""
    files = files_of(repository, record)
    facts = json_of(repository, files, RECORD_FILE, TypeAdapter(dict[str, Any]))
    facts["pending"] = _pending_facts(repository, files[PENDING_FOLDER])
    facts["output"] = text_of(repository, files[OUTPUT_FILE])
    facts["architecture"] = None
    if facts.pop("applied"):
        made = read_architecture(repository, commit_id)
        parent = read_architecture(repository, facts["pending"]["parent"])
        facts["architecture"] = made.model_dump()
        facts["delta"] = render_delta(parent.source, made.source)
    kind: type[Outcome] = Rejected
    if (evaluation := facts.get("evaluation")) is not None:
        # As it was then: what is measured later does not change how a candidate came in.
        facts["evaluation"] = json.loads(text_of(repository, evaluation))
        kind = Kept
    return checked(TypeAdapter[Outcome](kind), facts, f"{RECORD_FILE} of {commit_id}")
