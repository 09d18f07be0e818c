"""What the tools, resources and prompts of a server share."""

import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from deltanas_mcp.jobs import Job, Jobs
from deltanas_mcp.server.settings import ServerSettings
from deltanas_repo_store.errors import ConfigError

if TYPE_CHECKING:
    from deltanas_mcp.wiring import Workbench
    from deltanas_mcp.work.records import JobArguments
    from deltanas_repo_store.store import Store


class ServerRoom:
    """A store, opened when it is first asked, and its jobs. Safe to use from several threads."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.jobs = Jobs(
            settings.store,
            max_queued=settings.max_queued,
            max_queued_per_owner=settings.max_queued_per_owner,
        )
        self._opening = threading.Lock()
        self._opened = ExitStack()
        self._bench: Workbench | None = None
        self._working = threading.Lock()

    def close(self) -> None:
        """Let go of the store; the next question opens it again."""
        with self._opening:
            self._opened.close()
            self._bench = None

    def store(self) -> "Store":
        """Return the store.

        Raises:
            StoreError: there is no store of ours at its place.
        """
        return self._workbench().store

    @contextmanager
    def bench(self) -> "Generator[Workbench]":
        """Give the workbench to one at a time: the novelty index and evaluators are not shared.

        Raises:
            StoreError: there is no store of ours at its place.
        """
        bench = self._workbench()
        with self._working:
            yield bench

    def submit(self, asked: "JobArguments", *, owner: str, device: str, key: str) -> Job:
        """Start a job on a device, or find the one that the key started.

        Raises:
            JobError: the queue is full, or the key was used for something else.
        """
        return self.jobs.submit(
            asked.kind,
            asked.model_dump(mode="json"),
            owner=owner,
            device=device,
            idempotency_key=key,
        )

    def model_device(self) -> str:
        """Return where the server's model computes; the CPU asks one that is behind a server.

        Raises:
            ConfigError: there is no model, or its file cannot be understood.
        """
        from deltanas_mcp.work.propose import with_model

        config = with_model(self.model())
        return config.model.local.device if config.proposer == "transformers" else "cpu"

    def model(self) -> Path:
        """Return the file of the server's model.

        Raises:
            ConfigError: the server has none.
        """
        if self.settings.model is None:
            raise ConfigError(
                "this server has no language model: a person starts it with --model FILE; "
                "proposer: mutation needs none, and with proposer: caller you write the delta"
            )
        return self.settings.model.absolute()

    def device(self, name: str) -> str:
        """Return a device of this server; the first where ``name`` is empty.

        Raises:
            ConfigError: the server has no such device.
        """
        there = self.settings.devices
        if name and name not in there:
            raise ConfigError(f"this server has no device {name!r}; it has {', '.join(there)}")
        return name or there[0]

    def _workbench(self) -> "Workbench":
        # It imports git and numpy, which a client that only connects need not wait for.
        from deltanas_mcp.wiring import open_workbench

        with self._opening:
            if self._bench is None:
                self._bench = self._opened.enter_context(open_workbench(self.settings.store))
            return self._bench
