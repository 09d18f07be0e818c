import pytest

from deltanas_repo_store.errors import PatchError
from deltanas_tools.delta_grammar import DeltaGrammar

SOURCE = """\
import torch


class Net(torch.nn.Module):
    def __init__(self):
        self.a = 1
        self.b = 2

    def forward(self, x):
        return x

    def learn(self, train_data):
        pass

    def helper(self):
        return 1
"""
GRAMMAR = DeltaGrammar.of(SOURCE)


def refusal(grammar: DeltaGrammar, text: str) -> PatchError:
    """The error where there must be one."""
    with pytest.raises(PatchError) as caught:
        grammar.read(text)
    return caught.value


def test_a_hunk_replaces_removes_and_inserts_lines() -> None:
    text = (
        "@@\n         self.a = 1\n-        self.b = 2\n+        self.b = 3\n"
        "@@\n     def forward(self, x):\n+        x = x + 1\n         return x\n"
    )

    assert GRAMMAR.read(text) == SOURCE.replace("self.b = 2", "self.b = 3").replace(
        "return x\n", "x = x + 1\n        return x\n", 1
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("", "stray-line", id="nothing"),
        pytest.param("@@\n", "no-hunk", id="a header alone"),
        pytest.param("@@\n         self.a = 1\n", "no-hunk", id="context alone"),
        pytest.param("@@\n-        self.a = 1\n+x", "no-hunk", id="half a line"),
        pytest.param("@@ -1 +1 @@\n-import torch\n", "stray-line", id="numbers"),
        pytest.param("-import torch\n", "stray-line", id="no header"),
        pytest.param("@@\n-import  torch\n", "stray-line", id="a line that is not there"),
        pytest.param(
            "@@\n         self.b = 2\n-        self.a = 1\n", "stray-line", id="another order"
        ),
        pytest.param(
            "@@\n-        self.b = 2\n@@\n-        self.a = 1\n",
            "stray-line",
            id="hunks that go up",
        ),
        pytest.param("@@\n-import torch\n+x\r\n", "stray-line", id="a carriage return"),
        pytest.param("@@\n-import torch\n+\0\n", "stray-line", id="a NUL"),
        pytest.param("@@\n-        pass\n", "frozen", id="a frozen line removed"),
        pytest.param(
            "@@\n     def learn(self, train_data):\n+        x = 1\n", "frozen", id="one put inside"
        ),
        pytest.param("@@\n         pass\n+        x = 1\n", "frozen", id="one put at the end"),
        pytest.param(
            "@@\n         pass\n \n+        x = 1\n     def helper(self):\n",
            "frozen",
            id="one below the blank line at the end",
        ),
        pytest.param(
            "@@\n-    def helper(self):\n", "frozen", id="another body that falls to a frozen one"
        ),
        pytest.param("@@\n-import torch\n+a &amp; b\n", "stray-line", id="an HTML entity"),
    ],
)
def test_what_is_no_delta_is_refused(text: str, code: str) -> None:
    assert refusal(GRAMMAR, text).code == code
    assert not GRAMMAR.accepts(text)


def test_a_refusal_names_what_may_follow() -> None:
    error = refusal(GRAMMAR, "@@\n         self.a = 1\n         self.c = 3\n")

    assert (error.hunk, error.line) == (1, "         self.c = 3")
    assert "'-        self.b = 2', added lines" in str(error)


def test_a_method_may_follow_a_frozen_one() -> None:
    text = "@@\n         pass\n+\n+    # new\n+    def more(self):\n+        return 2\n"

    assert "    def more(self):\n        return 2\n\n    def helper" in GRAMMAR.read(text)


def test_a_class_may_follow_a_frozen_method_at_the_end() -> None:
    source = SOURCE.split("\n\n    def helper")[0] + "\n"

    text = "@@\n         pass\n+\n+class More:\n+    pass\n"

    assert DeltaGrammar.of(source).read(text) == source + "\nclass More:\n    pass\n"


def test_all_lines_may_go_where_nothing_is_frozen() -> None:
    grammar = DeltaGrammar.of(SOURCE, frozen_parts=False)

    assert grammar.read("@@\n-        pass\n") == SOURCE.replace("        pass\n", "")


REPEATED = "a\nb\na\nb\nc\n"


@pytest.mark.parametrize(
    ("text", "after"),
    [
        pytest.param("@@\n a\n+x\n", None, id="one line of several places"),
        pytest.param("@@\n a\n+x\n b\n", None, id="two lines of two places"),
        pytest.param("@@\n a\n+x\n b\n a\n", "a\nx\nb\na\nb\nc\n", id="what is below tells"),
        pytest.param("@@\n b\n a\n+x\n", "a\nb\na\nx\nb\nc\n", id="what is above tells"),
        pytest.param("@@\n-a\n-b\n-a\n", "b\nc\n", id="what is removed tells"),
        pytest.param("@@\n+x\n a\n", None, id="the top, and not enough below it"),
        pytest.param("@@\n+x\n a\n b\n a\n", "x\na\nb\na\nb\nc\n", id="the top"),
        pytest.param("@@\n a\n b\n c\n+x\n", "a\nb\na\nb\nc\nx\n", id="the end"),
    ],
)
def test_the_place_of_a_hunk_follows_from_its_lines(text: str, after: str | None) -> None:
    grammar = DeltaGrammar.of(REPEATED)

    if after is None:
        assert not grammar.accepts(text)
    else:
        assert grammar.read(text) == after


