"""A pack of ours is one that git takes, and that says what was put in."""

import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deltanas_repo_store.repository.git import GitRepository, create_repository
from deltanas_repo_store.repository.objects import GitObject, blob, commit, tree
from deltanas_repo_store.repository.packs import pack
from deltanas_repo_store.store import utc_now
from tests.repo_store.test_index import git


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> GitRepository:
    path = tmp_path_factory.mktemp("packs") / "store"
    create_repository(path)
    return GitRepository(path)


@pytest.mark.parametrize(
    "size", [0, 1, 15, 16, 17, 2046, 2047, 2048, 2049, 2**18 - 1, 2**18, 2**20]
)
def test_a_blob_of_any_size_comes_back(repository: GitRepository, size: int) -> None:
    one = GitObject("blob", bytes(number * size % 251 for number in range(size)))
    repository.write_pack([one])
    assert repository.read(one.id) == one


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=st.lists(st.binary(max_size=3000), max_size=8), doubled=st.booleans())
def test_any_objects_come_back(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes], doubled: bool
) -> None:
    path = tmp_path_factory.mktemp("pack")
    git(path, "init", "--quiet", "--bare")
    blobs = [GitObject("blob", each) for each in contents]
    files = tree({f"f{number}": each.id for number, each in enumerate(blobs)})
    root = commit(tree_id=files.id, parents=(), author="a", when=utc_now(), message="m")
    wanted = [*blobs, files, root]
    packed = b"".join(pack(wanted * 2 if doubled else wanted))
    subprocess.run(
        ["git", "-C", str(path), "index-pack", "--strict", "--stdin"],
        input=packed,
        check=True,
        capture_output=True,
    )
    git(path, "update-ref", "refs/heads/main", root.id)
    assert git(path, "fsck", "--strict") == ""
    found = git(path, "cat-file", "--batch-all-objects", "--batch-check").splitlines()
    assert sorted(found) == sorted({f"{each.id} {each.kind} {len(each.data)}" for each in wanted})


def test_a_pack_of_nothing_is_one(repository: GitRepository) -> None:
    repository.write_pack([])
    repository.write_pack([blob("after")])
    assert repository.read(blob("after").id) == blob("after")
