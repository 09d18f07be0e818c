"""The adapters of a store: added, listed, promoted, rolled back, brought to disk.

An adapter's ref never moves. What a run uses is said by a row of numbered refs, each a promotion,
of which the last counts: to promote is to make the next one, which only one of several processes
can, and what was in use before stays on record. Nothing moves when stores are merged either.
"""

import os
import re
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from deltanas_repo_store.adapters.files import (
    CONFIG,
    FILES,
    MANIFEST,
    WEIGHTS,
    check_weights,
    open_weights,
    read_facts,
)
from deltanas_repo_store.adapters.message import adapter_message, read_adapter
from deltanas_repo_store.adapters.records import (
    MAX_ATTEMPTS,
    AdapterEntry,
    AdapterId,
    AdapterKey,
    AdapterRecord,
    Promotion,
    promotion_name,
    promotion_number,
)
from deltanas_repo_store.contents import commit_of, files_of, text_of
from deltanas_repo_store.errors import ConfigError, StoreBusy, StoreCorrupt, StoreError
from deltanas_repo_store.layout import ADAPTERS, PROMOTIONS
from deltanas_repo_store.records import ArchitectureId
from deltanas_repo_store.repository import RefChange, RefCommit
from deltanas_repo_store.repository.objects import GitObject, blob, commit, read_commit, tree
from deltanas_repo_store.store import Store, utc_now

_TRIES = 20
_SHORT = 7
"""Digits of an id from which it can stand for an adapter."""


