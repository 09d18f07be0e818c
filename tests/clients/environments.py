"""Environments for other people's programs: a venv or a ``node_modules`` each, made once.

None of them has our package. They are kept in a folder that git ignores, each beside a note of what
it was made of; another version makes it anew.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".clients"

NODE = "node@22.23.3"
"""From npm too: what distributions have is too old for half of what is used here."""


class NotAvailable(Exception):
    """What an environment is made of cannot be had here; the message says why."""


def python_environment(name: str, *requirements: str, folder: Path = FOLDER) -> Path:
    """Return the ``bin`` folder of a venv that has these requirements, making it if need be.

    Raises:
        NotAvailable: pip could not have them.
    """
    place = folder / name

    def make() -> None:
        _run([sys.executable, "-m", "venv", str(place)])
        pip = [str(place / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, *requirements])

    return _made(place, requirements, make) / "bin"


def node_environment(name: str, *packages: str, folder: Path = FOLDER) -> Path:
    """Return a folder whose ``node_modules`` has these packages, and a Node that suits them.

    Raises:
        NotAvailable: there is no npm, or it could not have them.
    """
    place = folder / name
    wanted = (NODE, *packages)

    def make() -> None:
        npm = shutil.which("npm")
        if npm is None:
            raise NotAvailable("there is no npm on the PATH")
        (place / "package.json").write_text('{"private": true, "type": "module"}\n', "utf-8")
        _run([npm, "install", "--no-audit", "--no-fund", *wanted], where=place)
        _run([str(place / "node_modules" / ".bin" / "node"), "--version"])

    return _made(place, wanted, make)


def _made(place: Path, wanted: tuple[str, ...], make: Callable[[], None]) -> Path:
    note, words = place / "made-of.json", json.dumps(wanted)
    if not note.is_file() or note.read_text("utf-8") != words:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        (place.parent / ".gitignore").write_text("*\n", "utf-8")
        make()
        note.write_text(words, "utf-8")
    return place


def _run(command: list[str], *, where: Path | None = None) -> None:
    ended = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    if ended.returncode:
        lines = (ended.stderr or ended.stdout).strip().splitlines() or ["it said nothing"]
        raise NotAvailable(f"{Path(command[0]).name} failed: {lines[-1]}")
