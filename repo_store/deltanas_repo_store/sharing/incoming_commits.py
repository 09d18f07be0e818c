"""Whether commits that another store sent are what they have to be, their ancestors included."""

import json
from collections.abc import Callable, Iterable

from deltanas_repo_store.adapters.files import FILES, MAX_FACTS_BYTES, WEIGHTS, check_facts
from deltanas_repo_store.errors import StoreCorrupt
from deltanas_repo_store.layout import HPARAMS_FILE, SOURCE_FILE
from deltanas_repo_store.records import MAX_SOURCE_BYTES, Architecture
from deltanas_repo_store.repository.git import GitRepository
from deltanas_repo_store.repository.objects import Commit, read_commit, tree_files
from deltanas_repo_store.sharing.remotes import run_git

TreeFaults = Callable[[GitRepository, set[str]], dict[str, str]]
"""Says what is wrong with trees: empty where they are in order."""

MAX_ADAPTER_BYTES = 1024**3
MAX_BYTES = 8 * 1024 * 1024
"""Of any one object that we read; an output has 64 KiB at most, an answer some hundred."""


def kinds_and_sizes(
    repository: GitRepository, object_ids: Iterable[str]
) -> dict[str, tuple[str, int]]:
    """Return kind and size in bytes of objects, without reading them."""
    given = "".join(f"{each}\n" for each in object_ids)
    command = ("cat-file", "--batch-check=%(objectname) %(objecttype) %(objectsize)", "--buffer")
    lines = (line.split(" ") for line in run_git(repository, *command, given=given).splitlines())
    # What is not there has two words: git asks for no more than a fetch must bring.
    return {each[0]: (each[1], int(each[2]) if len(each) > 2 else 0) for each in lines}


def commit_faults(
    repository: GitRepository, tips: set[str], here: set[str], tree_faults: TreeFaults
) -> dict[str, str]:
    """Return what is wrong with commits and their ancestors: empty where they are in order.

    What can be reached from the commits that are ``here`` is in order, and not in the answer.
    ``tree_faults`` looks at their trees.
    """
    kinds = kinds_and_sizes(repository, tips)
    faults = {
        each: f"it is a {kind}, not a commit"
        for each, (kind, _) in kinds.items()
        if kind != "commit"
    }
    good = tips - faults.keys()
    given = "".join(f"{each}\n" for each in [*good, *(f"^{each}" for each in here)])
    command = ("rev-list", "--topo-order", "--reverse", "--stdin")
    listed = run_git(repository, *command, given=given).split() if good else []
    commits = _read(repository, listed)
    trees = tree_faults(repository, {each.tree for each in commits.values() if each})
    for object_id, commit in commits.items():  # parents come first
        if commit is None:
            faults[object_id] = "it is no commit of a store"
        elif len(commit.parents) > 1:
            faults[object_id] = "it is a merge, and what stores have has one parent at most"
        else:
            inherited = [
                f"its parent: {faults[each]}" for each in commit.parents if faults.get(each)
            ]
            faults[object_id] = trees[commit.tree] or "".join(inherited)[:300]
    return faults


def _read(repository: GitRepository, commit_ids: Iterable[str]) -> dict[str, Commit | None]:
    sizes = kinds_and_sizes(repository, commit_ids)
    small = [each for each, (_, size) in sizes.items() if size <= MAX_BYTES]
    commits: dict[str, Commit | None] = dict.fromkeys(sizes)
    for object_id, read in zip(small, repository.read_all(small), strict=True):
        try:
            commits[object_id] = read_commit(read.data)
        except ValueError:
            commits[object_id] = None
    return commits


def architecture_faults(repository: GitRepository, tree_ids: set[str]) -> dict[str, str]:
    """Return what is wrong with the trees of architectures: empty where they are in order."""
    faults = dict.fromkeys(tree_ids, "its tree is not that of an architecture")
    files = _trees_of(repository, faults, {SOURCE_FILE, HPARAMS_FILE})
    sizes = kinds_and_sizes(
        repository, {each for found in files.values() for each in found.values()}
    )
    for tree_id, found in files.items():
        kinds = {sizes[each][0] for each in found.values()}
        if kinds == {"blob"} and max(sizes[each][1] for each in found.values()) <= MAX_SOURCE_BYTES:
            faults[tree_id] = _architecture_fault(repository, found)
        else:
            faults[tree_id] = f"its files have more than {MAX_SOURCE_BYTES} bytes"
    return faults


def adapter_faults(repository: GitRepository, tree_ids: set[str]) -> dict[str, str]:
    """Return what is wrong with the trees of adapters: empty where they are in order.

    The weights are looked into when they are brought to disk.
    """
    faults = dict.fromkeys(tree_ids, "its tree is not that of an adapter")
    files = _trees_of(repository, faults, set(FILES))
    sizes = kinds_and_sizes(
        repository, {each for found in files.values() for each in found.values()}
    )
    for tree_id, found in files.items():
        faults[tree_id] = ""
        for name, blob_id in found.items():
            largest = MAX_ADAPTER_BYTES if name == WEIGHTS else MAX_FACTS_BYTES
            kind, size = sizes[blob_id]
            if kind != "blob" or size > largest:
                faults[tree_id] = f"its {name} is a {kind} of {size} bytes, more than {largest}"
            elif name != WEIGHTS:
                try:
                    check_facts(repository.read(blob_id).data)
                except ValueError as error:
                    faults[tree_id] = f"its {name} is not as an adapter has it: {error}"
    return faults


def _trees_of(
    repository: GitRepository, faults: dict[str, str], names: set[str]
) -> dict[str, dict[str, str]]:
    """Return the files of those trees that have these names; note what the others are."""
    sizes = kinds_and_sizes(repository, faults)
    small = [each for each, (kind, size) in sizes.items() if kind == "tree" and size < 1000]
    files: dict[str, dict[str, str]] = {}
    for tree_id, read in zip(small, repository.read_all(small), strict=True):
        try:
            found = tree_files(read.data)
        except ValueError as error:
            faults[tree_id] = f"its tree is {error}"
        else:
            if set(found) == names:
                files[tree_id] = found
    return files


def _architecture_fault(repository: GitRepository, files: dict[str, str]) -> str:
    try:
        source = repository.read(files[SOURCE_FILE]).data.decode()
        hparams = json.loads(repository.read(files[HPARAMS_FILE]).data)
        Architecture(source=source, hparams=hparams)
    except (StoreCorrupt, ValueError, RecursionError) as error:
        return f"it is no architecture: {' '.join(str(error).split())[:200]}"
    return ""
