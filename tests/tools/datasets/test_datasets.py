"""prepare: once, whole, the same everywhere, and never from the network unasked."""

import gzip
import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.datasets import Availability, Dataset, availability, names, prepare
from deltanas_tools.datasets.dataset import SPLITS
from deltanas_tools.datasets.recipes import RECIPES
from deltanas_tools.datasets.splits import stratified
from tests.tools.datasets.miniatures import idx, write

GRAY = (28, 28)


def idx_files(num_train: int = 60_000, num_test: int = 10_000) -> dict[str, bytes]:
    """Data of Fashion-MNIST's form; the image of sample i has the pixel values i mod 251."""
    files = {}
    for part, size in (("train", num_train), ("t10k", num_test)):
        values = (np.arange(size) % 251).astype(np.uint8)
        images = np.broadcast_to(values[:, None, None], (size, *GRAY))
        files[f"{part}-images-idx3-ubyte"] = idx(images)
        files[f"{part}-labels-idx1-ubyte"] = idx((np.arange(size) % 10).astype(np.uint8))
    return files


def images(dataset: Dataset, split: str) -> NDArray[np.uint8]:
    loaded: NDArray[np.uint8] = np.load(dataset.folder / f"{split}_images.npy")
    return loaded


def test_digits_have_the_sizes_and_shapes_they_promise(digits: Dataset) -> None:
    assert (digits.num_train, digits.num_search, digits.num_test) == (1197, 300, 300)
    assert digits.image_shape == (1, 28, 28)
    for split, size in zip(SPLITS, (1197, 300, 300), strict=True):
        assert images(digits, split).shape == (size, 1, 28, 28)
        assert images(digits, split).dtype == np.uint8
        assert digits.labels(split).shape == (size,)


def test_digits_use_the_whole_range_of_a_byte(digits: Dataset) -> None:
    assert (images(digits, "train").min(), images(digits, "train").max()) == (0, 255)


def test_every_class_has_its_share_of_every_split(digits: Dataset) -> None:
    for split in SPLITS:
        counts = np.bincount(digits.labels(split), minlength=10)
        assert counts.max() - counts.min() <= 0.05 * counts.sum()


def test_no_image_is_in_two_splits(digits: Dataset) -> None:
    rows = [row.tobytes() for split in SPLITS for row in images(digits, split)]
    assert len(set(rows)) == len(rows)


def test_the_split_is_the_same_on_every_machine(digits: Dataset) -> None:
    digest = hashlib.sha256(digits.labels("search").tobytes()).hexdigest()
    assert digest == "e8e46a735dace7d76389bebf55903704c9d57399e58e21517a8ccfc1406ff7d8"


def test_mean_and_std_are_those_of_the_train_split(digits: Dataset) -> None:
    pixels = images(digits, "train") / 255
    assert digits.mean == pytest.approx((pixels.mean(),))
    assert digits.std == pytest.approx((pixels.std(),))


def test_what_is_prepared_is_not_made_again(digits: Dataset) -> None:
    before = digits.path("train_images").stat().st_mtime_ns
    again = prepare("digits", cache=digits.folder.parent)
    assert again == digits
    assert digits.path("train_images").stat().st_mtime_ns == before


def test_several_may_prepare_at_the_same_moment(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: prepare("digits", cache=tmp_path), range(4)))
    assert made[0] == made[1] == made[2] == made[3]
    assert [each.name for each in tmp_path.iterdir()] == ["digits-v1"]


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        pytest.param("manifest.json", b"", id="empty manifest"),
        pytest.param("manifest.json", b'{"name": "digits"', id="half a manifest"),
        pytest.param("manifest.json", b"[1]", id="manifest of another form"),
        pytest.param("train_images.npy", b"", id="empty array"),
        pytest.param("search_labels.npy", b"\x93NUMPY", id="half an array"),
        pytest.param("test_images.npy", None, id="missing array"),
    ],
)
def test_a_damaged_folder_is_made_anew(
    digits: Dataset, tmp_path: Path, name: str, damage: bytes | None
) -> None:
    damaged = prepare("digits", cache=tmp_path).folder / name
    if damage is None:
        damaged.unlink()
    else:
        damaged.write_bytes(damage)
    mended = prepare("digits", cache=tmp_path)
    assert mended.checksums == digits.checksums
    assert [each.name for each in tmp_path.iterdir()] == ["digits-v1"]


