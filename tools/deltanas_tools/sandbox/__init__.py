"""sandbox: runs model-written code in a child process, and comes back with a result or a failure.

`Sandbox` is the parent's side. A warm fork server (`server`) forks one child per request
(`child`); the parent never imports torch and never runs a line of a candidate.
"""

from deltanas_tools.sandbox.host import Sandbox
from deltanas_tools.sandbox.isolation import Choice
from deltanas_tools.sandbox.messages import Completed, Failed, Limits

__all__ = ["Choice", "Completed", "Failed", "Limits", "Sandbox"]
