"""Token files: what is taken, and what is refused with which words."""

from pathlib import Path

import pytest

from deltanas_mcp.http.tokens import StaticTokens, read_tokens, token_of_environment
from deltanas_repo_store.errors import ConfigError

pytestmark = pytest.mark.anyio
A, B = "a-token-of-24-characters", "B_token.of~25+characters="


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.touch(mode=0o600)
    return path


async def test_a_line_gives_the_owner_and_the_scopes(file: Path) -> None:
    file.write_text(f"# ours\n\n{A}\n  {B} alice  read,train # for now\n")
    tokens = StaticTokens(read_tokens(file))
    mine, hers = await tokens.verify_token(A), await tokens.verify_token(B)
    assert mine is not None
    assert (mine.subject, mine.client_id) == ("local", "local")
    assert mine.scopes == ["deltanas:read", "deltanas:write", "deltanas:train"]
    assert hers is not None
    assert (hers.subject, hers.scopes) == ("alice", ["deltanas:read", "deltanas:train"])


@pytest.mark.parametrize("token", ["", A[:-1], A + "x", A.upper(), "é" * 24, "\udcff" * 24])
async def test_a_token_that_is_not_in_the_file_is_nobodys(file: Path, token: str) -> None:
    file.write_text(A)
    assert await StaticTokens(read_tokens(file)).verify_token(token) is None


def test_tokens_are_not_kept_in_the_clear(file: Path) -> None:
    file.write_text(A)
    assert A not in repr(read_tokens(file))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_can_read_is_refused(file: Path, mode: int) -> None:
    file.write_text(A)
    file.chmod(mode)
    with pytest.raises(ConfigError, match=f"chmod 600 {file}"):
        read_tokens(file)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param("# nothing", "has no token", id="empty"),
        pytest.param("short", "16 characters or more", id="short"),
        pytest.param("sixteen,characters!", "16 characters or more", id="odd characters"),
        pytest.param(f"{A} a/b", "no name", id="odd name"),
        pytest.param(f"{A} a read,fly", "no scope 'fly'", id="unknown scope"),
        pytest.param(f"{A} a write", "without the scope read", id="nothing to see"),
        pytest.param(f"{A} a read write", "found 4 words", id="too many words"),
        pytest.param(f"{A} a\n{A} b", "line 2: this token is there already", id="twice"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused_without_telling_the_token(
    file: Path, line: str, words: str
) -> None:
    file.write_text(line)
    with pytest.raises(ConfigError, match=words) as caught:
        read_tokens(file)
    assert A not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_tokens(tmp_path / "none")


async def test_the_environment_holds_the_users_own_token() -> None:
    token = token_of_environment(f"{A}\n", variable="DELTANAS_HTTP_TOKEN")
    verified = await StaticTokens([token]).verify_token(A)
    assert verified is not None
    assert verified.subject == "local"


def test_an_environment_that_holds_no_token_is_refused_by_its_name() -> None:
    with pytest.raises(ConfigError, match=r"\$DELTANAS_HTTP_TOKEN"):
        token_of_environment("two words that are long", variable="DELTANAS_HTTP_TOKEN")
