"""Trials as LEMUR has them are all taken; what is none is dropped and counted."""

from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltanas_repo_store.importers.lemur_trials import Trials
from deltanas_repo_store.reported import Reported
from tests.repo_store.importers.wheels import package_files, trial


class Files:
    """Files in memory."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files

    def names(self, folder: str = "") -> Iterator[str]:
        return iter([name for name in self.files if name.startswith(folder)])

    def matching(self, pattern: str) -> Iterator[str]:
        return iter(())

    def read(self, name: str, limit: int) -> bytes:
        return self.files[name]

    def close(self) -> None:
        pass


def reported(stat: object) -> tuple[Reported | None, int]:
    files = package_files({}, {"cifar-10_acc_Net/1": stat})
    trials = Trials(Files(files), "nn-dataset 2.1.2")
    return trials.of("Net"), trials.num_dropped


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"accuracy": 1.5}, id="accuracy above 1"),
        pytest.param({"accuracy": float("nan")}, id="accuracy is NaN"),
        pytest.param({"accuracy": "0.5"}, id="accuracy is text"),
        pytest.param({"accuracy": True}, id="accuracy is a truth value"),
        pytest.param({"duration": -1}, id="negative duration"),
        pytest.param({"duration": 10**400}, id="duration beyond floats"),
        pytest.param({"duration": None}, id="no duration"),
        pytest.param({"transform": "../x"}, id="transform is a path"),
        pytest.param({"lr": float("inf")}, id="infinite lr"),
        pytest.param({"lr": [1]}, id="lr is a list"),
        pytest.param({"two words": 1}, id="hyper-parameter is no name"),
        pytest.param({"uid": 7}, id="uid is a number"),
        pytest.param({"note": "\ud800"}, id="hyper-parameter is not Unicode"),
    ],
)
def test_a_bad_trial_is_dropped_and_counted(changes: dict[str, object]) -> None:
    report, num_dropped = reported([trial(0.25), trial() | changes, trial(0.75)])
    assert report is not None
    assert [each.accuracy for each in report.trials] == [0.25, 0.75]
    assert num_dropped == 1


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
likely_json = st.lists(
    st.fixed_dictionaries({}, optional=dict.fromkeys(trial(), any_json)), max_size=3
)


@given(any_json | likely_json)
def test_any_json_gives_trials_or_is_counted(stat: object) -> None:
    report, num_dropped = reported(stat)
    num_found = len(stat) if isinstance(stat, list) else 1
    assert num_dropped + (len(report.trials) if report else 0) == num_found


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[" + b"1" * 5000 + b"]"],
    ids=["empty", "cut", "not text", "deep", "a long number"],
)
def test_a_file_of_trials_that_is_no_json_is_counted(data: bytes) -> None:
    path = "ab/nn/stat/train/img-classification_mnist_acc_Net/1.json"
    trials = Trials(Files({path: data}), "nn-dataset 2.1.2")
    assert trials.of("Net") is None
    assert trials.num_dropped == 1
