"""Whether resources have changed: what is watched, and how it was when it was last looked at.

Two numbers are asked first, and what they are about is read only where they moved: the store's
refs, and the count of changes in the table of jobs.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import partial

from anyio import to_thread
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.types import InputRequiredResult

from deltanas_mcp.server.access import current_owner
from deltanas_mcp.server.resources import INDEX, told_to_the_reader
from deltanas_mcp.server.resources.job_views import found_job, log_of
from deltanas_mcp.server.room import ServerRoom

_OURS = "deltanas://"
_JOB = re.compile(r"deltanas://jobs/([A-Za-z0-9_-]{1,64})(/log)?")
_INDEXED = ("refs/heads/", "refs/records/", "refs/runs/", "refs/pending/")
"""What the index is about."""


@dataclass(frozen=True)
class Watched:
    """A resource, and who watches it: an owner of jobs, or nobody in particular."""

    uri: str
    owner: str = ""

    @classmethod
    def by_the_caller(cls, uri: str) -> "Watched":
        """Return what the present caller watches."""
        return cls(uri, current_owner() if _JOB.fullmatch(uri) else "")


@dataclass
class _State:
    digest: str
    num_watchers: int = 0


class Looking:
    """What is watched, by how many, and its state. Used by the event loop alone."""

    def __init__(self, room: ServerRoom) -> None:
        self.server: MCPServer | None = None
        """Set once the server exists; resources are read through it."""
        self._room = room
        self._states: dict[Watched, _State] = {}
        self._refs = ""
        self._num_changes = -1

    async def begin(self, watched: Watched) -> None:
        """Watch a resource from now on. One that is not there yet may come.

        Raises:
            ResourceNotFoundError: it is a job, and the owner has no such job.
            ResourceError: it cannot be read.
        """
        digest = await self._digest(watched)
        self._states.setdefault(watched, _State(digest)).num_watchers += 1

    def end(self, watched: Watched) -> None:
        """Watch a resource no more, for one of those who began to."""
        state = self._states[watched]
        state.num_watchers -= 1
        if not state.num_watchers:
            del self._states[watched]

    async def look(self) -> list[Watched]:
        """Return what has changed since the last look.

        Raises:
            ResourceError: there is no store, or its jobs cannot be read.
        """
        jobs = [each for each in self._states if each.owner]
        others = [each for each in self._states if not each.owner and each.uri.startswith(_OURS)]
        moved = jobs if jobs and await self._jobs_moved() else []
        if others and await self._refs_moved():
            moved += others
        return [each for each in moved if await self._has_changed(each)]

    async def _has_changed(self, watched: Watched) -> bool:
        try:
            digest = await self._digest(watched)
        except ResourceError as error:
            digest = str(error)
        state = self._states.get(watched)
        # Another look may have found the same, or the last watcher have left meanwhile.
        if state is None or state.digest == digest:
            return False
        state.digest = digest
        return True

    async def _jobs_moved(self) -> bool:
        before = self._num_changes
        with told_to_the_reader():
            self._num_changes = await to_thread.run_sync(self._room.jobs.changes)
        return self._num_changes != before

    async def _refs_moved(self) -> bool:
        def since(state: str) -> tuple[tuple[str, ...], str]:
            return self._room.store().repository.changed_since(state)

        with told_to_the_reader():
            changed, self._refs = await to_thread.run_sync(since, self._refs)
        return bool(changed)

    async def _digest(self, watched: Watched) -> str:
        """Return what stays the same until the resource changes."""
        if match := _JOB.fullmatch(watched.uri):
            with told_to_the_reader():
                job = partial(self._job, match[1], watched.owner, log=match[2] is not None)
                text = await to_thread.run_sync(job)
        elif watched.uri == INDEX:
            with told_to_the_reader():
                text = await to_thread.run_sync(self._index)
        elif watched.uri.startswith(_OURS):
            text = await self._text(watched.uri)
        else:
            text = ""  # whoever added it to the server says when it has changed
        return hashlib.blake2b(text.encode(errors="replace"), digest_size=16).hexdigest()

    def _job(self, job_id: str, owner: str, *, log: bool) -> str:
        if log:
            return log_of(self._room, job_id, owner)
        return found_job(self._room, job_id, owner).model_dump_json()

    def _index(self) -> str:
        return str(sorted(self._room.store().repository.refs(*_INDEXED).items()))

    async def _text(self, uri: str) -> str:
        assert self.server is not None
        try:
            contents = await self.server.read_resource(uri)
        except ResourceNotFoundError:
            return ""
        assert not isinstance(contents, InputRequiredResult)
        return "".join(str(each.content) for each in contents)
