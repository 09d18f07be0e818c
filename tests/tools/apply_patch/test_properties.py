"""What holds for any parent and any diff: the applier's promises, property by property."""

import ast
import difflib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from unidiff.patch import PatchSet

from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.delta import NO_NEWLINE, split_lines
from deltanas_tools.apply_patch import NO_GATES, Applied, Refused, apply
from tests.tools.apply_patch.hostile import HOSTILE, LONG_PARENTS
from tests.tools.apply_patch.reference import file_lines, results

LIKE_A_DIFF = ["@@ -1,2 +1,2 @@", "-- a", "++ b", "...", "\\ x", "", " ", "# ...", "```", "> q"]
ORDINARY = ["a = 1", "b = 2", "    c = 3", "a = 1", "é", "x" * 40]


def text_of(lines: list[str], final_newline: bool) -> str:
    """The lines as a text."""
    return "\n".join(lines) + ("\n" if lines and final_newline else "")


def texts(lines: list[str]) -> st.SearchStrategy[str]:
    """Texts of such lines, with and without a final newline."""
    return st.builds(text_of, st.lists(st.sampled_from(lines), max_size=12), st.booleans())


def unified(before: str, after: str, context: int = 3) -> str:
    """The diff that a strict tool writes."""
    lines = difflib.unified_diff(
        split_lines(before), split_lines(after), "a/net.py", "b/net.py", n=context
    )
    return "".join(line if line.endswith("\n") else f"{line}\n{NO_NEWLINE}\n" for line in lines)


def applied(before: str, answer: str) -> Applied:
    """The result, where there must be one."""
    result = apply(before, answer, gates=NO_GATES)
    assert isinstance(result, Applied), result
    return result


class Edit(NamedTuple):
    """A parent whose lines are all different, and an edit of it."""

    before: str
    after: str
    diff: str


@st.composite
def edits(draw: st.DrawFn, min_lines: int = 6) -> Edit:
    """Edits that leave some of the parent where it is."""
    size = draw(st.integers(min_lines, 24))
    before = [f"line_{number} = {number}" for number in range(size)]
    after: list[str] = []
    for line in before:
        change = draw(st.sampled_from(["keep"] * 6 + ["drop", "replace", "insert"]))
        after += [] if change in ("drop", "replace") else [line]
        after += [f"{line}0  # new"] if change in ("replace", "insert") else []
    final_newline = draw(st.booleans())
    one, other = text_of(before, final_newline), text_of(after, final_newline)
    assume(one != other and after)
    return Edit(one, other, unified(one, other))


@given(
    before=texts(LIKE_A_DIFF + ORDINARY),
    after=texts(LIKE_A_DIFF + ORDINARY),
    context=st.integers(0, 4),
)
@example(before="", after="x", context=3)
@example(before="x", after="", context=3)
@example(before="x", after="x\n", context=3)
@example(before="a\nb", after="a\n", context=0)
def test_the_diff_of_two_texts_turns_one_into_the_other(
    before: str, after: str, context: int
) -> None:
    assume(before != after)
    result = applied(before, unified(before, after, context))
    assert (result.text, result.relaxations) == (after, ())


@given(edit=edits(), numbers=st.lists(st.integers(0, 999), min_size=4, max_size=4))
def test_numbers_do_not_matter_where_the_text_is_unique(edit: Edit, numbers: list[int]) -> None:
    header = "@@ -{},{} +{},{} @@".format(*numbers)
    lines = [header if line.startswith("@@") else line for line in edit.diff.split("\n")]
    assert applied(edit.before, "\n".join(lines)).text == edit.after


def quoted(text: str) -> str:
    """The text as a quotation."""
    return "".join(f"> {line}\n" for line in text.rstrip("\n").split("\n"))


def indented(text: str) -> str:
    """The text as a block of four spaces."""
    return "".join(f"    {line}\n" for line in text.rstrip("\n").split("\n"))


