"""The official suite and the Inspector, from npm, in a folder of their own."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".conformance"
PACKAGES: Mapping[str, str] = {
    # The suite needs 22; what a machine has is often older, and npm then takes an old Inspector.
    "node": "22.23.3",
    "@modelcontextprotocol/conformance": "0.2.0-alpha.12",
    "@modelcontextprotocol/inspector": "2.12.0",
}
INSTALL_SECONDS = 600
SUITE_SECONDS = 300
INSPECTOR_SECONDS = 120


class UnavailableError(Exception):
    """The programs cannot be had here, and why."""


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
        UnavailableError: there is no npm, no registry, or no such Node for this machine.
    """
    if any(_version(folder, name) != wanted for name, wanted in PACKAGES.items()):
        _install(folder)
    found = subprocess.run(
        [str(folder / "node_modules/.bin/node"), "--version"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if found.stdout.strip() != f"v{PACKAGES['node']}":
        raise UnavailableError(f"npm's Node does not run here: {found.stderr.strip()[-300:]}")
    return Programs(folder, home / "catalog.json")


def _install(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise UnavailableError("there is no npm on the PATH: install Node, of any version")
    folder.mkdir(exist_ok=True)
    manifest = {"name": "deltanas-conformance", "private": True, "dependencies": dict(PACKAGES)}
    (folder / "package.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    try:
        done = subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"npm did not end within {INSTALL_SECONDS} s") from error
    if done.returncode != 0:
        raise UnavailableError(f"npm cannot install: {done.stderr.strip()[-500:]}")


def _version(folder: Path, name: str) -> str:
    try:
        text = (folder / "node_modules" / name / "package.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    return str(json.loads(text)["version"])
