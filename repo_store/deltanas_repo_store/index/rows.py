"""From the objects that a ref names to the index's rows."""

import json
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import TypeVar

from pydantic import ValidationError

from deltanas_repo_store.contents import read_checks, read_evaluations
from deltanas_repo_store.entries import BaselineEntry, RejectedEntry, read_entry
from deltanas_repo_store.errors import StoreCorrupt
from deltanas_repo_store.layout import (
    CHECK_FILE,
    EVALUATION_FILE,
    RECORD_FILE,
    RECORDS,
    REPORTED_FILE,
    measured_ref,
)
from deltanas_repo_store.records import Evaluation, Record
from deltanas_repo_store.reported import Reported
from deltanas_repo_store.repository import RefCommit
from deltanas_repo_store.repository.objects import GitObject, read_commit, tree_files

Row = tuple[object, ...]
_Kind = TypeVar("_Kind", bound=Record)


def architecture_row(ref: str, commit_id: str, found: GitObject) -> Row:
    """Return the row of a baseline or candidate: the columns after ``n``.

    Raises:
        StoreCorrupt: the commit is none that this store's format knows.
    """
    commit = read_commit(found.data)
    entry = read_entry(RefCommit(ref, commit_id, commit))
    made = None if isinstance(entry, BaselineEntry) else entry
    return (
        ref,
        commit_id,
        commit.tree,
        entry.name,
        entry.status,
        entry.stage if isinstance(entry, RejectedEntry) else None,
        made and made.key.run,
        made and made.parent,
        commit.made,
        (made and made.trace) or None,
        entry.model_dump_json(),
    )


def files_of_interest(ref: str, found: GitObject) -> dict[str, str]:
    """Return the files of a record that rows are made of: name to blob id.

    Raises:
        StoreCorrupt: the object is no folder of files.
    """
    try:
        files = tree_files(found.data) if found.kind == "tree" else None
    except ValueError:
        files = None
    if files is None:
        raise StoreCorrupt(f"{ref} does not name a folder of files; restore it from a copy")
    kinds = (EVALUATION_FILE, RECORD_FILE, REPORTED_FILE, CHECK_FILE)
    return {name: oid for name, oid in files.items() if name.startswith(kinds)}


def record_rows(ref: str, files: Mapping[str, GitObject]) -> tuple[list[Row], list[Row]]:
    """Return the standings of a record's architecture, and its checks.

    Raises:
        StoreCorrupt: a file is not as the format says.
    """
    owner = measured_ref(ref)
    evaluations, checks = read_evaluations(files, ref), read_checks(files, ref)
    reported = [
        _read(Reported, found, f"{name} of {ref}")
        for name, found in files.items()
        if name.startswith(REPORTED_FILE)
    ]
    run, _, _ = ref.removeprefix(RECORDS).partition("/")
    head = (owner, None if owner.startswith("refs/heads/baseline/") else run)
    # Of several sizes, the last by name: 3x32x32 rather than 1x28x28.
    built = {each.input: each.num_params for each in checks if each.num_params is not None}
    num_params = built[max(built)] if built else None
    standings = [*_ours(head, evaluations), *_theirs(head, reported, num_params)]
    return standings, [
        (owner, each.input, each.code == "", each.num_params, each.trace or None) for each in checks
    ]


def _ours(head: Row, evaluations: Sequence[Evaluation]) -> Iterator[Row]:
    tasks: dict[str, list[Evaluation]] = {}
    for each in evaluations:
        tasks.setdefault(each.task, []).append(each)
    for task, seeds in tasks.items():
        first = seeds[0]
        yield (
            head[0],
            "",
            task,
            first.title,
            first.dataset,
            first.split,
            first.epochs,
            head[1],
            fmean(each.accuracy for each in seeds),
            len(seeds),
            json.dumps({str(each.seed): round(each.accuracy, 6) for each in seeds}),
            first.num_params,
            fmean(each.seconds for each in seeds),
        )


def _theirs(head: Row, reported: Sequence[Reported], num_params: int | None) -> Iterator[Row]:
    best: dict[tuple[str, str, int], Row] = {}
    for report in reported:
        for trial in report.best():
            place = (report.source, trial.dataset, trial.epochs)
            if place in best and float(str(best[place][8])) >= trial.accuracy:
                continue
            epochs = f"{trial.epochs} epoch" + ("s" if trial.epochs > 1 else "")
            best[place] = (
                head[0],
                report.source,
                f"{trial.dataset}-{report.source}-e{trial.epochs}",
                f"{trial.dataset} · {epochs} · as {report.source} reports, best trial on its test "
                "split",
                trial.dataset,
                "test",
                trial.epochs,
                head[1],
                trial.accuracy,
                1,
                "{}",
                num_params,
                trial.seconds,
            )
    yield from best.values()


def _read(kind: type[_Kind], found: GitObject, where: str) -> _Kind:
    try:
        return kind.model_validate_json(found.data)
    except ValidationError as error:
        raise StoreCorrupt(f"{where} is not as the format says: {error}") from error
