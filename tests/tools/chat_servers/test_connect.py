"""What is loaded for a server, and when."""

import subprocess
import sys

import pytest

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.chat_servers import ServerSpec, connect

SPEC = ServerSpec(base_url="http://127.0.0.1:1/v1", model="m")


def test_a_configuration_is_read_without_the_client_and_without_torch() -> None:
    program = "import sys, deltanas_tools.chat_servers; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"openai", "tenacity", "torch", "transformers"} & set(loaded)


def test_without_its_package_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.startswith("deltanas_tools.chat_servers.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ConfigError, match=r"pip install 'deltanas-mcp\[openai\]'"):
        connect(SPEC)
