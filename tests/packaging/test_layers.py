"""The rules of the house: who may import whom, and what stays out of light paths."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = {
    "deltanas_repo_store": ROOT / "repo_store" / "deltanas_repo_store",
    "deltanas_tools": ROOT / "tools" / "deltanas_tools",
    "deltanas_agent": ROOT / "agent" / "deltanas_agent",
    "deltanas_mcp": ROOT / "deltanas_mcp",
}
OPERATIONS = ("propose_delta", "apply_patch", "novelty_check", "train_one_epoch", "finetune_lora")
HEAVY = ("torch", "torchvision", "sklearn", "datasketch", "transformers", "mcp", "git", "numpy")


def imports(path: Path) -> set[str]:
    """Every module that a file imports, at its top or within."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("floor", FLOORS)
def test_no_package_imports_one_above_it(floor: str) -> None:
    order = list(FLOORS)
    above = tuple(f"{name}." for name in order[order.index(floor) + 1 :])
    for path in FLOORS[floor].rglob("*.py"):
        upward = (
            {name for name in imports(path) if f"{name}.".startswith(above)} if above else set()
        )
        assert not upward, f"{path.relative_to(ROOT)} reaches up: {sorted(upward)}"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_five_operations_do_not_import_each_other(operation: str) -> None:
    others = tuple(f"deltanas_tools.{name}." for name in OPERATIONS if name != operation)
    for path in (FLOORS["deltanas_tools"] / operation).rglob("*.py"):
        sideways = {name for name in imports(path) if f"{name}.".startswith(others)}
        assert not sideways, f"{path.relative_to(ROOT)} reaches sideways: {sorted(sideways)}"


def loaded_by(program: str) -> set[str]:
    """The top-level modules that a fresh process has after running ``program``."""
    report = f"{program}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    result = subprocess.run(
        [sys.executable, "-c", report], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(result.stdout.split("\n")[-2].split())


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import deltanas_mcp.cli\n"
        "try:\n    deltanas_mcp.cli.app(['--help'])\nexcept SystemExit:\n    pass"
    )
    assert not loaded_by(program) & {*HEAVY, "pydantic"}


@pytest.mark.parametrize("module", ["deltanas_mcp.server", "deltanas_mcp.jobs.worker"])
def test_servers_and_workers_load_only_what_they_need_to_begin(module: str) -> None:
    heavy = {"torch", "numpy", "git", "scipy", "datasketch", "transformers", "ray"}
    assert not loaded_by(f"import {module}") & heavy


@pytest.mark.parametrize(
    "module",
    [
        "deltanas_mcp.server",
        "deltanas_agent.loop",
        "deltanas_tools.sandbox",
        "deltanas_tools.checks",
        "deltanas_tools.datasets",
        "deltanas_tools.train_one_epoch",
        "deltanas_tools.propose_delta.mutation",
    ],
)
def test_torch_stays_out_of_everything_but_the_sandbox(module: str) -> None:
    assert not loaded_by(f"import {module}") & {"torch", "torchvision", "sklearn", "transformers"}