DRESSINGS: dict[str, Callable[[str], str]] = {
    "a fence": lambda text: f"```diff\n{text}```\n",
    "a fence without a tag": lambda text: f"Here:\n\n```\n{text}```\nDone.\n",
    "a fence left open": lambda text: f"```diff\n{text}",
    "quote marks": quoted,
    "indentation": indented,
    "prose": lambda text: f"I widen the network.\n\n{text}\nThis should help:\n- it is wider\n",
    "carriage returns": lambda text: text.replace("\n", "\r\n"),
    "a tag": lambda text: f"<delta>\n{text}</delta>",
    "the paper's envelope": lambda text: f"<hp>{{}}</hp>\n<tr>x</tr>\n<delta>\n{text}</delta>\n",
    "a thought": lambda text: f"<think>\n@@ -1 +1 @@\n-a\n+b\n</think>\n{text}",
    "a lost final newline": lambda text: text.rstrip("\n"),
    "the answer twice": lambda text: f"```diff\n{text}```\nAgain:\n```diff\n{text}```\n",
}


@pytest.mark.parametrize("name", DRESSINGS)
@given(edit=edits())
def test_dressing_does_not_matter(name: str, edit: Edit) -> None:
    assert applied(edit.before, DRESSINGS[name](edit.diff)).text == edit.after


SOURCE = baselines()["plain-cnn"].source
CORRUPTIONS = ("delete", "duplicate", "swap", "truncate", "indent", "dedent", "mark")


