"""A lineage: ancestors and descendants, who brought each line, and where the accuracy fell."""

import random
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltanas_repo_store.errors import ConfigError, UnknownArchitecture
from deltanas_repo_store.layout import BASELINE_TIME
from deltanas_repo_store.lineage import blame, falls
from deltanas_repo_store.queries import ancestors, descendants
from deltanas_repo_store.records import Architecture, ArchitectureId
from deltanas_repo_store.repository import MemoryRepository
from deltanas_repo_store.store import Store
from tests.records_for_tests import PARENT, kept, pending
from tests.repo_store.test_index import git


def source(*lines: str) -> Architecture:
    return Architecture(source="".join(f"{line}\n" for line in lines), hparams={})


def timed() -> Store:
    """A store in memory whose candidates are a day apart."""
    days = iter(range(1, 10_000))
    return Store(MemoryRepository(), clock=lambda: BASELINE_TIME + timedelta(days=next(days)))


def child(
    store: Store,
    parent: ArchitectureId,
    index: int,
    architecture: Architecture = PARENT,
    gain: float = 0.0,
    noise: float | None = None,
) -> ArchitectureId:
    """A kept candidate that gained so much."""
    begun = pending(parent, index=index)
    store.reserve(begun)
    facts = {"parent_accuracy": 0.5, "noise_floor": noise}
    end = kept(begun, accuracy=0.5 + gain, architecture=architecture)
    return store.finish(end.model_copy(update=facts))


@settings(max_examples=40)
@given(parents=st.lists(st.integers(0, 10_000), max_size=12), limit=st.integers(1, 14))
def test_ancestors_and_descendants_are_those_of_the_tree(parents: list[int], limit: int) -> None:
    store = timed()
    ids = [store.import_baseline("root", PARENT)]
    up: dict[ArchitectureId, ArchitectureId] = {}
    for index, choice in enumerate(parents, 1):
        parent = ids[choice % len(ids)]
        ids.append(child(store, parent, index, source(f"x = {index}")))
        up[ids[-1]] = parent

    def walk(of: ArchitectureId, depth: int) -> list[tuple[int, ArchitectureId]]:
        """Depth first, the oldest child first."""
        found: list[tuple[int, ArchitectureId]] = []
        for each in ids:
            if up.get(each) == of:
                found += [(depth, each), *walk(each, depth + 1)]
        return found

    for each in ids:
        line = [each]
        while line[0] in up:
            line.insert(0, up[line[0]])
        assert [entry.id for entry in ancestors(store, each)] == line
        below = [(depth, entry.id) for depth, entry in descendants(store, each)]
        assert below == walk(each, 1)
        some = [(depth, entry.id) for depth, entry in descendants(store, each, limit=limit)]
        assert some == walk(each, 1)[:limit]


def test_an_unknown_architecture_has_no_lineage() -> None:
    with pytest.raises(UnknownArchitecture):
        ancestors(timed(), ArchitectureId("0" * 40))


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), num_steps=st.integers(0, 5))
def test_blame_names_the_first_that_had_each_of_different_lines(seed: int, num_steps: int) -> None:
    chance = random.Random(seed)
    store = timed()
    lines = [f"line {number}" for number in range(6)]
    origin = dict.fromkeys(lines, "root")
    last = store.import_baseline("root", source(*lines))
    for step in range(1, num_steps + 1):
        kept_lines = [line for line in lines if chance.random() < 0.8]
        for new in range(chance.randrange(3)):
            line = f"line {step}.{new}"
            kept_lines.insert(chance.randrange(len(kept_lines) + 1), line)
            origin[line] = f"night/c01-{step:03d}"
        lines = kept_lines or ["pass"]
        origin.setdefault("pass", f"night/c01-{step:03d}")
        last = child(store, last, step, source(*lines))
    assert [(line.text, line.name) for line in blame(store, last)] == [
        (line, origin[line]) for line in lines
    ]


def test_blame_is_what_git_blame_says(git_store: tuple[Path, Store]) -> None:
    path, store = git_store
    last = store.import_baseline("root", source("a", "b", "c", "d", "e", "f"))
    versions = [
        ("a", "b", "x", "d", "e", "f"),
        ("a", "x", "d", "e", "new", "f"),
        ("first", "a", "x", "d", "e", "new", "f", "last"),
    ]
    for index, lines in enumerate(versions, 1):
        last = child(store, last, index, source(*lines), gain=index / 100)
    said = git(path, "blame", "--porcelain", last, "--", "net.py").splitlines()
    commits = [line[:40] for line in said if len(line.split(" ")[0]) == 40]
    found = blame(store, last)
    assert [line.id for line in found] == commits
    assert [line.text for line in found] == list(versions[-1])
    gains = {line.name: line.gain for line in found}
    assert gains["root"] is None
    assert gains["night/c01-003"] == pytest.approx(0.03)


def test_a_fall_is_one_beyond_the_noise() -> None:
    store = timed()
    root = store.import_baseline("root", PARENT)
    steps = [(0.1, None), (-0.01, 0.02), (-0.05, 0.02), (-0.2, None), (0.0, None), (0.01, 0.02)]
    ids = [root]
    for index, (gain, noise) in enumerate(steps, 1):
        ids.append(child(store, ids[-1], index, source(f"x = {index}"), gain, noise))
    found = falls(store, ids[-1])
    assert [step.verdict for step in found.steps] == [
        "improved",
        "same",
        "fell",
        "fell",
        "same",
        "same",
    ]
    assert found.worst == "night/c01-004"
    assert [step.change for step in found.steps] == pytest.approx([gain for gain, _ in steps])
    assert [step.name for step in falls(store, ids[-1], since=ids[4]).steps] == [
        "night/c01-005",
        "night/c01-006",
    ]
    assert falls(store, ids[-1], since=ids[4]).worst is None
    assert falls(store, root).steps == ()


def test_falls_since_something_else_are_refused() -> None:
    store = timed()
    root = store.import_baseline("root", PARENT)
    one, two = child(store, root, 1, source("x")), child(store, root, 2, source("y"))
    with pytest.raises(ConfigError, match="no ancestor"):
        falls(store, one, since=two)
