"""The official conformance suite and the MCP Inspector, against our server.

``make conformance`` runs both frozen sets of requirements with the scenarios of tasks, the
Inspector's ``--strict`` over stdio and HTTP in both eras, and a training as a task. It prints a
table, and ends with 1 where anything fails; where the programs cannot be had, it says so and why.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from deltanas_mcp.wiring import create_store
from tests.clients.environments import NotAvailable
from tests.conformance.outcomes import REVISIONS, Outcome, outcomes, scenarios
from tests.conformance.programs import FOLDER, Programs, installed

ROOT = FOLDER.parent
TRAINING = {"candidate": "plain-cnn", "dataset": "digits", "wait_s": 0}


def findings(programs: Programs, home: Path) -> Iterator[Outcome]:
    """Return what everything came to, one after the other.

    Args:
        programs: The suite and the Inspector.
        home: An empty folder, for a store and what is written of it all.
    """
    store = home / "store"
    create_store(store)
    with serving(store, home / "fixtures.log") as url:
        for revision in REVISIONS:
            yield from suite(programs, url, revision, home / revision)
    # The Inspector hands on nothing of our environment that it is not told to.
    server = (sys.executable, "-m", "deltanas_mcp", "--store", str(store))
    local = ("-e", f"DELTANAS_CACHE={_cache(store)}", "--", *server)
    yield from inspected(programs, "stdio", local)
    with serving(store, home / "plain.log", "plain") as url:
        yield from inspected(programs, "http", ("--server-url", url, "--transport", "http"))


@contextmanager
def serving(store: Path, log: Path, *options: str) -> Generator[str]:
    """Run the server under test while the block runs; gives its address."""
    command = [sys.executable, "-m", "tests.conformance.server", str(store), *options]
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "DELTANAS_CACHE": str(_cache(store))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
        ) as server,
    ):
        assert server.stdout is not None
        try:
            url = server.stdout.readline().strip()
            if not url:
                raise RuntimeError(f"the server did not start: {log.read_text(encoding='utf-8')}")
            yield url
        finally:
            server.terminate()


def suite(programs: Programs, url: str, revision: str, folder: Path) -> Iterator[Outcome]:
    """Run a frozen set of requirements, and what the suite reports beside it."""
    listed = programs.suite("list", "--requirements", revision)
    arguments = ("--url", url, "--requirements", revision, "--output-dir", str(folder))
    done = programs.suite("server", *arguments)
    found = outcomes(folder, scenarios(listed.stdout))
    for each in found:
        yield Outcome(f"{revision} {each.name}", each.verdict, each.num_passed, each.words)
    if done.returncode != 0:
        yield Outcome(f"{revision} the suite", "FAILED", 0, f"it ended with {done.returncode}")


def inspected(programs: Programs, way: str, target: tuple[str, ...]) -> Iterator[Outcome]:
    """Have the Inspector look at the schemas of all tools, and train as a task."""
    for era in ("modern", "legacy"):
        look = ("--method", "tools/list", "--strict", "--protocol-era", era, "--format", "json")
        done = programs.inspector(*look, *target)
        answer = json.loads(done.stdout or "{}")
        problems = answer.get("schemaFindings", [])
        num_tools = len(answer.get("result", {}).get("tools", []))
        is_clean = done.returncode == 0 and num_tools > 0 and not problems
        words = "" if is_clean else json.dumps(problems) + done.stderr
        name = f"inspector --strict {way} {era}"
        yield Outcome(name, "passed" if is_clean else "FAILED", num_tools, words)
    asked = ("--tool-name", "train_one_epoch", "--tool-args-json", json.dumps(TRAINING))
    call = ("--method", "tools/call", *asked, "--protocol-era", "modern", "--format", "json")
    done = programs.inspector(*call, *target)
    # It polls the task to its end, and shows what the call came to.
    job = json.loads(done.stdout or "{}").get("result", {}).get("structuredContent", {})
    is_done = job.get("state") == "done"
    words = "" if is_done else done.stdout + done.stderr
    yield Outcome(f"inspector task {way}", "passed" if is_done else "FAILED", 1, words)


def _cache(store: Path) -> Path:
    """Return where servers keep data sets and locks: beside the store, not with the user's."""
    return store.with_name("cache")


def main() -> int:
    """Print a table of what was found; returns the exit code."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        try:
            programs = installed(home)
        except NotAvailable as error:
            sys.stdout.write(f"SKIPPED: {error}\n")
            return 0
        found = []
        for outcome in findings(programs, home):
            found.append(outcome)
            sys.stdout.write(outcome.line() + "\n")
            sys.stdout.flush()
    failed = sum(each.verdict == "FAILED" for each in found)
    passed = sum(each.verdict == "passed" for each in found)
    checks = sum(each.num_passed for each in found)
    sys.stdout.write(f"{passed} passed, {failed} failed, of {len(found)}; {checks} checks\n")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
