"""LEMUR is read as data, whole or with its faults named, and its twins are found."""

import json
import os
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.importers.lemur import LemurPackage
from deltanas_repo_store.records import MAX_SOURCE_BYTES
from deltanas_repo_store.reported import NewBaseline, Skipped
from tests.repo_store.importers.wheels import (
    LITTLE,
    network,
    package_files,
    trial,
    write_folder,
    write_wheel,
)


def read(
    tmp_path: Path, networks: Mapping[str, str], trials: Mapping[str, object] | None = None
) -> dict[str, NewBaseline | Skipped]:
    wheel = write_wheel(tmp_path / "some.whl", package_files(networks, trials))
    with LemurPackage.open(wheel) as package:
        return {each.name: each for each in package.networks()}


def baseline(found: NewBaseline | Skipped) -> NewBaseline:
    assert isinstance(found, NewBaseline), found
    return found


def test_a_wheel_and_its_unpacked_folder_give_the_same_networks(tmp_path: Path) -> None:
    files = package_files(
        {"B": network("1"), "A": network("2")}, {"cifar-10_acc_A/1": [trial(), trial(0.25)]}
    )
    found = []
    for place in (
        write_wheel(tmp_path / "some.whl", files),
        write_folder(tmp_path / "folder", files),
    ):
        with LemurPackage.open(place) as package:
            assert package.version == "2.1.2"
            found.append(list(package.networks()))
    assert found[0] == found[1]
    assert [each.name for each in found[0]] == ["A", "B"]


def test_an_installed_copy_is_found_by_the_package_s_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path, package_files({"A": network("1")}))
    monkeypatch.syspath_prepend(str(tmp_path))
    with LemurPackage.open("nn-dataset") as package:
        assert (package.names(), package.version) == (("A",), "2.1.2")


def test_nothing_of_it_is_imported_or_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    source = f"open({str(mark)!r}, 'w').close()\n{LITTLE}"
    files = package_files({"A": source, "B": network("1")})
    with LemurPackage.open(write_folder(tmp_path / "folder", files)) as package:
        assert len(list(package.networks())) == 2
    assert not mark.exists()
    assert "ab" not in sys.modules


def test_a_network_has_its_source_and_all_its_trials(tmp_path: Path) -> None:
    source = network("1").replace("\n", "\r\n")
    trials = {
        "mnist_acc_A/2": [trial(0.25)],
        "mnist_acc_A/10": [trial(0.5), trial(0.75, uid="best")],
        "cifar-10_acc_A/1": [trial(0.125)],
    }
    found = baseline(read(tmp_path, {"A": source}, trials)["A"])
    [report] = found.reported
    assert found.architecture.source == source
    assert (report.source, report.package, report.network) == ("lemur", "nn-dataset 2.1.2", "A")
    assert [(each.dataset, each.epochs, each.accuracy) for each in report.trials] == [
        ("cifar-10", 1, 0.125),
        ("mnist", 2, 0.25),
        ("mnist", 10, 0.5),
        ("mnist", 10, 0.75),
    ]
    assert report.trials[0].seconds == 2.5
    assert report.trials[0].transform == "norm_256_flip"
    assert [each.id for each in report.best()] == ["a1b2", "a1b2", "best"]


def test_trials_of_other_tasks_and_metrics_are_left_out(tmp_path: Path) -> None:
    files = package_files({"A": network("1")}, {"coco_miou_A/1": [trial()]})
    files["ab/nn/stat/train/img-segmentation_coco_acc_A/1.json"] = json.dumps([trial()]).encode()
    with LemurPackage.open(write_wheel(tmp_path / "some.whl", files)) as package:
        [found] = package.networks()
    assert baseline(found).reported == ()


