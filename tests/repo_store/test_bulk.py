"""Many baselines at once: all of a batch or nothing, and nothing twice."""

from collections.abc import Sequence

import pytest

from deltanas_repo_store.bulk import Imported, import_baselines
from deltanas_repo_store.errors import StoreBusy
from deltanas_repo_store.queries import Wanted, leaderboard
from deltanas_repo_store.records import Architecture
from deltanas_repo_store.reported import NewBaseline, Reported, ReportedTrial
from deltanas_repo_store.repository import RefChange, Repository
from deltanas_repo_store.store import Store
from tests.records_for_tests import CHILD, PARENT, evaluation


def trial(accuracy: float, *, epochs: int = 1) -> ReportedTrial:
    return ReportedTrial(
        dataset="cifar-10",
        epochs=epochs,
        transform="norm_32_flip",
        accuracy=accuracy,
        seconds=60.0,
        hparams={"lr": 0.1},
        id="0123",
    )


def reported(*trials: ReportedTrial, network: str = "resnet") -> Reported:
    return Reported(source="lemur", package="nn-dataset 2.1.2", network=network, trials=trials)


def baseline(
    name: str,
    architecture: Architecture = PARENT,
    aliases: Sequence[str] = (),
    reports: Sequence[Reported] = (),
) -> NewBaseline:
    return NewBaseline(
        name=name, architecture=architecture, aliases=tuple(aliases), reported=tuple(reports)
    )


def names(store: Store) -> list[str]:
    return [entry.name for entry in store.baselines()]


def test_a_batch_is_in_the_store(store: Store) -> None:
    done = import_baselines(store, [baseline("one"), baseline("two", CHILD)])
    assert done.added == ("one", "two")
    assert store.get(store.resolve("two")) == CHILD


def test_a_baseline_has_the_same_commit_however_it_came_in(store: Store) -> None:
    import_baselines(store, [baseline("plain")])
    assert store.import_baseline("plain", PARENT) == store.resolve("plain")


def test_the_same_batch_again_changes_nothing(store: Store, repository: Repository) -> None:
    batch = [baseline("one", aliases=["uno"], reports=[reported(trial(0.5))])]
    import_baselines(store, batch)
    before = repository.refs("refs/")
    assert import_baselines(store, batch) == Imported(added=(), aliases=0, present=1, skipped=())
    assert repository.refs("refs/") == before


def test_an_alias_names_the_same_architecture(store: Store) -> None:
    import_baselines(store, [baseline("one", aliases=["uno", "un"])])
    assert store.resolve("uno") == store.resolve("un") == store.resolve("one")
    assert names(store) == ["one"]


def test_a_name_of_another_network_is_reported_and_the_rest_comes_in(store: Store) -> None:
    store.import_baseline("one", CHILD)
    done = import_baselines(store, [baseline("one"), baseline("two")])
    assert [each.name for each in done.skipped] == ["one"]
    assert store.get(store.resolve("one")) == CHILD
    assert names(store) == ["one", "two"]


def test_what_others_report_stands_apart_from_what_was_measured(store: Store) -> None:
    import_baselines(store, [baseline("one", reports=[reported(trial(0.5), trial(0.7))])])
    store.add_evaluation(store.resolve("one"), evaluation(0.4, dataset="cifar-10"))
    assert [row.accuracy for row in leaderboard(store)] == [0.4]
    [theirs] = leaderboard(store, Wanted(source="lemur"))
    assert (theirs.accuracy, theirs.num_params) == (0.7, None)


def test_reported_trials_are_not_evaluations(store: Store) -> None:
    import_baselines(store, [baseline("one", reports=[reported(trial(0.5))])])
    assert store.evaluations(store.resolve("one")) == ()


def test_of_a_networks_twins_the_best_trial_counts(store: Store) -> None:
    reports = [reported(trial(0.5)), reported(trial(0.6), network="twin")]
    import_baselines(store, [baseline("resnet", aliases=["twin"], reports=reports)])
    [row] = leaderboard(store, Wanted(source="lemur"))
    assert row.accuracy == 0.6


def test_a_batch_that_meets_another_writer_adds_nothing(
    store: Store, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = repository.write_pack

    def write_and_be_overtaken(objects: object) -> None:
        write(objects)  # type: ignore[arg-type]
        folder = repository.read(store.resolve("there"))
        repository.update([RefChange("refs/heads/baseline/two", None, folder.id)])

    store.import_baseline("there", CHILD)
    monkeypatch.setattr(repository, "write_pack", write_and_be_overtaken)
    with pytest.raises(StoreBusy):
        import_baselines(store, [baseline("one"), baseline("two")])
    assert "refs/heads/baseline/one" not in repository.refs("refs/")