def corrupted(lines: list[str], how: str, at: int, marker: str) -> list[str]:
    """The lines of a diff with one of them hurt."""
    before, line, after = lines[:at], lines[at], lines[at + 1 :]
    return {
        "delete": [*before, *after],
        "duplicate": [*before, line, line, *after],
        "swap": [*before, *after[:1], line, *after[1:]],
        "truncate": [*before, line[: len(line) // 2], *after],
        "indent": [*before, f"{line[:1]}    {line[1:]}", *after],
        "dedent": [*before, line[:1] + line[1:].removeprefix("    "), *after],
        "mark": [*before, marker + line[1:], *after],
    }[how]


def bodies(lines: list[str]) -> list[list[str]]:
    """The hunks of a diff, as a strict reader sees them."""
    found: list[list[str]] = []
    for line in lines[2:]:
        if line.startswith("@@"):
            found.append([])
        elif found:
            found[-1].append(line or " ")
    return found


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(edit=edits(), how=st.sampled_from(CORRUPTIONS), data=st.data())
def test_a_hurt_diff_never_gives_a_third_text(edit: Edit, how: str, data: st.DataObject) -> None:
    lines = edit.diff.rstrip("\n").split("\n")
    at = data.draw(st.integers(3, len(lines) - 1))
    assume(not lines[at].startswith(("@@", "\\")))
    hurt = corrupted(lines, how, at, data.draw(st.sampled_from("+- ")))
    result = apply(edit.before, "\n".join(hurt) + "\n", gates=NO_GATES)
    if isinstance(result, Refused) or result.text == edit.after:
        return
    plain = [line for line in hurt if not line.startswith("\\")]
    literal = results(edit.before, bodies(plain))
    endings = {text.rstrip("\n") for text in literal}
    assert endings == {result.text.rstrip("\n")}, result.relaxations


@given(edit=edits(), before=st.integers(0, 30))
def test_a_second_place_makes_a_hunk_ambiguous(edit: Edit, before: int) -> None:
    [body, *_] = bodies(edit.diff.split("\n"))
    old = [line[1:] for line in body if line[:1] in " -"]
    assume(len(old) > 1)
    lines = [*file_lines(edit.before), "between = 0", *old]
    answer = "\n".join([f"@@ -{before} +{before} @@", *body]) + "\n"
    result = apply(text_of(lines, True), answer, gates=NO_GATES)
    assert isinstance(result, Refused)
    assert result.code in ("ambiguous", "already-applied")


@given(edit=edits(), at=st.integers(0, 5))
def test_one_hunk_without_a_place_refuses_all(edit: Edit, at: int) -> None:
    hunks = edit.diff.split("\n@@")
    bad = " -1,2 +1,2 @@\n-nowhere to be found\n+anything"
    hunks.insert(min(at + 1, len(hunks)), bad)
    assert isinstance(apply(edit.before, "\n@@".join(hunks), gates=NO_GATES), Refused)


@given(edit=edits())
def test_lines_that_are_not_removed_stay_to_the_byte(edit: Edit) -> None:
    spaced = edit.before.replace("\n", "  \n")
    result = applied(spaced, edit.diff).text
    removed = {line[1:] for line in edit.diff.split("\n") if line.startswith("-")}
    kept = [line for line in spaced.split("\n") if line.rstrip() not in removed]
    there = iter(result.split("\n"))
    assert all(line in there for line in kept), "a line is gone, changed or out of order"


@given(edit=edits())
def test_the_canonical_diff_is_strict_and_says_the_same(edit: Edit) -> None:
    loose = "\n".join("@@" if line.startswith("@@") else line for line in edit.diff.split("\n"))
    first = applied(edit.before, f"```\n{loose}\n```")
    again = applied(edit.before, first.canonical_diff)
    assert (again.text, again.relaxations) == (first.text, ())
    [patched] = PatchSet(first.canonical_diff)
    marks = [line[:1] for line in first.canonical_diff.split("\n")[2:]]
    assert (patched.added, patched.removed) == (marks.count("+"), marks.count("-"))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=texts([*ORDINARY, ""]), after=texts([*ORDINARY, ""]))
def test_git_and_patch_agree_on_the_canonical_diff(before: str, after: str, tmp_path: Path) -> None:
    assume(before and after and before != after)
    diff = applied(before, unified(before, after)).canonical_diff.encode()
    path = tmp_path / "net.py"
    for command in (["git", "apply", "-"], ["patch", "-F0", "-s", "-p1"]):
        path.write_bytes(before.encode())
        subprocess.run(command, cwd=tmp_path, input=diff, check=True)
        assert path.read_bytes() == after.encode(), command[0]


@given(edit=edits())
def test_a_second_application_is_refused(edit: Edit) -> None:
    result = apply(edit.after, edit.diff, gates=NO_GATES)
    added = [line for line in edit.diff.split("\n")[2:] if line.startswith("+")]
    removed = [line for line in edit.diff.split("\n")[2:] if line.startswith("-")]
    assume(added or removed)
    assert isinstance(result, Refused), result.relaxations


@given(edit=edits())
def test_the_parent_decides_on_line_endings(edit: Edit) -> None:
    result = applied(edit.before.replace("\n", "\r\n"), edit.diff)
    assert result.text == edit.after.replace("\n", "\r\n")


@given(edit=edits())
def test_a_byte_order_mark_stays(edit: Edit) -> None:
    assert applied(f"\ufeff{edit.before}", edit.diff).text == f"\ufeff{edit.after}"


@given(parent=st.text(), answer=st.text() | st.text(alphabet="@-+ \\`<>dif/\n\r#.=~*:SEARCHPL"))
def test_any_two_texts_give_a_result_or_a_refusal(parent: str, answer: str) -> None:
    assert isinstance(apply(parent, answer), Applied | Refused)


@given(edit=edits(min_lines=10), more=st.integers(1, 6))
def test_more_context_never_makes_another_text(edit: Edit, more: int) -> None:
    results = [
        apply(edit.before, unified(edit.before, edit.after, context), gates=NO_GATES)
        for context in (3, 3 + more)
    ]
    made = {result.text for result in results if isinstance(result, Applied)}
    assert made == {edit.after}


@pytest.mark.slow
@pytest.mark.parametrize("parent", LONG_PARENTS)
@pytest.mark.parametrize("answer", HOSTILE)
def test_every_answer_has_an_end(parent: str, answer: str) -> None:
    # What is not bounded here takes minutes; the benchmark has the seconds.
    assert isinstance(apply(LONG_PARENTS[parent], HOSTILE[answer]), Applied | Refused)


@pytest.mark.slow
@settings(max_examples=3000, deadline=None)
@given(data=st.data())
def test_noise_in_a_real_diff_never_breaks_the_applier(data: st.DataObject) -> None:
    lines = SOURCE.split("\n")
    at = data.draw(st.integers(0, len(lines) - 1))
    after = "\n".join([*lines[:at], "        x = x + 1", *lines[at + 1 :]])
    characters = list(unified(SOURCE, after))
    for _ in range(data.draw(st.integers(1, 12))):
        place = data.draw(st.integers(0, len(characters)))
        characters.insert(
            place, data.draw(st.characters() | st.sampled_from("\n+- @`>#\x00\ud800"))
        )
    result = apply(SOURCE, "".join(characters))
    if isinstance(result, Applied):
        assert result.text != SOURCE
        ast.parse(result.text)
