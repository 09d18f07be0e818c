"""Adapters in a store: kept with their lineage, promoted, rolled back, shared."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deltanas_repo_store.adapters import (
    AdapterId,
    AdapterKey,
    Adapters,
    AdapterTrial,
)
from deltanas_repo_store.errors import ConfigError, StoreBusy, StoreCorrupt, StoreError
from deltanas_repo_store.repository import MemoryRepository, RefChange, Repository
from deltanas_repo_store.repository.git import GitRepository
from deltanas_repo_store.repository.objects import GitObject, blob
from deltanas_repo_store.store import Store
from tests.adapters_for_tests import adapter_folder, record, trial
from tests.records_for_tests import PARENT

FILES = ("adapter_config.json", "adapter_model.safetensors", "manifest.json")
NOW = datetime(2026, 8, 22, 10, 11, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return adapter_folder(tmp_path / "tuned")


@pytest.fixture
def adapters(store: Store) -> Adapters:
    store.begin_run("night", {"seed": 1})
    return Adapters(store, clock=lambda: NOW)


@pytest.fixture
def in_memory() -> Adapters:
    """Where a repository on disk would show nothing more."""
    store = Store(MemoryRepository())
    store.begin_run("night", {"seed": 1})
    return Adapters(store)


@pytest.fixture
def on_git(git_store: tuple[Path, Store]) -> tuple[Path, Adapters]:
    path, store = git_store
    store.begin_run("night", {"seed": 1})
    return path, Adapters(store, clock=lambda: NOW)


def git(path: Path, *args: str) -> str:
    command = ["git", "-C", str(path), *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


# Kept and found


def test_an_adapter_comes_back_with_all_that_is_known_of_it(
    adapters: Adapters, folder: Path
) -> None:
    made = adapters.add("night", 3, folder, record())
    [entry] = adapters.entries()
    assert (entry.id, entry.name, entry.record) == (made, "night/c03", record())
    assert entry.subject == "Adapter of SmolLM2-135M-Instruct after cycle 3 of night"
    assert entry.made == int(NOW.timestamp())


def test_its_files_come_back_as_they_were(adapters: Adapters, folder: Path, tmp_path: Path) -> None:
    made = adapters.add("night", 1, folder, record())
    adapters.export(made, tmp_path / "a" / "b")
    assert sorted(each.name for each in (tmp_path / "a" / "b").iterdir()) == sorted(FILES)
    for name in FILES:
        assert (tmp_path / "a" / "b" / name).read_bytes() == (folder / name).read_bytes()


def test_further_adapters_of_a_cycle_have_names_of_their_own(
    adapters: Adapters, folder: Path
) -> None:
    for _ in range(3):
        adapters.add("night", 1, folder, record())
    assert [each.name for each in adapters.entries()] == ["night/c01", "night/c01-2", "night/c01-3"]


def test_adapters_are_listed_by_cycle_and_of_one_run_alone(
    store: Store, adapters: Adapters, folder: Path
) -> None:
    store.begin_run("day", {"seed": 2})
    for run, cycle in (("night", 10), ("night", 2), ("day", 1)):
        adapters.add(run, cycle, folder, record())
    assert [each.name for each in adapters.entries()] == ["day/c01", "night/c02", "night/c10"]
    assert [each.name for each in adapters.entries("night")] == ["night/c02", "night/c10"]


@pytest.mark.parametrize("beginning", ["night/c01", "adapters/night/c01", "id"])
def test_an_adapter_is_found_by_name_and_id(
    adapters: Adapters, folder: Path, beginning: str
) -> None:
    made = adapters.add("night", 1, folder, record())
    adapters.add("night", 2, folder, record())
    assert adapters.find(made[:10] if beginning == "id" else beginning).id == made


@pytest.mark.parametrize("text", ["night/c09", "c01", "0" * 40, "", "x" * 5000, "night/c01^{tree}"])
def test_an_unknown_adapter_is_an_error_that_says_where_to_look(
    in_memory: Adapters, folder: Path, text: str
) -> None:
    in_memory.add("night", 1, folder, record())
    with pytest.raises(ConfigError, match="adapters list"):
        in_memory.find(text)


def test_architectures_and_the_index_do_not_see_adapters(
    store: Store, adapters: Adapters, folder: Path
) -> None:
    store.import_baseline("plain", PARENT)
    before = store.entries()
    made = adapters.add("night", 1, folder, record())
    adapters.promote("night", made, expected=None)
    assert store.entries() == before
    assert store.index.rebuild() == 2  # the baseline and the run
    assert adapters.current("night") is not None


@pytest.mark.parametrize(
    "name", ["c1", "c00", "c001", "c01-1", "c01-02", "c01-100", "c01-001", "current", "c01-2-2"]
)
def test_a_name_in_another_form_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"cycle|name"):
        AdapterKey.parse("night", name)


@pytest.mark.parametrize("name", ["c01", "c01-2", "c12-99", "c123-10"])
def test_an_adapters_name_reads_back(name: str) -> None:
    assert AdapterKey.parse("night", name).name == name


def test_hostile_words_cannot_break_the_message(in_memory: Adapters, folder: Path) -> None:
    words = "a/b\nPromoted: no\n\nRun: x\x1b[2J" + "y" * 900
    in_memory.add("night", 1, folder, record(base_model=words, verdict=words))
    [entry] = in_memory.entries()
    assert entry.record.promoted
    assert entry.subject.isprintable()
    assert (entry.record.base_model + entry.record.verdict).isprintable()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        pytest.param({"base_model": "#"}, "base_model", id="a model without a name"),
        pytest.param({"corpus": "../x"}, "corpus", id="a corpus that is no digest"),
        pytest.param({"loss": float("nan")}, "loss", id="a loss that is no number"),
        pytest.param({"previous": "c01"}, "previous", id="a name in place of an id"),
        pytest.param(
            {"previous_trial": trial(1).model_copy(update={"briefs": "f" * 16})},
            "same held-out briefs",
            id="trials on other briefs",
        ),
    ],
)
def test_facts_that_make_no_sense_are_refused(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        record(**changes)


def test_more_effective_answers_than_answers_are_refused() -> None:
    with pytest.raises(ValueError, match="3 of 2"):
        AdapterTrial(briefs="f" * 16, num_answers=2, num_effective=3, mean_improvement=0)


# What git shows


def test_plain_git_shows_the_lineage_and_how_each_fared(
    on_git: tuple[Path, Adapters], folder: Path
) -> None:
    path, adapters = on_git
    first = adapters.add("night", 1, folder, record())
    second = adapters.add("night", 2, folder, record(first))
    assert git(path, "log", "--format=%H", "refs/adapters/night/c02").split() == [second, first]
    assert git(path, "ls-tree", "--name-only", second).split() == sorted(FILES)
    message = git(path, "log", "-1", "--format=%B", second)
    assert "effective 0.62 vs 0.47 before, on 40 held-out answers" in message
    trailers = git(path, "log", "-1", "--format=%(trailers:only)", second).splitlines()
    assert {"Run: night", "Cycle: 2", "Promoted: yes", f"Previous: {first}"} <= set(trailers)
    assert {"Examples: 242", "Loss: 0.432100", "Effective: 25", "Answers: 40"} <= set(trailers)
    assert "Previous: untuned" in git(path, "log", "-1", "--format=%B", first)
    assert git(path, "fsck", "--strict") == ""


def test_the_lineage_of_architectures_can_be_had_without_them(
    on_git: tuple[Path, Adapters], git_store: tuple[Path, Store], folder: Path
) -> None:
    path, adapters = on_git
    baseline = git_store[1].import_baseline("plain", PARENT)
    adapters.add("night", 1, folder, record())
    log = git(path, "log", "--exclude=refs/adapters/*", "--all", "--format=%H")
    assert log.split() == [baseline]


# Wrong input


def pickled(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


def renamed_pickle(folder: Path) -> None:
    (folder / "adapter_model.safetensors").write_bytes(b"\x80\x02}q\x00." * 40)


def cut(folder: Path) -> None:
    data = (folder / "adapter_model.safetensors").read_bytes()
    (folder / "adapter_model.safetensors").write_bytes(data[:-4])


def hollow(folder: Path) -> None:
    (folder / "adapter_model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")


def nested(folder: Path) -> None:
    header = b'{"a":' + b"[" * 100_000
    (folder / "adapter_model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        pytest.param(pickled, "adapter_model.bin, which is not taken", id="a pickle"),
        pytest.param(renamed_pickle, "is no safetensors file", id="a pickle by another name"),
        pytest.param(cut, "28 are there", id="weights that were cut short"),
        pytest.param(hollow, "does not say where tensors are", id="no tensors"),
        pytest.param(nested, "nested too deeply", id="a header that is nested too deeply"),
        pytest.param(
            lambda folder: (folder / "adapter_model.safetensors").write_bytes(b""),
            "is no safetensors file",
            id="an empty file",
        ),
        pytest.param(
            lambda folder: (folder / "adapter_config.json").unlink(),
            "adapter_config.json cannot be read",
            id="no configuration",
        ),
        pytest.param(
            lambda folder: (folder / "manifest.json").write_text("[]"),
            "manifest.json is not as an adapter has it",
            id="a manifest that is no object",
        ),
        pytest.param(
            lambda folder: (folder / "manifest.json").write_text(" " * 1024**2 + "{}"),
            "more than 1048576 bytes",
            id="a huge manifest",
        ),
    ],
)
def test_a_folder_that_is_no_adapter_is_refused_and_nothing_is_kept(
    in_memory: Adapters, folder: Path, spoil: Callable[[Path], object], told: str
) -> None:
    spoil(folder)
    with pytest.raises(ConfigError, match=told):
        in_memory.add("night", 1, folder, record())
    assert in_memory.entries() == ()


def test_an_empty_folder_is_told_what_writes_one(in_memory: Adapters, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="an adapter is a folder with"):
        in_memory.add("night", 1, tmp_path / "nothing", record())


@pytest.mark.parametrize(
    "ask",
    [
        lambda adapters, folder: adapters.add("day", 1, folder, record()),
        lambda adapters, _: adapters.entries("day"),
        lambda adapters, _: adapters.current("day"),
        lambda adapters, _: adapters.promotions("day"),
        lambda adapters, _: adapters.roll_back("day"),
        lambda adapters, _: adapters.promote("day", AdapterId("0" * 40), expected=None),
    ],
    ids=["add", "entries", "current", "promotions", "roll back", "promote"],
)
def test_an_unknown_run_is_an_error_that_lists_the_known_ones(
    in_memory: Adapters, folder: Path, ask: Callable[[Adapters, Path], object]
) -> None:
    with pytest.raises(ConfigError, match="night"):
        ask(in_memory, folder)


def test_an_adapter_that_the_store_does_not_have_cannot_be_tuned_from(
    in_memory: Adapters, folder: Path
) -> None:
    with pytest.raises(ConfigError, match="0" * 40):
        in_memory.add("night", 1, folder, record(AdapterId("0" * 40)))


def test_export_overwrites_nothing(adapters: Adapters, folder: Path, tmp_path: Path) -> None:
    made = adapters.add("night", 1, folder, record())
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(ConfigError, match="is not empty"):
        adapters.export(made, folder)
    assert (folder / "manifest.json").read_bytes() == before
    (tmp_path / "empty").mkdir()
    adapters.export(made, tmp_path / "empty")
    assert len(list((tmp_path / "empty").iterdir())) == 3


def test_a_foreign_ref_among_the_adapters_is_named(
    adapters: Adapters, repository: Repository
) -> None:
    foreign = blob("x")
    repository.write([foreign])
    repository.update([RefChange("refs/adapters/night/c01", None, foreign.id)])
    with pytest.raises(StoreCorrupt, match="refs/adapters/night/c01 names a blob"):
        adapters.entries()


def test_a_promotion_that_cannot_be_read_is_named(
    adapters: Adapters, repository: Repository
) -> None:
    foreign = blob("x")
    repository.write([foreign])
    repository.update([RefChange("refs/promotions/night/p001", None, foreign.id)])
    with pytest.raises(StoreCorrupt, match="refs/promotions/night/p001"):
        adapters.current("night")


# Promotions


def two(adapters: Adapters, folder: Path) -> tuple[AdapterId, AdapterId]:
    """Two adapters, the second tuned from the first, both promoted."""
    first = adapters.add("night", 1, folder, record())
    adapters.promote("night", first, expected=None, reason="better than none")
    second = adapters.add("night", 2, folder, record(first))
    adapters.promote("night", second, expected=first)
    return first, second


def used(adapters: Adapters) -> AdapterId | None:
    entry = adapters.current("night")
    return entry.id if entry else None


def test_a_run_uses_the_untuned_model_until_an_adapter_is_promoted(
    adapters: Adapters, folder: Path
) -> None:
    made = adapters.add("night", 1, folder, record())
    assert adapters.current("night") is None
    adapters.promote("night", made, expected=None)
    assert used(adapters) == made


def test_what_is_not_promoted_is_kept_and_not_used(adapters: Adapters, folder: Path) -> None:
    first, second = two(adapters, folder)
    kept = adapters.add("night", 3, folder, record(second, promoted=False))
    assert used(adapters) == second
    assert [each.id for each in adapters.entries()] == [first, second, kept]


def test_rolling_back_goes_down_to_the_untuned_model_and_no_further(
    adapters: Adapters, folder: Path
) -> None:
    first, second = two(adapters, folder)
    back = adapters.roll_back("night", reason="it repeats itself")
    assert back is not None
    assert back.id == first
    assert adapters.roll_back("night") is None
    with pytest.raises(ConfigError, match="untuned model"):
        adapters.roll_back("night")
    history = [(each.adapter, each.reason) for each in adapters.promotions("night")]
    assert history == [
        (first, "better than none"),
        (second, ""),
        (first, "it repeats itself"),
        (None, ""),
    ]
    assert {each.made for each in adapters.promotions("night")} == {int(NOW.timestamp())}


def test_a_run_can_go_on_from_where_it_was_rolled_back_to(adapters: Adapters, folder: Path) -> None:
    first, _ = two(adapters, folder)
    adapters.roll_back("night")
    third = adapters.add("night", 3, folder, record(first))
    adapters.promote("night", third, expected=first)
    adapters.roll_back("night")
    assert used(adapters) == first


def test_promoting_needs_to_know_what_is_in_use(adapters: Adapters, folder: Path) -> None:
    first, second = two(adapters, folder)
    third = adapters.add("night", 3, folder, record(first))
    with pytest.raises(StoreBusy, match=second):
        adapters.promote("night", third, expected=first)
    assert used(adapters) == second


def test_promoting_what_is_in_use_changes_nothing(adapters: Adapters, folder: Path) -> None:
    first, second = two(adapters, folder)
    adapters.promote("night", second, expected=first)
    assert len(adapters.promotions("night")) == 2


def test_of_two_that_promote_at_once_one_is_told(adapters: Adapters, folder: Path) -> None:
    first = adapters.add("night", 1, folder, record())
    second = adapters.add("night", 2, folder, record())

    def promote(adapter_id: AdapterId) -> bool:
        try:
            adapters.promote("night", adapter_id, expected=None)
        except StoreBusy:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        won = list(pool.map(promote, [first, second]))
    assert sorted(won) == [False, True]
    assert used(adapters) == (first if won[0] else second)


def test_an_unknown_adapter_is_not_promoted(in_memory: Adapters) -> None:
    with pytest.raises(ConfigError, match="adapters list"):
        in_memory.promote("night", AdapterId("0" * 40), expected=None)


def test_an_adapter_that_is_lost_can_be_gone_back_from(
    adapters: Adapters, repository: Repository, folder: Path
) -> None:
    first, second = two(adapters, folder)
    repository.update([RefChange("refs/adapters/night/c02", second, None)])
    with pytest.raises(StoreCorrupt, match="adapters rollback night"):
        adapters.current("night")
    adapters.roll_back("night")
    assert used(adapters) == first


# Large files


def test_a_file_is_written_and_read_in_pieces(repository: Repository, tmp_path: Path) -> None:
    data = bytes(range(256)) * 20_000
    (tmp_path / "in").write_bytes(data)
    with (tmp_path / "in").open("rb") as file:
        made = repository.write_file(file)
    assert made == GitObject("blob", data).id
    with (tmp_path / "out").open("w+b") as file:
        repository.read_file(made, file)
    assert (tmp_path / "out").read_bytes() == data


def test_a_file_that_is_not_there_is_told_of(repository: Repository) -> None:
    with tempfile.TemporaryFile() as file, pytest.raises(StoreCorrupt, match="0" * 40):
        repository.read_file("0" * 40, file)


def test_a_large_adapter_is_kept_and_exported_without_being_in_memory(
    on_git: tuple[Path, Adapters], tmp_path: Path
) -> None:
    path, _ = on_git
    large = adapter_folder(tmp_path / "large", num_weights=4_000_000)
    limit = 6_000_000  # of its 16 MB
    program = f"""
