"""Tokens of an authorization server, and those that only look like it."""

import base64
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from deltanas_mcp.http.introspection import IntrospectedTokens
from deltanas_mcp.http.jwt_tokens import JwtTokens
from deltanas_mcp.http.oauth_settings import Jwt, ScopeNames
from deltanas_mcp.http.verified import IssuerUnavailable
from tests.deltanas_mcp.http.issuer import FIRST, RESOURCE, SECOND, STRANGER, Issuer

pytestmark = pytest.mark.anyio


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
