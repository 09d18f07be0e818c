"""Each data set's published files, in miniature, through torchvision's unchanged reading code."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.datasets import Availability, Dataset, availability, prepare
from deltanas_tools.datasets.dataset import SPLITS
from deltanas_tools.datasets.recipes import RECIPES
from tests.tools.datasets import miniatures
from tests.tools.datasets.conftest import only
from tests.tools.datasets.miniatures import Miniature, Server, write


def images(dataset: Dataset, split: str) -> NDArray[np.uint8]:
    loaded: NDArray[np.uint8] = np.load(dataset.folder / f"{split}_images.npy")
    return loaded


def middles(dataset: Dataset, split: str) -> NDArray[np.int64]:
    """The first channel of each image's middle pixel."""
    loaded = images(dataset, split)
    side = loaded.shape[-1]
    return loaded[:, 0, side // 2, side // 2].astype(np.int64)


def test_the_users_files_become_the_promised_arrays(miniature: Miniature, tmp_path: Path) -> None:
    source = write(tmp_path / "root", miniature.files)
    assert availability(miniature.name, tmp_path, source) == Availability.OFFLINE
    dataset = prepare(miniature.name, cache=tmp_path / "cache", source=source)
    num_train, num_search, num_test = miniature.sizes
    for split, size in zip(SPLITS, (num_train - num_search, num_search, num_test), strict=True):
        assert images(dataset, split).shape == (size, *dataset.image_shape)
        assert images(dataset, split).dtype == np.uint8
        assert dataset.labels(split).shape == (size,)


def test_every_class_has_its_share_of_every_split(miniature: Miniature, tmp_path: Path) -> None:
    source = write(tmp_path / "root", miniature.files)
    dataset = prepare(miniature.name, cache=tmp_path / "cache", source=source)
    for split in SPLITS:
        counts = np.bincount(dataset.labels(split), minlength=dataset.num_classes)
        assert counts.min() == counts.max() > 0


def test_files_as_published_need_not_be_unpacked(
    miniature: Miniature, tmp_path: Path, server: Server
) -> None:
    packed = write(tmp_path / "packed", miniature.archives)
    unpacked = write(tmp_path / "root", miniature.files)
    before = sorted(tmp_path.glob("packed/**/*"))
    first = prepare(miniature.name, cache=tmp_path / "first", source=packed)
    second = prepare(miniature.name, cache=tmp_path / "second", source=unpacked)
    assert first.checksums == second.checksums
    assert sorted(tmp_path.glob("packed/**/*")) == before
    assert server.asked == []


def test_a_published_file_that_was_changed_is_refused(miniature: Miniature, tmp_path: Path) -> None:
    path, data = next(iter(miniature.archives.items()))
    source = write(tmp_path / "packed", miniature.archives | {path: data[:-1] + b"\x07"})
    with pytest.raises(ConfigError) as caught:
        prepare(miniature.name, cache=tmp_path / "cache", source=source)
    assert path in str(caught.value) or "not found or corrupted" in str(caught.value)
    assert f"`deltanas datasets fetch {miniature.name}` gets others" in str(caught.value)


@pytest.mark.parametrize(
    ("miniature", "path"),
    [
        pytest.param("cifar-10", "cifar-10-batches-py/data_batch_3", id="cifar-10"),
        pytest.param("cifar-100", "cifar-100-python/meta", id="cifar-100"),
        pytest.param("svhn", "test_32x32.mat", id="svhn"),
        pytest.param("celeba-gender", "celeba/list_attr_celeba.txt", id="celeba-gender"),
    ],
    indirect=["miniature"],
)
def test_one_changed_byte_in_a_file_with_a_checksum_is_refused(
    miniature: Miniature, tmp_path: Path, path: str
) -> None:
    damaged = miniature.files[path][:-1] + b"\x07"
    source = write(tmp_path / "root", miniature.files | {path: damaged})
    with pytest.raises(ConfigError, match=r"cannot be read from .*root.*corrupted.*gets others"):
        prepare(miniature.name, cache=tmp_path / "cache", source=source)
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    ("miniature", "path"),
    [
        pytest.param(
            "imagenette", "imagenette2-160/val/n01440764/n01440764_0.JPEG", id="imagenette"
        ),
        pytest.param("celeba-gender", "celeba/img_align_celeba/000010.jpg", id="celeba-gender"),
    ],
    indirect=["miniature"],
)
@pytest.mark.parametrize("kept_bytes", [0, 400], ids=["empty", "cut off"])
def test_a_damaged_image_is_named(
    miniature: Miniature, tmp_path: Path, path: str, kept_bytes: int
) -> None:
    damaged = miniature.files[path][:kept_bytes]
    source = write(tmp_path / "root", miniature.files | {path: damaged})
    with pytest.raises(ConfigError, match=rf"{Path(path).name}.*gets others"):
        prepare(miniature.name, cache=tmp_path / "cache", source=source)
    assert list((tmp_path / "cache").iterdir()) == []


