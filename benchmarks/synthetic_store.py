"""Candidates as a search makes them, without a search: for the benchmarks of the store.

A run has 20 cycles of 50 candidates. It begins at a few of the baselines; each cycle's parents are
five candidates of the cycle before, so that lineages grow up to 20 steps long. A delta changes a
line or adds one, and stays in the sources of all that descend from it. Everything is written
through the library's own models and layouts: a candidate is 6 objects and 2 refs. All are kept
ones, which are larger than rejected ones.
"""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.contents import finished
from deltanas_repo_store.entries import KEPT
from deltanas_repo_store.layout import (
    RECORDS,
    baseline_objects,
    candidate_ref,
    pending_text,
)
from deltanas_repo_store.records import (
    Architecture,
    ArchitectureId,
    CandidateKey,
    Evaluation,
    HParams,
    Kept,
    Neighbour,
    NoveltyReport,
    Pending,
    Proposal,
)
from deltanas_repo_store.repository import RefChange, Repository
from deltanas_repo_store.repository.objects import GitObject, blob
from deltanas_repo_store.store import Store

PER_CYCLE = 50
PER_RUN = 1000
NUM_PARENTS = 5
CONTEXT = 3
"""Lines around a hunk, as in `render_delta`."""
FIRST = datetime(2026, 2, 1, tzinfo=UTC)
"""When the first candidate was made; the others follow, a second apart."""
DATASETS = ("cifar10", "digits", "cifar100", "svhn")
"""Of the runs, in turn."""

Lines = tuple[str, ...]


class Known:
    """An architecture that candidates can be made from."""

    def __init__(self, id_: ArchitectureId, lines: Lines, hparams: HParams, name: str) -> None:
        self.id, self.lines, self.hparams, self.name = id_, lines, hparams, name
        self.accuracy = 0.5

    @property
    def architecture(self) -> Architecture:
        """Its files."""
        return Architecture(source="".join(self.lines), hparams=self.hparams)


class Search:
    """Makes candidate after candidate; the same name makes the same ones.

    A run depends on nothing before it, so ``count`` may be set to where a run begins.
    """

    def __init__(self, name: str = "run") -> None:
        self._name = name
        self._rng = random.Random(name)
        self.roots: list[Known] = []
        self.root_objects: list[GitObject] = []
        self.root_refs: list[RefChange] = []
        for name, architecture in baselines().items():
            made = baseline_objects(name, architecture)
            self.root_objects += made
            self.root_refs.append(RefChange(f"refs/heads/baseline/{name}", None, made[-1].id))
            lines = tuple(architecture.source.splitlines(keepends=True))
            root = Known(ArchitectureId(made[-1].id), lines, architecture.hparams, name)
            self.roots.append(root)
        self._parents: Sequence[Known] = self.roots
        self._cycle: list[Known] = []
        self.count = 0

    def next(self) -> Kept:
        """Return the next candidate; `record` tells under which id it was kept."""
        run, within = divmod(self.count, PER_RUN)
        cycle, index = divmod(within, PER_CYCLE)
        if within == 0:
            self._rng = random.Random(f"{self._name} {run}")
        rng = self._rng
        if index == 0:
            self._parents = rng.sample(self._cycle if cycle else self.roots, NUM_PARENTS)
            self._cycle = []
        parent = rng.choice(self._parents)
        source, delta, summary = edited(parent.lines, rng)
        accuracy = min(0.99, max(0.1, rng.gauss(parent.accuracy + 0.002, 0.03)))
        pending = Pending(
            key=CandidateKey(run=f"{self._name}-{run:04d}", cycle=cycle + 1, index=index + 1),
            parent=parent.id,
            proposal=Proposal(
                answer=f"<delta>\n{delta}</delta>\n",
                proposer="mutation",
                summary=summary,
                seed=rng.getrandbits(32),
            ),
        )
        evaluation = Evaluation(
            dataset=DATASETS[run % len(DATASETS)],
            dataset_digest=f"{7 ** (50 + run % len(DATASETS)):064x}"[:64],
            epochs=1,
            seed=42,
            accuracy=accuracy,
            loss=2.3 * (1 - accuracy) + 0.01 * rng.random(),
            num_params=int(10 ** rng.uniform(4, 7)),
            num_fixed=rng.randrange(1000),
            seconds=rng.uniform(2, 9),
            cpu_seconds=rng.uniform(2, 9),
            construct_cpu_seconds=rng.random() / 10,
            score_cpu_seconds=rng.random(),
            peak_memory_bytes=rng.randrange(3 * 10**8, 10**9),
            isolation="namespaces+seccomp",
            torch_version="2.14.1+cpu",
            processor="AMD EPYC-Milan Processor",
        )
        near = [
            Neighbour(
                id=each.id,
                name=each.name,
                similarity=rng.uniform(0.5, 0.9),
                fate=f"kept, {evaluation.dataset} {each.accuracy:.4f} (+0.0100)",
            )
            for each in rng.sample(self._parents, 3)
        ]
        return Kept(
            pending=pending,
            architecture=Architecture(source=source, hparams=parent.hparams),
            delta=delta,
            trace=f"{rng.getrandbits(128):032x}",
            novelty=NoveltyReport(
                similarity=near[0].similarity,
                nearest=near[0].id,
                neighbours=tuple(near),
                threshold=0.9,
            ),
            evaluation=evaluation,
            parent_accuracy=parent.accuracy,
            noise_floor=0.05,
            seconds=rng.uniform(3, 10),
        )

    def kept(self, outcome: Kept, id_: str) -> None:
        """Take note of the id, so that later candidates can be made from this one."""
        lines = tuple(outcome.architecture.source.splitlines(keepends=True))
        name = f"{outcome.pending.key.run}/{outcome.pending.key.name}"
        known = Known(ArchitectureId(id_), lines, outcome.architecture.hparams, name)
        known.accuracy = outcome.evaluation.accuracy
        self._cycle.append(known)
        self.count += 1

    def batch(self, size: int) -> tuple[list[GitObject], list[RefChange]]:
        """Make candidates; return their objects, and the refs that name them."""
        objects: list[GitObject] = []
        changes: list[RefChange] = []
        for _ in range(size):
            outcome = self.next()
            made, refs = written(outcome, FIRST + timedelta(seconds=self.count))
            objects += made
            changes += refs
            self.kept(outcome, str(refs[0].new))
        return objects, changes

    def record(self, store: Store) -> Kept:
        """Record the next candidate the way the search loop does, one call after the other."""
        outcome = self.next()
        store.reserve(outcome.pending)
        self.kept(outcome, store.finish(outcome))
        return outcome


