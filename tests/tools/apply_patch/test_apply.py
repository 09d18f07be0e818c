"""apply: everything that stands in one place, and nothing else."""

import pytest

from deltanas_tools.apply_patch import Applied, Refused, apply

PARENT = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 16, 3)
        self.act = nn.ReLU()
        self.b = nn.Conv2d(16, 16, 3)
        self.act = nn.ReLU()
        self.head = nn.Linear(16, 10)
"""

WIDER = """\
--- a/net.py
+++ b/net.py
@@ -6,5 +6,5 @@
     def __init__(self):
         super().__init__()
-        self.a = nn.Conv2d(3, 16, 3)
+        self.a = nn.Conv2d(3, 16, 5)
         self.act = nn.ReLU()
         self.b = nn.Conv2d(16, 16, 3)
"""
WIDER_TEXT = PARENT.replace("(3, 16, 3)", "(3, 16, 5)")


def applied(parent: str, answer: str) -> Applied:
    """The result, where there is one."""
    result = apply(parent, answer)
    assert isinstance(result, Applied), result
    return result


def refused(parent: str, answer: str) -> Refused:
    """The refusal, where there is one."""
    result = apply(parent, answer)
    assert isinstance(result, Refused), result
    return result


def test_a_correct_diff_applies_without_relaxations() -> None:
    result = applied(PARENT, WIDER)
    assert (result.text, result.relaxations) == (WIDER_TEXT, ())


@pytest.mark.parametrize(
    ("answer", "relaxations"),
    [
        pytest.param(
            WIDER.replace("-6,5 +6,5", "-40,5 +40,5"), ("hunk 1: position",), id="position"
        ),
        pytest.param(WIDER.replace("-6,5 +6,5", "-6,9 +6,2"), ("hunk 1: counts",), id="counts"),
        pytest.param(
            WIDER.replace("@@ -6,5 +6,5 @@", "@@"),
            ("hunk 1: no numbers",),
            id="no numbers",
        ),
        pytest.param(f"Sure!\n```diff\n{WIDER}```\nDone.\n", ("fence",), id="a fence and prose"),
        pytest.param(f"```\n{WIDER}", ("fence",), id="a fence left open"),
        pytest.param(f"```diff\n{WIDER}```\n```diff\n{WIDER}```\n", ("fence",), id="a repeat"),
        pytest.param(f"<delta>\n{WIDER}</delta>\n", ("<delta> tag",), id="the paper's envelope"),
        pytest.param(WIDER.replace("\n", "\r\n"), ("line endings",), id="carriage returns"),
        pytest.param(WIDER.rstrip("\n"), (), id="a lost last newline"),
        pytest.param(WIDER.split("\n", 2)[2], ("no file header",), id="no file header"),
        pytest.param(
            WIDER.replace("(3, 16, 3)", "(3, 16, 3)  "), ("hunk 1: trailing space",), id="spaces"
        ),
        pytest.param(
            WIDER.replace("     def", "def"),
            ("hunk 1: lines without a marker", "hunk 1: leading space"),
            id="a line without a prefix",
        ),
        pytest.param(
            "".join(f"{line[:1]}{line[5:]}\n" for line in WIDER.split("\n")[3:-1]),
            (
                "no file header",
                "no @@ line",
                "hunk 1: no numbers",
                "hunk 1: leading space",
                "hunk 1: shifted in by 4",
            ),
            id="a dedented block",
        ),
    ],
)
def test_dressing_and_numbers_have_no_say(answer: str, relaxations: tuple[str, ...]) -> None:
    result = applied(PARENT, answer)
    assert (result.text, result.relaxations) == (WIDER_TEXT, relaxations)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        pytest.param("I would widen the first layer.", "no-hunk", id="prose"),
        pytest.param("", "no-hunk", id="nothing"),
        pytest.param("--- /dev/null\n+++ b/net.py\n@@ -0,0 +1 @@\n+x\n", "new-file", id="new file"),
        pytest.param(
            "--- a/net.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n", "delete-file", id="deletion"
        ),
        pytest.param(WIDER + WIDER.replace("net.py", "other.py"), "multi-file", id="two files"),
        pytest.param(
            WIDER.replace("     def __init__(self):", "begin(self):"),
            "stray-line",
            id="a line without a prefix that is no line of the parent",
        ),
        pytest.param("@@\n-        self.act = nn.ReLU()\n", "ambiguous", id="two places"),
        pytest.param("@@\n+import math\n", "no-anchor", id="an insertion anywhere"),
        pytest.param("@@\n-    kernel = 5\n+    kernel = 7\n", "not-found", id="imagined lines"),
        pytest.param(
            "@@\n import torch\n-class Net(nn.Module):\n", "not-found", id="lines not together"
        ),
        pytest.param("@@ -1 +1 @@\n import torch\n", "no-op", id="context alone"),
        pytest.param("@@ -1 +1 @@\n-import torch\n+import torch\n", "no-op", id="the same line"),
        pytest.param("@@\n-import torch\n+import torch (\n", "syntax", id="not Python"),
        pytest.param(
            "@@\n-import torch\n+import math\n@@\n-import torch\n+import re\n",
            "conflict",
            id="two minds",
        ),
        pytest.param(
            "@@\n-import torch\n+import re\n@@\n import torch\n+import math\n",
            "conflict",
            id="kept and removed",
        ),
    ],
)
def test_what_is_not_certain_is_refused(answer: str, code: str) -> None:
    assert refused(PARENT, answer).code == code


def test_a_second_application_is_refused() -> None:
    assert refused(WIDER_TEXT, WIDER).code == "already-applied"


def test_the_stated_line_decides_where_the_diff_is_right_in_everything() -> None:
    answer = "@@ -11 +11 @@\n-        self.act = nn.ReLU()\n+        self.act = nn.GELU()\n"
    assert applied(PARENT, answer).text.split("\n")[10].strip() == "self.act = nn.GELU()"


@pytest.mark.parametrize("stated", [8, 10, 12])
def test_the_nearest_line_never_decides(stated: int) -> None:
    answer = (
        f"@@ -{stated} +{stated} @@\n-        self.act = nn.ReLU()\n+        self.act = nn.GELU()\n"
    )
    refusal = refused(PARENT, answer)
    assert (refusal.code, refusal.sites) == ("ambiguous", (9, 11))


def test_places_that_give_one_text_are_one_place() -> None:
    assert applied("x = 1\nx = 1\ny = 2\n", "@@\n-x = 1\n").text == "x = 1\ny = 2\n"


def test_a_refusal_names_the_line_and_the_nearest() -> None:
    refusal = refused(PARENT, "@@\n-        self.a = nn.Conv2d(3, 32, 3)\n+        pass\n")
    assert (refusal.hunk, refusal.line) == (1, "        self.a = nn.Conv2d(3, 32, 3)")
    assert refusal.sites == (8,)


def test_a_refusal_is_the_same_as_an_error() -> None:
    error = refused(PARENT, "@@\n-        self.act = nn.ReLU()\n").error()
    assert (error.code, error.hunk, error.sites) == ("ambiguous", 1, (9, 11))


def test_a_delta_with_one_bad_hunk_changes_nothing() -> None:
    assert refused(PARENT, WIDER + "@@\n-nowhere\n+x\n").hunk == 2


def test_hunks_may_come_in_any_order() -> None:
    second = "@@ -12 +12 @@\n-        self.head = nn.Linear(16, 10)\n+        self.head = None\n"
    both = applied(PARENT, second + WIDER.split("\n", 2)[2])
    assert both.text == WIDER_TEXT.replace("nn.Linear(16, 10)", "None")


def test_carriage_returns_of_the_parent_stay() -> None:
    parent = PARENT.replace("\n", "\r\n")
    assert applied(parent, WIDER).text == WIDER_TEXT.replace("\n", "\r\n")


def test_a_missing_final_newline_stays_missing() -> None:
    assert applied(PARENT.rstrip("\n"), WIDER).text == WIDER_TEXT.rstrip("\n")


def test_a_result_says_what_was_read() -> None:
    assert applied(PARENT, WIDER).format == "unified diff"
