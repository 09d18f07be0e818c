"""Tokens of an authorization server: a real one, small, on this machine."""

import base64
import hmac
import json
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

from deltanas_mcp.http.introspection import IntrospectedTokens
from deltanas_mcp.http.jwt_tokens import JwtTokens
from deltanas_mcp.http.oauth_settings import (
    Introspection,
    Jwt,
    OAuthSettings,
    ScopeNames,
    load_oauth,
)
from deltanas_mcp.http.settings import HttpSettings
from deltanas_mcp.http.verified import IssuerUnavailable
from deltanas_repo_store.errors import ConfigError
from tests.deltanas_mcp.calls import Era, facts
from tests.deltanas_mcp.http.conftest import Serve
from tests.deltanas_mcp.http.serving import connected, post, request

pytestmark = pytest.mark.anyio
RESOURCE = "https://nas.example/mcp"
LIST = request("tools/list")


def make_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


FIRST, SECOND, STRANGER = make_key(), make_key(), make_key()


@dataclass
class Issuer:
    """What the authorization server says, and how often it was asked."""

    url: str = ""
    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=lambda: {"first": FIRST})
    opaque: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_down: bool = False
    asked: list[str] = field(default_factory=list)

    def jwks(self) -> dict[str, Any]:
        return {
            "keys": [
                RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": name, "alg": "RS256"}
                for name, key in self.keys.items()
            ]
        }

    def settings(self, **others: Any) -> OAuthSettings:
        values = {"issuer": self.url, "resource": RESOURCE, "jwt": Jwt(jwks=f"{self.url}/jwks")}
        return OAuthSettings.model_validate(values | others)

    def asking(self) -> OAuthSettings:
        way = Introspection(url=f"{self.url}/ask", client_id="us", client_secret_env="SECRET")
        return self.settings(jwt=None, introspection=way)

    def claims(self, **others: Any) -> dict[str, Any]:
        values = {
            "iss": self.url,
            "aud": RESOURCE,
            "sub": "alice",
            "client_id": "assistant",
            "exp": time.time() + 600,
            "scope": "deltanas:read deltanas:train other",
        }
        return {key: value for key, value in (values | others).items() if value is not None}

    def token(
        self, key: rsa.RSAPrivateKey = FIRST, name: str | None = "first", **others: Any
    ) -> str:
        headers = {"kid": name} if name else None
        return jwt.encode(self.claims(**others), key, algorithm="RS256", headers=headers)


@pytest.fixture
def issuer() -> Generator[Issuer]:
    known = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known.asked.append(self.path)
            self._answer(known.jwks())

        def do_POST(self) -> None:
            known.asked.append(self.path)
            assert self.headers["Authorization"].startswith("Basic ")
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            [token] = parse_qs(body)["token"]
            self._answer(known.opaque.get(token, {"active": False}))

        def _answer(self, value: object) -> None:
            body = json.dumps(value).encode()
            self.send_response(500 if known.is_down else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        known.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield known
        server.shutdown()
        thread.join()


async def test_a_signed_token_says_who_and_what_for(issuer: Issuer) -> None:
    settings = issuer.settings()
    verified = await JwtTokens(settings, Jwt(jwks=f"{issuer.url}/jwks")).verify_token(
        issuer.token()
    )
    assert verified is not None
    assert (verified.subject, verified.client_id) == ("alice", "assistant")
    assert verified.scopes == ["deltanas:read", "deltanas:train"]
    assert verified.resource == RESOURCE


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        pytest.param({"scope": "look work"}, ["deltanas:read", "deltanas:train"], id="words"),
        pytest.param({"scope": None, "scp": ["look"]}, ["deltanas:read"], id="a list"),
        pytest.param({"scope": "deltanas:train"}, [], id="ours are not theirs"),
        pytest.param({"scope": {"look": True}}, [], id="neither"),
    ],
)
async def test_scopes_go_by_the_names_that_the_issuer_has_for_them(
    issuer: Issuer, claims: dict[str, Any], scopes: list[str]
) -> None:
    settings = issuer.settings(scopes=ScopeNames(read="look", train="work"))
    assert settings.jwt is not None
    verified = await JwtTokens(settings, settings.jwt).verify_token(issuer.token(**claims))
    assert verified is not None
    assert verified.scopes == scopes


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"aud": "https://other.example/mcp"}, id="for another server"),
        pytest.param({"aud": None}, id="for nobody"),
        pytest.param({"iss": "https://evil.example"}, id="of another issuer"),
        pytest.param({"iss": None}, id="of nobody"),
        pytest.param({"exp": 1_700_000_000}, id="expired"),
        pytest.param({"exp": None}, id="for ever"),
        pytest.param({"nbf": 4_000_000_000}, id="not yet"),
        pytest.param({"sub": None}, id="without a subject"),
        pytest.param({"sub": "local"}, id="called as the user who started the server"),
    ],
)
async def test_a_token_whose_claims_do_not_hold_is_nobodys(
    issuer: Issuer, claims: dict[str, Any]
) -> None:
    settings = issuer.settings()
    assert settings.jwt is not None
    assert await JwtTokens(settings, settings.jwt).verify_token(issuer.token(**claims)) is None