def edited(lines: Lines, rng: random.Random) -> tuple[str, str, str]:
    """Return a source with a line changed or added, the delta, and a summary.

    The delta is written down directly: looking for it would cost more than all the rest.
    """
    at = rng.randrange(CONTEXT, len(lines) - CONTEXT)
    added = f"        x = x * {rng.uniform(0.5, 2):.4f}\n"
    # A line that an earlier delta added is changed; the baselines' own stay.
    removed = lines[at : at + 1] if lines[at].startswith("        x = x * ") else ()
    before, after = lines[at - CONTEXT : at], lines[at + len(removed) :][:CONTEXT]
    new = (*lines[:at], added, *lines[at + len(removed) :])
    size = len(before) + len(after)
    start = at - CONTEXT + 1
    delta = "".join(
        [
            "--- a/net.py\n+++ b/net.py\n",
            f"@@ -{start},{size + len(removed)} +{start},{size + 1} @@\n",
            *(f" {line}" for line in before),
            *(f"-{line}" for line in removed),
            f"+{added}",
            *(f" {line}" for line in after),
        ]
    )
    return "".join(new), delta, f"Scale what flows through line {at + 1} by {added.split()[-1]}"


def written(outcome: Kept, when: datetime) -> tuple[list[GitObject], list[RefChange]]:
    """Return what `Store.finish` writes of a candidate at that time, but for the pending ref."""
    key, answer = outcome.pending.key, blob(pending_text(outcome.pending))
    made = finished(outcome, answer=answer.id, unchanged="", when=when)
    return [answer, *made.objects], [
        RefChange(candidate_ref(KEPT, key), None, made.commit),
        RefChange(candidate_ref(RECORDS, key), None, made.record),
    ]


def fill(repository: Repository, search: Search, size: int, batch: int = 1000) -> None:
    """Write candidates until there are ``size``, one pack and one transaction for each batch."""
    if repository.ref(search.root_refs[0].ref) is None:
        repository.write_pack(search.root_objects)
        repository.update(search.root_refs)
    while search.count < size:
        objects, changes = search.batch(min(batch, size - search.count))
        repository.write_pack(objects)
        repository.update(changes)
