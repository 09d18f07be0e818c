"""How the server is reached over HTTP, and who may come in."""

import re
from typing import Annotated, Self
from urllib.parse import urlsplit

from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AfterValidator, Field

from deltanas_mcp.http.oauth_settings import LOOPBACK, OAuthSettings
from deltanas_mcp.http.tokens import Token
from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.records import Record

PATH = "/mcp"
DEFAULT_PORT = 8765
DEFAULT_REQUESTS_PER_MINUTE = 600


def _host(name: str) -> str:
    if not re.fullmatch(r"\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+", name):
        raise ValueError(f"{name!r} is no name of a host; expected one as in nas.example, no port")
    return name


def _origin(name: str) -> str:
    if not re.fullmatch(r"https?://[^/\s*]+", name):
        raise ValueError(f"{name!r} is no origin; expected one as in https://nas.example")
    return name


class HttpSettings(Record):
    """Where to listen, whom to let in, and how much of them to bear."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = DEFAULT_PORT
    """0: any that is free."""
    tokens: tuple[Token, ...] = ()
    oauth: OAuthSettings | None = None
    is_insecure: bool = False
    """Without any token; only for this machine."""
    allowed_hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = ()
    """Names by which clients reach us besides those of this machine, without a port."""
    allowed_origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = ()
    """Web pages that may call us, as a browser names them: ``https://nas.example``."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses whose word on where a request comes from is believed."""
    requests_per_minute: Annotated[int, Field(ge=1)] = DEFAULT_REQUESTS_PER_MINUTE
    """Of an owner; of an address where there are no owners."""

    def checked(self) -> Self:
        """Return the settings if they say who may come in, and by which names.

        Raises:
            ConfigError: they do not, or leave the door open.
        """
        is_local = self.host in LOOPBACK
        if self.is_insecure and not is_local:
            raise ConfigError(
                f"--insecure-localhost with --host {self.host}: everybody in reach could train on "
                "this machine; leave out one of them"
            )
        ways = [bool(self.tokens), self.oauth is not None, self.is_insecure]
        if ways.count(True) != 1:
            raise ConfigError(
                "HTTP needs one way to know who calls: --token-file FILE or $DELTANAS_HTTP_TOKEN, "
                "--oauth FILE, or --insecure-localhost for everybody on this machine; "
                f"found {ways.count(True)} of them"
            )
        if not is_local and not self._names():
            raise ConfigError(
                f"--host {self.host} needs --allow-host NAME, the name by which clients reach the "
                "server: requests for other names are refused, since a web page can make them"
            )
        return self

    def security(self) -> TransportSecuritySettings:
        """Return which ``Host`` and ``Origin`` are let in; those of this machine always are."""
        own = [f"[{name}]" if ":" in name else name for name in LOOPBACK]
        hosts = [*own, *self._names()]
        return TransportSecuritySettings(
            enable_dns_rebinding_protection=True,
            allowed_hosts=[pattern for name in hosts for pattern in (name, f"{name}:*")],
            allowed_origins=[
                *(pattern for name in own for pattern in (f"http://{name}", f"http://{name}:*")),
                *self.allowed_origins,
            ],
        )

    def _names(self) -> tuple[str, ...]:
        """Return by which names of other machines clients may come."""
        known = urlsplit(self.oauth.resource).hostname if self.oauth else None
        return (*self.allowed_hosts, known) if known else self.allowed_hosts
