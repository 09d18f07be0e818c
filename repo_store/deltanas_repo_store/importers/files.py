"""Networks in Python files: one file, the files below a folder, or those of a git repository.

``deep_net.py`` is the network ``deep-net``, and ``deep_net.json`` beside it has hyper-parameters
that are put in place of the defaults.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import TypeAdapter, ValidationError

from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.importers.defaults import default_hparams
from deltanas_repo_store.importers.file_trees import FileTree, FolderTree, TooLarge, is_hidden
from deltanas_repo_store.importers.git_tree import GitTree
from deltanas_repo_store.importers.problems import first_problem, name_problem
from deltanas_repo_store.importers.syntax import Syntax, parsed, read_syntax
from deltanas_repo_store.records import MAX_SOURCE_BYTES, Architecture, HParams
from deltanas_repo_store.reported import NewBaseline, Skipped

MAX_SIDECAR_BYTES = 64 * 1024
"""Far above 64 hyper-parameters, which is the most that an architecture has."""

_HPARAMS = TypeAdapter[HParams](HParams)


@dataclass(frozen=True)
class _File:
    """A file that may be a network."""

    path: str
    name: str
    source: str
    sidecar: HParams


def read_file(path: Path) -> NewBaseline | Skipped:
    """Read one network.

    Raises:
        ConfigError: the file cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"there is no file {path}")
    real = path.resolve()  # the caller named it, so a link is followed
    tree = FolderTree(real.parent)
    found = _file(tree, real.name, sidecar=real.with_suffix(".json").is_file(), name=path.stem)
    if isinstance(found, Skipped):
        return found
    [syntax] = read_syntax([found.source])
    return _network(found, syntax)


def read_text(name: str, source: str, hparams_json: str = "") -> NewBaseline | Skipped:
    """Read a network that comes as text; ``hparams_json`` is what a file beside it would hold."""
    if reason := name_problem(name):
        return Skipped(name=name, reason=reason)
    try:
        hparams = _HPARAMS.validate_json(hparams_json) if hparams_json else {}
    except ValidationError as error:
        return Skipped(name=name, reason=f"its hyper-parameters: {first_problem(error)}")
    return _network(_File(name, name, source, hparams), parsed(source))


def read_folder(path: Path) -> Iterator[NewBaseline | Skipped]:
    """Yield the networks below a folder, in the order of their paths.

    Links are not followed; what is below ``__pycache__``, or is hidden, is left out. Of several
    files with one name, the first is taken.

    Raises:
        ConfigError: there is no such folder, or a file cannot be read.
    """
    if not Path(path).is_dir():
        raise ConfigError(f"there is no folder {path}")
    yield from _networks(FolderTree(Path(path)))


def read_git(where: str, rev: str | None = None) -> Iterator[NewBaseline | Skipped]:
    """Yield the networks of a git repository at a revision, as `read_folder` does of a folder.

    Args:
        where: A folder, or a URL that git can clone from.
        rev: A branch, tag or commit; by default what the repository has as HEAD.

    Raises:
        ConfigError: there is no such repository or revision, or git cannot read it.
    """
    with closing(GitTree(where, rev)) as tree:
        yield from _networks(tree)


def _networks(tree: FileTree) -> Iterator[NewBaseline | Skipped]:
    paths = sorted(path for path in tree.names() if not _is_hidden(path))
    sidecars = {path for path in paths if path.endswith(".json")}
    taken: dict[str, str] = {}
    found: list[_File | Skipped] = []
    for path in paths:
        if not path.endswith(".py"):
            continue
        each = _file(tree, path, sidecar=path.removesuffix(".py") + ".json" in sidecars)
        if isinstance(each, _File):
            first = taken.setdefault(each.name, path)
            if first != path:
                each = Skipped(name=path, reason=f"the name {each.name} is taken by {first}")
        found.append(each)
    trees = read_syntax(each.source for each in found if isinstance(each, _File))
    for each in found:
        yield each if isinstance(each, Skipped) else _network(each, next(trees))


def _file(tree: FileTree, path: str, *, sidecar: bool, name: str = "") -> _File | Skipped:
    name = (name or PurePosixPath(path).stem).replace("_", "-")
    if reason := name_problem(name):
        return Skipped(name=path, reason=reason)
    try:
        source = tree.read(path, MAX_SOURCE_BYTES).decode("utf-8")
    except TooLarge as error:
        return Skipped(name=path, reason=str(error))
    except UnicodeDecodeError as error:
        return Skipped(name=path, reason=f"it is not UTF-8: {error.reason}")
    hparams: HParams = {}
    if sidecar:
        beside = path.removesuffix(".py") + ".json"
        try:
            hparams = _HPARAMS.validate_json(tree.read(beside, MAX_SIDECAR_BYTES))
        except ValidationError as error:
            return Skipped(name=path, reason=f"{beside}: {first_problem(error)}")
        except TooLarge as error:
            return Skipped(name=path, reason=f"{beside}: {error}")
    return _File(path, name, source, hparams)


def _network(file: _File, syntax: Syntax) -> NewBaseline | Skipped:
    if syntax.problem:
        return Skipped(name=file.path, reason=syntax.problem)
    hparams = default_hparams(syntax.hyperparameters) | dict(file.sidecar)
    try:
        architecture = Architecture(source=file.source, hparams=hparams)
    except ValidationError as error:
        return Skipped(name=file.path, reason=first_problem(error))
    return NewBaseline(name=file.name, architecture=architecture)


def _is_hidden(path: str) -> bool:
    return any(is_hidden(part) for part in path.split("/"))
