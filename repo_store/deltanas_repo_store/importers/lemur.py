"""LEMUR's networks and their published accuracies, out of the package nn-dataset.

The package is read as files, in a wheel or a folder. It is never imported: importing ``ab``, by
`importlib.resources` too, spends minutes writing a database to the current folder.
"""

import difflib
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.importers.defaults import default_hparams
from deltanas_repo_store.importers.file_trees import FileTree, FolderTree, TooLarge, ZipTree
from deltanas_repo_store.importers.lemur_trials import Trials, best_trial
from deltanas_repo_store.importers.problems import first_problem, name_problem
from deltanas_repo_store.importers.syntax import Syntax, read_syntax
from deltanas_repo_store.records import MAX_SOURCE_BYTES, Architecture
from deltanas_repo_store.reported import NewBaseline, Skipped

PACKAGE = "nn-dataset"
LAST_VERSION = "2.1.2"
NETWORKS = "ab/nn/nn"
RAG_PREFIX = "rag-"
RAG_WARNING = (
    "The rag-* networks are other people's code, pasted in without its licence texts: timm, "
    "OpenMMLab and detectron2 (Apache-2.0), torchvision (BSD-3-Clause), ultralytics (AGPL-3.0). "
    "A store that has them should not be published."
)

Progress = Callable[[str, int, int], None]
"""Called with what is under way (``compare`` or ``read``), how many are done, and of how many."""