def test_one_changed_byte_is_found(digits: Dataset, tmp_path: Path) -> None:
    path = prepare("digits", cache=tmp_path).path("train_images")
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    assert prepare("digits", cache=tmp_path).checksums == digits.checksums
    assert not path.read_bytes().endswith(b"\x07")


def test_fashion_mnist_is_read_from_the_debian_package(tmp_path: Path) -> None:
    packed = {f"{name}.gz": gzip.compress(data, 1) for name, data in idx_files().items()}
    source = write(tmp_path / "package", packed)
    assert availability("fashion-mnist", tmp_path, source) == Availability.OFFLINE
    dataset = prepare("fashion-mnist", cache=tmp_path / "cache", source=source)
    assert (dataset.num_train, dataset.num_search, dataset.num_test) == (55_000, 5_000, 10_000)
    assert images(dataset, "search").shape == (5_000, 1, *GRAY)
    assert np.bincount(dataset.labels("search")).tolist() == [500] * 10
    assert images(dataset, "test")[250:252, 0, 0, 0].tolist() == [250, 0]
    assert availability("fashion-mnist", tmp_path / "cache") == Availability.PREPARED


def test_mnist_is_read_from_the_users_own_torchvision_folder(tmp_path: Path) -> None:
    write(tmp_path / "root" / "MNIST" / "raw", idx_files())
    dataset = prepare("mnist", cache=tmp_path / "cache", source=tmp_path / "root")
    assert dataset.labels("test")[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


def test_a_data_set_of_another_size_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "root" / "MNIST" / "raw", idx_files(num_train=600))
    with pytest.raises(ConfigError, match="600 training images, expected 60000"):
        prepare("mnist", cache=tmp_path / "cache", source=tmp_path / "root")
    assert list((tmp_path / "cache").iterdir()) == []


def test_damaged_source_files_are_named(tmp_path: Path) -> None:
    write(tmp_path / "root" / "MNIST" / "raw", dict.fromkeys(idx_files(1, 1), b"nonsense"))
    with pytest.raises(ConfigError, match="mnist cannot be read from"):
        prepare("mnist", cache=tmp_path / "cache", source=tmp_path / "root")


@pytest.mark.parametrize("name", [name for name in RECIPES if RECIPES[name].packed])
def test_an_absent_data_set_says_where_it_was_looked_for_and_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    # Debian's own place may have Fashion-MNIST on the machine that runs this.
    monkeypatch.setitem(RECIPES, name, replace(RECIPES[name], places=()))
    source = tmp_path / "mine"
    assert availability(name, tmp_path, source) == Availability.DOWNLOAD
    with pytest.raises(ConfigError) as caught:
        prepare(name, cache=tmp_path, source=source)
    assert str(source) in str(caught.value)
    assert f"`deltanas datasets fetch {name}`" in str(caught.value)
    assert f"or put {RECIPES[name].packed[0]}" in str(caught.value)
    assert "set DELTANAS_DATA to that folder" in str(caught.value)


def test_an_unknown_name_gets_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there are: digits, fashion-mnist, mnist, cifar-10"):
        prepare("imagenet", cache=tmp_path)
    with pytest.raises(ConfigError, match="there are: digits"):
        availability("imagenet", tmp_path)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"digits cannot be prepared in .*file"):
        prepare("digits", cache=tmp_path / "file")


def test_every_recipe_has_a_search_split_within_its_training_part() -> None:
    assert names() == tuple(RECIPES)
    for recipe in RECIPES.values():
        assert 0 < recipe.num_search < recipe.num_train


def test_a_stratified_choice_is_exact_and_in_proportion() -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 21])
    chosen = stratified(labels, 10, seed=3)
    assert np.bincount(labels[chosen]).tolist() == [5, 3, 2]
    assert (stratified(labels, 10, seed=3) == chosen).all()
    assert (stratified(labels, 10, seed=4) != chosen).any()