async def test_a_token_that_the_issuer_did_not_sign_is_nobodys(issuer: Issuer) -> None:
    settings = issuer.settings()
    assert settings.jwt is not None
    tokens = JwtTokens(settings, settings.jwt)
    header, payload, _ = issuer.token().split(".")
    for forged in (
        issuer.token(STRANGER),
        issuer.token(STRANGER, name=None),
        issuer.token(STRANGER, name="other"),
        jwt.encode(issuer.claims(), "", algorithm="none", headers={"kid": "first"}),
        signed_with_what_is_public(issuer),
        f"{header}.{payload}.",
        "no.token.at.all",
        "",
    ):
        assert await tokens.verify_token(forged) is None


def signed_with_what_is_public(issuer: Issuer) -> str:
    """Sign as with a shared secret that is the issuer's public key, which everybody has."""
    public = FIRST.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": "HS256", "typ": "JWT", "kid": "first"}
    parts = [json.dumps(each).encode() for each in (header, issuer.claims())]
    signed = b".".join(base64.urlsafe_b64encode(each).rstrip(b"=") for each in parts)
    signature = hmac.digest(public, signed, "sha256")
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


async def test_a_new_key_is_fetched_and_nobody_can_have_us_fetch_all_the_time(
    issuer: Issuer,
) -> None:
    now = [0.0]
    settings = issuer.settings()
    assert settings.jwt is not None
    tokens = JwtTokens(settings, settings.jwt, clock=lambda: now[0])
    assert await tokens.verify_token(issuer.token()) is not None
    issuer.keys["second"] = SECOND
    renewed = issuer.token(SECOND, name="second")
    for _ in range(10):
        assert await tokens.verify_token(renewed) is None
    assert len(issuer.asked) == 1
    now[0] = 31.0
    assert await tokens.verify_token(renewed) is not None
    assert len(issuer.asked) == 2


async def test_a_key_that_was_taken_back_is_gone_within_the_hour(issuer: Issuer) -> None:
    now = [0.0]
    settings = issuer.settings()
    assert settings.jwt is not None
    tokens = JwtTokens(settings, settings.jwt, clock=lambda: now[0])
    assert await tokens.verify_token(issuer.token()) is not None
    issuer.keys = {"second": SECOND}
    now[0] = 3601.0
    assert await tokens.verify_token(issuer.token()) is None


async def test_an_opaque_token_is_asked_about_once_in_a_while(issuer: Issuer) -> None:
    now = [0.0]
    issuer.opaque["opaque"] = issuer.claims(active=True)
    settings = issuer.asking()
    assert settings.introspection is not None
    tokens = IntrospectedTokens(settings, settings.introspection, secret="s", clock=lambda: now[0])
    for _ in range(3):
        verified = await tokens.verify_token("opaque")
        assert verified is not None
        assert (verified.subject, verified.scopes) == (
            "alice",
            ["deltanas:read", "deltanas:train"],
        )
    assert len(issuer.asked) == 1
    issuer.opaque.clear()
    now[0] = 31.0
    assert await tokens.verify_token("opaque") is None


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"active": False}, id="not active"),
        pytest.param({"active": "true"}, id="active in words"),
        pytest.param({"aud": "https://other.example"}, id="for another server"),
        pytest.param({"aud": None}, id="for nobody"),
        pytest.param({"iss": "https://evil.example"}, id="of another issuer"),
        pytest.param({"sub": None, "client_id": None}, id="without a subject"),
    ],
)
async def test_an_opaque_token_that_does_not_hold_is_nobodys(
    issuer: Issuer, claims: dict[str, Any]
) -> None:
    issuer.opaque["opaque"] = issuer.claims(**({"active": True} | claims))
    settings = issuer.asking()
    assert settings.introspection is not None
    tokens = IntrospectedTokens(settings, settings.introspection, secret="s")
    assert await tokens.verify_token("opaque") is None


async def test_a_client_without_a_user_cannot_be_taken_for_one(issuer: Issuer) -> None:
    issuer.opaque["opaque"] = issuer.claims(active=True, sub=None, client_id="local")
    settings = issuer.asking()
    assert settings.introspection is not None
    tokens = IntrospectedTokens(settings, settings.introspection, secret="s")
    verified = await tokens.verify_token("opaque")
    assert verified is not None
    assert verified.subject == "client local"


async def test_an_issuer_that_is_down_knows_nobody(issuer: Issuer) -> None:
    issuer.is_down = True
    settings = issuer.settings()
    assert settings.jwt is not None
    with pytest.raises(IssuerUnavailable):
        await JwtTokens(settings, settings.jwt).verify_token(issuer.token())


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