class Adapters:
    """The adapters of a store's runs, and which of them each run uses."""

    def __init__(self, store: Store, clock: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._repository = store.repository
        self._clock = clock

    # Adapters

    def add(self, run: str, cycle: int, folder: Path, record: AdapterRecord) -> AdapterId:
        """Keep the adapter in a folder, as one that came of a cycle of a run.

        Raises:
            ConfigError: there is no such run, the folder has no adapter, or an adapter that the
                record names is not in the store.
            StoreError: it cannot be written.
        """
        self._store.run_config(run)
        known = {each.id for each in self.entries()}
        for named in {record.tuned_from, record.previous} - {None, *known}:
            raise ConfigError(
                f"the record names the adapter {named}, which the store does not have"
            )
        tree_id = self._write_folder(folder)
        for _ in range(_TRIES):
            key = self._next_key(run, cycle)
            result = commit(
                tree_id=tree_id,
                parents=(record.tuned_from,) if record.tuned_from else (),
                author="DeltaNAS",
                when=self._clock(),
                message=adapter_message(key, record),
            )
            self._repository.write([result])
            try:
                change = RefChange(f"{ADAPTERS}{run}/{key.name}", None, result.id)
                self._repository.update([change])
            except StoreBusy:
                continue
            return AdapterId(result.id)
        raise StoreBusy(
            f"other processes kept adding adapters to cycle {cycle} of {run}; try again"
        )

    def _write_folder(self, folder: Path) -> str:
        """Check and write the files of an adapter, and return their tree's id."""
        facts = {name: GitObject("blob", read_facts(folder, name)) for name in (CONFIG, MANIFEST)}
        with open_weights(folder) as weights:
            weights_id = self._repository.write_file(weights)
        made = tree({name: each.id for name, each in facts.items()} | {WEIGHTS: weights_id})
        self._repository.write([*facts.values(), made])
        return made.id

    def _next_key(self, run: str, cycle: int) -> AdapterKey:
        there = set(self._repository.refs(f"{ADAPTERS}{run}/"))
        for attempt in range(1, MAX_ATTEMPTS + 1):
            key = AdapterKey(run=run, cycle=cycle, attempt=attempt)
            if f"{ADAPTERS}{run}/{key.name}" not in there:
                return key
        raise ConfigError(
            f"cycle {cycle} of {run} has {MAX_ATTEMPTS} adapters, the most it can have"
        )

    def entries(self, run: str | None = None) -> tuple[AdapterEntry, ...]:
        """Return the adapters of all runs, or of one, in the order of their cycles.

        Raises:
            ConfigError: the store has no such run.
            StoreCorrupt: one of them cannot be read.
        """
        if run is not None:
            self._store.run_config(run)
        refs = self._repository.refs(ADAPTERS if run is None else f"{ADAPTERS}{run}/")
        found = []
        for (ref, oid), each in zip(
            refs.items(), self._repository.read_all(refs.values()), strict=True
        ):
            if each.kind != "commit":
                raise self._repository.broken(ref, f"names a {each.kind}, not a commit")
            found.append(read_adapter(RefCommit(ref, oid, read_commit(each.data))))
        return tuple(
            sorted(found, key=lambda each: (each.key.run, each.key.cycle, each.key.attempt))
        )

    def find(self, text: str) -> AdapterEntry:
        """Return the adapter called ``<run>/c03``, or with this id (7 digits or more).

        Raises:
            ConfigError: there is none, or more than one.
        """
        everything = self.entries()
        named = [each for each in everything if each.name == text.removeprefix("adapters/")]
        if not named and re.fullmatch(rf"[0-9a-f]{{{_SHORT},40}}", text):
            named = [each for each in everything if each.id.startswith(text)]
        if len({each.id for each in named}) != 1:
            raise ConfigError(
                f"{len(named) or 'no'} adapters of this store are called {text[:80]!r}; "
                "`deltanas adapters list` says what there is, such as night/c03"
            )
        return named[0]

    def export(self, adapter_id: AdapterId, folder: Path) -> None:
        """Write an adapter's files into a new folder: all of them or none.

        Raises:
            ConfigError: there is something in ``folder`` already.
            StoreError: it cannot be written.
            StoreCorrupt: the files are damaged, or not those of an adapter.
        """
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise ConfigError(f"{folder} exists and is not empty; give a path where nothing is yet")
        files = files_of(
            self._repository, commit_of(self._repository, ArchitectureId(adapter_id)).tree
        )
        if set(files) != FILES:
            raise StoreCorrupt(f"the commit {adapter_id} is no adapter: it has {sorted(files)}")
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(
                prefix=f".{folder.name}-", dir=folder.parent
            ) as temporary:
                # Within it, so that what is left over from a failure goes away with it.
                made = Path(temporary) / "adapter"
                made.mkdir()
                for name, blob_id in files.items():
                    self._write_file(blob_id, made / name)
                made.rename(folder)
        except OSError as error:
            raise StoreError(f"cannot write {folder}: {error.strerror or error}") from error

    def _write_file(self, blob_id: str, path: Path) -> None:
        with path.open("w+b") as file:
            self._repository.read_file(blob_id, file)
            if path.name == WEIGHTS:
                try:
                    check_weights(file)
                except ValueError as error:
                    raise StoreCorrupt(
                        f"{WEIGHTS} in {blob_id} is no safetensors: {error}"
                    ) from None
            os.fsync(file.fileno())

    # Promotions

    def promotions(self, run: str) -> tuple[Promotion, ...]:
        """Return what the run has used, the first first.

        Raises:
            ConfigError: the store has no such run.
        """
        self._store.run_config(run)
        return tuple(promotion for _, promotion in self._promotions(run))

    def _promotions(self, run: str) -> list[tuple[int, Promotion]]:
        found = []
        for ref, oid in self._repository.refs(f"{PROMOTIONS}{run}/").items():
            try:
                number = promotion_number(ref.rpartition("/")[2])
                promotion = Promotion.model_validate_json(text_of(self._repository, oid))
            except ValueError as error:
                what = f"is no promotion of this store's format: {str(error).splitlines()[0]}"
                raise self._repository.broken(ref, what) from error
            found.append((number, promotion))
        return sorted(found, key=lambda each: each[0])

    def current(self, run: str) -> AdapterEntry | None:
        """Return the adapter that the run uses now; None for the untuned model.

        Raises:
            ConfigError: the store has no such run.
            StoreCorrupt: the adapter is not there.
        """
        promotions = self.promotions(run)
        used = promotions[-1].adapter if promotions else None
        if used is None:
            return None
        found = next((each for each in self.entries() if each.id == used), None)
        if found is None:
            raise StoreCorrupt(
                f"{run} uses the adapter {used}, which the store does not have; restore it from a "
                f"copy of the store, or go back with `deltanas adapters rollback {run}`"
            )
        return found

    def promote(
        self, run: str, adapter_id: AdapterId, *, expected: AdapterId | None, reason: str = ""
    ) -> None:
        """Let a run use an adapter from now on; nothing happens where it does already.

        ``expected`` is what it uses so far (None for the untuned model).

        Raises:
            ConfigError: there is no such run or adapter.
            StoreBusy: the run uses something else than expected.
        """
        self._store.run_config(run)
        if adapter_id not in {each.id for each in self.entries()}:
            raise ConfigError(
                f"the store has no adapter {adapter_id}; "
                "`deltanas adapters list` says what there is"
            )
        number, last = self._last(run)
        if last.adapter == adapter_id:
            return
        if last.adapter != expected:
            raise StoreBusy(
                f"{run} uses {last.adapter or 'the untuned model'}, not "
                f"{expected or 'the untuned model'}: another process was first; compare with that"
            )
        beneath = (last.adapter, *last.beneath) if last.adapter else ()
        self._append(run, number, adapter_id, beneath, reason)

    def roll_back(self, run: str, *, reason: str = "") -> AdapterEntry | None:
        """Let a run use what it used before, and return that; None for the untuned model.

        Raises:
            ConfigError: there is no such run, or it uses the untuned model.
            StoreBusy: another process was first.
        """
        self._store.run_config(run)
        number, last = self._last(run)
        if last.adapter is None:
            raise ConfigError(f"{run} uses the untuned model: there is nothing to go back from")
        before = last.beneath[0] if last.beneath else None
        self._append(run, number, before, last.beneath[1:], reason)
        return self.current(run)

    def _last(self, run: str) -> tuple[int, Promotion]:
        untuned = Promotion(adapter=None, beneath=(), made=0, reason="")
        return (self._promotions(run) or [(0, untuned)])[-1]

    def _append(
        self,
        run: str,
        number: int,
        adapter: AdapterId | None,
        beneath: tuple[AdapterId, ...],
        reason: str,
    ) -> None:
        made = int(self._clock().timestamp())
        promotion = Promotion(adapter=adapter, beneath=beneath, made=made, reason=reason)
        file = blob(promotion.model_dump_json(indent=2) + "\n")
        self._repository.write([file])
        change = RefChange(f"{PROMOTIONS}{run}/{promotion_name(number + 1)}", None, file.id)
        self._repository.update([change])
