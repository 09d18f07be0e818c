"""Measure what becomes of mutations of the baselines: built, run, effective, far from the parent.

Run it from the repository root, where the project is installed:

    python -m benchmarks.mutation_funnel                # about two minutes on one core
    python -m benchmarks.mutation_funnel --deltas 5     # fewer deltas for each baseline
    python -m benchmarks.mutation_funnel --sources DIR  # other networks: every *.py in a folder

The first table applies single edits, up to `--edits` of each operator to each network; the second
whole deltas of the proposer. *Runs*: the network builds for ``(4, 1, 28, 28)`` and 10 classes,
gives logits of shape ``(4, 10)`` and finite gradients on the CPU. *Effective*: the operations that
PyTorch dispatches in one forward pass, with their scalar arguments and shapes, differ from the
parent's; shown for training and for evaluation, where a dropout is no operation. *Novel*: the
Jaccard similarity to the parent, over shingles of 7 tokens, is below 0.90; *novel in store*: also
to every earlier delta of the same parent that was novel itself.

The mutants run in this process, without a sandbox: they consist of the baselines and of this
project's own code.
"""

import argparse
import platform
import random
import statistics
import types
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch.utils._python_dispatch import TorchDispatchMode

from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.records import Architecture, HParams
from deltanas_tools.apply_patch import Applied, apply
from deltanas_tools.brief import Brief
from deltanas_tools.novelty_check.shingles import shingles
from deltanas_tools.propose_delta.mutation import OPERATORS, MutationProposer
from deltanas_tools.propose_delta.mutation.network import Network
from deltanas_tools.propose_delta.mutation.source import apply_changes
from deltanas_tools.propose_delta.port import Request

IN_SHAPE = (4, 1, 28, 28)
NUM_CLASSES = 10
NOVEL_BELOW = 0.90
DEFAULT_HPARAMS: HParams = {"lr": 0.01, "momentum": 0.9, "dropout": 0.1, "batch": 4}

Trace = tuple[tuple[Any, ...], ...]


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the operations that run under it: names, scalar arguments, shapes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[tuple[Any, ...]] = []

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[Any],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run the operation and note it."""
        result = func(*args, **(kwargs or {}))
        self.operations.append((str(func), _facts(args), _facts(kwargs or {}), _facts(result)))
        return result


def _facts(value: Any) -> Any:
    """Return what of an argument belongs in a trace."""
    if isinstance(value, torch.Tensor):
        return tuple(value.shape)
    if isinstance(value, list | tuple):
        return tuple(map(_facts, value))
    if isinstance(value, dict):
        return tuple((key, _facts(item)) for key, item in value.items())
    return value if isinstance(value, int | float | bool | str | None) else ""


@dataclass(frozen=True)
class Check:
    """How far a mutant came."""

    fault: str
    """Empty where the network runs."""
    training: Trace = ()
    evaluation: Trace = ()


def check(architecture: Architecture) -> Check:
    """Build a network, run it forward and backward, and trace it."""
    module = types.ModuleType("candidate")
    images = torch.randn(IN_SHAPE, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    try:
        exec(compile(architecture.source, "net.py", "exec"), module.__dict__)
        net = module.Net(IN_SHAPE, (NUM_CLASSES,), dict(architecture.hparams), torch.device("cpu"))
        training = _trace(net, images)
        logits = net(images)
        logits.square().mean().backward()
        evaluation = _trace(net.eval(), images)
    except Exception as error:  # a mutant may fail in any way, and each is a count in the table
        return Check(f"{type(error).__name__}: {error}")
    if logits.shape != (IN_SHAPE[0], NUM_CLASSES):
        return Check(f"logits of shape {tuple(logits.shape)}")
    gradients = [weight.grad for weight in net.parameters() if weight.grad is not None]
    if not all(bool(gradient.isfinite().all()) for gradient in gradients):
        return Check("gradients that are not finite")
    return Check("", training, evaluation)


def _trace(net: torch.nn.Module, images: torch.Tensor) -> Trace:
    torch.manual_seed(0)
    with torch.no_grad(), Recorder() as recorder:
        net(images)
    return tuple(recorder.operations)


def fault_of(mutant: Check, parent: Check) -> str:
    """Say what is wrong with a mutant; nothing where it runs and computes something else."""
    if not mutant.fault and mutant.training == parent.training:
        return "computes the same"
    return mutant.fault[:150]


def similarity(first: frozenset[str], second: frozenset[str]) -> float:
    """Return the exact Jaccard similarity of two sets of shingles."""
    return len(first & second) / len(first | second)


@dataclass
class Funnel:
    """Counts of one row of a table."""

    sites: int = 0
    tried: int = 0
    runs: int = 0
    effective: int = 0
    effective_in_evaluation: int = 0

    def add(self, mutant: Check, parent: Check) -> None:
        """Count a mutant."""
        self.tried += 1
        self.runs += not mutant.fault
        if not mutant.fault:
            self.effective += mutant.training != parent.training
            self.effective_in_evaluation += mutant.evaluation != parent.evaluation


def measure_operators(
    networks: Mapping[str, Architecture], num_edits: int, faults: Counter[str]
) -> dict[str, Funnel]:
    """Apply single edits of each operator to each network."""
    funnels = {operator.name: Funnel() for operator in OPERATORS}
    for name, parent in networks.items():
        parent_check, network = check(parent), Network(parent.source)
        for operator in OPERATORS:
            edits = list(operator.edits(network))
            funnels[operator.name].sites += bool(edits)
            rng = random.Random(f"{name} {operator.name}")
            for edit in rng.sample(edits, min(num_edits, len(edits))):
                source = apply_changes(parent.source, edit.changes)
                mutant = check(parent.model_copy(update={"source": source}))
                funnels[operator.name].add(mutant, parent_check)
                if fault := fault_of(mutant, parent_check):
                    faults[f"{operator.name} | {name} | {edit.summary} | {fault}"] += 1
    return funnels


@dataclass
class Deltas:
    """What became of the deltas of one network."""

    funnel: Funnel
    similarities: list[float]
    novel: int = 0
    novel_in_store: int = 0


def measure_deltas(
    networks: Mapping[str, Architecture], num_deltas: int, faults: Counter[str]
) -> dict[str, Deltas]:
    """Propose deltas for each network, as first attempts."""
    proposer = MutationProposer()
    measured = {}
    for index, (name, parent) in enumerate(networks.items()):
        start = index * num_deltas  # a seed gives every network the same number of edits
        brief = Brief(parent=parent, dataset="mnist", in_shape=IN_SHAPE, num_classes=NUM_CLASSES)
        parent_check, own = check(parent), shingles(parent.source)
        store = [own]
        deltas = measured[name] = Deltas(Funnel(), [])
        for seed in range(start, start + num_deltas):
            [proposal] = proposer.propose([Request(brief=brief, seed=seed)])
            applied = apply(parent.source, proposal.answer)
            assert isinstance(applied, Applied), applied
            mutant = check(parent.model_copy(update={"source": applied.text}))
            deltas.funnel.add(mutant, parent_check)
            if fault := fault_of(mutant, parent_check):
                faults[f"delta {seed} | {name} | {proposal.summary} | {fault}"] += 1
            new = shingles(applied.text)
            deltas.similarities.append(similarity(own, new))
            deltas.novel += similarity(own, new) < NOVEL_BELOW
            if all(similarity(earlier, new) < NOVEL_BELOW for earlier in store):
                deltas.novel_in_store += 1
                store.append(new)
    return measured


def share(part: int, whole: int) -> str:
    """Write a share in per cent."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def operator_table(funnels: Mapping[str, Funnel], num_networks: int) -> Table:
    """Lay out the funnels of the operators."""
    table = Table(title=f"Single edits of {num_networks} networks")
    for column in ("operator", "has a site", "edits", "runs", "effective", "in evaluation"):
        table.add_column(column, justify="left" if column == "operator" else "right")
    for name, funnel in funnels.items():
        table.add_row(
            name,
            f"{funnel.sites}/{num_networks}",
            str(funnel.tried),
            share(funnel.runs, funnel.tried),
            share(funnel.effective, funnel.runs),
            share(funnel.effective_in_evaluation, funnel.runs),
        )
    return table


