"""The official suite and the Inspector, from npm, in a folder of their own."""

import os
import subprocess
from pathlib import Path

from tests.clients.environments import node_environment

FOLDER = Path(__file__).parents[2] / ".conformance"
PACKAGES = (
    "@modelcontextprotocol/conformance@0.2.0-alpha.12",
    "@modelcontextprotocol/inspector@2.12.0",
)
SUITE_SECONDS = 300
INSPECTOR_SECONDS = 120


class Programs:
    """What was installed in ``folder``; ``catalog`` is a file that the Inspector writes."""

    def __init__(self, folder: Path, catalog: Path) -> None:
        self._modules = folder / "node_modules"
        self._environment = {
            **os.environ,
            "PATH": f"{self._modules / '.bin'}{os.pathsep}{os.environ.get('PATH', '')}",
            "MCP_CATALOG_PATH": str(catalog),
        }

    def suite(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the official suite."""
        script = self._modules / "@modelcontextprotocol/conformance/dist/index.js"
        return self._run("node", str(script), *arguments, seconds=SUITE_SECONDS)

    def inspector(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the Inspector's command line."""
        return self._run("mcp-inspector", "--cli", *arguments, seconds=INSPECTOR_SECONDS)

    def _run(self, *command: str, seconds: float) -> subprocess.CompletedProcess[str]:
        program = self._modules / ".bin" / command[0]
        return subprocess.run(
            [str(program), *command[1:]],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=seconds,
            check=False,
        )


def installed(home: Path, *, folder: Path = FOLDER) -> Programs:
    """Return the programs, and fetch them where they are not there yet.

    Args:
        home: Where the Inspector may write.
        folder: Where the programs are, or come to be.

    Raises:
        NotAvailable: there is no npm, no registry, or no such Node for this machine.
    """
    return Programs(node_environment("suite", *PACKAGES, folder=folder), home / "catalog.json")
