"""Measure the delta grammar: its size, what compiling it costs, and what a token costs under it.

Run it from the repository root, where the project is installed, with a folder that has a model's
tokenizer (``tokenizer.json``, or one GGUF file):

    python -m benchmarks.delta_grammar ~/models/smollm2
    python -m benchmarks.delta_grammar ~/models/smollm2 --source net.py      # that file alone
    python -m benchmarks.delta_grammar ~/models/smollm2 --xgrammar-lines 0   # without xgrammar

The sources are baselines, one below the other until there are so many lines. They repeat one
another more than a network repeats itself, so that the longer ones have more rules a line.

*Rules*: of the grammar, per line of the source. *Write*: from the source to the grammar's text for
llguidance. *Compile*: from that text to its matcher; the sum of both is what one parent costs.
*xgrammar*: its compiler, in one thread. *Mask*: which tokens may follow, as llguidance answers it
for each token of real deltas: mutations of the source, as the mutation proposer makes them.
*Advance*: what taking the token costs it. All times are CPU time; of the compilations, the median.
"""

import argparse
import platform
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import llguidance
import llguidance.hf
import llguidance.numpy
import xgrammar
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table
from transformers import AutoTokenizer

from deltanas_repo_store.baselines import baselines
from deltanas_tools.delta_grammar import DeltaGrammar
from deltanas_tools.delta_grammar.rules import rules_of
from deltanas_tools.propose_delta.mutation.proposer import mutate

SIZES = (70, 250, 1000)
ITEMS_PER_LINE = 4
"""For `LLParserLimits`; the parser holds three."""


@dataclass
class Costs:
    """What one source gave."""

    lines: int
    rules: int
    write: float
    """Milliseconds, as all but those of the tokens."""
    compile: float
    xgrammar: float | None
    masks: list[float] = field(default_factory=list)
    """Microseconds for each token."""
    advances: list[float] = field(default_factory=list)


def tokenizer_of(folder: Path) -> Any:
    """Load the tokenizer in a folder."""
    files = sorted(folder.glob("*.gguf"))
    if files and not (folder / "tokenizer.json").exists():
        return AutoTokenizer.from_pretrained(folder, gguf_file=files[0].name)
    return AutoTokenizer.from_pretrained(folder)


def source_of(num_lines: int) -> str:
    """Return baselines one below the other, of about so many lines."""
    text = ""
    for each in baselines().values():
        if text and text.count("\n") + each.source.count("\n") > num_lines * 1.1:
            break
        text += each.source
    return text


def cpu_ms(call: Callable[[], object]) -> float:
    """Return the CPU time of a call."""
    started = time.process_time()
    call()
    return (time.process_time() - started) * 1000


def deltas_of(grammar: DeltaGrammar, count: int) -> list[str]:
    """Return the deltas of mutations of the source."""
    rng = random.Random(0)
    mutants = (mutate(grammar.source, 3, rng)[0] for _ in range(count))
    return [grammar.write(each) for each in mutants if each != grammar.source]


def measure(source: str, tokenizer: Any, options: argparse.Namespace) -> Costs:
    """Compile the grammar of a source, and decode its deltas."""
    num_lines = source.count("\n")
    vocabulary = llguidance.hf.from_tokenizer(tokenizer)
    limits = llguidance.LLParserLimits(max_items_in_row=max(2000, num_lines * ITEMS_PER_LINE))
    writing, compiling = [], []
    for _ in range(options.rounds):
        writing.append(cpu_ms(lambda: DeltaGrammar.of(source).lark()))
        text = DeltaGrammar.of(source).lark()
        compiling.append(
            cpu_ms(lambda text=text: llguidance.LLMatcher(vocabulary, text, limits=limits))  # type: ignore[misc]
        )
    grammar = DeltaGrammar.of(source)
    costs = Costs(
        num_lines,
        len(rules_of(grammar._automaton).ways),
        statistics.median(writing),
        statistics.median(compiling),
        by_xgrammar(grammar, tokenizer) if num_lines <= options.xgrammar_lines else None,
    )
    matcher = llguidance.LLMatcher(vocabulary, grammar.lark(), limits=limits)
    mask = llguidance.numpy.allocate_token_bitmask(1, vocabulary.vocab_size)
    for delta in track(deltas_of(grammar, options.deltas), f"{num_lines} lines"):
        tokens = tokenizer.encode(delta, add_special_tokens=False)
        decode(matcher.deep_copy(), mask, tokens, costs)
    return costs


def by_xgrammar(grammar: DeltaGrammar, tokenizer: Any) -> float:
    """Return what xgrammar's compiler costs."""
    info = xgrammar.TokenizerInfo.from_huggingface(tokenizer)
    compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)
    return cpu_ms(lambda: compiler.compile_grammar(grammar.ebnf()))


def decode(matcher: Any, mask: Any, tokens: Sequence[int], costs: Costs) -> None:
    """Ask for the mask before each token, and take it."""
    for token in tokens:
        costs.masks.append(
            1000 * cpu_ms(lambda: llguidance.numpy.fill_next_token_bitmask(matcher, mask))
        )
        if not mask[0, token // 32] >> (token % 32) & 1:
            raise AssertionError(f"token {token} of a delta is masked: {matcher.get_error()}")
        costs.advances.append(1000 * cpu_ms(lambda token=token: matcher.consume_token(token)))  # type: ignore[misc]
    if not matcher.is_accepting():
        raise AssertionError("a delta may not end where it does")


def table_of(results: Sequence[Costs], title: str) -> Table:
    """Lay out the costs."""
    table = Table(title=title, box=box.MARKDOWN)
    columns = ("lines", "rules", "write ms", "compile ms", "xgrammar ms", "tokens")
    for column in (*columns, "mask µs: p50", "p95", "mean", "advance µs: p50", "p95"):
        table.add_column(column, justify="right")
    for each in results:
        table.add_row(
            f"{each.lines:,}",
            f"{each.rules / each.lines:.1f}",
            f"{each.write:.1f}",
            f"{each.compile:.1f}",
            "" if each.xgrammar is None else f"{each.xgrammar:,.0f}",
            f"{len(each.masks):,}",
            f"{statistics.median(each.masks):.0f}",
            f"{statistics.quantiles(each.masks, n=20)[-1]:.0f}",
            f"{statistics.mean(each.masks):.0f}",
            f"{statistics.median(each.advances):.0f}",
            f"{statistics.quantiles(each.advances, n=20)[-1]:.0f}",
        )
    return table


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("tokenizer", type=Path, help="folder of a model or its tokenizer")
    parser.add_argument("--source", type=Path, help="measure this file instead of the baselines")
    parser.add_argument("--deltas", type=int, default=40, help="mutations of each source")
    parser.add_argument("--rounds", type=int, default=9, help="of the compilations")
    parser.add_argument(
        "--xgrammar-lines", type=int, default=300, help="longest source for xgrammar; 0: none"
    )
    options = parser.parse_args()
    tokenizer = tokenizer_of(options.tokenizer)
    sources = [source_of(size) for size in SIZES]
    if options.source:
        sources = [options.source.read_bytes().decode()]
    results = [measure(each, tokenizer, options) for each in sources]
    title = (
        f"Delta grammar, {len(tokenizer):,} tokens; Python {platform.python_version()}, "
        f"llguidance {version('llguidance')}, xgrammar {version('xgrammar')}, "
        f"{platform.machine()}"
    )
    Console(width=140).print(table_of(results, title))


if __name__ == "__main__":
    main()
