"""A whole search by tool calls alone, the same for every Python client.

Runs in an environment of its own, without our package: all it knows is what a client is told.
"""

import argparse
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Call = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Calls a tool and returns its structured content, or raises `Refused`."""

NUM_SEEDS = 20
NUM_POLLS = 60
BASELINE = "plain-cnn"
PARENT = "slow-cnn"
"""The baseline, but that no client with a default of 5 seconds can wait for its training."""
LEARN = "    def learn(self, train_data):\n"
SLOW_LEARN = f"{LEARN}        import time\n\n        time.sleep(6)\n"
DATASET = "digits"
UNKNOWN = "no-such-network"


class Refused(Exception):
    """The tool said no; the message is what the client hands to its model."""


@dataclass
class Way:
    """How to reach the server."""

    transport: Literal["stdio", "http"]
    command: list[str]
    """Of a server on stdio."""
    url: str
    token: str
    seed: int
    """First seed of the mutations: another client's candidates are not novel any more."""
    wait_s: float
    """How long one call may wait for a job."""


@dataclass
class Facts:
    """What a client saw, to be checked by whoever started it."""

    protocol: str
    """Version that was agreed on; empty where the client does not tell."""
    tools: list[str]
    """Names, in the order of the list."""
    num_architectures: int = 0
    source_lines: int = 0
    refusal: str = ""
    """How the client tells of an architecture that does not exist."""
    tries: list[str] = field(default_factory=list)
    """How each mutation ended: refused, known, rejected, kept."""
    num_polls: int = 0
    """Calls of get_job until the job of the last try had ended."""
    id: str = ""
    accuracy: float | None = None
    listed_accuracy: float | None = None
    """The same, as the list has it afterwards."""
    progress: int = 0
    """Notifications of progress that arrived; 0 where the client does not show them."""


def asked() -> Way:
    """Return what the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default="")
    parser.add_argument("--token", default="")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wait", type=float, default=20)
    parser.add_argument("command", nargs="*")
    given = parser.parse_args()
    transport: Literal["stdio", "http"] = "http" if given.url else "stdio"
    return Way(transport, given.command, given.url, given.token, given.seed, given.wait)


async def search(way: Way, call: Call, *, protocol: str, tools: list[str]) -> Facts:
    """Search until a candidate is kept, and return what was seen on the way."""
    facts = Facts(protocol, tools)
    facts.num_architectures = (await call("list_architectures", {}))["total"]
    found = await call("get_architecture", {"architecture": BASELINE})
    facts.source_lines = found["source"].count("\n")
    slow = found["source"].replace(LEARN, SLOW_LEARN)
    given = {"name": PARENT, "source": slow, "hparams_json": found["hparams_json"]}
    await call("import_baseline", given)
    try:
        await call("get_architecture", {"architecture": UNKNOWN})
    except Refused as refused:
        facts.refusal = str(refused)
    for seed in range(way.seed, way.seed + NUM_SEEDS):
        facts.tries.append(await tried(way, call, seed, facts))
        if facts.tries[-1] == "kept":
            break
    page = await call("list_architectures", {"dataset": DATASET, "limit": 100})
    accuracies = {each["id"]: each["accuracy"] for each in page["items"]}
    facts.listed_accuracy = accuracies.get(facts.id)
    return facts


async def tried(way: Way, call: Call, seed: int, facts: Facts) -> str:
    """Take one mutation as far as it goes, and say in a word how far that was."""
    how = {"parent": PARENT, "proposer": "mutation", "seed": seed}
    delta = (await call("propose_delta", how))["delta"]
    try:
        applied = await call("apply_patch", {"parent": PARENT, "delta": delta})
    except Refused:
        return "refused"
    candidate = applied["candidate"]
    if not (await call("novelty_check", {"candidate": candidate}))["is_novel"]:
        return "known"
    job = await call("train_one_epoch", {"candidate": candidate, "dataset": DATASET})
    facts.num_polls = 0
    while job["state"] in ("queued", "running") and facts.num_polls < NUM_POLLS:
        job = await call("get_job", {"job_id": job["job_id"], "wait_s": way.wait_s})
        facts.num_polls += 1
    if job["state"] != "done":
        raise RuntimeError(f"the job is {job['state']}: {job['error'] or job['message']}")
    facts.id, facts.accuracy = job["training"]["id"], job["training"]["accuracy"]
    return str(job["training"]["status"])


def tell(facts: Facts) -> None:
    """Print the facts as one line of JSON."""
    sys.stdout.write(json.dumps(asdict(facts)) + "\n")