@pytest.mark.parametrize(
    ("text", "is_delta"),
    [
        pytest.param("@@\n-a\n+a\n", False, id="the same"),
        pytest.param("@@\n-a\n+x\n+a\n", False, id="the same and more above it"),
        pytest.param("@@\n-a\n+a\n+x\n", True, id="the same and more below it"),
        pytest.param("@@\n-a\n-b\n+a\n", True, id="the first of two"),
        pytest.param("@@\n a\n+a\n", True, id="another one like it"),
    ],
)
def test_a_replaced_line_does_not_end_as_it_was(text: str, is_delta: bool) -> None:
    assert DeltaGrammar.of("a\nb\nc\n").accepts(text) == is_delta


def test_a_line_that_goes_and_comes_back_elsewhere_changes_nothing() -> None:
    text = "@@\n-a\n a\n a\n+a\n b\n"

    assert refusal(DeltaGrammar.of("a\na\na\nb\n"), text).code == "no-op"


def test_context_is_no_longer_than_it_must_be() -> None:
    grammar = DeltaGrammar.of("a\nb\nc\nd\ne\nf\ng\n")

    assert grammar.accepts("@@\n a\n-b\n c\n d\n-e\n f\n")
    assert not grammar.accepts("@@\n a\n b\n-c\n")
    assert not grammar.accepts("@@\n-b\n c\n d\n e\n-f\n")
    assert not grammar.accepts("@@\n-b\n c\n d\n")


@pytest.mark.parametrize(
    ("text", "after"),
    [
        pytest.param("@@\n-a\n", "b", id="the last line stays last"),
        pytest.param("@@\n b\n+c\n", "a\nb\nc\n", id="more follows it"),
        pytest.param("@@\n-b\n", "a\n", id="it goes"),
        pytest.param("@@\n-b\n+c\n", "a\nc\n", id="it is replaced"),
    ],
)
def test_only_the_parents_own_last_line_lacks_a_newline(text: str, after: str) -> None:
    grammar = DeltaGrammar.of("a\nb")

    assert grammar.read(text) == after
    assert grammar.read(grammar.write(after)) == after


def test_added_lines_end_as_the_parents_do() -> None:
    grammar = DeltaGrammar.of("a\r\nb\r\n")

    assert grammar.read("@@\n-a\r\n+c\n") == "c\r\nb\r\n"
    assert grammar.write("c\r\nb\r\n") == "@@\n-a\r\n+c\n b\r\n"
    assert not grammar.accepts("@@\n-a\r\n+a\n")


def test_an_empty_source_takes_added_lines() -> None:
    assert DeltaGrammar.of("").read("@@\n+a\n+b\n") == "a\nb\n"


@pytest.mark.parametrize(
    ("after", "code"),
    [
        pytest.param(SOURCE, "no-op", id="the same text"),
        pytest.param(SOURCE.rstrip("\n"), "no-op", id="another end"),
        pytest.param(SOURCE.replace("pass", "return"), "frozen", id="a frozen function"),
        pytest.param(SOURCE.replace("pass\n", "pass\n        x\n"), "frozen", id="its end"),
        pytest.param(SOURCE.replace("= 1", "= 1\r"), "stray-line", id="a carriage return"),
    ],
)
def test_edits_that_no_delta_makes_are_not_written(after: str, code: str) -> None:
    with pytest.raises(PatchError) as caught:
        GRAMMAR.write(after)

    assert caught.value.code == code


def test_a_delta_is_written_with_what_context_it_needs() -> None:
    assert GRAMMAR.write(SOURCE.replace("self.b = 2", "self.b = 3")) == (
        "@@\n         self.a = 1\n-        self.b = 2\n+        self.b = 3\n \n"
    )
    assert DeltaGrammar.of(REPEATED).write("a\nb\na\nx\nb\nc\n") == "@@\n b\n a\n+x\n b\n"


def test_an_answer_is_cut_to_its_last_complete_hunk() -> None:
    text = "@@\n-        self.a = 1\n+        self.a = 2\n"

    assert GRAMMAR.cut(f"{text}@@\n     def forward(self, x):\n+        x = x") == text
    assert GRAMMAR.cut("@@\n     def forward(self, x):\n") == ""
    assert GRAMMAR.cut(f"{text}\nThis should help.\n") == text


def test_a_change_needs_context() -> None:
    with pytest.raises(ValueError, match="a line of context"):
        DeltaGrammar.of(SOURCE, context=0)
