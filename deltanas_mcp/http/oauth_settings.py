"""Which authorization server's tokens are taken, and how they are checked: a TOML file."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError, model_validator

from deltanas_mcp.server.access import scope_name
from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.records import Record

LOOPBACK = ("127.0.0.1", "localhost", "::1")

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
"""Those with a public key. With a shared secret, everybody who can check a token can make one."""


def _safe_url(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("expected a URL with a host, and without a query, fragment or user")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ValueError("expected https (http only on this machine)")
    return url


Url = Annotated[str, AfterValidator(_safe_url)]


class Jwt(Record):
    """Tokens that carry their claims, signed with a key that the issuer publishes."""

    jwks: Url
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("RS256", "ES256")


class Introspection(Record):
    """Tokens that say nothing, which the issuer is asked about. Source: RFC 7662."""

    url: Url
    client_id: str
    client_secret_env: str
    """Environment variable with the secret that we show the issuer."""


class ScopeNames(Record):
    """What the issuer calls our scopes."""

    read: str = scope_name("read")
    write: str = scope_name("write")
    train: str = scope_name("train")


class OAuthSettings(Record):
    """An authorization server, and what its tokens for us look like."""

    issuer: Url
    resource: Url
    """The URL under which clients reach this server, ``/mcp`` included."""
    audience: str = ""
    """What ``aud`` of a token must have; the resource where nothing is said."""
    jwt: Jwt | None = None
    introspection: Introspection | None = None
    scopes: ScopeNames = ScopeNames()

    @model_validator(mode="after")
    def _has_one_way(self) -> Self:
        if (self.jwt is None) == (self.introspection is None):
            raise ValueError("expected one of the tables [jwt] and [introspection]")
        return self

    @property
    def expected_audience(self) -> str:
        """What ``aud`` must have."""
        return self.audience or self.resource


def load_oauth(path: Path) -> OAuthSettings:
    """Read the settings of a file.

    Raises:
        ConfigError: it is not there, is not TOML, or a key is unknown or has a bad value.
    """
    try:
        return OAuthSettings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        faults = (
            f"key {'.'.join(map(str, each['loc'])) or '(all)'!r}: {each['msg']}"
            for each in error.errors()
        )
        raise ConfigError(f"{path}: {'; '.join(faults)}") from error
