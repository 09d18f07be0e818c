"""What holds for any parent, any delta of its grammar, and any edit."""

import difflib
import random
from collections.abc import Callable

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from deltanas_repo_store.delta import render_delta, split_lines
from deltanas_repo_store.errors import PatchError
from deltanas_tools.apply_patch import NO_GATES, Applied, apply
from deltanas_tools.delta_grammar import DeltaGrammar, editable
from deltanas_tools.delta_grammar.rules import rules_of
from tests.tools.delta_grammar.walks import (
    BASELINES,
    any_parent,
    edited,
    hurt,
    small_parent,
    walk,
)

PROPERTY = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
seeds = st.integers(0, 2**32)


def outcome(change: Callable[[str], str], text: str) -> str | PatchError:
    """What reading or writing a text ends in."""
    try:
        return change(text)
    except PatchError as error:
        return error


def frozen_texts(source: str) -> list[str]:
    """The frozen functions of a source."""
    lines = split_lines(source)
    return ["".join(lines[span.start : span.stop]) for span in editable(source).frozen]


def assert_applies(parent: str, after: str) -> None:
    """The recorded delta is strictly right, and changes what may change."""
    assert after != parent
    applied = apply(parent, render_delta(parent, after), gates=NO_GATES)
    assert isinstance(applied, Applied)
    assert (applied.text, applied.relaxations) == (after, ())
    assert all(text.strip() in after for text in frozen_texts(parent))


@given(seed=seeds, context=st.integers(1, 3))
@PROPERTY
def test_every_delta_of_the_grammar_applies_strictly(seed: int, context: int) -> None:
    rng = random.Random(seed)
    parent = any_parent(rng)
    grammar = DeltaGrammar.of(parent, context=context)

    for _ in range(3):
        text = walk(grammar, rng)
        after = outcome(grammar.read, text)
        if isinstance(after, PatchError):
            # What the grammars for decoders cannot know.
            assert after.code in ("no-op", "frozen")
        else:
            assert_applies(parent, after)
            assert grammar.cut(text) == text


@given(seed=seeds, context=st.integers(1, 3), share=st.sampled_from([0.02, 0.1, 0.3]))
@PROPERTY
def test_what_is_written_for_an_edit_reads_as_that_edit(
    seed: int, context: int, share: float
) -> None:
    rng = random.Random(seed)
    parent = any_parent(rng)
    after = edited(parent, rng, share)
    assume(after != parent)
    grammar = DeltaGrammar.of(parent, context=context)
    text = outcome(grammar.write, after)
    if isinstance(text, PatchError):
        # Code that fell to a frozen function, since a line above it was removed.
        assert text.code == "frozen"
        assert frozen_texts(parent)
    else:
        assert grammar.read(text) == after
        assert_applies(parent, after)


@given(seed=seeds)
@PROPERTY
def test_each_beginning_is_cut_to_a_delta(seed: int) -> None:
    rng = random.Random(seed)
    grammar = DeltaGrammar.of(small_parent(rng))
    text = walk(grammar, rng)
    beginning = text[: rng.randint(0, len(text))]

    cut = grammar.cut(beginning)

    lines = split_lines(beginning)
    deltas = ["".join(lines[:end]) for end in range(len(lines) + 1)]
    assert cut == max(["", *filter(grammar.accepts, deltas)], key=len)


@given(seed=seeds)
@PROPERTY
def test_any_text_is_a_delta_that_applies_or_refused(seed: int) -> None:
    rng = random.Random(seed)
    parent = small_parent(rng)
    grammar = DeltaGrammar.of(parent)

    after = outcome(grammar.read, hurt(walk(grammar, rng), rng))

    if isinstance(after, str):
        assert_applies(parent, after)


def unified(before: str, after: str) -> str | None:
    """Difflib's hunks without numbers, with more context where their places ask for it.

    None where no context makes a place clear without the hunk next to it.
    """
    old, new = split_lines(before), split_lines(after)

    def is_unique(start: int, end: int) -> bool:
        places = range(len(old) - (end - start) + 1)
        return sum(old[at : at + end - start] == old[start:end] for at in places) == 1

    text, done = "", 0
    for group in difflib.SequenceMatcher(None, old, new).get_grouped_opcodes(3):
        start, end = shown, shown_end = group[0][1], group[-1][2]
        while start > done and not is_unique(start, end):
            start -= 1
        while end < len(old) and start == done and not is_unique(start, end):
            end += 1
        if start < done or not is_unique(start, end):
            return None
        lines = [f" {line}" for line in old[start:shown]]
        for tag, i, i_end, j, j_end in group:
            marks = "  " if tag == "equal" else "-+"
            lines += [f"{marks[0]}{line}" for line in old[i:i_end]]
            lines += [f"+{line}" for line in new[j:j_end] if tag != "equal"]
        text += "@@\n" + "".join([*lines, *(f" {line}" for line in old[shown_end:end])])
        done = end
    return text


def keeps_off(before: str, after: str) -> bool:
    """Whether difflib leaves the frozen functions alone, and what is next to them."""
    allowed = editable(before)
    matcher = difflib.SequenceMatcher(None, split_lines(before), split_lines(after))
    return all(
        all(allowed.lines[start:end])
        and all(allowed.gaps[start : end + 1])
        and not any(guard is not None for guard in allowed.guards[start : end + 1])
        for tag, start, end, _, _ in matcher.get_opcodes()
        if tag != "equal"
    )


@given(seed=seeds, share=st.sampled_from([0.05, 0.1, 0.3]))
@PROPERTY
def test_what_difflib_makes_of_an_allowed_edit_is_a_delta(seed: int, share: float) -> None:
    rng = random.Random(seed)
    parent = rng.choice(BASELINES) if rng.random() < 0.5 else small_parent(rng)
    if not parent.endswith("\n") or "\r" in parent:
        parent = f"{parent}\n".replace("\r", "")
    after = edited(parent, rng, share)
    text = unified(parent, after)
    assume(after != parent and text is not None and keeps_off(parent, after))
    assert text is not None

    assert DeltaGrammar.of(parent, context=3).read(text) == after


def test_the_grammar_is_linear_in_the_lines() -> None:
    fibonacci = ["a", "ab"]
    while len(fibonacci[-1]) < 400:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    texts = [
        [f"line {at}" for at in range(400)],
        ["a"] * 400,
        ["a", "b"] * 200,
        [f"line {at}" for at in range(200)] * 2,
        list(fibonacci[-1]),
    ]

    for lines in texts:
        grammar = DeltaGrammar.of("".join(f"{line}\n" for line in lines))
        assert len(rules_of(grammar._automaton).ways) < 12 * len(lines)
