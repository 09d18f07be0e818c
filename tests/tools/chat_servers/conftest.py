"""The server that answers as it is told."""

import threading
from collections.abc import Generator

import pytest

from tests.tools.chat_servers.scripted import CHAT, Scripted, completion


@pytest.fixture
def scripted() -> Generator[Scripted]:
    with Scripted() as server:
        server.script(CHAT, completion())
        # It looks this often whether it is to stop, which every test waits for.
        thread = threading.Thread(target=server.serve_forever, args=(0.005,))
        thread.start()
        yield server
        server.stopped.set()
        server.shutdown()
        thread.join()
