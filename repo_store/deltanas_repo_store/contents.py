"""Reading and making what the store keeps in objects: texts, folders, JSON of a known shape."""

import json
from collections.abc import Mapping
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from deltanas_repo_store.errors import StoreCorrupt
from deltanas_repo_store.objects import GitObject, blob, tree, tree_files
from deltanas_repo_store.repository import Repository

_Value = TypeVar("_Value")


def folder(files: Mapping[str, str]) -> list[GitObject]:
    """Return the blobs of texts by name, and last their tree."""
    blobs = {name: blob(text) for name, text in files.items()}
    return [*blobs.values(), tree({name: each.id for name, each in blobs.items()})]


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