import resource
from pathlib import Path
from deltanas_repo_store.adapters import Adapters
from deltanas_repo_store.repository.git import GitRepository
from deltanas_repo_store.store import Store
from tests.adapters_for_tests import record
shelf = Adapters(Store(GitRepository(Path({str(path)!r}))))
shelf.entries()
before = [resource.getrusage(who).ru_maxrss for who in (0, -1)]
shelf.export(shelf.add("night", 1, Path({str(large)!r}), record()), Path({str(tmp_path / "out")!r}))
after = [resource.getrusage(who).ru_maxrss for who in (0, -1)]
grown = max(1024 * (b - a) for a, b in zip(before, after))
assert grown < {limit}, grown
"""
    paths = ":".join(each for each in sys.path if each)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={"PYTHONPATH": paths}
    )
    assert done.returncode == 0, done.stderr
    name = "adapter_model.safetensors"
    assert (tmp_path / "out" / name).read_bytes() == (large / name).read_bytes()


def test_maintenance_keeps_adapters_and_looks_for_no_deltas_in_them(
    on_git: tuple[Path, Adapters], git_store: tuple[Path, Store], tmp_path: Path
) -> None:
    path, adapters = on_git
    size = 300_000
    made = [
        adapters.add(
            "night", cycle, adapter_folder(tmp_path / f"{cycle}", num_weights=size), record()
        )
        for cycle in (1, 2)
    ]
    adapters.promote("night", made[1], expected=None)
    repository = git_store[1].repository
    assert isinstance(repository, GitRepository)
    repository.maintain()
    assert [each.id for each in adapters.entries()] == made
    adapters.export(made[0], tmp_path / "out")
    assert used(adapters) == made[1]
    assert git(path, "config", "core.bigFileThreshold").strip() == "1m"
    assert git(path, "fsck", "--strict") == ""


def test_damaged_weights_are_told_of_by_the_adapter_that_needs_them(
    on_git: tuple[Path, Adapters], folder: Path, tmp_path: Path
) -> None:
    path, adapters = on_git
    made = adapters.add("night", 1, folder, record())
    weights = git(path, "rev-parse", f"{made}:adapter_model.safetensors").strip()
    file = path / "objects" / weights[:2] / weights[2:]
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(StoreCorrupt, match="refs/adapters/night/c01"):
        adapters.export(made, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".out")] == []


def test_a_place_that_cannot_be_written_is_told_of(
    adapters: Adapters, folder: Path, tmp_path: Path
) -> None:
    made = adapters.add("night", 1, folder, record())
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        adapters.export(made, tmp_path / "file" / "out")