@only("celeba-gender")
def test_a_missing_image_is_named(miniature: Miniature, tmp_path: Path) -> None:
    source = write(tmp_path / "root", miniature.files)
    (source / "celeba/img_align_celeba/000016.jpg").unlink()
    with pytest.raises(ConfigError, match=r"000016\.jpg"):
        prepare(miniature.name, cache=tmp_path / "cache", source=source)


@only("imagenette")
def test_missing_images_are_counted(miniature: Miniature, tmp_path: Path) -> None:
    source = write(tmp_path / "root", miniature.files)
    (source / "imagenette2-160/train/n01440764/n01440764_0.JPEG").unlink()
    with pytest.raises(ConfigError, match="19 training images, expected 20"):
        prepare(miniature.name, cache=tmp_path / "cache", source=source)


@only("imagenette")
def test_a_folder_of_another_class_is_refused(miniature: Miniature, tmp_path: Path) -> None:
    stray = {"imagenette2-160/train/n00000000/a.JPEG": miniatures.jpeg(160, 160, 0)}
    source = write(tmp_path / "root", miniature.files | stray)
    with pytest.raises(ConfigError, match="n00000000"):
        prepare(miniature.name, cache=tmp_path / "cache", source=source)


@pytest.mark.parametrize("miniature", ["cifar-10", "cifar-100", "svhn"], indirect=True)
def test_images_keep_their_labels_and_become_channels_first(
    miniature: Miniature, tmp_path: Path
) -> None:
    source = write(tmp_path / "root", miniature.files)
    dataset = prepare(miniature.name, cache=tmp_path / "cache", source=source)
    for split in SPLITS:
        expected = miniatures.colours(dataset.labels(split))[:, :, None, None]
        assert (images(dataset, split) == expected).all()


@only("imagenette")
def test_imagenette_is_resized_by_its_shorter_side_and_cut_to_the_middle(
    miniature: Miniature, tmp_path: Path
) -> None:
    source = write(tmp_path / "root", miniature.files)
    dataset = prepare("imagenette", cache=tmp_path / "cache", source=source)
    assert middles(dataset, "test") == pytest.approx(20 * dataset.labels("test"), abs=2)
    # The wide images lose their white sides, which begin 10 pixels beyond the square.
    corners = images(dataset, "test")[:, 0][:, (0, 0, -1, -1), (0, -1, 0, -1)].astype(int)
    assert (abs(corners - 20 * dataset.labels("test")[:, None]) <= 2).all()


@only("imagenette")
def test_imagenette_of_a_larger_size_serves_as_well(miniature: Miniature, tmp_path: Path) -> None:
    full = {
        path.replace("imagenette2-160", "imagenette2"): data
        for path, data in miniature.files.items()
    }
    source = write(tmp_path / "root", full)
    dataset = prepare("imagenette", cache=tmp_path / "cache", source=source)
    assert dataset.image_shape == (3, 160, 160)


@only("celeba-gender")
def test_celeba_gender_is_the_attribute_male_and_searches_on_the_validation_part(
    miniature: Miniature, tmp_path: Path
) -> None:
    source = write(tmp_path / "root", miniature.files)
    dataset = prepare("celeba-gender", cache=tmp_path / "cache", source=source)
    assert dataset.image_shape == (3, 64, 64)
    assert dataset.labels("train").tolist() == [0, 1, 0, 1, 0, 1, 0, 1]
    assert dataset.labels("search").tolist() == [0, 1, 0, 1]
    for split in SPLITS:
        assert middles(dataset, split) == pytest.approx(50 + 100 * dataset.labels(split), abs=2)


def test_what_is_not_the_published_cifar_10_is_refused_unread(tmp_path: Path) -> None:
    # Not installed: the class still has the published checksums.
    source = write(tmp_path / "root", miniatures.cifar("cifar-10", "CIFAR10", 10).files)
    with pytest.raises(ConfigError, match=r"cifar-10 cannot be read from .*corrupted"):
        prepare("cifar-10", cache=tmp_path / "cache", source=source)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_names_the_files_that_torchvision_publishes(name: str) -> None:
    archives = RECIPES[name].archives()
    assert {archive.path for archive in archives} == set(RECIPES[name].packed)
    assert all(archive.urls and len(archive.md5) == 32 for archive in archives)
