"""The store: what is kept of a search, whatever it is kept in.

Refs and the objects they name are the truth. Lists and look-ups are answered by an index of them
(`index`), which follows the refs before it answers.
"""

import json
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter

from deltanas_repo_store.contents import (
    commit_of,
    files_of,
    finished,
    folder,
    json_of,
    read_architecture,
    read_checks,
    read_evaluations,
    read_outcome,
    read_pending,
    text_of,
)
from deltanas_repo_store.entries import (
    BASELINES,
    KEPT,
    REJECTED,
    BaselineEntry,
    Entry,
    KeptEntry,
    RejectedEntry,
    entry_of,
)
from deltanas_repo_store.errors import ConfigError, StoreBusy, UnknownArchitecture
from deltanas_repo_store.index import Index
from deltanas_repo_store.layout import (
    ALIASES,
    CHECK_FILE,
    EVALUATION_FILE,
    PENDING,
    RECORD_FILE,
    RECORDS,
    RESERVED_RUN,
    RUNS,
    baseline_objects,
    candidate_ref,
    checked_name,
    pending_text,
    record_ref,
    superseded,
)
from deltanas_repo_store.records import (
    Architecture,
    ArchitectureId,
    CandidateKey,
    Check,
    Evaluation,
    Kept,
    Outcome,
    Pending,
)
from deltanas_repo_store.repository import RefChange, Repository
from deltanas_repo_store.repository.objects import GitObject, blob, tree

_CAS_TRIES = 20


def utc_now() -> datetime:
    """Return the present time; the store's default clock."""
    return datetime.now(UTC)


