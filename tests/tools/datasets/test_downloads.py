"""Downloads: only when asked, checked, reported, and leaving nothing when they fail."""

import fcntl
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deltanas_mcp.cli import app
from deltanas_repo_store.errors import ConfigError
from deltanas_tools.datasets import Availability, availability, prepare
from tests.tools.datasets.conftest import only
from tests.tools.datasets.miniatures import Miniature, Server, write


def test_a_download_gives_the_same_as_the_users_own_files(
    miniature: Miniature, tmp_path: Path
) -> None:
    own = write(tmp_path / "root", miniature.files)
    fetched = prepare(miniature.name, cache=tmp_path / "fetched", download=True)
    assert (
        fetched.checksums == prepare(miniature.name, cache=tmp_path / "own", source=own).checksums
    )
    assert [each.name for each in (tmp_path / "fetched").iterdir()] == [f"{miniature.name}-v1"]
    assert availability(miniature.name, tmp_path / "fetched") == Availability.PREPARED


def test_nothing_is_asked_of_the_network_unasked(
    miniature: Miniature, tmp_path: Path, server: Server
) -> None:
    with pytest.raises(ConfigError, match="is not here"):
        prepare(miniature.name, cache=tmp_path)
    assert server.asked == []


def test_a_download_that_breaks_off_leaves_nothing_and_can_be_repeated(
    miniature: Miniature, tmp_path: Path, server: Server
) -> None:
    server.cut = {list(miniature.archives)[-1]}
    with pytest.raises(ConfigError) as caught:
        prepare(miniature.name, cache=tmp_path, download=True)
    assert f"{miniature.name} cannot be downloaded: {server.url}" in str(caught.value)
    assert "is not the published file" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    server.cut = set()
    assert prepare(miniature.name, cache=tmp_path, download=True).name == miniature.name


@only("cifar-100")
def test_an_interrupt_leaves_nothing_and_can_be_repeated(
    miniature: Miniature, tmp_path: Path
) -> None:
    def interrupt(what: str, done: int, total: int | None) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(miniature.name, cache=tmp_path, download=True, progress=interrupt)
    assert list(tmp_path.iterdir()) == []
    assert prepare(miniature.name, cache=tmp_path, download=True).name == miniature.name


@only("celeba-gender")
def test_a_refusal_says_which_files_to_place_where(
    miniature: Miniature, tmp_path: Path, server: Server
) -> None:
    # What Google Drive sends when too many people ask: a page instead of the file.
    server.files["celeba/img_align_celeba.zip"] = b"<html>Quota exceeded</html>"
    with pytest.raises(ConfigError) as caught:
        prepare(miniature.name, cache=tmp_path, download=True)
    assert "celeba/img_align_celeba.zip, celeba/list_attr_celeba.txt" in str(caught.value)
    assert "set DELTANAS_DATA to that folder" in str(caught.value)


@only("svhn")
def test_an_address_without_the_file_is_named(
    miniature: Miniature, tmp_path: Path, server: Server
) -> None:
    del server.files["test_32x32.mat"]
    with pytest.raises(ConfigError, match=rf"{server.url}/test_32x32\.mat: HTTP Error 404"):
        prepare("svhn", cache=tmp_path, download=True)


@only("mnist")
def test_a_second_address_is_tried(miniature: Miniature, tmp_path: Path, server: Server) -> None:
    prepare("mnist", cache=tmp_path, download=True)
    name = "train-images-idx3-ubyte.gz"
    assert server.asked[:2] == [f"gone/{name}", f"MNIST/raw/{name}"]


def test_progress_is_reported_to_its_end(miniature: Miniature, tmp_path: Path) -> None:
    last: dict[str, tuple[int, int | None]] = {}

    def note(what: str, done: int, total: int | None) -> None:
        last[what] = (done, total)

    prepare(miniature.name, cache=tmp_path, download=True, progress=note)
    sizes = {f"downloading {path.split('/')[-1]}": len(data) for path, data in
             miniature.archives.items()}  # fmt: skip
    assert {what: last[what] for what in sizes} == {
        what: (size, size) for what, size in sizes.items()
    }
    reading = [what for what in last if what.startswith("reading ")]
    assert sum(last[what][0] for what in reading) == miniature.sizes[0] + miniature.sizes[2]
    assert all(done == total for done, total in last.values())


@only("svhn")
def test_what_a_killed_process_left_behind_is_deleted(miniature: Miniature, tmp_path: Path) -> None:
    write(tmp_path / ".svhn-left", {"root/train_32x32.mat": b"half a file"})
    prepare("svhn", cache=tmp_path, download=True)
    assert [each.name for each in tmp_path.iterdir()] == ["svhn-v1"]


@only("svhn")
def test_what_another_process_is_working_on_is_left_alone(
    miniature: Miniature, tmp_path: Path
) -> None:
    folder = write(tmp_path / ".svhn-theirs", {"root/train_32x32.mat": b"half a file"})
    theirs = os.open(folder, os.O_RDONLY)
    fcntl.flock(theirs, fcntl.LOCK_EX)
    prepare("svhn", cache=tmp_path, download=True)
    os.close(theirs)
    assert (folder / "root/train_32x32.mat").read_bytes() == b"half a file"


@only("imagenette")
def test_the_fetch_command_downloads_and_says_so(
    miniature: Miniature, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELTANAS_CACHE", str(tmp_path))
    result = CliRunner().invoke(app, ["datasets", "fetch", "imagenette"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"imagenette is ready in {tmp_path}\n"


@only("svhn")
def test_the_fetch_command_ends_in_a_sentence_when_there_is_nothing_to_fetch(
    miniature: Miniature, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    monkeypatch.setenv("DELTANAS_CACHE", str(tmp_path))
    server.files.clear()
    result = CliRunner().invoke(app, ["datasets", "fetch", "svhn"])
    assert result.exit_code == 1
    assert result.stderr.startswith("deltanas: the data set svhn cannot be downloaded: http")
    assert result.stderr.count("\n") == 1
