"""Connects to a server, where the package for it is installed."""

from typing import TYPE_CHECKING

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.chat_servers.ledger import Spent
from deltanas_tools.chat_servers.spec import ServerSpec

if TYPE_CHECKING:
    from deltanas_tools.chat_servers.server import ChatServer

NOTHING_SPENT = Spent()


def connect(spec: ServerSpec, *, api_key: str = "", spent: Spent = NOTHING_SPENT) -> "ChatServer":
    """Return the server, to be closed by the caller. Nothing is sent yet.

    Args:
        spec: Which server and model, and what may be spent.
        api_key: The key itself; empty for a server that asks for none.
        spent: What earlier sessions spent under the same caps.

    Raises:
        ConfigError: the package ``openai`` is not installed.
    """
    try:
        from deltanas_tools.chat_servers.server import ChatServer
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"a server needs the package openai, and {error.name} is not installed; "
            "`pip install 'deltanas-mcp[openai]'` installs it"
        ) from error
    return ChatServer(spec, api_key=api_key, spent=spent)
