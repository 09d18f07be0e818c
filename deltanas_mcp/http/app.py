"""The ASGI application: the SDK's own, between our two gates."""

from mcp.server import MCPServer
from mcp.server.auth.provider import TokenVerifier
from mcp.server.auth.routes import create_protected_resource_routes
from mcp.server.auth.settings import AuthSettings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deltanas_mcp.http.buckets import Buckets
from deltanas_mcp.http.gates import FAILURES_PER_MINUTE, MAX_BODY_BYTES, FrontGate, OwnerGate
from deltanas_mcp.http.oauth_settings import OAuthSettings
from deltanas_mcp.http.settings import PATH, HttpSettings
from deltanas_mcp.http.tokens import StaticTokens
from deltanas_mcp.server.access import SCOPES, scope_name

MAX_SESSIONS = 1000
"""Of clients with a handshake; one that is silent for half an hour is forgotten."""


def verifier_of(settings: HttpSettings, *, secret: str = "") -> TokenVerifier | None:
    """Return what checks tokens; None where nobody needs one.

    ``secret`` is what an issuer that is asked about tokens wants to see.
    """
    if settings.oauth is None:
        return StaticTokens(settings.tokens) if settings.tokens else None
    # They import cryptography, which nobody else needs.
    from deltanas_mcp.http.introspection import IntrospectedTokens
    from deltanas_mcp.http.jwt_tokens import JwtTokens

    oauth = settings.oauth
    if oauth.jwt is not None:
        return JwtTokens(oauth, oauth.jwt)
    assert oauth.introspection is not None
    return IntrospectedTokens(oauth, oauth.introspection, secret=secret)


def auth_of(settings: HttpSettings) -> AuthSettings | None:
    """Return what clients are told about tokens; every token has to have the scope to read."""
    if settings.is_insecure:
        return None
    oauth = settings.oauth
    values = {
        # Nobody is told the issuer of tokens from a file: there is no address to ask for one.
        "issuer_url": oauth.issuer if oauth else "http://localhost",
        "resource_server_url": oauth.resource if oauth else None,
        "validate_token_resource": oauth is not None,
        "required_scopes": [scope_name("read")],
    }
    # From text: an issuer without a path stays one without a slash, as its tokens have it.
    return AuthSettings.model_validate(values)


def build_app(server: MCPServer, settings: HttpSettings) -> Starlette:
    """Return the application for a server that was built with `verifier_of` and `auth_of`."""
    server.custom_route("/health", methods=["GET"])(_health)
    security = settings.security()
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        host=settings.host,
        max_request_body_size=MAX_BODY_BYTES,
        max_sessions=MAX_SESSIONS,
        transport_security=security,
    )
    if settings.oauth is not None:
        app.router.routes[:0] = _told_to_clients(settings, settings.oauth)
    # Outermost first; what the SDK put between them looks at the token.
    front = Middleware(FrontGate, security=security, failures=Buckets(FAILURES_PER_MINUTE))
    owners = Middleware(
        OwnerGate,
        path=PATH,
        rates=Buckets(settings.requests_per_minute),
        is_open=settings.is_insecure,
    )
    app.user_middleware[:] = [front, *_for_browsers(settings), *app.user_middleware, owners]
    return app


async def _health(request: Request) -> Response:
    # Whoever asks need not show a token: not a word about the store or the machine.
    return JSONResponse({"status": "ok"})


def _told_to_clients(settings: HttpSettings, oauth: OAuthSettings) -> list[Route]:
    """Say where to get a token, with every scope; the SDK would name the one that all need."""
    auth = auth_of(settings)
    assert auth is not None
    assert auth.resource_server_url is not None
    names = oauth.scopes.model_dump()
    return create_protected_resource_routes(
        resource_url=auth.resource_server_url,
        authorization_servers=[auth.issuer_url],
        scopes_supported=[names[scope] for scope in SCOPES],
        resource_name="DeltaNAS",
    )


def _for_browsers(settings: HttpSettings) -> list[Middleware]:
    """Let the pages that may call us read what we answer."""
    if not settings.allowed_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=["Mcp-Session-Id", "WWW-Authenticate", "Retry-After"],
        )
    ]
