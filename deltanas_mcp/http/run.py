"""Serving over HTTP until somebody says to stop."""

import logging
import signal
import sys
from types import FrameType

import uvicorn

from deltanas_mcp.http.app import auth_of, build_app, verifier_of
from deltanas_mcp.http.settings import HttpSettings
from deltanas_mcp.server import ServerSettings, build_server

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 1024
"""Known or not; the rest is told 503. An ordinary limit of open files is 1024 or more."""
GRACE_SECONDS = 3
"""For answers that are under way when the server is told to end. Jobs go on in any case."""


def serve_http(settings: ServerSettings, http: HttpSettings, *, secret: str = "") -> None:
    """Serve until SIGTERM or SIGINT; then answers under way get a moment to be finished."""
    verifier = verifier_of(http, secret=secret)
    server = build_server(settings, verifier=verifier, auth=auth_of(http))
    if http.is_insecure:
        logger.warning("no token is needed: everybody on this machine can use the server")
    # uvicorn ends by what ended it, once it is done: that is success.
    signal.signal(signal.SIGTERM, _leave)
    uvicorn.run(
        build_app(server, http),
        host=http.host,
        port=http.port,
        # What goes to logs goes where the process sends them; tokens are in none of them.
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(http.trusted_proxies),
        forwarded_allow_ips=list(http.trusted_proxies),
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(0)