def test_hyper_parameters_are_those_of_the_best_trial_on_cifar_10(tmp_path: Path) -> None:
    trials = {
        "mnist_acc_A/1": [trial(0.99, lr=0.5)],
        "cifar-10_acc_A/1": [trial(0.5, lr=0.0625), trial(0.75, lr=0.25, batch=1024)],
    }
    found = baseline(read(tmp_path, {"A": network("1")}, trials)["A"])
    assert found.architecture.hparams == {
        "lr": 0.25,
        "momentum": 0.75,
        "dropout": 0.25,
        "batch": 64,
    }


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        pytest.param("{'lr', 'gate'}", {"lr": 0.01, "gate": 0.5, "batch": 64}, id="set"),
        pytest.param("['dropout']", {"dropout": 0.2, "batch": 64}, id="list"),
        pytest.param("{'momentum': 0.5}", {"momentum": 0.9, "batch": 64}, id="dict"),
        pytest.param("set(('lr',))", {"lr": 0.01, "batch": 64}, id="call of set"),
        pytest.param("{'lr', 'batch', 'transform'}", {"lr": 0.01, "batch": 64}, id="transform"),
        pytest.param("{'lr', 'two words'}", {"lr": 0.01, "batch": 64}, id="not a name"),
        pytest.param("{'pretrained'}", {"pretrained": 0.0, "batch": 64}, id="downloads"),
        pytest.param("NAMES", {"lr": 0.01, "momentum": 0.9, "batch": 64}, id="no literal"),
        pytest.param("{'lr'} | MORE", {"lr": 0.01, "momentum": 0.9, "batch": 64}, id="computed"),
    ],
)
def test_hyper_parameters_without_trials_have_defaults(
    tmp_path: Path, returned: str, expected: Mapping[str, float]
) -> None:
    source = f"def supported_hyperparameters():\n    '''Names.'''\n    return {returned}\n"
    found = baseline(read(tmp_path, {"A": source})["A"])
    assert found.architecture.hparams == expected


def test_networks_with_the_same_syntax_tree_are_one_with_aliases(tmp_path: Path) -> None:
    digest = "0123456789abcdef" * 2
    networks = {
        f"A-{digest}": network("1"),
        "Twin": network("1") + "# a comment\n",
        "Zwin": network("( 1 )"),
        "Other": network("2"),
    }
    trials = {"cifar-10_acc_Zwin/1": [trial()], "cifar-10_acc_Twin/1": [trial(), trial()]}
    found = read(tmp_path, networks, trials)
    twin = baseline(found["Twin"])
    assert list(found) == ["Other", "Twin"]
    assert twin.aliases == ("Zwin", f"A-{digest}")
    assert [(each.network, len(each.trials)) for each in twin.reported] == [
        ("Twin", 2),
        ("Zwin", 1),
    ]


def test_what_is_left_out_does_not_change_what_the_others_are(tmp_path: Path) -> None:
    networks = {"A": network("1"), "B": network("2"), "C": network("1"), "D": network("2")}
    wheel = write_wheel(tmp_path / "some.whl", package_files(networks))
    with LemurPackage.open(wheel) as package:
        first, second = package.networks()
        assert list(package.networks(done=["A"])) == [second]
        assert list(package.networks(names=["C"])) == [first]
        assert list(package.networks(done=["A", "B"])) == []


def test_rag_networks_come_only_when_asked_for_and_never_give_the_name(tmp_path: Path) -> None:
    networks = {"rag-1": network("1"), "x-9": network("1"), "rag-2": network("2")}
    wheel = write_wheel(tmp_path / "some.whl", package_files(networks))
    with LemurPackage.open(wheel) as package:
        assert package.names() == ("x-9",)
        assert package.names(include_rag=True) == ("rag-1", "rag-2", "x-9")
        assert [each.name for each in package.networks()] == ["x-9"]
        everything = {each.name: each for each in package.networks(include_rag=True)}
        assert list(everything) == ["rag-2", "x-9"]
        assert baseline(everything["x-9"]).aliases == ("rag-1",)
        with pytest.raises(ConfigError, match="AGPL"):
            next(package.networks(names=["rag-1"]))


