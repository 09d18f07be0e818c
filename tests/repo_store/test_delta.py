"""The canonical delta, held against git."""

import subprocess
from pathlib import Path

import pytest

from deltanas_repo_store.delta import render_delta


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("a\nb\nc\n", "a\nB\nc\n", id="plain"),
        pytest.param("a\nb", "a\nc", id="no final line end on both sides"),
        pytest.param("a\nb\n", "a\nb", id="final line end lost"),
        pytest.param("a\nb", "a\nb\n", id="final line end gained"),
        pytest.param("a\r\nb\r\n", "a\r\nc\r\n", id="Windows line ends"),
        pytest.param("a\x0c\nb\x1cb\n", "a\x0c\nb\x1cc\n", id="other control characters"),
        pytest.param("ä\nb\n", "ä\nü\n", id="not ASCII"),
    ],
)
def test_git_applies_a_diff_exactly(before: str, after: str, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_bytes(before.encode())

    subprocess.run(
        ["git", "apply", "-"], input=render_delta(before, after).encode(), cwd=tmp_path, check=True
    )

    assert (tmp_path / "net.py").read_bytes() == after.encode()


def test_a_diff_names_the_file_of_the_store() -> None:
    assert render_delta("a\n", "b\n").startswith("--- a/net.py\n+++ b/net.py\n@@ -1 +1 @@\n")


def test_equal_sources_have_an_empty_diff() -> None:
    assert render_delta("a", "a") == ""
