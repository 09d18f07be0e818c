"""The server under test: our factory and our HTTP application, with what the suite asks for.

``python -m tests.conformance.server STORE [plain]`` serves the store on a free port of this
machine, and writes its address to stdout; ``plain`` leaves out what the suite asks for.
"""

import socket
import sys
from functools import partial
from pathlib import Path

import anyio
import uvicorn

from deltanas_mcp.http.app import build_app
from deltanas_mcp.http.settings import PATH, HttpSettings
from deltanas_mcp.server import ServerSettings, build_server
from tests.conformance.fixtures import add_fixtures
from tests.conformance.fixtures_asking import add_asking_fixtures
from tests.conformance.fixtures_tasks import InProcessTasks, add_task_fixtures

REQUESTS_PER_MINUTE = 60_000
"""The suite sends hundreds in seconds, from one address."""


async def serve(store: Path, *, with_fixtures: bool) -> None:
    """Serve until the process is told to end."""
    async with anyio.create_task_group() as group:
        server = build_server(ServerSettings(store=store), tasks=[InProcessTasks(group)])
        if with_fixtures:
            add_fixtures(server)
            add_asking_fixtures(server)
            add_task_fixtures(server)
        listener = socket.create_server(("127.0.0.1", 0))
        host, port = listener.getsockname()
        http = HttpSettings(
            host=host, port=port, is_insecure=True, requests_per_minute=REQUESTS_PER_MINUTE
        )
        app = build_app(server, http.checked())
        # Whoever reads this may connect: what comes before the server is ready waits.
        sys.stdout.write(f"http://{host}:{port}{PATH}\n")
        sys.stdout.flush()
        config = uvicorn.Config(app, log_config=None, access_log=False)
        await uvicorn.Server(config).serve(sockets=[listener])
        group.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(partial(serve, Path(sys.argv[1]), with_fixtures="plain" not in sys.argv[2:]))
