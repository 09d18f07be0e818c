"""Measure how far a language model's answers come, by format, with and without an adapter.

Over the held-out networks of a corpus, which no adapter of it was trained on. Run it from the
repository root, where the project is installed:

    deltanas corpus build CORPUS ...     # docs/corpus.md
    python -m benchmarks.proposers try CORPUS --model smollm2 --answer delta --out a.jsonl
    python -m benchmarks.proposers try CORPUS --model smollm2 --adapter DIR --out b.jsonl
    python -m benchmarks.proposers table a.jsonl b.jsonl

``try`` goes on where it was stopped. Every arm gets the same networks and seeds. *Fits*: its lines
have their places in the parent. *Applied*: and what it makes is Python. *Ran*: and builds in the
sandbox and runs forward at the size that the parent was built at. *Effective*: and computes
something else than its parent. First answers alone; nothing is trained. Shares have 95 % intervals
(Wilson), which take answers as independent: those about one network are not.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from deltanas_agent.config import Model, RunConfig
from deltanas_agent.finetuning import briefs_of
from deltanas_agent.rates import STEPS, Funnel, wilson
from deltanas_agent.trial import EFFECTIVE, Trial, Tried, funnel
from deltanas_mcp.tuning import TRIAL_LIMITS
from deltanas_mcp.wiring import open_workbench
from deltanas_repo_store.repository.git import create_repository
from deltanas_tools.finetune_lora.corpus.files import read_corpus
from deltanas_tools.language_models.records import ModelSpec, Sampling
from deltanas_tools.sandbox import Sandbox


def config_of(arguments: argparse.Namespace) -> RunConfig:
    """Return the run whose proposer is tried."""
    model = Model(
        local=ModelSpec(model=arguments.model, adapter=arguments.adapter),
        answer=arguments.answer,
        batch=arguments.batch,
        redraws=arguments.redraws,
        sampling=Sampling(temperature=arguments.temperature, max_new_tokens=arguments.tokens),
    )
    return RunConfig(proposer=arguments.proposer, model=model)


def try_all(arguments: argparse.Namespace, console: Console) -> None:
    """Append what becomes of the answers to a file."""
    torch.set_num_threads(arguments.threads)
    there = read(arguments.out) if arguments.out.exists() else []
    done = {each.name for each in there}
    briefs = {
        name: brief
        for name, brief in briefs_of(read_corpus(arguments.corpus)).items()
        if name not in done
    }
    scratch = arguments.out.with_suffix(".store")
    if not scratch.exists():
        create_repository(scratch)
    started, name, rows = time.monotonic(), "", list[Tried]()
    with open_workbench(scratch) as bench, Sandbox() as sandbox:
        proposer = bench.proposer(config_of(arguments))
        trial = Trial(briefs, arguments.answers, sandbox, TRIAL_LIMITS)
        for each in trial.run(proposer):
            if each.name != name:
                write(arguments.out, rows)
                name, rows = each.name, []
            rows.append(each)
            console.print(
                f"{time.monotonic() - started:6.0f} s  {each.name[:24]:<24} "
                f"{each.stage or 'effective'} {each.code}",
                highlight=False,
            )
    write(arguments.out, rows)


def write(path: Path, rows: list[Tried]) -> None:
    """Append the answers about one network, all of them or none."""
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(f"{each.model_dump_json()}\n" for each in rows))


def read(path: Path) -> list[Tried]:
    """Read what became of the answers."""
    return [Tried.model_validate_json(line) for line in path.read_text("utf-8").splitlines()]


def table_of(paths: list[Path]) -> Table:
    """Lay out the arms, one a row."""
    table = Table(title="First answers over held-out networks, 95 % intervals")
    columns = ("arm", "answers", "fits", *STEPS[1 : EFFECTIVE + 1], "tokens", "lines")
    for column in columns:
        table.add_column(column, justify="left" if column == "arm" else "right")
    for path in paths:
        rows = read(path)
        found = funnel(rows)
        cells = [share(sum(fits(each) for each in rows), len(rows))]
        cells += [share(getattr(found, step), len(rows)) for step in STEPS[1 : EFFECTIVE + 1]]
        tokens = statistics.fmean(each.output_tokens for each in rows)
        lines = statistics.fmean(each.output_lines for each in rows)
        table.add_row(path.stem, str(len(rows)), *cells, f"{tokens:.0f}", f"{lines:.1f}")
    return table


def fits(tried: Tried) -> bool:
    """Tell whether the lines of an answer have their places in the parent, whatever it makes."""
    return tried.stage != "patch" or tried.code in ("syntax", "placeholder")


def share(count: int, of: int) -> str:
    """Write a share with its interval, in per cent."""
    low, high = wilson(count, of)
    return f"{100 * count / of:.0f} [{100 * low:.0f}, {100 * high:.0f}]"


def faults(paths: list[Path]) -> dict[str, dict[str, int]]:
    """Count the gates that closed, by arm."""
    counts: dict[str, dict[str, int]] = {}
    for path in paths:
        codes = [f"{each.stage}: {each.code}" for each in read(path) if each.stage]
        counts[path.stem] = {code: codes.count(code) for code in sorted(set(codes))}
    return counts


def per_token(found: Funnel, tokens: float) -> float:
    """Return effective answers for each thousand tokens written."""
    return 1000 * found.effective / tokens if tokens else 0.0


def main() -> None:
    """Try, or print."""
    parser = argparse.ArgumentParser(description="Measure how far a model's answers come.")
    commands = parser.add_subparsers(dest="command", required=True)
    trying = commands.add_parser("try")
    trying.add_argument("corpus", type=Path)
    trying.add_argument("--proposer", default="transformers", help="mutation, transformers, full")
    trying.add_argument("--model", default="smollm2")
    trying.add_argument("--adapter", type=Path)
    trying.add_argument("--answer", default="delta")
    trying.add_argument("--answers", type=int, default=8, help="for each network")
    trying.add_argument("--batch", type=int, default=8)
    trying.add_argument("--redraws", type=int, default=0, help="of an answer that is not sound")
    trying.add_argument("--tokens", type=int, default=256, help="of an answer, at most")
    trying.add_argument("--temperature", type=float, default=0.35)
    trying.add_argument("--threads", type=int, default=1)
    trying.add_argument("--out", type=Path, required=True)
    printing = commands.add_parser("table")
    printing.add_argument("files", type=Path, nargs="+")
    arguments = parser.parse_args()
    console = Console(width=130)
    if arguments.command == "try":
        try_all(arguments, console)
        return
    console.print(table_of(arguments.files))
    for path in arguments.files:
        rows = read(path)
        rate = per_token(funnel(rows), sum(each.output_tokens for each in rows))
        console.print(f"{path.stem}: {rate:.1f} effective answers for each 1,000 tokens")
    console.print_json(json.dumps(faults(arguments.files)))


if __name__ == "__main__":
    main()