class Store:
    """Architectures and what became of them. The repository decides where they are kept."""

    def __init__(self, repository: Repository, clock: Callable[[], datetime] = utc_now) -> None:
        self.repository = repository
        self.index = Index(repository)
        self._clock = clock

    def close(self) -> None:
        """Let go of the repository's processes and files."""
        self.index.close()
        self.repository.close()

    # Architectures

    def import_baseline(self, name: str, architecture: Architecture) -> ArchitectureId:
        """Add a root commit for ``name``; the same content again changes nothing.

        Raises:
            ConfigError: the name cannot be one, or belongs to another architecture.
        """
        ref = BASELINES + checked_name(name, what="baseline")
        if (present := self.repository.ref(ref)) is not None:
            if self.get(ArchitectureId(present)) == architecture:
                return ArchitectureId(present)
            raise ConfigError(
                f"the store has a baseline {name!r} with other content; import under another name"
            )
        objects = baseline_objects(name, architecture)
        self._write(objects, [RefChange(ref, None, objects[-1].id)])
        return ArchitectureId(objects[-1].id)

    def get(self, architecture_id: ArchitectureId) -> Architecture:
        """Return the architecture of a commit.

        Raises:
            UnknownArchitecture: no commit of the store has this id.
        """
        return read_architecture(self.repository, architecture_id)

    def parent(self, architecture_id: ArchitectureId) -> ArchitectureId | None:
        """Return the architecture that this one was made from; None for a baseline."""
        parents = commit_of(self.repository, architecture_id).parents
        return ArchitectureId(parents[0]) if parents else None

    def resolve(self, text: str) -> ArchitectureId:
        """Find an architecture by its id (7 digits or more) or its name.

        A baseline's name is ``resnet`` or ``baseline/resnet``; a candidate's is
        ``quickstart/c01-003``, kept or rejected.

        Raises:
            UnknownArchitecture: nothing, or more than one thing, has this id or name.
        """
        is_hex = re.fullmatch(r"[0-9a-f]{7,40}", text)
        if is_hex and (found := self.repository.find(text)):
            return ArchitectureId(found)
        if len(text) <= 140 and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]*", text):
            for prefix in (BASELINES, KEPT, REJECTED, ALIASES, "refs/heads/", "refs/"):
                ref = prefix + text
                if found := self.repository.ref(ref):
                    return self._architecture_at(ref, found)
        raise UnknownArchitecture(text)

    def _architecture_at(self, ref: str, object_id: str) -> ArchitectureId:
        if not ref.startswith((BASELINES, KEPT, REJECTED, ALIASES)):
            raise UnknownArchitecture(ref.removeprefix("refs/"))
        return ArchitectureId(object_id)

    # Lists

    def entries(self, run: str | None = None) -> tuple[Entry, ...]:
        """Return baselines, kept and rejected candidates; of one run, its candidates alone."""
        if run is None:
            return self._entries("ORDER BY ref")
        return self._entries("WHERE run = ? ORDER BY ref", run)

    def baselines(self) -> tuple[BaselineEntry, ...]:
        """Return the baselines, in the order of their names."""
        found = self._entries("WHERE status = 'baseline' ORDER BY name")
        return tuple(each for each in found if isinstance(each, BaselineEntry))

    def entry(self, architecture_id: ArchitectureId) -> Entry | None:
        """Return the entry of an architecture; None where it has none, as ancestors may."""
        found = self._entries("WHERE id = ? ORDER BY ref LIMIT 1", architecture_id)
        return found[0] if found else None

    def candidates(self, run: str) -> tuple[KeptEntry | RejectedEntry, ...]:
        """Return the finished candidates of a run."""
        return tuple(each for each in self.entries(run) if not isinstance(each, BaselineEntry))

    def _entries(self, which: str, *values: object) -> tuple[Entry, ...]:
        rows = self.index.rows(f"SELECT entry FROM architecture {which}", values)
        return tuple(entry_of(entry) for (entry,) in rows)

    def named_refs(self, refs: Sequence[str]) -> dict[str, str]:
        """Return those of the refs that there are: ref to object id."""
        rows = self.index.rows(
            "SELECT name, oid FROM ref WHERE name IN (SELECT value FROM json_each(?))",
            (json.dumps(list(refs)),),
        )
        return {str(ref): str(oid) for ref, oid in rows}

    def _refs_below(self, prefix: str) -> dict[str, str]:
        rows = self.index.rows(
            "SELECT name, oid FROM ref WHERE name >= ? AND name < ? ORDER BY name",
            (prefix, prefix.removesuffix("/") + "0"),
        )
        return {str(ref): str(oid) for ref, oid in rows}

    # Runs

    def begin_run(self, run: str, config: Mapping[str, Any]) -> None:
        """Take the name ``run`` and keep the run's resolved configuration.

        Two runs of one configuration are two runs wherever they were begun: each has an id.

        Raises:
            ConfigError: the name cannot be one, or the store has such a run.
        """
        if checked_name(run, what="run") == RESERVED_RUN:
            raise ConfigError(f"a run cannot be called {RESERVED_RUN!r}; choose another name")
        if self.repository.ref(RUNS + run) is not None:
            raise ConfigError(
                f"the store has a run {run!r} already; resume it or choose another name"
            )
        text = json.dumps(config, indent=2, sort_keys=True) + "\n"
        objects = folder({"run.json": text, "id": f"{uuid.uuid4()}\n"})
        self._write(objects, [RefChange(RUNS + run, None, objects[-1].id)])

    def runs(self) -> tuple[str, ...]:
        """Return the names of the runs, in alphabetical order."""
        return tuple(ref.removeprefix(RUNS) for ref in self._refs_below(RUNS))

    def run_config(self, run: str) -> dict[str, Any]:
        """Return the configuration that `begin_run` kept.

        Raises:
            ConfigError: the store has no such run.
        """
        known = len(run) <= 64 and run.isascii() and run.isprintable() and " " not in run
        found = self.repository.ref(RUNS + run) if known else None
        if found is None:
            there = ", ".join(self.runs()) or "none"
            raise ConfigError(f"the store has no run {run!r}; its runs: {there}")
        files = files_of(self.repository, found)
        return json_of(self.repository, files, "run.json", TypeAdapter(dict[str, Any]))

    def run_id(self, run: str) -> str:
        """Return what tells a run from all others, those of the same name in other stores too.

        Raises:
            ConfigError: the store has no such run.
        """
        self.run_config(run)
        found = self.repository.ref(RUNS + run)
        assert found is not None
        blob_id = files_of(self.repository, found).get("id")
        return text_of(self.repository, blob_id).strip() if blob_id else found

    def driving(self, run: str) -> AbstractContextManager[None]:
        """Be the only driver of ``run`` while the block runs; raises `StoreBusy` otherwise."""
        return self.repository.exclusive(f"run {run}")

    # Candidates

    def reserve(self, pending: Pending) -> None:
        """Take a candidate's slot and make its answer safe, before any work is done on it.

        Raises:
            StoreBusy: the slot is taken or finished.
        """
        answer = blob(pending_text(pending))
        unfinished = RefChange(candidate_ref(RECORDS, pending.key), None, None)
        taken = RefChange(candidate_ref(PENDING, pending.key), None, answer.id)
        # The index learns of it when it is asked: most candidates end before anybody asks.
        self.repository.write([answer])
        self.repository.update([unfinished, taken])

    def pending(self, run: str) -> tuple[Pending, ...]:
        """Return the candidates whose evaluation was begun and has not ended."""
        return self._unfinished("name >= ? AND name < ?", f"{PENDING}{run}/", f"{PENDING}{run}0")

    def find_pending(self, name: str) -> Pending | None:
        """Return the pending candidate called ``<run>/c01-003``, if there is one."""
        found = self._unfinished("name = ?", PENDING + name)
        return found[0] if found else None

    def _unfinished(self, which: str, *values: str) -> tuple[Pending, ...]:
        """Return pending candidates, but for those that a killed git has finished (`finish`)."""
        rows = self.index.rows(
            f"SELECT oid FROM ref WHERE {which} AND NOT EXISTS (SELECT 1 FROM ref AS end_ref WHERE "
            "end_ref.name IN (? || substr(ref.name, ?), ? || substr(ref.name, ?))) ORDER BY name",
            [*values, KEPT, len(PENDING) + 1, REJECTED, len(PENDING) + 1],
        )
        return tuple(read_pending(self.repository, str(blob_id)) for (blob_id,) in rows)

    def finish(self, outcome: Outcome) -> ArchitectureId:
        """Turn a pending candidate into a kept or rejected one, in one transaction.

        Raises:
            StoreBusy: another process has finished this candidate.
        """
        key = outcome.pending.key
        pending, recorded = candidate_ref(PENDING, key), candidate_ref(RECORDS, key)
        kept, rejected = candidate_ref(KEPT, key), candidate_ref(REJECTED, key)
        reserved = self.repository.ref(pending)
        if reserved is None:
            raise StoreBusy(f"{key.run}/{key.name} is not pending: another process has finished it")
        parent = commit_of(self.repository, outcome.pending.parent)
        made = finished(outcome, answer=reserved, unchanged=parent.tree, when=self._clock())
        is_kept = isinstance(outcome, Kept)
        # The second decides. A git that is killed amid its renames leaves a record that nobody
        # reads, and the next takes its place; or a finished candidate, no longer `pending`.
        changes = [
            RefChange(recorded, None, made.record),
            RefChange(kept if is_kept else rejected, None, made.commit),
            RefChange(rejected if is_kept else kept, None, None),
            RefChange(pending, reserved, None),
        ]
        try:
            self._write(made.objects, changes)
        except StoreBusy:
            left_over = self.repository.ref(recorded)
            if left_over is None or self.repository.ref(kept) or self.repository.ref(rejected):
                raise
            changes[0] = RefChange(recorded, left_over, made.record)
            self._write(made.objects, changes)
        self.repository.maintain_if_due()
        return ArchitectureId(made.commit)

    def outcome(self, key: CandidateKey) -> Outcome:
        """Return the full record of a finished candidate.

        Raises:
            UnknownArchitecture: the candidate is not finished.
        """
        ref = candidate_ref(RECORDS, key)
        found = self.repository.ref(ref)
        if found is None:
            raise UnknownArchitecture(f"{key.run}/{key.name}")
        return read_outcome(self.repository, found, self.resolve(f"{key.run}/{key.name}"))

    # Evaluations and checks

    def evaluations(self, architecture_id: ArchitectureId) -> tuple[Evaluation, ...]:
        """Return every measurement of an architecture, in the order of their keys."""
        wanted = (EVALUATION_FILE, RECORD_FILE)
        return tuple(read_evaluations(self._recorded(architecture_id, wanted), architecture_id))

    def checks(self, architecture_id: ArchitectureId) -> tuple[Check, ...]:
        """Return what came of building an architecture, by input size."""
        return tuple(read_checks(self._recorded(architecture_id, (CHECK_FILE,)), architecture_id))

    def _recorded(
        self, architecture_id: ArchitectureId, wanted: tuple[str, ...]
    ) -> dict[str, GitObject]:
        found = self.repository.ref(self._record_ref(architecture_id))
        files = files_of(self.repository, found) if found else {}
        return {
            name: self.repository.read(files[name]) for name in files if name.startswith(wanted)
        }

    def add_evaluation(self, architecture_id: ArchitectureId, evaluation: Evaluation) -> None:
        """Keep a measurement, in place of an earlier one under the same conditions.

        Raises:
            StoreBusy: other processes kept writing at the same time.
        """
        name = f"{EVALUATION_FILE}{evaluation.key}.json"
        self._record(architecture_id, name, evaluation.model_dump_json(indent=2))

    def add_check(self, architecture_id: ArchitectureId, check: Check) -> None:
        """Keep what came of building an architecture, in place of an earlier one of this size.

        Raises:
            StoreBusy: other processes kept writing at the same time.
        """
        name = f"{CHECK_FILE}{check.input}.json"
        self._record(architecture_id, name, check.model_dump_json(indent=2))

    def _record(self, architecture_id: ArchitectureId, name: str, text: str) -> None:
        ref = self._record_ref(architecture_id)
        file = blob(text)
        for attempt in range(_CAS_TRIES):
            old = self.repository.ref(ref)
            files = files_of(self.repository, old) if old else {}
            if name in files and files[name] != file.id:
                files[superseded(name, files[name])] = files[name]
            new = tree({**files, name: file.id})
            if new.id == old:
                return
            try:
                self._write([file, new], [RefChange(ref, old, new.id)])
            except StoreBusy:
                if attempt == _CAS_TRIES - 1:
                    raise
            else:
                return

    def _record_ref(self, architecture_id: ArchitectureId) -> str:
        entry = self.entry(architecture_id)
        if entry is None:
            raise UnknownArchitecture(architecture_id)
        if isinstance(entry, RejectedEntry):
            raise ConfigError(f"{entry.name} was rejected; only kept ones are measured")
        return record_ref(entry)

    # Objects

    def _write(self, objects: Sequence[GitObject], changes: Sequence[RefChange]) -> None:
        """Write objects, then the refs that name them, and tell the index."""
        self.repository.write(objects)
        self.repository.update(changes)
        self.index.wrote(changes, {each.id: each for each in objects})

    def write_many(self, objects: Sequence[GitObject], changes: Sequence[RefChange]) -> None:
        """Write objects as one pack, then the refs that name them, and tell the index."""
        self.repository.write_pack(objects)
        self.repository.update(changes)
        self.index.wrote(changes, {each.id: each for each in objects})