_MAX_METADATA_BYTES = 2**20
_GENERATED = re.compile(r".*-(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


@dataclass(frozen=True)
class _Group:
    """Networks with the same syntax tree: the names, the baseline's first."""

    names: tuple[str, ...]
    syntax: Syntax


class LemurPackage:
    """A copy of nn-dataset that has networks."""

    def __init__(self, tree: FileTree, version: str) -> None:
        """Take an opened copy; see `open`."""
        self._tree = tree
        self.version = version
        """Of the package; ``unknown`` where nothing says it."""
        names = (_network_name(path) for path in tree.names(NETWORKS))
        self._names = tuple(sorted({name for name in names if name is not None}))
        if not self._names:
            raise ConfigError(
                f"{PACKAGE} {version} has no networks in {NETWORKS}: {LAST_VERSION} is the last "
                f"version with sources; `pip download --no-deps {PACKAGE}=={LAST_VERSION}` gets it"
            )
        self._trials: Trials | None = None

    @classmethod
    def open(cls, where: Path | str) -> "LemurPackage":
        """Open a wheel, a folder that has ``ab/nn/nn``, or by the package's name what is installed.

        Raises:
            ConfigError: there is no such thing, it is damaged, or it has no networks.
        """
        tree, version = _opened(where)
        try:
            return cls(tree, version or _version_in(tree) or "unknown")
        except BaseException:
            tree.close()
            raise

    def __enter__(self) -> "LemurPackage":
        """Return the package; `close` at the end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let go of the files."""
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        self._tree.close()

    @property
    def num_dropped_trials(self) -> int:
        """Trials of the networks read so far that were not what a trial must be."""
        return self._trials.num_dropped if self._trials else 0

    def names(self, include_rag: bool = False) -> tuple[str, ...]:
        """List the networks in alphabetical order; see `RAG_WARNING` for those left out."""
        return tuple(name for name in self._names if include_rag or not _is_rag(name))

    def networks(
        self,
        names: Collection[str] | None = None,
        include_rag: bool = False,
        *,
        done: Collection[str] = (),
        progress: Progress = lambda what, num_done, num_all: None,
    ) -> Iterator[NewBaseline | Skipped]:
        """Yield networks in alphabetical order, each with its twins' names and trials.

        Twins are networks with the same syntax tree. They are looked for among all networks, so
        that neither ``names`` nor ``done`` changes what a network comes out as; a name of a twin
        stands for the network.

        Args:
            names: Only these networks.
            include_rag: See `RAG_WARNING`; needed for such a network in ``names`` too.
            done: Names of baselines that are not wanted any more.
            progress: Called now and then.

        Raises:
            ConfigError: a name is not in the package, a file in it is damaged, or a process that
                parsed sources was killed.
        """
        self._check_names(names, include_rag)
        finished, chosen = frozenset(done), frozenset(self._names if names is None else names)
        wanted = [
            each
            for each in self._compare(self.names(include_rag), progress)
            if _name_of(each) not in finished and not chosen.isdisjoint(_names_of(each))
        ]
        if self._trials is None:
            self._trials = Trials(self._tree, f"{PACKAGE} {self.version}")
        for number, each in enumerate(wanted):
            progress("read", number, len(wanted))
            yield each if isinstance(each, Skipped) else self._network(each, self._trials)
        progress("read", len(wanted), len(wanted))

    def _check_names(self, names: Collection[str] | None, include_rag: bool) -> None:
        known = self.names(include_rag)
        for name in sorted(set(names or ()).difference(known)):
            near = difflib.get_close_matches(name, known, n=3)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            if name in self._names:
                hint = f" unless rag-* networks are asked for. {RAG_WARNING}"
            raise ConfigError(f"{PACKAGE} {self.version} has no network {name[:80]!r}{hint}")

    def _compare(self, names: tuple[str, ...], progress: Progress) -> list[_Group | Skipped]:
        """Find the twins; in alphabetical order of the baselines and of what was skipped."""
        skipped: list[Skipped] = []
        readable: list[str] = []

        def sources() -> Iterator[str]:
            for name in names:
                source = self._source(name)
                if isinstance(source, Skipped):
                    skipped.append(source)
                else:
                    readable.append(name)
                    yield source

        twins: dict[str, list[tuple[str, Syntax]]] = {}
        for number, syntax in enumerate(read_syntax(sources())):
            name = readable[number]
            if syntax.problem:
                skipped.append(Skipped(name=name, reason=syntax.problem))
            else:
                twin = syntax.fingerprint or f"only {name}"
                twins.setdefault(twin, []).append((name, syntax))
            progress("compare", number + 1, len(names))
        progress("compare", len(names), len(names))
        groups = [
            _Group(tuple(sorted((name for name, _ in each), key=_preference)), each[0][1])
            for each in twins.values()
        ]
        return sorted([*groups, *skipped], key=_name_of)

    def _source(self, name: str) -> str | Skipped:
        """Read a network's text."""
        reason = name_problem(name)
        if reason:
            return Skipped(name=name, reason=reason)
        try:
            return self._tree.read(f"{NETWORKS}/{name}.py", MAX_SOURCE_BYTES).decode("utf-8")
        except TooLarge as error:
            return Skipped(name=name, reason=str(error))
        except UnicodeDecodeError as error:
            return Skipped(name=name, reason=f"it is not UTF-8: {error.reason}")

    def _network(self, group: _Group, trials: Trials) -> NewBaseline | Skipped:
        name, *aliases = group.names
        source = self._source(name)
        if isinstance(source, Skipped):
            return source  # the file has changed since it was compared
        found = [trials.of(each) for each in group.names]
        reported = tuple(report for report in found if report is not None)
        best = best_trial(reported)
        hparams = default_hparams(group.syntax.hyperparameters, best.hparams if best else None)
        try:
            architecture = Architecture(source=source, hparams=hparams)
        except ValidationError as error:
            return Skipped(name=name, reason=first_problem(error))
        return NewBaseline(
            name=name, architecture=architecture, aliases=tuple(aliases), reported=reported
        )


def _opened(where: Path | str) -> tuple[FileTree, str]:
    """Return the files, and the version where the way to them says it."""
    if where == PACKAGE:
        try:
            installed = metadata.distribution(PACKAGE)
        except metadata.PackageNotFoundError:
            raise ConfigError(
                f"{PACKAGE} is not installed; give a wheel: `pip download --no-deps "
                f"{PACKAGE}=={LAST_VERSION}` gets one"
            ) from None
        return FolderTree(Path(str(installed.locate_file("")))), installed.version
    path = Path(where)
    if path.is_dir():
        return FolderTree(path), ""
    if not path.is_file():
        raise ConfigError(
            f"there is nothing to read at {path}: expected a wheel of {PACKAGE}, a folder with "
            f"{NETWORKS}, or the word {PACKAGE} for an installed copy"
        )
    return ZipTree(path), ""


def _version_in(tree: FileTree) -> str:
    """Return the version that the package's metadata states; empty where there are none."""
    for path in tree.matching("nn_dataset-*.dist-info/METADATA"):
        try:
            text = tree.read(path, _MAX_METADATA_BYTES).decode("utf-8", errors="replace")
        except TooLarge:
            continue
        if match := re.search(r"^Version: ([0-9A-Za-z.+!-]{1,32})\r?$", text, re.MULTILINE):
            return match[1]
    return ""


def _network_name(path: str) -> str | None:
    name = path.removeprefix(f"{NETWORKS}/")
    if "/" in name or not name.endswith(".py") or name == "__init__.py":
        return None
    return name.removesuffix(".py")


def _is_rag(name: str) -> bool:
    return name.startswith(RAG_PREFIX)


def _preference(name: str) -> tuple[bool, bool, str]:
    """Order names of the same network: those that a person chose are first, the rag-* last."""
    return _is_rag(name), _GENERATED.fullmatch(name) is not None, name


def _name_of(each: _Group | Skipped) -> str:
    return each.name if isinstance(each, Skipped) else each.names[0]


def _names_of(each: _Group | Skipped) -> tuple[str, ...]:
    return (each.name,) if isinstance(each, Skipped) else each.names
