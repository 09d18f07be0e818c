"""What every store promises, whichever repository it stands on."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from deltanas_repo_store.entries import BaselineEntry, KeptEntry, RejectedEntry
from deltanas_repo_store.errors import ConfigError, StoreBusy, StoreCorrupt, UnknownArchitecture
from deltanas_repo_store.records import Architecture, ArchitectureId, CandidateKey, Proposal
from deltanas_repo_store.repository import RefChange, Repository
from deltanas_repo_store.repository.objects import blob
from deltanas_repo_store.store import Store
from tests.records_for_tests import CHILD, PARENT, evaluation, kept, pending, rejected


def test_a_baseline_comes_back_as_it_was_imported(store: Store) -> None:
    assert store.get(store.import_baseline("plain", PARENT)) == PARENT


def test_importing_the_same_baseline_twice_changes_nothing(store: Store) -> None:
    first = store.import_baseline("plain", PARENT)
    assert store.import_baseline("plain", PARENT) == first
    assert len(store.entries()) == 1


def test_a_baselines_name_is_not_given_to_other_content(store: Store) -> None:
    store.import_baseline("plain", PARENT)
    with pytest.raises(ConfigError, match="plain"):
        store.import_baseline("plain", CHILD)


@pytest.mark.parametrize("text", ["plain", "baseline/plain"])
def test_an_architecture_is_found_by_its_name(store: Store, text: str) -> None:
    baseline = store.import_baseline("plain", PARENT)
    assert store.resolve(text) == baseline


def test_an_architecture_is_found_by_the_beginning_of_its_id(store: Store) -> None:
    baseline = store.import_baseline("plain", PARENT)
    assert store.resolve(baseline[:8]) == store.resolve(baseline) == baseline


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("0" * 40, id="an id of nothing"),
        pytest.param("nosuch", id="a name of nothing"),
        pytest.param("", id="nothing"),
        pytest.param("--exec=id", id="an option"),
        pytest.param("../config", id="a path"),
        pytest.param("plain\nplain", id="two lines"),
        pytest.param("refs/heads/baseline/plain^{tree}", id="a revision expression"),
        pytest.param("x" * 5000, id="far too long"),
    ],
)
def test_an_unknown_architecture_is_named_in_the_error(store: Store, text: str) -> None:
    store.import_baseline("plain", PARENT)
    with pytest.raises(UnknownArchitecture) as caught:
        store.resolve(text)
    assert caught.value.architecture == text


def test_a_kept_candidate_is_listed_with_its_facts(store: Store) -> None:
    parent = store.import_baseline("plain", PARENT)
    begun = pending(parent)
    store.reserve(begun)
    result = store.finish(kept(begun, accuracy=0.9312))
    [entry] = store.entries("night")
    assert isinstance(entry, KeptEntry)
    assert (entry.id, entry.parent, entry.key) == (result, parent, begun.key)
    assert (entry.accuracy, entry.parent_accuracy, entry.num_params) == (0.9312, 0.85, 12_345)
    assert store.get(result) == CHILD
    assert store.parent(result) == parent
    assert store.resolve("night/c01-001") == result


def test_a_candidate_that_did_not_apply_is_an_empty_commit_on_its_parent(store: Store) -> None:
    parent = store.import_baseline("plain", PARENT)
    begun = pending(parent)
    store.reserve(begun)
    result = store.finish(rejected(begun))
    [entry] = store.entries("night")
    assert isinstance(entry, RejectedEntry)
    assert (entry.stage, entry.code) == ("patch", "not-found")
    assert store.get(result) == PARENT


def test_a_candidate_that_failed_later_keeps_its_source(store: Store) -> None:
    parent = store.import_baseline("plain", PARENT)
    begun = pending(parent)
    store.reserve(begun)
    assert store.get(store.finish(rejected(begun, architecture=CHILD))) == CHILD


@pytest.mark.parametrize("end", [kept, rejected], ids=["kept", "rejected"])
def test_the_full_record_of_a_candidate_comes_back(store: Store, end: type) -> None:
    begun = pending(store.import_baseline("plain", PARENT))
    store.reserve(begun)
    outcome = end(begun)
    store.finish(outcome)
    assert store.outcome(begun.key) == outcome


def test_a_pending_candidate_is_listed_until_it_is_finished(store: Store) -> None:
    begun = pending(store.import_baseline("plain", PARENT))
    store.reserve(begun)
    assert store.pending("night") == (begun,)
    store.finish(kept(begun))
    assert store.pending("night") == ()


def test_a_slot_is_reserved_once(store: Store) -> None:
    begun = pending(store.import_baseline("plain", PARENT))
    store.reserve(begun)
    with pytest.raises(StoreBusy):
        store.reserve(begun)


def test_a_finished_slot_is_not_reserved_again(store: Store) -> None:
    begun = pending(store.import_baseline("plain", PARENT))
    store.reserve(begun)
    store.finish(rejected(begun))
    with pytest.raises(StoreBusy):
        store.reserve(begun)


def test_a_candidate_is_finished_once(store: Store) -> None:
    begun = pending(store.import_baseline("plain", PARENT))
    store.reserve(begun)
    store.finish(rejected(begun))
    before = store.entries()
    with pytest.raises(StoreBusy):
        store.finish(kept(begun))
    assert store.entries() == before


def test_entries_of_one_run_leave_out_baselines_and_other_runs(store: Store) -> None:
    parent = store.import_baseline("plain", PARENT)
    for run in ("night", "day"):
        begun = pending(parent, run=run)
        store.reserve(begun)
        store.finish(kept(begun))
    [entry] = store.entries("day")
    assert not isinstance(entry, BaselineEntry)
    assert entry.key.run == "day"
    assert len(store.entries()) == 3


def test_evaluations_of_a_baseline_accumulate(store: Store) -> None:
    parent = store.import_baseline("plain", PARENT)
    assert store.evaluations(parent) == ()
    store.add_evaluation(parent, evaluation(0.8, seed=1))
    store.add_evaluation(parent, evaluation(0.9, seed=2))
    assert [each.accuracy for each in store.evaluations(parent)] == [0.8, 0.9]


def test_a_kept_candidates_first_evaluation_stays_beside_later_ones(store: Store) -> None:
    begun = pending(store.import_baseline("plain", PARENT))
    store.reserve(begun)
    result = store.finish(kept(begun))
    later = evaluation(0.5, dataset="mnist")
    store.add_evaluation(result, later)
    assert set(store.evaluations(result)) == {evaluation(0.9), later}


def test_evaluations_added_at_once_are_all_there(store: Store) -> None:
    parent = store.import_baseline("plain", PARENT)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda seed: store.add_evaluation(parent, evaluation(seed=seed)), range(12)))
    assert {each.seed for each in store.evaluations(parent)} == set(range(12))


def test_a_runs_configuration_is_kept(store: Store) -> None:
    store.begin_run("night", {"seed": 3})
    assert store.runs() == ("night",)
    assert store.run_config("night") == {"seed": 3}


def test_a_run_is_begun_once(store: Store) -> None:
    store.begin_run("night", {"seed": 3})
    with pytest.raises(ConfigError, match="night"):
        store.begin_run("night", {"seed": 4})
    assert store.run_config("night") == {"seed": 3}


@pytest.mark.parametrize(
    "name",
    ["", "a/b", "..", "-x", "x.lock", "a b", "a\nb", "baseline", "x" * 65, "a..b", "ü", "x."],
)
def test_a_run_with_an_unusable_name_is_refused(store: Store, name: str) -> None:
    with pytest.raises(ConfigError):
        store.begin_run(name, {})
    assert store.runs() == ()


def test_an_unknown_run_is_an_error_that_lists_the_known_ones(store: Store) -> None:
    store.begin_run("night", {})
    with pytest.raises(ConfigError, match="night"):
        store.run_config("nigth")


def test_a_run_has_one_driver(store: Store) -> None:
    with store.driving("night"):
        with pytest.raises(StoreBusy), store.driving("night"):
            pass
        with store.driving("day"):
            pass
    with store.driving("night"):
        pass


def test_rejected_architectures_are_not_measured(store: Store) -> None:
    begun = pending(store.import_baseline("plain", PARENT))
    store.reserve(begun)
    result = store.finish(rejected(begun, architecture=CHILD))
    with pytest.raises(ConfigError):
        store.add_evaluation(result, evaluation())


def test_a_foreign_branch_is_named_in_the_error(store: Store, repository: Repository) -> None:
    baseline = store.import_baseline("plain", PARENT)
    repository.update([RefChange("refs/heads/delta/night/nonsense", None, baseline)])
    with pytest.raises(StoreCorrupt, match="delta/night/nonsense"):
        store.entries()


def test_an_update_with_one_change_out_of_date_changes_nothing(repository: Repository) -> None:
    one, two = blob("1"), blob("2")
    repository.write([one, two])
    repository.update([RefChange("refs/x/a", None, one.id)])
    with pytest.raises(StoreBusy):
        repository.update(
            [RefChange("refs/x/b", None, two.id), RefChange("refs/x/a", two.id, one.id)]
        )
    assert repository.refs("refs/x") == {"refs/x/a": one.id}


def test_a_prefix_of_a_refs_last_name_is_not_the_ref(repository: Repository) -> None:
    one = blob("1")
    repository.write([one])
    repository.update([RefChange("refs/x/night-2", None, one.id)])
    assert repository.refs("refs/x/night") == {}


def test_text_with_lone_surrogates_cannot_stop_a_record(store: Store) -> None:
    begun = pending(store.import_baseline("plain", PARENT), answer="a\ud800b", summary="\udfff")
    store.reserve(begun)
    store.finish(rejected(begun, message="\ud800"))
    assert store.outcome(begun.key).pending.proposal.answer == "a?b"


@pytest.mark.parametrize(
    "name",
    ["c01-001", "c01-001-try2", "c99-999", "c123-1000-try10"],
)
def test_a_candidates_name_reads_back(name: str) -> None:
    assert CandidateKey.parse("night", name).name == name


@pytest.mark.parametrize(
    "hparams",
    [
        pytest.param({"lr": float("nan")}, id="not a number"),
        pytest.param({"lr": float("inf")}, id="infinite"),
        pytest.param({"a b": 1}, id="not an identifier"),
        pytest.param({"x": "a\nb"}, id="a line break"),
        pytest.param({"x": "\x1b[2J"}, id="an escape sequence"),
        pytest.param({"x": 10**30}, id="a huge number"),
        pytest.param({f"k{n}": 1 for n in range(65)}, id="too many"),
        pytest.param({"x": [1]}, id="a list"),
    ],
)
def test_hostile_hyper_parameters_are_refused(hparams: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="hparams"):
        Architecture.model_validate({"source": "x = 1\n", "hparams": hparams})


def test_a_proposers_name_cannot_break_a_commit() -> None:
    with pytest.raises(ValueError, match="proposer"):
        Proposal(answer="", proposer="evil <x@y>\nparent 123", seed=0)


def test_an_id_of_another_kind_of_object_is_unknown(store: Store) -> None:
    store.import_baseline("plain", PARENT)
    with pytest.raises(UnknownArchitecture):
        store.get(ArchitectureId(blob(PARENT.source).id))
