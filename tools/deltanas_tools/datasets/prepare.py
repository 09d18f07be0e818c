"""Makes a data set's folder once, whoever else is making it at the same moment."""

import tempfile
import zlib
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

import numpy as np

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.datasets.dataset import VERSION, ArrayName, Corrupt, Dataset
from deltanas_tools.datasets.readers import RECIPES, SPLIT_SEED, Raw, Recipe, stratified


class Availability(StrEnum):
    """What stands between a data set and its use."""

    PREPARED = "prepared"
    OFFLINE = "can be made offline"
    DOWNLOAD = "needs a download"


def names() -> tuple[str, ...]:
    """Return the names of the known data sets."""
    return tuple(RECIPES)


def availability(name: str, cache: Path, source: Path | None = None) -> Availability:
    """Tell what it takes to use a data set. Looks only at names of files and at the manifest.

    Raises:
        ConfigError: there is no such data set.
    """
    recipe = _recipe(name)
    with suppress(Corrupt):
        Dataset.open(_folder(cache, name))
        return Availability.PREPARED
    return Availability.DOWNLOAD if recipe.find(source) is None else Availability.OFFLINE


def prepare(
    name: str, *, cache: Path, source: Path | None = None, download: bool = False
) -> Dataset:
    """Return the data set in ``cache``, making it if it is not there or is damaged.

    ``source`` is a folder in torchvision's layout that the user already has; nothing is fetched
    from the network without ``download``.

    Raises:
        ConfigError: there is no such data set, or it is not here and may not or cannot be got.
    """
    recipe = _recipe(name)
    folder = _folder(cache, name)
    dataset = _whole(folder)
    if dataset is not None:
        return dataset
    try:
        cache.mkdir(parents=True, exist_ok=True)
        # Beside its final place: a folder can only be renamed within a file system.
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=cache) as scratch:
            raw, origin = _read(name, recipe, cache, source, Path(scratch), download=download)
            _check(name, recipe, raw, origin)
            made = Path(scratch) / "made"
            made.mkdir()
            _write(name, recipe, raw, origin, made)
            return _put(made, folder)
    except OSError as error:
        raise ConfigError(f"the data set {name} cannot be prepared in {cache}: {error}") from error


def _recipe(name: str) -> Recipe:
    if name not in RECIPES:
        raise ConfigError(f"there is no data set {name!r}; there are: {', '.join(RECIPES)}")
    return RECIPES[name]


def _folder(cache: Path, name: str) -> Path:
    return cache / f"{name}-v{VERSION}"


def _whole(folder: Path) -> Dataset | None:
    """Return the data set in ``folder``, or None where it has to be made or made anew."""
    try:
        dataset = Dataset.open(folder)
        dataset.verify()
    except Corrupt:
        return None
    return dataset


def _read(
    name: str,
    recipe: Recipe,
    cache: Path,
    source: Path | None,
    scratch: Path,
    *,
    download: bool,
) -> tuple[Raw, str]:
    """Return the published arrays, and where they came from."""
    found = recipe.find(source)
    if found is None and not download:
        places = ", ".join(str(each) for each in (cache, *recipe.looked_in(source)))
        raise ConfigError(
            f"the data set {name} is not here (looked in {places}); `{recipe.remedy}` gets it"
        )
    raw_folder = scratch / "raw"
    raw_folder.mkdir()
    folder = scratch / "downloaded" if found is None else found
    try:
        raw = recipe.read(folder, raw_folder, download=found is None)
    # What torchvision's and gzip's readers raise for missing, damaged or unreachable files.
    except (OSError, RuntimeError, ValueError, EOFError, AssertionError, ImportError) as error:
        doing = "downloaded" if found is None else f"read from {found}"
        raise ConfigError(f"the data set {name} cannot be {doing}: {error}") from error
    return raw, "downloaded by torchvision" if found is None else str(found)


def _check(name: str, recipe: Recipe, raw: Raw, origin: str) -> None:
    for what, images, labels, expected in (
        ("training", raw.train_images, raw.train_labels, recipe.num_train),
        ("test", raw.test_images, raw.test_labels, recipe.num_test),
    ):
        shape = (expected, *recipe.image_shape)
        if images.shape != shape or labels.shape != shape[:1]:
            raise ConfigError(
                f"the data set {name} ({origin}) has {what} images of shape {images.shape} and "
                f"{len(labels)} labels, expected {shape}"
            )
        if labels.min() < 0 or labels.max() >= recipe.num_classes:
            raise ConfigError(f"the data set {name} ({origin}) has labels outside its classes")


def _write(name: str, recipe: Recipe, raw: Raw, origin: str, folder: Path) -> None:
    is_search = stratified(raw.train_labels, recipe.num_search, seed=SPLIT_SEED)
    arrays: dict[ArrayName, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = {
        "train_images": raw.train_images[~is_search],
        "train_labels": raw.train_labels[~is_search],
        "search_images": raw.train_images[is_search],
        "search_labels": raw.train_labels[is_search],
        "test_images": raw.test_images,
        "test_labels": raw.test_labels,
    }
    checksums: dict[ArrayName, int] = {}
    for array_name, array in arrays.items():
        path = folder / f"{array_name}.npy"
        np.save(path, array, allow_pickle=False)
        checksums[array_name] = zlib.crc32(path.read_bytes())
    mean, std = _moments(raw.train_images[~is_search])
    Dataset(
        name=name,
        num_classes=recipe.num_classes,
        image_shape=recipe.image_shape,
        mean=mean,
        std=std,
        num_train=recipe.num_train - recipe.num_search,
        num_search=recipe.num_search,
        num_test=recipe.num_test,
        source=origin,
        checksums=checksums,
        folder=folder,
    ).write_manifest()


def _moments(
    images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation per channel, exactly, from counts of the 256 values."""
    values = np.arange(256) / 255
    means, stds = [], []
    for channel in range(images.shape[1]):
        counts = np.bincount(images[:, channel].ravel(), minlength=256)
        mean = float(counts @ values / counts.sum())
        means.append(mean)
        stds.append(float(np.sqrt(counts @ (values - mean) ** 2 / counts.sum())))
    return tuple(means), tuple(stds)


def _put(made: Path, folder: Path) -> Dataset:
    """Move a finished folder to its place, unless somebody else's is already there."""
    try:
        made.rename(folder)
    except OSError:
        theirs = _whole(folder)
        if theirs is not None:
            return theirs
        # Damaged. Out of the way with it, into the folder that is thrown away.
        folder.rename(made.with_name("damaged"))
        made.rename(folder)
    return Dataset.open(folder)
