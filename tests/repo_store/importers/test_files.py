"""Networks in files, folders and git repositories are read as data."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.importers.files import read_file, read_folder, read_git
from deltanas_repo_store.importers.syntax import Syntax, parsed
from deltanas_repo_store.records import MAX_SOURCE_BYTES
from deltanas_repo_store.reported import NewBaseline, Skipped
from tests.repo_store.importers.wheels import LITTLE, network, write_folder

Found = Iterable[NewBaseline | Skipped]


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "commit.gpgSign=false"]
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def committed(folder: Path, files: Mapping[str, bytes]) -> str:
    """Write the files, commit everything, and return the commit."""
    write_folder(folder, files)
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--message=networks")
    return git(folder, "rev-parse", "HEAD")


def from_folder(folder: Path) -> Found:
    return read_folder(folder)


def from_git(folder: Path) -> Found:
    committed(folder, {})
    return read_git(str(folder))


def from_clone(folder: Path) -> Found:
    committed(folder, {})
    return read_git(f"file://{folder}")


reader = pytest.mark.parametrize("reader", [from_folder, from_git, from_clone])
Reader = Callable[[Path], Found]


def names(found: Found) -> list[str]:
    return [each.name for each in found if isinstance(each, NewBaseline)]


def reasons(found: Found) -> dict[str, str]:
    return {each.name: each.reason for each in found if isinstance(each, Skipped)}


def test_a_file_is_a_network_named_like_it(tmp_path: Path) -> None:
    source = network("1").replace("\n", "\r\n")
    (tmp_path / "deep_net.py").write_bytes(source.encode())
    found = read_file(tmp_path / "deep_net.py")
    assert isinstance(found, NewBaseline)
    assert (found.name, found.architecture.source) == ("deep-net", source)
    assert found.architecture.hparams == {"lr": 0.01, "momentum": 0.9, "dropout": 0.2, "batch": 64}
    assert (found.aliases, found.reported) == ((), ())


def test_a_file_s_network_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w')\n{LITTLE}")
    assert isinstance(read_file(tmp_path / "net.py"), NewBaseline)
    assert not (tmp_path / "mark").exists()


def test_a_file_that_the_caller_names_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text(LITTLE)
    (tmp_path / "net.py").symlink_to(tmp_path / "real")
    assert read_file(tmp_path / "net.py").name == "net"


@reader
def test_hyper_parameters_beside_a_file_go_before_the_defaults(
    tmp_path: Path, reader: Reader
) -> None:
    write_folder(tmp_path, {"net.py": LITTLE.encode(), "net.json": b'{"lr": 0.5, "batch": 8}'})
    expected = {"lr": 0.5, "momentum": 0.9, "dropout": 0.2, "batch": 8}
    [found] = reader(tmp_path)
    assert isinstance(found, NewBaseline)
    assert found.architecture.hparams == expected
    assert read_file(tmp_path / "net.py") == found


@pytest.mark.parametrize(
    "beside", [b"", b"[1]", b'{"lr": null}', b'{"a b": 1}', b'{"lr": NaN}', b" " * 100_000]
)
def test_hyper_parameters_that_are_none_are_named(tmp_path: Path, beside: bytes) -> None:
    write_folder(tmp_path, {"net.py": LITTLE.encode(), "net.json": beside})
    found = read_file(tmp_path / "net.py")
    assert isinstance(found, Skipped)
    assert found.reason.startswith("net.json: ")


@reader
def test_every_python_file_of_a_tree_is_read_but_for_hidden_folders(
    tmp_path: Path, reader: Reader
) -> None:
    paths = ["b.py", "a/c.py", ".venv/d.py", "a/__pycache__/e.py", ".f.py", "README.md"]
    write_folder(tmp_path, {path: network(str(at)).encode() for at, path in enumerate(paths)})
    assert names(reader(tmp_path)) == ["c", "b"]


@reader
def test_links_in_a_tree_are_not_followed(tmp_path: Path, reader: Reader) -> None:
    write_folder(tmp_path / "outside", {"secret.py": LITTLE.encode()})
    folder = write_folder(tmp_path / "folder", {"net.py": LITTLE.encode()})
    (folder / "link.py").symlink_to(tmp_path / "outside" / "secret.py")
    (folder / "below").symlink_to(tmp_path / "outside")
    (folder / "net.json").symlink_to(tmp_path / "outside" / "secret.py")
    assert names(reader(folder)) == ["net"]


@reader
def test_what_cannot_be_taken_from_a_tree_is_skipped_with_the_reason(
    tmp_path: Path, reader: Reader
) -> None:
    files = {
        "a/net.py": LITTLE.encode(),
        "b/net.py": network("1").encode(),
        "__init__.py": b"",
        "broken.py": b"def",
        "latin.py": b"# caf\xe9\n",
        "large.py": b"#" * (MAX_SOURCE_BYTES + 1),
    }
    found = list(reader(write_folder(tmp_path, files)))
    assert names(found) == ["net"]
    assert reasons(found) == {
        "b/net.py": "the name net is taken by a/net.py",
        "__init__.py": reasons(found)["__init__.py"],
        "broken.py": "it is not Python: invalid syntax at line 1",
        "latin.py": "it is not UTF-8: invalid continuation byte",
        "large.py": "it has more than 262144 bytes",
    }
    assert reasons(found)["__init__.py"].startswith("the name is not")


def test_a_repository_is_read_at_the_revision_and_not_as_it_lies_there(tmp_path: Path) -> None:
    first = committed(tmp_path, {"old.py": LITTLE.encode()})
    committed(tmp_path, {"new.py": network("1").encode()})
    write_folder(tmp_path, {"not_committed.py": network("2").encode()})
    for where in (str(tmp_path), f"file://{tmp_path}"):
        assert names(read_git(where)) == ["new", "old"]
        assert names(read_git(where, first)) == ["old"]
        assert names(read_git(where, "HEAD~1")) == ["old"]


def test_a_bare_repository_is_read(tmp_path: Path) -> None:
    committed(tmp_path / "work", {"net.py": LITTLE.encode()})
    git(tmp_path, "clone", "--quiet", "--bare", "work", "bare.git")
    assert names(read_git(str(tmp_path / "bare.git"))) == ["net"]


def test_the_caller_s_git_variables_do_not_lead_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed(tmp_path / "one", {"one.py": LITTLE.encode()})
    committed(tmp_path / "two", {"two.py": LITTLE.encode()})
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "two" / ".git"))
    assert names(read_git(str(tmp_path / "one"))) == ["one"]
    assert names(read_git(f"file://{tmp_path / 'one'}")) == ["one"]


def test_no_clone_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed(tmp_path / "work", {"net.py": LITTLE.encode()})
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    list(read_git(f"file://{tmp_path / 'work'}"))
    with pytest.raises(ConfigError):
        list(read_git(f"file://{tmp_path / 'work'}", "no-such-branch"))
    with pytest.raises(ConfigError):
        list(read_git(f"file://{tmp_path / 'nowhere'}"))
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize("config", ["core.fsmonitor", "core.sshCommand", "core.pager"])
def test_programs_that_a_repository_names_are_not_run(tmp_path: Path, config: str) -> None:
    committed(tmp_path / "work", {"net.py": LITTLE.encode(), ".gitattributes": b"* filter=x\n"})
    run = f"touch {tmp_path / 'mark'}"
    git(tmp_path / "work", "config", config, run)
    git(tmp_path / "work", "config", "filter.x.smudge", run)
    hook = tmp_path / "work/.git/hooks/post-checkout"
    write_folder(hook.parent, {hook.name: f"#!/bin/sh\n{run}\n".encode()})
    hook.chmod(0o755)
    assert names(read_git(str(tmp_path / "work"))) == ["net"]
    assert names(read_git(f"file://{tmp_path / 'work'}")) == ["net"]
    assert not (tmp_path / "mark").exists()


def test_a_url_cannot_name_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "ext")
    mark = tmp_path / "mark"
    with pytest.raises(ConfigError, match="neither a folder nor a repository"):
        list(read_git(f"ext::sh -c touch% {mark}"))
    assert not mark.exists()


@pytest.mark.parametrize(
    ("where", "rev"), [("--upload-pack=touch x", None), (".", "--output=x"), (".", "-h")]
)
def test_an_option_is_neither_a_repository_nor_a_revision(where: str, rev: str | None) -> None:
    with pytest.raises(ConfigError, match="is an option"):
        list(read_git(where, rev))


def test_a_folder_within_a_repository_is_not_the_repository(tmp_path: Path) -> None:
    committed(tmp_path, {"below/net.py": LITTLE.encode()})
    with pytest.raises(ConfigError, match="not a git repository"):
        list(read_git(str(tmp_path / "below")))


def test_a_damaged_repository_is_refused(tmp_path: Path) -> None:
    committed(tmp_path, {"net.py": LITTLE.encode()})
    blob = git(tmp_path, "rev-parse", "HEAD:net.py")
    (tmp_path / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(ConfigError, match="git cannot"):
        list(read_git(str(tmp_path)))


@pytest.mark.parametrize(
    ("read", "said"),
    [
        pytest.param(lambda path: read_file(path / "none.py"), "no file", id="file"),
        pytest.param(lambda path: list(read_folder(path / "none")), "no folder", id="folder"),
        pytest.param(lambda path: list(read_git(str(path / "none"))), "neither", id="repository"),
    ],
)
def test_a_place_where_nothing_is_is_refused(
    tmp_path: Path, read: Callable[[Path], object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        read(tmp_path)


@given(st.text())
def test_any_text_has_a_syntax_or_a_problem(text: str) -> None:
    syntax = parsed(text)
    assert bool(syntax.fingerprint) != bool(syntax.problem)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.floats(0, 1)))
def test_the_names_of_hyper_parameters_are_read_in_the_order_of_the_source(
    prm: dict[str, float],
) -> None:
    source = f"def supported_hyperparameters():\n    return {json.dumps(prm)}\n"
    assert parsed(source).hyperparameters == tuple(prm)


@pytest.mark.parametrize("source", ["'\\d'", "1 is 1", "1or 1"])
def test_what_the_compiler_warns_of_is_python(source: str) -> None:
    assert parsed(source).fingerprint


def test_what_is_nested_too_deeply_is_not_compared() -> None:
    assert parsed(f"x = 1{' + 1' * 5_000}") == Syntax()


def test_a_program_from_standard_input_is_told_that_it_cannot_start_processes(
    tmp_path: Path,
) -> None:
    (tmp_path / "net.py").write_text(LITTLE)
    program = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from deltanas_repo_store.importers.files import read_file\n"
        f"read_file({str(tmp_path / 'net.py')!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-"], input=program, capture_output=True, text=True, check=False
    )
    assert "ConfigError: a process that parsed sources ended early" in done.stderr
