"""Measure what an edit takes to write down: as a compact delta, as a diff, as the whole file.

Over the pairs of a corpus. Run it from the repository root, where the project is installed:

    deltanas corpus build CORPUS ...     # docs/corpus.md
    python -m benchmarks.answer_lengths CORPUS --model FOLDER

Tokens are those of the tokenizer in a model's folder. *Saved* is against the whole file, pair by
pair: tenth percentile, median, ninetieth percentile.
"""

import argparse
import statistics
from pathlib import Path

from rich.console import Console
from rich.table import Table
from transformers import AutoTokenizer

from deltanas_repo_store.delta import render_delta
from deltanas_tools.delta_grammar import DeltaGrammar
from deltanas_tools.finetune_lora.corpus import Pair, read_corpus

FORMS = ("compact delta", "unified diff, 3 lines of context", "whole file")


def texts_of(pair: Pair) -> dict[str, str]:
    """Return the answer that each form needs for an edit."""
    source = pair.parent.source
    compact = DeltaGrammar.of(source).write(pair.child)
    return dict(zip(FORMS, (compact, render_delta(source, pair.child), pair.child), strict=True))


def row_of(tokens: list[int], lines: list[int], whole: list[int]) -> list[str]:
    """Lay out one form: means, and what is saved of the whole file."""
    saved = [100 * (1 - part / all_of) for part, all_of in zip(tokens, whole, strict=True)]
    tenths = statistics.quantiles(saved, n=10, method="inclusive")
    spread = f"{tenths[0]:.0f} {statistics.median(saved):.0f} {tenths[-1]:.0f} %"
    return [f"{statistics.fmean(tokens):.0f}", f"{statistics.fmean(lines):.1f}", spread]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what an edit takes to write down.")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--model", required=True, help="folder of the tokenizer")
    arguments = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    pairs = read_corpus(arguments.corpus).pairs
    table = Table(title=f"{len(pairs)} edits, means")
    for column in ("form", "tokens", "lines", "saved"):
        table.add_column(column, justify="left" if column == "form" else "right")
    texts = [texts_of(pair) for pair in pairs]
    counts = {form: [len(tokenizer.encode(each[form])) for each in texts] for form in FORMS}
    for form in FORMS:
        lines = [len(each[form].splitlines()) for each in texts]
        table.add_row(form, *row_of(counts[form], lines, counts["whole file"]))
    Console().print(table)


if __name__ == "__main__":
    main()
