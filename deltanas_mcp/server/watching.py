"""Telling clients that a resource has changed: a look once a second, while somebody listens.

The changes come from elsewhere: workers, other servers, the command line. A client of the era of
2026-07-28 listens with ``subscriptions/listen``; older ones subscribe to one resource at a time,
for which the SDK's server has no handler.
"""

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import anyio
from mcp import MCPError
from mcp.server import MCPServer
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    EmptyResult,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from deltanas_mcp.server.looking import Looking, Watched
from deltanas_mcp.server.room import ServerRoom

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Between two looks."""
SEND_SECONDS = 5.0
"""A client that takes no message for so long has stopped reading, and hears no more."""
MAX_WATCHED = 64
"""Resources that one listener may watch."""
MAX_URI_CHARS = 500

_Request = ServerRequestContext[Any, Any]


class Watching:
    """Who listens to what, in both eras."""

    def __init__(self, room: ServerRoom) -> None:
        self.bus = InMemorySubscriptionBus()
        """For the server's ``subscriptions``."""
        self._looking = Looking(room)
        self._streams = ListenHandler(self.bus)
        self._subscribers: dict[Connection, set[Watched]] = {}

    def serve(self, server: MCPServer) -> None:
        """Answer the requests of listeners of both eras."""
        self._looking.server = server
        # As the SDK's documentation says of methods that an earlier revision had; but the server
        # has no method for it that is public.
        handlers = server._lowlevel_server
        handlers.add_request_handler(
            "subscriptions/listen", SubscriptionsListenRequestParams, self._listen
        )
        handlers.add_request_handler("resources/subscribe", SubscribeRequestParams, self._subscribe)
        handlers.add_request_handler(
            "resources/unsubscribe", UnsubscribeRequestParams, self._unsubscribe
        )

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Look while the block runs. Where several run at once, each change is told once."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()

    async def _listen(
        self, ctx: _Request, params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """Serve a stream of changes. Other owners' jobs are left out, as the answer says."""
        wanted = params.notifications.resource_subscriptions or []
        _check(wanted, already=0)
        allowed: list[str] = []
        with ExitStack() as watched:
            for uri in wanted:
                if (begun := await self._begin(uri)) is not None:
                    watched.callback(self._looking.end, begun)
                    allowed.append(uri)
            notifications = params.notifications.model_copy(
                update={"resource_subscriptions": allowed or None}
            )
            return await self._streams(
                ctx, params.model_copy(update={"notifications": notifications})
            )

    async def _subscribe(self, ctx: _Request, params: SubscribeRequestParams) -> EmptyResult:
        connection = _connection_of(ctx)
        mine = self._subscribers.get(connection, set())
        _check([params.uri], already=len(mine))
        watched = await self._begin(params.uri)
        if watched is None:
            raise MCPError(
                INVALID_PARAMS, f"no job of yours is at {params.uri}", {"uri": params.uri}
            )
        if connection not in self._subscribers:
            self._subscribers[connection] = set()
            connection.exit_stack.callback(self._forget, connection)
        if watched in self._subscribers[connection]:
            self._looking.end(watched)
        self._subscribers[connection].add(watched)
        return EmptyResult()

    async def _unsubscribe(self, ctx: _Request, params: UnsubscribeRequestParams) -> EmptyResult:
        mine = self._subscribers.get(_connection_of(ctx), set())
        for watched in [each for each in mine if each.uri == params.uri]:
            mine.remove(watched)
            self._looking.end(watched)
        return EmptyResult()

    async def _begin(self, uri: str) -> Watched | None:
        """Watch a resource; None where it is a job, and not one of the caller's."""
        watched = Watched.by_the_caller(uri)
        try:
            await self._looking.begin(watched)
        except ResourceNotFoundError:
            return None
        except ResourceError as error:
            raise MCPError(INTERNAL_ERROR, str(error), {"uri": uri}) from error
        return watched

    def _forget(self, connection: Connection) -> None:
        for watched in self._subscribers.pop(connection, set()):
            self._looking.end(watched)

    async def _watch(self) -> None:
        is_well = True
        while True:
            await anyio.sleep(LOOK_SECONDS)
            try:
                for changed in await self._looking.look():
                    await self._tell(changed)
                is_well = True
            except Exception:  # the server goes on without notifications
                if is_well:
                    logger.exception("cannot look for changes; notifications wait")
                is_well = False

    async def _tell(self, changed: Watched) -> None:
        await self.bus.publish(ResourceUpdated(changed.uri))
        for connection, watched in list(self._subscribers.items()):
            if changed not in watched:
                continue
            with anyio.move_on_after(SEND_SECONDS) as scope:
                await connection.send_resource_updated(changed.uri)
            if scope.cancelled_caught:
                logger.warning("a client has stopped reading; it is told of no more changes")
                self._forget(connection)


def _connection_of(ctx: _Request) -> Connection:
    """Return what a client's requests have in common; the SDK shows it to nobody yet."""
    return ctx.session._connection


def _check(uris: Sequence[str], *, already: int) -> None:
    if already + len(uris) > MAX_WATCHED:
        raise MCPError(INVALID_PARAMS, f"one client may watch {MAX_WATCHED} resources at most")
    for uri in uris:
        if len(uri) > MAX_URI_CHARS:
            raise MCPError(INVALID_PARAMS, f"no resource has a URI of {len(uri)} characters")
