"""The store: architectures, candidates, runs and evaluations over a git repository.

Invariant: a candidate is nowhere, pending, or finished (kept or rejected), and one atomic ref
transaction takes it from each to the next. Whoever reads the refs knows all there is to know;
`layout` says where what stands.
"""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from deltanas_repo_store import messages
from deltanas_repo_store.entries import (
    BASELINES,
    KEPT,
    REJECTED,
    BaselineEntry,
    Entry,
    KeptEntry,
    RejectedEntry,
    read_entry,
)
from deltanas_repo_store.errors import ConfigError, StoreBusy, StoreCorrupt, UnknownArchitecture
from deltanas_repo_store.layout import (
    HPARAMS_FILE,
    PENDING,
    RECORDS,
    RESERVED_RUN,
    RUNS,
    SOURCE_FILE,
    architecture_objects,
    candidate_ref,
    checked_name,
    record_files,
    record_ref,
)
from deltanas_repo_store.objects import (
    Commit,
    GitObject,
    blob,
    commit,
    read_commit,
    tree,
    tree_files,
)
from deltanas_repo_store.records import (
    Architecture,
    ArchitectureId,
    CandidateKey,
    Evaluation,
    Kept,
    Outcome,
    Pending,
    Rejected,
)
from deltanas_repo_store.repository import RefChange, Repository

_CAS_TRIES = 20
_Json = TypeVar("_Json")


def utc_now() -> datetime:
    """Return the present time; the store's default clock."""
    return datetime.now(UTC)


