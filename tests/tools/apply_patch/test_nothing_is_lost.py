"""An answer in pieces, or with text that looks like dressing: all of it is applied, or nothing."""

import pytest

from deltanas_tools.apply_patch import Applied, Refused, apply
from deltanas_tools.apply_patch.placeholders import is_placeholder

PARENT = "x = 1\ny = 2\n"
BOTH = "x = 3\ny = 4\n"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            "@@\n-x = 1\n+x = 3\n```diff\n-y = 2\n+y = 4\n```\n", id="a hunk above the fence"
        ),
        pytest.param(
            "1. First:\n\n    @@\n    -x = 1\n    +x = 3\n\n```diff\n@@\n-y = 2\n+y = 4\n```\n",
            id="a hunk indented, another fenced",
        ),
        pytest.param(
            "```\n@@ -1 +1 @@\n-x = 1\n+x = 3\n```\n-y = 2\n+y = 4\n```\n",
            id="a fence that closes too early",
        ),
        pytest.param(
            "```diff\n@@\n-x = 1\n+x = 3\n```\nMore:\n```python\n-y = 2\n+y = 4\n```\n",
            id="a second fence that is no diff by its tag",
        ),
        pytest.param(
            "```diff\n@@\n-x = 1\n+x = 3\n```\nAfter </think> this:\n"
            "```diff\n@@\n-y = 2\n+y = 4\n```\n",
            id="a thought's tag in the prose between",
        ),
        pytest.param(
            "> @@\n> -x = 1\n> +x = 3\n-y = 2\n+y = 4\n", id="a quotation that lost a mark"
        ),
        pytest.param(
            "--- a/net.py\n+++ b/net.py\n-x = 1\n+x = 3\n@@\n-y = 2\n+y = 4\n",
            id="a first header that is lost",
        ),
    ],
)
def test_both_halves_of_an_answer_are_applied(answer: str) -> None:
    result = apply(PARENT, answer)
    assert isinstance(result, Applied), result
    assert result.text == BOTH


@pytest.mark.parametrize(
    "line",
    [
        pytest.param('x = "</think>"', id="the end of a thought"),
        pytest.param("x = 1  # like the <think> marker", id="the beginning of a thought"),
        pytest.param("x = 1  # up to </delta>", id="the end of the envelope"),
        pytest.param("x = '<tr>a</tr>'", id="a tag of the envelope"),
        pytest.param("x = 1  # ```", id="a fence"),
    ],
)
@pytest.mark.parametrize("dressing", ["{}", "```diff\n{}```\n", "<delta>\n{}</delta>\n"])
def test_an_added_line_may_hold_what_looks_like_dressing(line: str, dressing: str) -> None:
    answer = dressing.format(f"@@\n x = 1\n+{line}\n+z = 3\n y = 2\n")
    result = apply(PARENT, answer)
    assert isinstance(result, Applied), result
    assert result.text == f"x = 1\n{line}\nz = 3\ny = 2\n"


DOCSTRING = '"""\nTitle\n=======\nold\n"""\n'


@pytest.mark.parametrize(
    ("parent", "answer", "expected"),
    [
        pytest.param(
            '"""Net.\n"""\n',
            '@@\n """Net.\n+Notes\n+-----\n',
            '"""Net.\nNotes\n-----\n"""\n',
            id="a rule that is added",
        ),
        pytest.param(
            '"""Net.\n"""\nx = 1\n',
            '@@\n """Net.\n+++ good\n@@\n-x = 1\n+x = 2\n',
            '"""Net.\n++ good\n"""\nx = 2\n',
            id="an added line like a file header",
        ),
        pytest.param(
            DOCSTRING,
            "<<<<<<< SEARCH\nTitle\n=======\nold\n=======\nTitle\n=======\nnew\n>>>>>>> REPLACE\n",
            None,
            id="a divider that is text, by the places of both",
        ),
        pytest.param(
            "-------\nold\n",
            "<<<<<<< SEARCH\n-------\nold\n=======\n-------\nnew\n>>>>>>> REPLACE\n",
            "-------\nnew\n",
            id="a line of dashes to search",
        ),
        pytest.param(
            PARENT,
            "<<<<<<< SEARCH\nx = 1\n=======\nx = 3\n<<<<<<< SEARCH\ny = 2\n=======\n"
            "y = 4\n>>>>>>> REPLACE\n",
            None,
            id="a block without an end",
        ),
        pytest.param(
            PARENT,
            "<<<<<<< SEARCH\nx = 1\n=======\nx = 3\n>>>>>>> REPLACE\n```diff\n-y = 2\n"
            "+y = 4\n```\n",
            None,
            id="a block and a diff",
        ),
        pytest.param(
            "f(\n    1,\n    2,\n)\n",
            "@@\n     1,\n+    96,\n\n            112,\n",
            None,
            id="an element that lost its marker",
        ),
    ],
)
def test_text_that_looks_like_syntax_is_text(
    parent: str, answer: str, expected: str | None
) -> None:
    result = apply(parent, answer)
    if expected is None:
        assert isinstance(result, Refused), result.text
    else:
        assert isinstance(result, Applied), result
        assert result.text == expected


