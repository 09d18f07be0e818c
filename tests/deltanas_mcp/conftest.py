"""A workbench on a real store with two small baselines."""

import shutil
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from mcp.server import MCPServer

from deltanas_mcp import wiring
from deltanas_mcp.jobs import Jobs
from deltanas_mcp.jobs.locks import try_lock
from deltanas_mcp.jobs.table import JobTable
from deltanas_mcp.server import ServerSettings, build_server
from deltanas_mcp.wiring import Workbench, open_store
from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.repository.git import create_repository
from deltanas_tools.sandbox import Completed, Failed, Sandbox
from tests.deltanas_mcp.calls import Era


@pytest.fixture(autouse=True)
def isolated(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELTANAS_CACHE", str(cache))
    monkeypatch.delenv("DELTANAS_STORE", raising=False)
    monkeypatch.delenv("DELTANAS_DATA", raising=False)
    monkeypatch.setenv("COLUMNS", "200")


class Lent(Sandbox):
    """The session's warm sandbox, in the hands of a command that means to end it."""

    def __init__(self, warm: Sandbox) -> None:
        super().__init__()
        self._warm = warm

    @property
    def isolation(self) -> str:
        return self._warm.isolation

    def run(self, *arguments: Any, **options: Any) -> Completed | Failed:
        return self._warm.run(*arguments, **options)


@pytest.fixture(autouse=True)
def warm_commands(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have commands that are called in this process not start a server each."""
    monkeypatch.setattr(wiring, "Sandbox", lambda back_end, *, cuda=False: Lent(sandbox))


@pytest.fixture
def store_path(tmp_path: Path) -> Generator[Path]:
    """A store with two baselines that train in a second; its workers end when it is gone."""
    path = tmp_path / "store"
    create_repository(path)
    shipped = baselines()
    with open_store(path) as store:
        for name in ("shuffle-net", "plain-cnn"):
            store.import_baseline(name, shipped[name])
    yield path
    shutil.rmtree(path)


@pytest.fixture
def bench(store_path: Path, sandbox: Sandbox) -> Generator[Workbench]:
    with open_store(store_path) as store, ExitStack() as opened:
        yield Workbench(store, opened, {("auto", False): sandbox})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["auto", "legacy"])
def era(request: pytest.FixtureRequest) -> Era:
    return "auto" if request.param == "auto" else "legacy"


@pytest.fixture
def server(store_path: Path) -> MCPServer:
    """The real server, in memory, over a store with two baselines."""
    return build_server(ServerSettings(store=store_path))


@pytest.fixture
def queued_jobs(store_path: Path) -> Generator[Jobs]:
    """The store's jobs, which stay queued: nobody may work while this test has the role."""
    role = try_lock(JobTable(store_path).role("cpu"))
    assert role is not None
    yield Jobs(store_path)
    role.release()


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language model of a real class, tiny and random, as a user has one."""
    # They import torch and transformers, which few of these tests need.
    import torch

    from tests.tools.finetune_lora.tiny_models import llama_config, tiny_model

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    config = llama_config()
    config.max_position_embeddings = 8192
    made = tiny_model(config)
    made.model.save_pretrained(folder)
    made.tokenizer.save_pretrained(folder)
    return folder
