"""What a verified token of an authorization server comes to."""

import logging
from collections.abc import Mapping

from mcp.server.auth.provider import AccessToken
from pydantic import JsonValue

from deltanas_mcp.http.oauth_settings import OAuthSettings
from deltanas_mcp.server.access import LOCAL, SCOPES, scope_name
from deltanas_repo_store.errors import DeltaNasError

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5.0
"""For one question to the authorization server; an assistant is waiting."""


class IssuerUnavailable(DeltaNasError):
    """The authorization server does not answer, or not what it must: nobody knows of the token."""


def access_token(
    token: str, claims: Mapping[str, JsonValue], settings: OAuthSettings
) -> AccessToken | None:
    """Return a token whose signature, issuer, audience and expiry were checked; None for nobody's.

    Only the scopes that ours are mapped to count.
    """
    client = next((claims[key] for key in ("client_id", "azp") if claims.get(key)), None)
    subject = claims.get("sub") or (client and f"client {client}")
    if not isinstance(subject, str) or subject == LOCAL:
        # Whoever is called so would own the jobs of the user who started the server.
        logger.warning("token refused: no usable subject")
        return None
    granted = _words(claims.get("scope")) | _words(claims.get("scp"))
    names = settings.scopes.model_dump()
    expires_at = claims.get("exp")
    return AccessToken(
        token=token,
        client_id=str(client or subject),
        subject=subject,
        scopes=[scope_name(scope) for scope in SCOPES if names[scope] in granted],
        expires_at=int(expires_at) if isinstance(expires_at, int | float) else None,
        resource=settings.resource,
        claims={"iss": settings.issuer},
    )


def _words(value: JsonValue) -> set[str]:
    if isinstance(value, str):
        return set(value.split())
    return {each for each in value if isinstance(each, str)} if isinstance(value, list) else set()