BLOCKS = "a()\n" + "block()\n" * 4 + "head()\n"


def test_places_that_give_one_text_must_do_so_with_the_other_hunks_too() -> None:
    answer = "@@\n block()\n+block()\n block()\n@@\n+relu()\n block()\n block()\n head()\n"
    assert isinstance(apply(BLOCKS, answer), Refused)


def test_of_places_that_give_one_text_the_one_that_agrees_is_taken() -> None:
    answer = "@@\n-block()\n@@\n a()\n block()\n+relu()\n"
    result = apply(BLOCKS, answer)
    assert isinstance(result, Applied), result
    assert result.text == "a()\nblock()\nrelu()\nblock()\nblock()\nhead()\n"


@pytest.mark.parametrize(
    "comment",
    [
        "# same as in ResNet-50",
        "# output size remains the same",
        "# No change in resolution",
        "# resolution is unchanged by this block",
        "# Freeze the rest of the network",
        "# Copy existing layers",
        "# conv -> bn -> ... -> relu",
        "# widths 16, 32, ..., 128",
    ],
)
def test_a_comment_about_code_is_no_placeholder(comment: str) -> None:
    assert not is_placeholder(comment)


@pytest.mark.parametrize(
    "comment",
    [
        "# ... unchanged ...",
        "# ... rest of forward ...",
        "# rest of the code remains the same",
        "# existing code",
        "# your code here",
        "# original forward here",
        "# [rest of forward]",
        "# unchanged",
        "'''... existing code ...'''",
        "x = x  # ... rest of forward unchanged ...",
    ],
)
def test_a_comment_in_the_place_of_code_is_one(comment: str) -> None:
    assert is_placeholder(comment, following="x = 1")


def test_a_heading_is_no_placeholder_where_code_follows() -> None:
    assert is_placeholder("# Remaining blocks")
    assert not is_placeholder("# Remaining blocks", following="for block in blocks:")


@pytest.mark.parametrize(
    ("parent", "answer"),
    [
        pytest.param(PARENT, f"@@\n-x &#{'1' * 5000};\n+y\n", id="an entity of 5,000 digits"),
        pytest.param(
            "#" + "/" * 60 + "\ny = 1\n",
            "@@\n #" + "/" * 60 + "\n-y = 1\n+y = 2\n",
            id="a banner of slashes",
        ),
        pytest.param(
            PARENT, f"--- a{' ' * 200_000}x\n+++ b\n@@\n-x = 1\n+x = 2\n", id="a name of spaces"
        ),
        pytest.param(PARENT, "*** Update File: net.py\n" * 40_000, id="a header again and again"),
        pytest.param(
            "a = 0\n" + "x = 1\n" * 64 + "b = 0\n" * 15_000,
            "".join(f"@@ -{n},9 +{n},9 @@\n x = 1\n+x = 1\n x = 1\n" for n in range(499)),
            id="many hunks of many places",
        ),
        pytest.param(
            "".join(f"{'x' * 140}{n:04}{'x' * 140}\n" for n in range(700)),
            "@@\n"
            + "".join(f" {'x' * 140}{n:04}{'y' * 140}\n" for n in range(15))
            + f"+z\n {'x' * 140}0015{'x' * 140}\n",
            id="long lines that are alike",
        ),
        pytest.param(
            PARENT,
            "@@\n-x = 1\n+x = 2\n" + f"a{' ' * 490}b c d\n" * 4_000,
            id="prose full of spaces",
        ),
    ],
)
def test_every_text_has_an_end(parent: str, answer: str) -> None:
    # What is not bounded here takes minutes, or for ever; the benchmark has the seconds.
    assert isinstance(apply(parent, answer), Applied | Refused)


def test_a_kept_line_may_be_the_end_of_a_thought() -> None:
    parent = 'x = 1\nDOC = """\n</think>\n"""\ny = 2\n'
    answer = '@@\n-x = 1\n+x = 3\n DOC = """\n </think>\n """\n-y = 2\n+y = 4\n'
    result = apply(parent, answer)
    assert isinstance(result, Applied), result
    assert result.text == parent.replace("x = 1", "x = 3").replace("y = 2", "y = 4")
