"""Makes a data set's folder once, whoever else is making it at the same moment."""

import tarfile
import zipfile
import zlib
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.datasets.archives import Progress, Unobtainable, borrow, fetch, silent, unpack
from deltanas_tools.datasets.dataset import VERSION, Corrupt, Dataset, Split
from deltanas_tools.datasets.readers import Part, Raw, Unreadable
from deltanas_tools.datasets.recipes import RECIPES, Found, Recipe
from deltanas_tools.datasets.scratch import scratch_folder
from deltanas_tools.datasets.splits import SPLIT_SEED, stratified
from deltanas_tools.datasets.write_arrays import WrongShape, checksums, moments, write_part

# What torchvision's, gzip's and the archives' readers raise for missing or damaged files.
_READING = (
    OSError,
    RuntimeError,
    ValueError,
    LookupError,
    EOFError,
    AssertionError,
    ImportError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    Unobtainable,
)


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
    name: str,
    *,
    cache: Path,
    source: Path | None = None,
    download: bool = False,
    progress: Progress = silent,
) -> Dataset:
    """Return the data set in ``cache``, making it if it is not there or is damaged.

    ``source`` is a folder in torchvision's layout that the user already has; nothing is fetched
    from the network without ``download``, nor with it where the files are found.

    Raises:
        ConfigError: there is no such data set, or it is not here and may not or cannot be got.
    """
    recipe = _recipe(name)
    folder = _folder(cache, name)
    dataset = _whole(folder)
    if dataset is not None:
        return dataset
    found = recipe.find(source)
    if found is None and not download:
        places = ", ".join(str(each) for each in (cache, *recipe.looked_in(source)))
        raise ConfigError(
            f"the data set {name} is not here (looked in {places}); "
            f"`{recipe.remedy}` gets it{_by_hand(recipe, 'or ')}"
        )
    try:
        cache.mkdir(parents=True, exist_ok=True)
        # Beside its final place: a folder can only be renamed within a file system.
        with scratch_folder(cache, name) as scratch:
            raw = _read(name, recipe, found, scratch, progress)
            origin = "downloaded" if found is None else str(found.folder)
            _check(name, recipe, raw, origin)
            made = scratch / "made"
            made.mkdir()
            _write(name, recipe, raw, origin, made, progress)
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


def _read(name: str, recipe: Recipe, found: Found | None, scratch: Path, progress: Progress) -> Raw:
    """Return the published images and labels, downloaded if they were not found."""
    folder = scratch / "root"
    room = scratch / "room"
    room.mkdir()
    try:
        if found is not None and not found.is_packed:
            return recipe.read(found.folder, room)
        for archive in recipe.archives():
            if found is None:
                fetch(archive, folder, progress)
            else:
                borrow(archive, found.folder, folder)
            unpack(folder / archive.path, progress)
        return recipe.read(folder, room)
    except _READING as error:
        if found is None:
            doing, remedy = "downloaded", _by_hand(recipe, "")
        else:
            doing, remedy = f"read from {found.folder}", _mend(recipe)
        raise ConfigError(f"the data set {name} cannot be {doing}: {error}{remedy}") from error


def _by_hand(recipe: Recipe, conjunction: str) -> str:
    """Say which files to place where; nothing where there are none to place."""
    if not recipe.packed:
        return ""
    files = ", ".join(recipe.packed)
    return f"; {conjunction}put {files} into a folder and set DELTANAS_DATA to that folder"


def _mend(recipe: Recipe) -> str:
    return f"; replace the damaged files, or move them away and `{recipe.remedy}` gets others"


def _check(name: str, recipe: Recipe, raw: Raw, origin: str) -> None:
    """Check the labels; the images are checked while they are written."""
    parts = [("test", raw.test, recipe.num_test)]
    if raw.search is None:
        parts.append(("training", raw.train, recipe.num_train))
    else:
        parts.append(("training", raw.train, recipe.num_train - recipe.num_search))
        parts.append(("validation", raw.search, recipe.num_search))
    for what, part, expected in parts:
        if part.labels.shape != (expected,):
            raise ConfigError(
                f"the data set {name} ({origin}) has {len(part.labels)} {what} images, "
                f"expected {expected}{_mend(recipe)}"
            )
        if part.labels.min() < 0 or part.labels.max() >= recipe.num_classes:
            raise ConfigError(
                f"the data set {name} ({origin}) has labels outside its classes{_mend(recipe)}"
            )


def _write(
    name: str, recipe: Recipe, raw: Raw, origin: str, folder: Path, progress: Progress
) -> None:
    try:
        for part, splits in _splits(recipe, raw):
            write_part(part, splits, shape=recipe.image_shape, folder=folder, progress=progress)
    except (Unreadable, WrongShape) as error:
        raise ConfigError(
            f"the data set {name} cannot be read from {origin}: {error}{_mend(recipe)}"
        ) from error
    mean, std = moments(folder / "train_images.npy")
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
        checksums=checksums(folder),
        folder=folder,
    ).write_manifest()


def _splits(recipe: Recipe, raw: Raw) -> list[tuple[Part, dict[Split, NDArray[np.bool_]]]]:
    """Return each part with the samples that each of its splits takes."""
    if raw.search is None:
        is_search = stratified(raw.train.labels, recipe.num_search, seed=SPLIT_SEED)
        return [
            (raw.train, {"train": ~is_search, "search": is_search}),
            (raw.test, {"test": _all_of(raw.test)}),
        ]
    return [
        (raw.train, {"train": _all_of(raw.train)}),
        (raw.search, {"search": _all_of(raw.search)}),
        (raw.test, {"test": _all_of(raw.test)}),
    ]


def _all_of(part: Part) -> NDArray[np.bool_]:
    return np.ones(len(part.labels), dtype=np.bool_)


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
