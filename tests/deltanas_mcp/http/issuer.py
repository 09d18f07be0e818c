"""A real authorization server, small, on this machine."""

import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from deltanas_mcp.http.oauth_settings import Introspection, Jwt, OAuthSettings

RESOURCE = "https://nas.example/mcp"


def make_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


FIRST, SECOND, STRANGER = make_key(), make_key(), make_key()


@dataclass
class Issuer:
    """What the authorization server says, and how often it was asked."""

    url: str = ""
    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=lambda: {"first": FIRST})
    opaque: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_down: bool = False
    asked: list[str] = field(default_factory=list)

    def jwks(self) -> dict[str, Any]:
        return {
            "keys": [
                RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": name, "alg": "RS256"}
                for name, key in self.keys.items()
            ]
        }

    def settings(self, **others: Any) -> OAuthSettings:
        values = {"issuer": self.url, "resource": RESOURCE, "jwt": Jwt(jwks=f"{self.url}/jwks")}
        return OAuthSettings.model_validate(values | others)

    def asking(self) -> OAuthSettings:
        way = Introspection(url=f"{self.url}/ask", client_id="us", client_secret_env="SECRET")
        return self.settings(jwt=None, introspection=way)

    def claims(self, **others: Any) -> dict[str, Any]:
        values = {
            "iss": self.url,
            "aud": RESOURCE,
            "sub": "alice",
            "client_id": "assistant",
            "exp": time.time() + 600,
            "scope": "deltanas:read deltanas:train other",
        }
        return {key: value for key, value in (values | others).items() if value is not None}

    def token(
        self, key: rsa.RSAPrivateKey = FIRST, name: str | None = "first", **others: Any
    ) -> str:
        headers = {"kid": name} if name else None
        return jwt.encode(self.claims(**others), key, algorithm="RS256", headers=headers)


@contextmanager
def issuing() -> Generator[Issuer]:
    """Run an authorization server that has two endpoints and one key."""
    known = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known.asked.append(self.path)
            self._answer(known.jwks())

        def do_POST(self) -> None:
            known.asked.append(self.path)
            assert self.headers["Authorization"].startswith("Basic ")
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            [token] = parse_qs(body)["token"]
            self._answer(known.opaque.get(token, {"active": False}))

        def _answer(self, value: object) -> None:
            body = json.dumps(value).encode()
            self.send_response(500 if known.is_down else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        known.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield known
        server.shutdown()
        thread.join()
