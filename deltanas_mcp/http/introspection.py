"""Opaque tokens, which their issuer is asked about. Source: RFC 7662."""

import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import cast

import anyio
import httpx2
from mcp.server.auth.provider import AccessToken
from pydantic import JsonValue

from deltanas_mcp.http.oauth_settings import Introspection, OAuthSettings
from deltanas_mcp.http.verified import TIMEOUT_SECONDS, IssuerUnavailable, access_token

logger = logging.getLogger(__name__)

KEPT_SECONDS = 30.0
"""A token that its issuer takes back is refused after that long."""
MAX_KEPT = 10_000
MAX_AT_ONCE = 16
"""Questions that the issuer gets at the same time."""


class IntrospectedTokens:
    """Verifies tokens by asking, and keeps answers for a moment."""

    def __init__(
        self,
        settings: OAuthSettings,
        way: Introspection,
        *,
        secret: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._way = way
        self._secret = secret
        self._clock = clock
        self._kept: OrderedDict[bytes, tuple[float, AccessToken | None]] = OrderedDict()
        self._asking = anyio.Semaphore(MAX_AT_ONCE)

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return whose token it is, and what for; None for one that does not hold.

        Raises:
            IssuerUnavailable: it does not say.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        until, known = self._kept.get(digest, (0.0, None))
        if self._clock() < until:
            return known
        async with self._asking:
            verified = self._checked(token, await self._ask(token))
        self._kept[digest] = (self._clock() + KEPT_SECONDS, verified)
        self._kept.move_to_end(digest)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return verified

    async def _ask(self, token: str) -> dict[str, JsonValue]:
        way = self._way
        try:
            async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
                response = await client.post(
                    way.url,
                    data={"token": token, "token_type_hint": "access_token"},
                    headers={"Accept": "application/json"},
                    auth=(way.client_id, self._secret),
                )
            claims = response.raise_for_status().json()
        except (httpx2.HTTPError, ValueError) as error:
            logger.warning("no word of a token", extra={"url": way.url, "reason": repr(error)})
            raise IssuerUnavailable("the authorization server does not answer") from error
        if not isinstance(claims, dict):
            raise IssuerUnavailable("the authorization server does not answer with an object")
        return cast(dict[str, JsonValue], claims)

    def _checked(self, token: str, claims: dict[str, JsonValue]) -> AccessToken | None:
        if claims.get("active") is not True:
            return None
        audience = claims.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        if self._settings.expected_audience not in named:
            logger.warning("token refused: it is for another audience")
            return None
        # It may be left out: the issuer is the one that was asked.
        if claims.get("iss", self._settings.issuer) != self._settings.issuer:
            logger.warning("token refused: it is of another issuer")
            return None
        return access_token(token, claims, self._settings)