def delta_table(measured: Mapping[str, Deltas]) -> Table:
    """Lay out what became of the deltas, a network a row, and all of them in the last."""
    total = Deltas(Funnel(), [])
    for deltas in measured.values():
        total.similarities += deltas.similarities
        total.novel += deltas.novel
        total.novel_in_store += deltas.novel_in_store
        total.funnel.tried += deltas.funnel.tried
        total.funnel.runs += deltas.funnel.runs
        total.funnel.effective += deltas.funnel.effective
        total.funnel.effective_in_evaluation += deltas.funnel.effective_in_evaluation
    table = Table(title="Deltas of the proposer, first attempts")
    columns = ("runs", "effective", "in evaluation", "novel", "novel in store", "similarity")
    for column in ("network", "deltas", *columns):
        table.add_column(column, justify="left" if column == "network" else "right")
    for name, deltas in (*measured.items(), ("all", total)):
        tenths = statistics.quantiles(deltas.similarities, n=10, method="inclusive")
        table.add_row(
            name,
            str(deltas.funnel.tried),
            share(deltas.funnel.runs, deltas.funnel.tried),
            share(deltas.funnel.effective, deltas.funnel.runs),
            share(deltas.funnel.effective_in_evaluation, deltas.funnel.runs),
            share(deltas.novel, deltas.funnel.tried),
            share(deltas.novel_in_store, deltas.funnel.tried),
            f"{tenths[0]:.2f} {statistics.median(deltas.similarities):.2f} {tenths[-1]:.2f}",
        )
    table.caption = "similarity: tenth percentile, median, ninetieth percentile"
    return table


def networks_in(folder: Path | None) -> dict[str, Architecture]:
    """Read the baselines, or the networks of a folder that run as they are."""
    if folder is None:
        return baselines()
    found = {
        path.stem: Architecture(source=path.read_text("utf-8"), hparams=DEFAULT_HPARAMS)
        for path in sorted(folder.glob("*.py"))
    }
    return {name: network for name, network in found.items() if not check(network).fault}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what becomes of mutations.")
    parser.add_argument("--edits", type=int, default=6, help="of each operator on each network")
    parser.add_argument("--deltas", type=int, default=25, help="for each network")
    parser.add_argument("--sources", type=Path, help="a folder of networks to use instead")
    parser.add_argument("--faults", action="store_true", help="list the mutants at fault")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(width=110)
    networks = networks_in(arguments.sources)
    faults: Counter[str] = Counter()
    console.print(f"Python {platform.python_version()}, torch {torch.__version__}, CPU")
    if arguments.edits:
        funnels = measure_operators(networks, arguments.edits, faults)
        console.print(operator_table(funnels, len(networks)))
    console.print(delta_table(measure_deltas(networks, arguments.deltas, faults)))
    if arguments.faults:
        for fault in sorted(faults):
            console.print(fault, soft_wrap=True, markup=False, highlight=False)


if __name__ == "__main__":
    main()
