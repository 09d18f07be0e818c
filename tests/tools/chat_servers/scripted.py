"""A real HTTP server that answers as it is told, and remembers what it was asked."""

import json
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CHAT = "/v1/chat/completions"


@dataclass(frozen=True)
class Reply:
    """What is sent; with ``cut`` the connection ends after so many bytes of the body."""

    body: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None


CLOSED = Reply("", status=0)
"""The connection is closed without a word."""
SILENCE = Reply("", status=1)
"""Nothing is sent before the server is stopped."""
HTML = Reply("<html><title>It works!</title></html>", headers={"Content-Type": "text/html"})


def completion(text: str | None = "fine", *, reason: str | None = "stop", **other: object) -> Reply:
    """A chat completion; ``usage=None`` leaves the tokens out."""
    choice = {"index": 0, "message": {"content": text}, "finish_reason": reason}
    usage = {"prompt_tokens": 20, "completion_tokens": 5}
    return Reply(json.dumps({"choices": [choice], "usage": usage} | other))


def failure(status: int, message: str, **headers: str) -> Reply:
    """An error as OpenAI's API words it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(json.dumps({"error": {"message": message}}), status=status, headers=named)


@dataclass(frozen=True)
class Asked:
    """One request."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    """By their names in small letters."""


class Scripted(ThreadingHTTPServer):
    """Sends the replies of a path in their order; the last for ever."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies: dict[str, deque[Reply]] = {}
        self.asked: list[Asked] = []
        self.stopped = threading.Event()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Up to and with the version."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def script(self, path: str, *replies: Reply) -> None:
        """Set what is sent to requests for a path."""
        self.replies[path] = deque(replies)

    def bodies(self, path: str = CHAT) -> list[dict[str, Any]]:
        """What was sent to a path."""
        return [each.body for each in self.asked if each.path == path]

    def next_reply(self, asked: Asked) -> Reply:
        """Take note of a request, and the next reply from the script."""
        with self.lock:
            self.asked.append(asked)
            replies = self.replies.get(asked.path, deque([Reply('{"detail":"Not Found"}', 404)]))
            return replies.popleft() if len(replies) > 1 else replies[0]


class Handler(BaseHTTPRequestHandler):
    """Answers from the script of its server."""

    server: Scripted

    def do_GET(self) -> None:
        self._reply({})

    def do_POST(self) -> None:
        self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def _reply(self, body: dict[str, Any]) -> None:
        asked = Asked(self.path, body, {name.lower(): text for name, text in self.headers.items()})
        reply = self.server.next_reply(asked)
        if reply is SILENCE:
            self.server.stopped.wait()
        if reply in (SILENCE, CLOSED):
            return
        data = reply.body.encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(data))}
        self.send_response(reply.status)
        for name, value in (headers | reply.headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[: reply.cut])
