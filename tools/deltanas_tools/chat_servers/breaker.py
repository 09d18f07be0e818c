"""Stops asking a server that is down."""

from threading import Lock

from deltanas_repo_store.errors import ProposerError

FAILURES = 3
"""Requests in a row that must fail, with all their retries, before nothing more is sent."""


class Breaker:
    """Open: nothing is sent before the server shows a sign of life. Safe to share."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._num_failures = 0
        self._reason = ""
        self._lock = Lock()

    @property
    def is_open(self) -> bool:
        """True where nothing may be sent."""
        with self._lock:
            return self._num_failures >= FAILURES

    def check(self) -> None:
        """Check that something may be sent.

        Raises:
            ProposerError: the breaker is open.
        """
        if self.is_open:
            raise ProposerError(
                f"the server at {self._base_url} failed {FAILURES} requests in a row, the last: "
                f"{self._reason}; nothing more is sent before it answers; the run can be resumed"
            )

    def failed(self, reason: str) -> None:
        """Count a request that failed with all its retries."""
        with self._lock:
            self._num_failures += 1
            self._reason = reason

    def succeeded(self) -> None:
        """Forget the failures."""
        with self._lock:
            self._num_failures = 0

    def half_open(self) -> None:
        """Let requests pass after a sign of life; one more failure opens it again."""
        with self._lock:
            self._num_failures = FAILURES - 1
