"""chat_servers: language models behind OpenAI's chat API, on this machine or in a cloud.

`connect` is the way in; what needs the package `openai` is imported there.
"""

from deltanas_tools.chat_servers.connect import connect
from deltanas_tools.chat_servers.ledger import Spent
from deltanas_tools.chat_servers.spec import ServerSpec

__all__ = ["ServerSpec", "Spent", "connect"]
