"""JSON Web Tokens, checked with the keys that their issuer publishes."""

import logging
import time
from collections.abc import Callable

import anyio
import httpx2
import jwt
from mcp.server.auth.provider import AccessToken

from deltanas_mcp.http.oauth_settings import Jwt, OAuthSettings
from deltanas_mcp.http.verified import TIMEOUT_SECONDS, IssuerUnavailable, access_token

logger = logging.getLogger(__name__)

LIFETIME_SECONDS = 3600.0
"""A key that its issuer takes back is gone after that long."""
PAUSE_SECONDS = 30.0
"""Between two fetches for keys that we do not have: anybody can name one that is not there."""
LEEWAY_SECONDS = 30
"""Of clocks that differ."""


class JwtTokens:
    """Verifies tokens by signature, issuer, audience and expiry."""

    def __init__(
        self, settings: OAuthSettings, way: Jwt, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._way = way
        self._clock = clock
        self._keys: tuple[jwt.PyJWK, ...] = ()
        self._fetched_at: float | None = None
        self._fetching = anyio.Lock()

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return whose token it is, and what for; None for one that does not hold.

        Raises:
            IssuerUnavailable: its keys cannot be had.
        """
        try:
            key = await self._key(jwt.get_unverified_header(token).get("kid"))
            if key is None:
                return None
            claims = jwt.decode(
                token,
                key,
                algorithms=list(self._way.algorithms),
                audience=self._settings.expected_audience,
                issuer=self._settings.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            logger.info("token refused", extra={"reason": type(error).__name__})
            return None
        return access_token(token, claims, self._settings)

    async def _key(self, name: object) -> jwt.PyJWK | None:
        async with self._fetching:
            age = None if self._fetched_at is None else self._clock() - self._fetched_at
            if age is None or age > LIFETIME_SECONDS:
                await self._fetch()
            found = self._named(name)
            if found is None and age is not None and age > PAUSE_SECONDS:
                # The issuer may have a new one.
                await self._fetch()
                found = self._named(name)
        return found

    def _named(self, name: object) -> jwt.PyJWK | None:
        if name is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.key_id == name), None)

    async def _fetch(self) -> None:
        url = self._way.jwks
        try:
            async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
                response = await client.get(url)
            keys = jwt.PyJWKSet.from_dict(response.raise_for_status().json()).keys
        except (httpx2.HTTPError, jwt.PyJWTError, ValueError, AttributeError, TypeError) as error:
            logger.warning("no keys of the issuer", extra={"url": url, "reason": repr(error)})
            raise IssuerUnavailable("the keys of the authorization server cannot be had") from error
        self._keys = tuple(key for key in keys if key.public_key_use != "enc")
        self._fetched_at = self._clock()
