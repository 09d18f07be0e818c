"""What another store sends is checked before any of it gets a name here that we read.

A ref comes in if its name is one that a store gives, and what it names is what a store writes:
small enough, and readable to the last field. All else is left out and told of.
"""

from collections.abc import Mapping
from itertools import chain
from typing import Any

from pydantic import TypeAdapter

from deltanas_repo_store.adapters.files import MAX_FACTS_BYTES
from deltanas_repo_store.adapters.message import read_adapter
from deltanas_repo_store.adapters.records import AdapterKey, Promotion, promotion_number
from deltanas_repo_store.contents import files_of, json_of, read_outcome, text_of
from deltanas_repo_store.entries import BASELINES, KEPT, REJECTED, read_entry
from deltanas_repo_store.errors import DeltaNasError, StoreCorrupt
from deltanas_repo_store.layout import (
    ADAPTERS,
    ALIASES,
    CHECK_FILE,
    EVALUATION_FILE,
    PROMOTIONS,
    RECORDS,
    REPORTED_FILE,
    RESERVED_RUN,
    RUNS,
)
from deltanas_repo_store.records import (
    ArchitectureId,
    CandidateKey,
    Check,
    Evaluation,
    Kept,
    Name,
)
from deltanas_repo_store.reported import Reported, Skipped
from deltanas_repo_store.repository import RefCommit
from deltanas_repo_store.repository.git import GitRepository
from deltanas_repo_store.repository.objects import read_commit
from deltanas_repo_store.sharing.incoming_commits import (
    MAX_BYTES,
    TreeFaults,
    adapter_faults,
    architecture_faults,
    commit_faults,
    kinds_and_sizes,
)
from deltanas_repo_store.sharing.merge_plan import BASELINE_RECORDS, SHARED, split

MAX_FILES = 10_000
"""Of a record: that many measurements of one architecture are no honest work."""

_ARCHITECTURES = (BASELINES, ALIASES, KEPT, REJECTED)
_NAME: TypeAdapter[str] = TypeAdapter(Name)
_RUN = TypeAdapter(dict[str, object])
_KINDS: tuple[tuple[str, TypeAdapter[Any]], ...]
_KINDS = (
    (EVALUATION_FILE, TypeAdapter(Evaluation)),
    (CHECK_FILE, TypeAdapter(Check)),
    (REPORTED_FILE, TypeAdapter(Reported)),
)


def fault_of_name(ref: str) -> str:
    """Say why a ref's name is none of those that stores share; empty where it is one."""
    try:
        place, name = split(ref)
        if place in (BASELINES, ALIASES, RUNS):
            first, second = name, None
        else:
            first, second = name.split("/")
        _NAME.validate_python(first)
        if ref.startswith(BASELINE_RECORDS):
            _NAME.validate_python(second)
            return ""
        if second is not None:
            _check_slot(place, first, second)
    except (StopIteration, ValueError):
        return "its name is none that a store gives"
    if first == RESERVED_RUN and place not in (BASELINES, ALIASES):
        return f"no run can be called {RESERVED_RUN!r}"
    return ""


def _check_slot(place: str, run: str, slot: str) -> None:
    """Raise `ValueError` where a run cannot have a ref of this name in this place."""
    if place == ADAPTERS:
        AdapterKey.parse(run, slot)
    elif place == PROMOTIONS:
        promotion_number(slot)
    elif CandidateKey.parse(run, slot).name != slot:
        raise ValueError(f"{slot} is written in another way")


def record_tree(repository: GitRepository, tree_id: str) -> dict[str, str]:
    """Return the files of a record's tree.

    Raises:
        StoreCorrupt: it is no folder of plain files, as records are.
    """
    files = files_of(repository, tree_id)
    if len(files) > MAX_FILES:
        raise StoreCorrupt(f"it has {len(files)} files, more than {MAX_FILES}")
    for name in files:
        is_simple = name.isascii() and name.isprintable() and not set(name) & set("/\\ ")
        if not is_simple or name.startswith("."):
            raise StoreCorrupt(f"it has {name[:80]!r}, which no record has")
    return files


