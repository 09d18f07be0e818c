"""Tools that start jobs: train_one_epoch, run_search, finetune_lora."""

from functools import partial
from typing import Annotated, Literal

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from pydantic import Field

from deltanas_mcp.answers import JobInfo
from deltanas_mcp.jobs import Job
from deltanas_mcp.server.access import current_owner
from deltanas_mcp.server.job_info import started
from deltanas_mcp.server.room import ServerRoom
from deltanas_mcp.server.told import add_tool, in_thread, told_to_the_model
from deltanas_mcp.server.tools.arguments import Candidate, Dataset, DeviceName, Key, Seed, Wait
from deltanas_mcp.server.waiting import wait_for_end
from deltanas_repo_store.errors import ConfigError

RunName = Annotated[str, Field(max_length=64, description="Name of the run.")]


def add_heavy_tools(server: MCPServer, room: ServerRoom) -> None:
    """Add the tools that start jobs."""
    _add_training(server, room)
    _add_search(server, room)
    _add_tuning(server, room)


def _add_training(server: MCPServer, room: ServerRoom) -> None:
    @add_tool(server, "Train one epoch", idempotent=True)
    async def train_one_epoch(
        ctx: Context,
        candidate: Candidate,
        dataset: Dataset = "digits",
        seed: Annotated[Seed, Field(description="Of weights, batches and dropout.")] = 42,
        max_seconds: Annotated[
            float, Field(gt=0, le=86_400, description="Wall time that the training may take.")
        ] = 600,
        device: DeviceName = "",
        idempotency_key: Key = "",
        wait_s: Wait = 2,
    ) -> JobInfo:
        """Build, check, train one epoch and score; a pending candidate becomes a commit.

        Starts a job that runs model-written code in a sandbox: seconds on small data sets, minutes
        on large ones. If it has not ended, get_job waits for it; its result is in `training`. The
        accuracy is of images that were not trained on, computed outside the sandbox.
        """
        asked = partial(
            _train, room, candidate, dataset, seed, max_seconds, device, idempotency_key
        )
        return started(await wait_for_end(room, ctx, await in_thread(asked), wait_s))


def _add_search(server: MCPServer, room: ServerRoom) -> None:
    @add_tool(server, "Run a search", idempotent=True)
    async def run_search(
        ctx: Context,
        run: RunName,
        dataset: Dataset = "digits",
        cycles: Annotated[int, Field(ge=1, le=1000)] = 2,
        candidates: Annotated[int, Field(ge=1, le=1000, description="Per cycle.")] = 8,
        baselines: Annotated[
            list[str], Field(max_length=64, description="Names to start from; empty: all.")
        ] = [],  # noqa: B006 - pydantic copies it, and the schema shows it
        proposer: Annotated[
            Literal["mutation", "local"],
            Field(description="Random edits, or the server's language model."),
        ] = "mutation",
        seed: Seed = 42,
        max_minutes: Annotated[
            float | None, Field(gt=0, description="Wall time on candidates, over all sessions.")
        ] = None,
        device: DeviceName = "",
        idempotency_key: Key = "",
        wait_s: Wait = 2,
    ) -> JobInfo:
        """Let the built-in loop search by itself: propose, apply, check, train, record, repeat.

        Starts a job of minutes to days; get_job tells how far it is. A run that was cancelled or
        whose time was spent goes on when it is asked for again with the same arguments (and more
        max_minutes). Its result is in `search`.
        """
        with told_to_the_model():
            model = room.model() if proposer == "local" else None
        values = {
            "run": run,
            "dataset": dataset,
            "cycles": cycles,
            "candidates": candidates,
            "baselines": tuple(baselines),
            "seed": seed,
            "max_minutes": max_minutes,
            "model": model,
        }
        asked = partial(_search, room, values, device, idempotency_key)
        return started(await wait_for_end(room, ctx, await in_thread(asked), wait_s))


def _add_tuning(server: MCPServer, room: ServerRoom) -> None:
    @add_tool(server, "Tune the proposer")
    async def finetune_lora(
        ctx: Context,
        run: Annotated[
            str,
            Field(max_length=64, description="A run that a language model proposes in."),
        ],
        num_examples: Annotated[
            int, Field(ge=1, le=100_000, description="At most, of each source.")
        ] = 300,
        epochs: Annotated[int, Field(ge=1, le=100)] = 3,
        rank: Annotated[int, Field(ge=1, le=512)] = 32,
        measure_on: Annotated[
            str | None,
            Field(
                max_length=64,
                description="Data set to train the trial's effective answers on as well.",
            ),
        ] = None,
        seed: Seed = 42,
        idempotency_key: Key = "",
        wait_s: Wait = 2,
    ) -> JobInfo:
        """Tune a run's language model (LoRA) on deltas of this store that have an effect.

        Starts a job of minutes to days. The adapter is tried on held-out networks, and the run
        uses it from then on if it is better. Its result is in `tuning`.
        """
        values = {
            "run": run,
            "num_examples": num_examples,
            "epochs": epochs,
            "rank": rank,
            "measure_on": measure_on,
            "seed": seed,
            "model": room.model() if room.settings.model else None,
        }
        asked = partial(_tune, room, values, idempotency_key)
        return started(await wait_for_end(room, ctx, await in_thread(asked), wait_s))


def _train(
    room: ServerRoom,
    candidate: str,
    dataset: str,
    seed: int,
    max_seconds: float,
    device: str,
    key: str,
) -> Job:
    from deltanas_mcp.wiring import check_dataset
    from deltanas_mcp.work.records import TrainArguments, checked

    store = room.store()
    if store.find_pending(candidate) is None:
        # What is finished is named by its id, which nobody else's deed can change.
        candidate = store.resolve(candidate)
    asked = checked(
        TrainArguments, candidate=candidate, dataset=dataset, seed=seed, max_seconds=max_seconds
    )
    check_dataset(dataset)
    return room.submit(asked, owner=current_owner(), device=room.device(device), key=key)


def _search(room: ServerRoom, values: dict[str, object], device: str, key: str) -> Job:
    from deltanas_mcp.wiring import check_dataset
    from deltanas_mcp.work.records import SearchArguments, checked
    from deltanas_mcp.work.search import check_search

    asked = checked(SearchArguments, **values)
    store = room.store()
    device = room.device(device)
    check_search(store, asked, device)
    check_dataset(asked.dataset)
    there = {each.name for each in store.baselines()}
    if missing := sorted(set(asked.baselines) - there):
        raise ConfigError(
            f"the store has no baseline {missing[0]!r}; it has {', '.join(sorted(there)) or 'none'}"
        )
    return room.submit(asked, owner=current_owner(), device=device, key=key)


def _tune(room: ServerRoom, values: dict[str, object], key: str) -> Job:
    from deltanas_mcp.wiring import check_dataset, search_config
    from deltanas_mcp.work.records import FinetuneArguments, checked

    asked = checked(FinetuneArguments, **values)
    config = search_config(room.store(), asked.run)
    if asked.measure_on is not None:
        check_dataset(asked.measure_on)
    device = room.model_device() if asked.model else config.model.local.device
    return room.submit(asked, owner=current_owner(), device=device, key=key)
