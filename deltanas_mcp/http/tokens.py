"""Tokens that the owner of the server hands out, from a file or the environment."""

import hashlib
import hmac
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from mcp.server.auth.provider import AccessToken

from deltanas_mcp.server.access import LOCAL, SCOPES, Scope, scope_name
from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.records import Record

MIN_CHARS = 16
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""What an ``Authorization: Bearer`` header can carry. Source: RFC 6750, section 2.1."""
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_MAKE_ONE = 'make one: python -c "import secrets; print(secrets.token_urlsafe(32))"'


class Token(Record):
    """A token as the server keeps it: not the token itself."""

    digest: bytes
    name: str
    """Owner of the jobs that are started with it."""
    scopes: tuple[Scope, ...] = SCOPES


class StaticTokens:
    """Verifies tokens against a list; the time that it takes says nothing about the tokens."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tuple(tokens)

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return whose token it is, and what for; None for a token that is none of ours."""
        given = _digest(token)
        found = [each for each in self._tokens if hmac.compare_digest(each.digest, given)]
        if not found:
            return None
        [known] = found
        return AccessToken(
            token=token,
            client_id=known.name,
            subject=known.name,
            scopes=[scope_name(scope) for scope in known.scopes],
        )


def read_tokens(path: Path) -> tuple[Token, ...]:
    """Read a file with a token a line: ``TOKEN [name [scope,scope]]``; ``#`` begins a comment.

    Raises:
        ConfigError: others can read the file, or a line of it is not such a line.
    """
    try:
        with path.open(encoding="utf-8") as file:
            # Of the file that is open, not of what may have taken its place.
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            lines = file.read().splitlines()
    except OSError as error:
        raise ConfigError(f"cannot read the token file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the token file {path} is not UTF-8 text") from error
    if mode & 0o077:
        raise ConfigError(
            f"others can read the token file {path} ({mode:o}); run: chmod 600 {path}"
        )
    tokens: list[Token] = []
    for number, line in enumerate(lines, start=1):
        if words := line.partition("#")[0].split():
            token = _token(words, where=f"{path}, line {number}")
            if any(token.digest == each.digest for each in tokens):
                raise ConfigError(f"{path}, line {number}: this token is there already")
            tokens.append(token)
    if not tokens:
        raise ConfigError(f"the token file {path} has no token; {_MAKE_ONE}")
    return tuple(tokens)


def token_of_environment(value: str, *, variable: str) -> Token:
    """Return the token that an environment variable holds: the user's own, for everything.

    Raises:
        ConfigError: it cannot be a token.
    """
    return _token([value.strip()], where=f"${variable}")


def _token(words: Sequence[str], *, where: str) -> Token:
    token, name, listed, *more = (*words, "", "", "")[: max(3, len(words))]
    # Not the token itself, in any of these words: they end up in logs.
    if more:
        raise ConfigError(f"{where}: expected TOKEN [name [scope,scope]], found {len(words)} words")
    if not _TOKEN.fullmatch(token) or len(token) < MIN_CHARS:
        raise ConfigError(
            f"{where}: a token has {MIN_CHARS} characters or more, all of them letters, digits or "
            f"one of . _ ~ + / -; {_MAKE_ONE}"
        )
    if name and not _NAME.fullmatch(name):
        raise ConfigError(
            f"{where}: {name!r} is no name; expected up to 64 letters, digits or one of . _ @ -"
        )
    return Token(digest=_digest(token), name=name or LOCAL, scopes=_scopes(listed, where=where))


def _scopes(listed: str, *, where: str) -> tuple[Scope, ...]:
    if not listed:
        return SCOPES
    given = set(listed.split(","))
    if unknown := sorted(given - set(SCOPES)):
        raise ConfigError(f"{where}: no scope {unknown[0]!r}; there are {', '.join(SCOPES)}")
    if "read" not in given:
        raise ConfigError(f"{where}: without the scope read a token cannot even list the tools")
    return tuple(scope for scope in SCOPES if scope in given)


def _digest(token: str) -> bytes:
    # Of one length for every token, so that comparing does not tell the length either.
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