class Incoming:
    """Sorts refs that were fetched into those that may come in and those that are left out.

    ``staged`` has them by the names they have there. ``known`` are the refs here: trusted.
    """

    def __init__(
        self, repository: GitRepository, staged: Mapping[str, str], known: Mapping[str, str]
    ) -> None:
        self.refs: dict[str, str] = {}
        """What may come in."""
        self.skipped: list[Skipped] = []
        self._repository = repository
        self._known = known
        trusted = {(split(ref)[0], object_id) for ref, object_id in known.items()}
        new: dict[str, str] = {}
        for ref, object_id in staged.items():
            if fault := fault_of_name(ref):
                self.skipped.append(Skipped(name=ref, reason=fault))
            elif (split(ref)[0], object_id) in trusted:
                self.refs[ref] = object_id
            else:
                new[ref] = object_id
        self._check(new)

    def _check(self, new: Mapping[str, str]) -> None:
        faults = {
            **self._faults_of(_ARCHITECTURES, new, architecture_faults),
            **self._faults_of((ADAPTERS,), new, adapter_faults),
        }
        promotions = {ref: new[ref] for ref in new if ref.startswith(PROMOTIONS)}
        trees = new.keys() - faults.keys() - promotions.keys()
        self._read_trees({new[ref] for ref in trees}, {*promotions.values()})
        # A record's candidate is judged before it, and a promotion's adapter.
        for ref in sorted(new, key=lambda each: (SHARED.index(split(each)[0]), each)):
            try:
                if ref in faults:
                    self._check_commit(ref, new[ref], faults[ref])
                elif ref in promotions:
                    self._check_promotion(new[ref])
                else:
                    self._check_tree(ref, new[ref])
            except (DeltaNasError, ValueError, KeyError, TypeError, RecursionError) as error:
                reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
                self.skipped.append(Skipped(name=ref, reason=reason))
            else:
                self.refs[ref] = new[ref]

    def _faults_of(
        self, places: tuple[str, ...], new: Mapping[str, str], tree_faults: TreeFaults
    ) -> dict[str, str]:
        """Return what is wrong with the commits of new refs in these places, by ref."""
        heads = {ref: object_id for ref, object_id in new.items() if ref.startswith(places)}
        here = {oid for ref, oid in self._known.items() if ref.startswith(places)}
        faults = commit_faults(self._repository, set(heads.values()), here, tree_faults)
        return {ref: faults.get(object_id, "") for ref, object_id in heads.items()}

    def _check_commit(self, ref: str, commit_id: str, fault: str) -> None:
        if fault:
            raise StoreCorrupt(fault)
        commit = read_commit(self._repository.read(commit_id).data)
        if ref.startswith(ADAPTERS):
            read_adapter(RefCommit(ref, commit_id, commit))
        elif not ref.startswith(ALIASES):
            read_entry(RefCommit(ref, commit_id, commit))
        if ref.startswith(BASELINES) and commit.parents:
            raise StoreCorrupt("it has a parent, and a baseline has none")

    def _check_promotion(self, blob_id: str) -> None:
        kind, size = self._sizes[blob_id]
        if kind != "blob" or size > MAX_FACTS_BYTES:
            raise StoreCorrupt(f"it is a {kind} of {size} bytes")
        used = Promotion.model_validate_json(text_of(self._repository, blob_id)).adapter
        refs = {**self._known, **self.refs}
        if used and used not in {refs[ref] for ref in refs if ref.startswith(ADAPTERS)}:
            raise StoreCorrupt("the adapter that it is about was left out, or is not there")

    # Trees

    def _read_trees(self, trees: set[str], blobs: set[str]) -> None:
        """Read all trees, and the sizes of what is in them and of ``blobs``, at once."""
        self._trees: dict[str, dict[str, str] | StoreCorrupt] = {}
        for tree_id, (kind, size) in kinds_and_sizes(self._repository, trees).items():
            if kind != "tree" or size > MAX_BYTES:
                self._trees[tree_id] = StoreCorrupt(f"it is a {kind} of {size} bytes")
                continue
            try:
                self._trees[tree_id] = record_tree(self._repository, tree_id)
            except StoreCorrupt as error:
                self._trees[tree_id] = error
        files = [each for each in self._trees.values() if not isinstance(each, StoreCorrupt)]
        everything = set(chain.from_iterable(each.values() for each in files))
        self._sizes = kinds_and_sizes(self._repository, everything | blobs)

    def _files(self, tree_id: str) -> dict[str, str]:
        """Return the files of a tree whose blobs have a fair size."""
        files = self._trees[tree_id]
        if isinstance(files, StoreCorrupt):
            raise files
        for name, object_id in files.items():
            kind, size = self._sizes[object_id]
            if kind != "blob" or size > MAX_BYTES:
                raise StoreCorrupt(f"its {name} is a {kind} of {size} bytes")
        return files

    def _check_tree(self, ref: str, tree_id: str) -> None:
        place, name = split(ref)
        files = self._files(tree_id)
        if place == RUNS:
            json_of(self._repository, files, "run.json", _RUN)
        elif place == RECORDS:
            self._check_record(ref, name, tree_id, files)

    def _check_record(self, ref: str, name: str, tree_id: str, files: Mapping[str, str]) -> None:
        for file in files:
            for prefix, kind in _KINDS:
                if file.startswith(prefix):
                    json_of(self._repository, files, file, kind)
        if ref.startswith(BASELINE_RECORDS):
            owners = [BASELINES + ref.removeprefix(BASELINE_RECORDS)]
        else:
            owners = [KEPT + name, REJECTED + name]
        owner = next((each for each in owners if each in self.refs), None)
        if owner is None:
            raise StoreCorrupt("what it is about was left out, or is not there")
        if not owner.startswith(BASELINES):
            commit_id = ArchitectureId(self.refs[owner])
            is_kept = isinstance(read_outcome(self._repository, tree_id, commit_id), Kept)
            if is_kept != owner.startswith(KEPT):
                raise StoreCorrupt(f"it does not tell of {owner}")