def test_progress_counts_what_is_compared_and_then_what_is_read(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    wheel = write_wheel(tmp_path / "some.whl", package_files({"A": network("1")}))
    with LemurPackage.open(wheel) as package:
        list(package.networks(progress=lambda *facts: seen.append(facts)))
    assert dict.fromkeys(seen) == dict.fromkeys([("compare", 1, 1), ("read", 0, 1), ("read", 1, 1)])


def test_an_unknown_name_is_refused_with_names_like_it(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "some.whl", package_files({"ResNet": network("1")}))
    with (
        LemurPackage.open(wheel) as package,
        pytest.raises(ConfigError, match=r"no network 'Resnet'; did you mean ResNet\?"),
    ):
        next(package.networks(names=["Resnet"]))


@pytest.mark.parametrize(
    ("name", "source", "reason"),
    [
        pytest.param("A", "def", "it is not Python: invalid syntax at line 1", id="syntax"),
        pytest.param("A", "x = '\0'", "it is not Python", id="NUL"),
        pytest.param("A", " \n", "source: Value error, the source is empty", id="empty"),
        pytest.param("A", "#" * (MAX_SOURCE_BYTES + 1), "more than 262144 bytes", id="too large"),
        pytest.param("bad name", LITTLE, "the name is not", id="space in the name"),
        pytest.param("A.lock", LITTLE, "the name is not", id="a lock"),
    ],
)
def test_what_cannot_be_taken_is_skipped_with_the_reason(
    tmp_path: Path, name: str, source: str, reason: str
) -> None:
    found = read(tmp_path, {name: source, "B": network("1")})
    skipped = found[name]
    assert isinstance(skipped, Skipped)
    assert reason in skipped.reason
    assert baseline(found["B"])


def test_text_that_is_not_utf_8_is_skipped(tmp_path: Path) -> None:
    files = package_files({}) | {"ab/nn/nn/A.py": b"# caf\xe9\n"}
    with LemurPackage.open(write_wheel(tmp_path / "some.whl", files)) as package:
        [found] = package.networks()
    assert isinstance(found, Skipped)
    assert "UTF-8" in found.reason


def test_what_is_nested_too_deeply_to_compare_is_taken_and_has_no_twins(tmp_path: Path) -> None:
    source = f"x = 1{' + 1' * 5_000}\n"
    found = read(tmp_path, {"A": source, "B": source})
    assert [baseline(each).aliases for each in found.values()] == [(), ()]


def test_a_link_in_a_folder_is_not_read(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "folder", package_files({"A": network("1")}))
    (tmp_path / "secret").write_text(network("2"))
    (folder / "ab/nn/nn/B.py").symlink_to(tmp_path / "secret")
    with LemurPackage.open(folder) as package:
        assert package.names() == ("A",)


@pytest.mark.parametrize("kind", ["wheel", "folder"])
def test_a_version_without_networks_is_refused_with_the_one_that_has_them(
    tmp_path: Path, kind: str
) -> None:
    files = package_files({}, version="2.2.11")
    write = write_wheel if kind == "wheel" else write_folder
    with pytest.raises(ConfigError, match=r"nn-dataset 2\.2\.11 has no.*nn-dataset==2\.1\.2"):
        LemurPackage.open(write(tmp_path / kind, files))


def test_a_package_that_is_not_installed_is_refused_with_how_to_get_it() -> None:
    with pytest.raises(ConfigError, match=r"not installed.*pip download --no-deps"):
        LemurPackage.open("nn-dataset")


def test_a_path_where_nothing_is_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to read at"):
        LemurPackage.open(tmp_path / "none.whl")


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "some.whl").write_bytes(b"<html>404</html>")
    with pytest.raises(ConfigError, match="not a zip archive"):
        LemurPackage.open(tmp_path / "some.whl")


def test_a_wheel_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "some.whl", package_files({"A": network("1")}))
    wheel.write_bytes(wheel.read_bytes()[:-30])
    with pytest.raises(ConfigError, match="not a zip archive, or it is damaged"):
        LemurPackage.open(wheel)


def test_a_wheel_with_a_damaged_member_is_refused(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "some.whl", package_files({"A": network("1")}))
    with zipfile.ZipFile(wheel) as archive:
        at = archive.getinfo("ab/nn/nn/A.py").header_offset + 60
    data = bytearray(wheel.read_bytes())
    data[at : at + 8] = b"\xff" * 8
    wheel.write_bytes(data)
    with (
        LemurPackage.open(wheel) as package,
        pytest.raises(ConfigError, match=r"damaged at ab/nn/nn/A\.py"),
    ):
        list(package.networks())


def test_a_file_that_inflates_beyond_what_it_declares_is_not_read_further(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "some.whl", package_files({"A": "#" * 50_000_000}))
    data = wheel.read_bytes()
    size = (50_000_000).to_bytes(4, "little")
    wheel.write_bytes(data.replace(size, (100).to_bytes(4, "little")))
    with LemurPackage.open(wheel) as package, pytest.raises(ConfigError, match="damaged"):
        list(package.networks())


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_whose_output_has_no_limit_is_refused(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "some.whl", "w", method) as archive:
        archive.writestr("ab/nn/nn/A.py", LITTLE)
    with (
        LemurPackage.open(tmp_path / "some.whl") as package,
        pytest.raises(ConfigError, match="compressed in a way"),
    ):
        list(package.networks())


@pytest.mark.slow
def test_the_whole_of_lemur_is_read() -> None:
    where = os.environ.get("DELTANAS_LEMUR")
    if where is None:
        pytest.skip("DELTANAS_LEMUR does not say where LEMUR is (a wheel or an unpacked folder)")
    with LemurPackage.open(where) as package:
        assert len(package.names()) == 9_690
        assert len(package.names(include_rag=True)) == 10_482
        found = [baseline(each) for each in package.networks(include_rag=True)]
        assert package.num_dropped_trials == 0
    assert len(found) + sum(len(each.aliases) for each in found) == 10_482
    assert len(found) == 9_898
    assert sum(len(report.trials) for each in found for report in each.reported) == 449_672
    assert "ab" not in sys.modules
