"""The server as an OAuth resource server, and the file that makes it one."""

from pathlib import Path

import httpx2
import pytest

from deltanas_mcp.http.oauth_settings import ScopeNames, load_oauth
from deltanas_mcp.http.settings import HttpSettings
from deltanas_repo_store.errors import ConfigError
from tests.deltanas_mcp.calls import Era, facts
from tests.deltanas_mcp.http.conftest import Serve
from tests.deltanas_mcp.http.issuer import RESOURCE, Issuer
from tests.deltanas_mcp.http.serving import connected, post, request

pytestmark = pytest.mark.anyio
LIST = request("tools/list")


async def test_a_client_works_with_a_token_of_the_issuer(
    serve: Serve, issuer: Issuer, era: Era
) -> None:
    with serve(HttpSettings(oauth=issuer.settings())) as url:
        async with connected(url, issuer.token(), mode=era) as client:
            assert facts(await client.call_tool("list_architectures", {}))["total"] == 2


def test_a_client_without_a_token_is_told_where_to_get_one(serve: Serve, issuer: Issuer) -> None:
    names = ScopeNames(read="look", write="add", train="work")
    with serve(HttpSettings(oauth=issuer.settings(scopes=names))) as url:
        refused = post(url, LIST)
        assert refused.status_code == 401
        where = "https://nas.example/.well-known/oauth-protected-resource/mcp"
        assert f'resource_metadata="{where}"' in refused.headers["WWW-Authenticate"]
        told = httpx2.get(f"{url}/.well-known/oauth-protected-resource/mcp").json()
    assert told["resource"] == RESOURCE
    assert told["authorization_servers"] == [issuer.url]
    assert told["scopes_supported"] == ["look", "add", "work"]


def test_clients_may_come_by_the_name_that_the_resource_has(serve: Serve, issuer: Issuer) -> None:
    with serve(HttpSettings(oauth=issuer.settings())) as url:
        token = issuer.token()
        assert post(url, LIST, token, {"Host": "nas.example"}).status_code == 200
        assert post(url, LIST, token, {"Host": "other.example"}).status_code == 421


def test_over_http_an_issuer_that_is_down_is_503_and_a_token_with_nothing_to_see_403(
    serve: Serve, issuer: Issuer
) -> None:
    with serve(HttpSettings(oauth=issuer.settings())) as url:
        issuer.is_down = True
        refused = post(url, LIST, issuer.token())
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        issuer.is_down = False
        assert post(url, LIST, issuer.token()).status_code == 200
        refused = post(url, LIST, issuer.token(scope="deltanas:train"))
        assert refused.status_code == 403
        assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]


GOOD = """\
issuer = "https://login.example"
resource = "https://nas.example/mcp"
[jwt]
jwks = "https://login.example/jwks"
"""


def test_a_file_says_whose_tokens_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "oauth.toml"
    path.write_text(GOOD + 'algorithms = ["ES256"]\n[scopes]\nread = "look"\n')
    settings = load_oauth(path)
    assert settings.jwt is not None
    assert settings.jwt.algorithms == ("ES256",)
    assert (settings.scopes.read, settings.scopes.write) == ("look", "deltanas:write")
    assert settings.expected_audience == RESOURCE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("issuer = 3", "key 'issuer'", id="a bad value"),
        pytest.param(GOOD + 'algorithms = ["HS256"]', "jwt.algorithms", id="a shared secret"),
        pytest.param(GOOD + 'algorithms = ["none"]', "jwt.algorithms", id="no signature"),
        pytest.param(GOOD.replace("https://login", "http://login"), "https", id="in the clear"),
        pytest.param(GOOD + 'colour = "red"', "jwt.colour", id="an unknown key"),
        pytest.param(GOOD.partition("[jwt]")[0], r"\[introspection\]", id="no way to check"),
        pytest.param("issuer", "not TOML", id="no TOML"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_by_its_key(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "oauth.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_oauth(path)
