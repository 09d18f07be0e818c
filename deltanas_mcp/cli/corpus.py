"""Commands for what a proposer's language model is tuned on: corpus build, corpus show."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deltanas_mcp.cli.app import DEFAULT_STORE, StoreOption
from deltanas_mcp.cli.training import INTERRUPTED

if TYPE_CHECKING:
    from deltanas_tools.finetune_lora.corpus import Corpus, CorpusSettings, Pair

corpus = typer.Typer(
    help="Build and look at what a proposer's language model is tuned on.", no_args_is_help=True
)
FolderArgument = Annotated[Path, typer.Argument(help="Folder of the corpus.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(corpus, name="corpus")


@corpus.command()
def build(
    folder: FolderArgument,
    store: StoreOption = DEFAULT_STORE,
    kept: Annotated[
        int, typer.Option(min=0, help="At most so many kept deltas that were improvements.")
    ] = 1000,
    lemur: Annotated[
        int, typer.Option(min=0, help="At most so many neighbours among LEMUR's networks.")
    ] = 300,
    mutations: Annotated[int, typer.Option(min=0, help="At most so many random edits.")] = 300,
    held_out: Annotated[
        list[str] | None,
        typer.Option(help="Baseline that adapters are measured on; may be given several times."),
    ] = None,
    sample: Annotated[
        int, typer.Option(min=0, help="How many other networks are held out, drawn by the seed.")
    ] = 12,
    max_lines: Annotated[
        int, typer.Option(min=1, help="Lines of a parent, all of which are in the prompt.")
    ] = 120,
    max_delta_lines: Annotated[
        int, typer.Option(min=1, help="Lines of a delta, as a model writes it.")
    ] = 40,
    max_edits: Annotated[int, typer.Option(min=1, help="Edits of a mutation, at most.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Networks to build at once; one for each CPU.")
    ] = None,
) -> None:
    """Find pairs of networks, build them in the sandbox, and keep those that do something.

    A build that was stopped goes on when it is started again: what was built is kept in the cache.
    """
    from deltanas_agent.corpora import Cancelled, build_corpus
    from deltanas_mcp.cli.dataset_progress import dataset_progress
    from deltanas_mcp.folders import cache_folder
    from deltanas_mcp.settings import parse_measurement
    from deltanas_mcp.tuning import BUILDS
    from deltanas_mcp.wiring import open_workbench
    from deltanas_tools.finetune_lora.corpus import write_corpus

    wanted: dict[str, object] = {
        "store_pairs": kept,
        "lemur_pairs": lemur,
        "mutation_pairs": mutations,
        "held_out_sample": sample,
        "max_lines": max_lines,
        "max_delta_lines": max_delta_lines,
        "max_edits": max_edits,
        "seed": seed,
    }
    settings = _settings(wanted | ({"held_out": tuple(held_out)} if held_out else {}))
    places = ["cpu"] * (jobs or os.cpu_count() or 1)
    try:
        with open_workbench(store) as bench, dataset_progress() as progress:
            built = build_corpus(
                bench.catalogue,
                settings,
                bench.trainers(parse_measurement(), places),
                builds=cache_folder() / BUILDS,
                progress=progress,
            )
    except KeyboardInterrupt:
        typer.echo("Interrupted; the same command goes on.", err=True)
        raise typer.Exit(code=INTERRUPTED) from None
    assert not isinstance(built, Cancelled)
    write_corpus(built, folder)
    _print(built)


@corpus.command()
def show(
    folder: FolderArgument,
    pair: Annotated[
        int | None, typer.Option(min=1, help="Show this pair, counted from 1, and its delta.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the manifest, or the pair, as JSON.")
    ] = False,
) -> None:
    """Check a corpus, and say what is in it and where it comes from."""
    from deltanas_repo_store.errors import ConfigError
    from deltanas_tools.finetune_lora.corpus import read_corpus, read_manifest

    found = read_corpus(folder)
    if pair is not None:
        if pair > len(found.pairs):
            raise ConfigError(f"the corpus has {len(found.pairs)} pairs, and no pair {pair}")
        chosen = found.pairs[pair - 1]
        typer.echo(chosen.model_dump_json(indent=2) if as_json else _pair(chosen))
    elif as_json:
        typer.echo(read_manifest(folder).model_dump_json(indent=2))
    else:
        _print(found)


def _settings(values: dict[str, object]) -> "CorpusSettings":
    from pydantic import ValidationError

    from deltanas_repo_store.errors import ConfigError
    from deltanas_tools.finetune_lora.corpus import CorpusSettings

    try:
        return CorpusSettings.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"])
        raise ConfigError(f"no such corpus can be built: {key}: {problem['msg']}") from error


def _print(corpus: "Corpus") -> None:
    apart = len(corpus.to_measure)
    typer.echo(f"{len(corpus.to_train)} pairs to train on, {apart} held out · {corpus.digest[:12]}")
    for source, left_out in corpus.provenance.left_out.items():
        pairs = [pair for pair in corpus.pairs if pair.source == source]
        gains = sorted(pair.gain for pair in pairs if pair.gain is not None)
        median = f", gain {gains[len(gains) // 2]:+.3f} (median)" if gains else ""
        typer.echo(f"{source}: {len(pairs)}{median}")
        if pairs:
            typer.echo(f"  families: {_counts(pair.family for pair in pairs)}")
            typer.echo(f"  data sets: {_counts(pair.dataset for pair in pairs)}")
        if left_out:
            typer.echo(f"  left out: {_counts(Counter(left_out).elements())}")
    typer.echo(f"held-out networks: {', '.join(each.name for each in corpus.held_out) or 'none'}")


def _counts(values: Iterable[str]) -> str:
    return ", ".join(f"{value} {count}" for value, count in Counter(values).most_common())


def _pair(pair: "Pair") -> str:
    from deltanas_repo_store.delta import render_delta

    measured = ""
    if pair.gain is not None:
        measured = (
            f" · {pair.dataset} {pair.parent_accuracy:.4f} -> {pair.child_accuracy:.4f} "
            f"({pair.compared})"
        )
    head = f"{pair.source}: {pair.parent_name} -> {pair.child_name or pair.summary}{measured}"
    return f"{head}\n{render_delta(pair.parent.source, pair.child)}"
