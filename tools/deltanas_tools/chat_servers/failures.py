"""What a failed request means: whether to ask again, whether it may cost, and what to say."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import openai

from deltanas_tools.chat_servers.answers import quote

LONGEST_WAIT = 120.0
"""Seconds that a server may have us wait; where it asks for more, the run pauses instead."""

_PASSING = (408, 409, 429)
"""Time-out, conflict, too many requests: the next try may do, as it may after any 5xx."""
_GAVE_UP_WAITING = (408, 504)
"""Said by what stands before a server, which may have been at work on the answer."""
_NEVER_SENT = ("ConnectError", "ConnectTimeout", "PoolTimeout")
"""By name, since openai's HTTP library is httpx or httpx2, depending on the version."""
_TOO_LONG = re.compile(r"context[ _-]?(?:length|size|window)", re.IGNORECASE)


def is_passing(error: BaseException) -> bool:
    """Tell whether the same request may succeed a little later."""
    if isinstance(error, openai.APIStatusError):
        code = error.status_code
        return (code in _PASSING or code >= 500) and (retry_after(error) or 0) <= LONGEST_WAIT
    return isinstance(error, openai.APIConnectionError)


def retry_after(error: BaseException | None) -> float | None:
    """Return the seconds that the server asks to wait, where it does."""
    if not isinstance(error, openai.APIStatusError):
        return None
    value = error.response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max((date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)


def may_cost(error: openai.APIError) -> bool:
    """Tell whether the server may have worked on an answer that never came."""
    if isinstance(error, openai.APIStatusError):
        return error.status_code in _GAVE_UP_WAITING
    return type(error.__cause__).__name__ not in _NEVER_SENT


def describe(error: openai.APIError, api_key: str) -> str:
    """Say in a few words what went wrong, with the server's own and without keys."""
    if isinstance(error, openai.APIStatusError):
        wait = retry_after(error)
        later = f", come back in {wait:.0f} s" if wait else ""
        return f"it answers {error.status_code}{later}: {quote(_words(error), api_key)}"
    if isinstance(error, openai.APITimeoutError):
        return "it did not answer in time"
    cause = error.__cause__ or error
    return f"the connection failed: {quote(str(cause) or type(cause).__name__, api_key)}"


def remedy(error: openai.APIError, api_key_env: str | None) -> str:
    """Say what to do about a request that the server refused, where that is known."""
    if not isinstance(error, openai.APIStatusError):
        return ""
    if error.status_code in (401, 403):
        return f"; the key comes from {api_key_env or 'no variable: api_key_env names none'}"
    if error.status_code in (400, 413, 422) and _TOO_LONG.search(_words(error)):
        return "; the prompt is too long for the context: shorten the brief, or serve a longer one"
    return ""


def _words(error: openai.APIStatusError) -> str:
    if isinstance(error.body, dict) and isinstance(error.body.get("message"), str):
        return str(error.body["message"])
    return error.response.text