class Store:
    """Architectures and what became of them. The repository decides where they are kept."""

    def __init__(self, repository: Repository, clock: Callable[[], datetime] = utc_now) -> None:
        self._repository = repository
        self._clock = clock

    def close(self) -> None:
        """Let go of the repository's processes and files."""
        self._repository.close()

    # Architectures

    def import_baseline(self, name: str, architecture: Architecture) -> ArchitectureId:
        """Add a root commit for ``name``; the same content again changes nothing.

        Raises:
            ConfigError: the name cannot be one, or belongs to another architecture.
        """
        ref = BASELINES + checked_name(name, what="baseline")
        if (present := self._repository.refs(ref).get(ref)) is not None:
            if self.get(ArchitectureId(present)) == architecture:
                return ArchitectureId(present)
            raise ConfigError(
                f"the store has a baseline {name!r} with other content; import under another name"
            )
        objects = architecture_objects(architecture)
        root = self._commit(objects[-1], (), "DeltaNAS", messages.baseline_message(name))
        self._repository.write([*objects, root])
        self._repository.update([RefChange(ref, None, root.id)])
        return ArchitectureId(root.id)

    def get(self, architecture_id: ArchitectureId) -> Architecture:
        """Return the architecture of a commit.

        Raises:
            UnknownArchitecture: no commit of the store has this id.
        """
        files = self._files(self._commit_of(architecture_id).tree)
        try:
            return Architecture(
                source=self._text(files[SOURCE_FILE]),
                hparams=json.loads(self._text(files[HPARAMS_FILE])),
            )
        except KeyError:
            raise UnknownArchitecture(architecture_id) from None
        except (ValidationError, json.JSONDecodeError) as error:
            raise StoreCorrupt(
                f"the commit {architecture_id} is no architecture: {error}"
            ) from error

    def parent(self, architecture_id: ArchitectureId) -> ArchitectureId | None:
        """Return the architecture that this one was made from; None for a baseline."""
        parents = self._commit_of(architecture_id).parents
        return ArchitectureId(parents[0]) if parents else None

    def resolve(self, text: str) -> ArchitectureId:
        """Find an architecture by its id (7 digits or more) or its name.

        A baseline's name is ``resnet`` or ``baseline/resnet``; a candidate's is
        ``quickstart/c01-003``, kept or rejected.

        Raises:
            UnknownArchitecture: nothing, or more than one thing, has this id or name.
        """
        is_hex = re.fullmatch(r"[0-9a-f]{7,40}", text)
        if is_hex and (found := self._repository.find(text)):
            return ArchitectureId(found)
        if len(text) <= 140 and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]*", text):
            for prefix in (BASELINES, KEPT, REJECTED, "refs/heads/", "refs/"):
                ref = prefix + text
                if prefix + text in (refs := self._repository.refs(ref)):
                    return self._architecture_at(ref, refs[ref])
        raise UnknownArchitecture(text)

    def _architecture_at(self, ref: str, object_id: str) -> ArchitectureId:
        if not ref.startswith((BASELINES, KEPT, REJECTED)):
            raise UnknownArchitecture(ref.removeprefix("refs/"))
        return ArchitectureId(object_id)

    def entries(self, run: str | None = None) -> tuple[Entry, ...]:
        """Return baselines, kept and rejected candidates; of one run, its candidates alone."""
        places = (
            (BASELINES, KEPT, REJECTED) if run is None else (f"{KEPT}{run}/", f"{REJECTED}{run}/")
        )
        return tuple(
            read_entry(found) for place in places for found in self._repository.commits(place)
        )

    def candidates(self, run: str) -> tuple[KeptEntry | RejectedEntry, ...]:
        """Return the finished candidates of a run."""
        return tuple(each for each in self.entries(run) if not isinstance(each, BaselineEntry))

    # Runs

    def begin_run(self, run: str, config: Mapping[str, Any]) -> None:
        """Take the name ``run`` and keep the run's resolved configuration.

        Raises:
            ConfigError: the name cannot be one, or the store has such a run.
        """
        if checked_name(run, what="run") == RESERVED_RUN:
            raise ConfigError(f"a run cannot be called {RESERVED_RUN!r}; choose another name")
        if run in self.runs():
            raise ConfigError(
                f"the store has a run {run!r} already; resume it or choose another name"
            )
        file = blob(json.dumps(config, indent=2, sort_keys=True) + "\n")
        folder = tree({"run.json": file.id})
        self._repository.write([file, folder])
        self._repository.update([RefChange(RUNS + run, None, folder.id)])

    def runs(self) -> tuple[str, ...]:
        """Return the names of the runs, in alphabetical order."""
        return tuple(ref.removeprefix(RUNS) for ref in self._repository.refs(RUNS))

    def run_config(self, run: str) -> dict[str, Any]:
        """Return the configuration that `begin_run` kept.

        Raises:
            ConfigError: the store has no such run.
        """
        found = self._repository.refs(RUNS).get(RUNS + run)
        if found is None:
            there = ", ".join(self.runs()) or "none"
            raise ConfigError(f"the store has no run {run!r}; its runs: {there}")
        return self._json(self._files(found), "run.json", TypeAdapter(dict[str, Any]))

    def driving(self, run: str) -> AbstractContextManager[None]:
        """Be the only driver of ``run`` while the block runs; raises `StoreBusy` otherwise."""
        return self._repository.exclusive(f"run {run}")

    # Candidates

    def reserve(self, pending: Pending) -> None:
        """Take a candidate's slot and make its answer safe, before any work is done on it.

        Raises:
            StoreBusy: the slot is taken or finished.
        """
        objects = self._folder({"pending.json": pending.model_dump_json(indent=2)})
        self._repository.write(objects)
        unfinished = RefChange(candidate_ref(RECORDS, pending.key), None, None)
        taken = RefChange(candidate_ref(PENDING, pending.key), None, objects[-1].id)
        self._repository.update([unfinished, taken])

    def pending(self, run: str) -> tuple[Pending, ...]:
        """Return the candidates whose evaluation was begun and has not ended."""
        return tuple(
            self._json(self._files(folder), "pending.json", TypeAdapter(Pending))
            for folder in self._repository.refs(f"{PENDING}{run}/").values()
        )

    def find_pending(self, name: str) -> Pending | None:
        """Return the pending candidate called ``<run>/c01-003``, if there is one."""
        run, _, candidate = name.partition("/")
        if run not in self.runs():
            return None
        return next((each for each in self.pending(run) if each.key.name == candidate), None)

    def finish(self, outcome: Outcome) -> ArchitectureId:
        """Turn a pending candidate into a kept or rejected one, in one transaction.

        Raises:
            StoreBusy: another process has finished this candidate.
        """
        key, parent = outcome.pending.key, outcome.pending.parent
        if outcome.architecture is None:
            objects = [GitObject("tree", self._repository.read(self._commit_of(parent).tree).data)]
        else:
            objects = architecture_objects(outcome.architecture)
        kept = isinstance(outcome, Kept)
        message = (
            messages.kept_message(outcome)
            if isinstance(outcome, Kept)
            else messages.rejected_message(outcome)
        )
        result = self._commit(objects[-1], (parent,), outcome.pending.proposal.proposer, message)
        record = self._folder(record_files(outcome))
        self._repository.write([*objects, result, *record])
        pending = candidate_ref(PENDING, key)
        self._repository.update(
            [
                RefChange(candidate_ref(KEPT if kept else REJECTED, key), None, result.id),
                RefChange(candidate_ref(RECORDS, key), None, record[-1].id),
                RefChange(pending, self._repository.refs(pending).get(pending), None),
            ]
        )
        return ArchitectureId(result.id)

    def outcome(self, key: CandidateKey) -> Outcome:
        """Return the full record of a finished candidate.

        Raises:
            UnknownArchitecture: the candidate is not finished.
        """
        ref = candidate_ref(RECORDS, key)
        found = self._repository.refs(ref).get(ref)
        if found is None:
            raise UnknownArchitecture(f"{key.run}/{key.name}")
        files = self._files(found)
        facts = self._json(files, "record.json", TypeAdapter(dict[str, Any]))
        facts["output"] = self._text(files["output.txt"])
        facts["pending"]["proposal"]["answer"] = self._text(files["answer.txt"])
        applied = facts.pop("applied")
        commit_id = self.resolve(f"{key.run}/{key.name}")
        facts["architecture"] = self.get(commit_id).model_dump() if applied else None
        kind = Kept if "evaluation" in facts else Rejected
        return self._checked(TypeAdapter[Outcome](kind), facts, ref)

    # Evaluations

    def evaluations(self, architecture_id: ArchitectureId) -> tuple[Evaluation, ...]:
        """Return every measurement of an architecture, in the order of their keys."""
        ref = self._record_ref(architecture_id)
        return self._evaluations_in(self._repository.refs(ref).get(ref))

    def measured(self) -> dict[ArchitectureId, tuple[Evaluation, ...]]:
        """Return every measurement of every baseline and kept candidate."""
        records = self._repository.refs(RECORDS)
        return {
            entry.id: self._evaluations_in(records.get(record_ref(entry)))
            for entry in self.entries()
            if not isinstance(entry, RejectedEntry)
        }

    def _evaluations_in(self, record: str | None) -> tuple[Evaluation, ...]:
        files = self._files(record) if record else {}
        return tuple(
            self._json(files, name, TypeAdapter(Evaluation))
            for name in files
            if name.startswith("evaluation-")
        )

    def add_evaluation(self, architecture_id: ArchitectureId, evaluation: Evaluation) -> None:
        """Keep a measurement, in place of an earlier one under the same conditions.

        Raises:
            StoreBusy: other processes kept writing at the same time.
        """
        ref = self._record_ref(architecture_id)
        file = blob(evaluation.model_dump_json(indent=2))
        for attempt in range(_CAS_TRIES):
            old = self._repository.refs(ref).get(ref)
            files = self._files(old) if old else {}
            folder = tree({**files, f"evaluation-{evaluation.key}.json": file.id})
            if folder.id == old:
                return
            self._repository.write([file, folder])
            try:
                self._repository.update([RefChange(ref, old, folder.id)])
            except StoreBusy:
                if attempt == _CAS_TRIES - 1:
                    raise
            else:
                return

    def _record_ref(self, architecture_id: ArchitectureId) -> str:
        for entry in self.entries():
            if entry.id == architecture_id:
                if isinstance(entry, RejectedEntry):
                    raise ConfigError(f"{entry.name} was rejected; only kept ones are measured")
                return record_ref(entry)
        raise UnknownArchitecture(architecture_id)

    # Objects

    def _commit(
        self, folder: GitObject, parents: tuple[str, ...], author: str, text: str
    ) -> GitObject:
        return commit(
            tree_id=folder.id, parents=parents, author=author, when=self._clock(), message=text
        )

    def _commit_of(self, architecture_id: ArchitectureId) -> Commit:
        found = self._repository.find(architecture_id)
        if found is None:
            raise UnknownArchitecture(architecture_id)
        return read_commit(self._repository.read(found).data)

    def _files(self, tree_id: str) -> dict[str, str]:
        try:
            return tree_files(self._repository.read(tree_id).data)
        except ValueError as error:
            raise StoreCorrupt(f"the tree {tree_id} is not one of this store: {error}") from error

    def _text(self, blob_id: str) -> str:
        return self._repository.read(blob_id).data.decode(errors="replace")

    def _folder(self, files: Mapping[str, str]) -> list[GitObject]:
        blobs = {name: blob(text) for name, text in files.items()}
        return [*blobs.values(), tree({name: each.id for name, each in blobs.items()})]

    def _json(self, files: Mapping[str, str], name: str, kind: TypeAdapter[_Json]) -> _Json:
        try:
            value = json.loads(self._text(files[name]))
        except (KeyError, json.JSONDecodeError) as error:
            raise StoreCorrupt(f"{name} of a record cannot be read: {error}") from error
        return self._checked(kind, value, name)

    def _checked(self, kind: TypeAdapter[_Json], value: object, where: str) -> _Json:
        try:
            return kind.validate_python(value)
        except ValidationError as error:
            raise StoreCorrupt(
                f"{where} of the store is not as its format says: {error}"
            ) from error
