"""The page as a document: whole, self-contained, and deaf to what is written in it."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from deltanas_agent.report.page import render
from tests.agent.report.runs_for_tests import HOSTILE, Runs, compared

VOID = {"meta", "link", "input", "br", "img"}
_TAGS = (
    "html head meta link title style body header main nav section h1 h2 h3 p a ul li em code pre "
    "span br details summary div table caption thead tbody tr th td figure figcaption label input "
    "select option button script svg g text line rect circle polyline"
)
OUR_TAGS = set(_TAGS.split())


class Read(HTMLParser):
    """Notes every element with its attributes, and whether all were closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def values(self, name: str) -> list[str]:
        """Return the values of an attribute, wherever it stands."""
        return [str(attrs[name]) for _, attrs in self.elements if name in attrs]


@pytest.fixture(scope="module")
def page() -> str:
    return render(compared().facts("night", "day"))


@pytest.fixture(scope="module")
def read(page: str) -> Read:
    return Read(page)


def test_every_element_is_closed_in_its_place(read: Read) -> None:
    assert read.open == []


def test_no_text_of_a_model_becomes_an_element_or_an_attribute(read: Read) -> None:
    assert {tag for tag, _ in read.elements} <= OUR_TAGS
    names = {name for _, attrs in read.elements for name in attrs}
    assert not [name for name in names if name.startswith("on") or name in {"style", "src"}]


def test_hostile_text_stands_on_the_page_as_it_was_written(read: Read) -> None:
    shown = HOSTILE.replace("\u2028", "\\u{2028}").replace("\u202e", "\\u{202e}")
    shown = shown.replace("\x00", "\\x00").replace("\x1b", "\\x1b")
    words = "".join(read.words)
    assert f"+# {shown}" in words, "in a delta"
    assert f"\n{shown}" in words or shown in words, "in a message"


def test_nothing_but_printable_characters_and_line_ends_is_on_the_page(page: str) -> None:
    assert not re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", page)


def test_the_page_names_nothing_outside_itself(read: Read) -> None:
    links = read.values("href")
    assert all(each.startswith("#") or each == "data:," for each in links)
    targets = {each.removeprefix("#") for each in links if each.startswith("#")}
    assert targets <= set(read.values("id"))
    [style] = [words for words in read.words if "color-scheme" in words]
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_allows_one_script_and_one_style_by_their_hashes(page: str) -> None:
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(rule.split(" ", 1) for rule in policy.replace("&#39;", "'").split("; "))
    assert rules["default-src"] == "'none'"
    for tag in ("script", "style"):
        [text] = re.findall(rf"<{tag}>(.*?)</{tag}>", page, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"


def test_names_of_elements_are_given_once(read: Read) -> None:
    names = read.values("id")
    assert len(names) == len(set(names))


def test_what_was_not_measured_on_the_test_split_is_said_with_the_command() -> None:
    runs = Runs()
    runs.begin("night")
    runs.keep("night", 1)
    words = "".join(Read(render(runs.facts("night"))).words)
    assert "not measured" in words
    assert "deltanas train night/c01-001 --store STORE --split test --dataset digits" in words


def test_a_result_on_the_test_split_is_shown_with_its_seeds_and_spread() -> None:
    runs = Runs()
    runs.begin("night")
    runs.score(runs.keep("night", 1), 0.70, 0.72, split="test")
    words = "".join(Read(render(runs.facts("night"))).words)
    assert "0.7100 ± 0.0141 ×2 (digits · 1 epoch · test split)" in words
    assert "not measured" not in words


def test_the_test_split_has_no_say_in_who_is_best() -> None:
    runs = Runs()
    runs.begin("night")
    runs.keep("night", 1, accuracy=0.9)
    runs.score(runs.keep("night", 2, accuracy=0.8), 0.99, split="test")
    words = "".join(Read(render(runs.facts("night", top=1))).words)
    assert "the best is night/c01-001" in words


@pytest.mark.parametrize("num_answers", [0, 1])
def test_a_run_with_hardly_an_answer_has_a_page(num_answers: int) -> None:
    runs = Runs()
    runs.begin("night")
    for index in range(1, num_answers + 1):
        runs.refuse("night", index)
    assert Read(render(runs.facts("night"))).open == []


def test_a_run_that_trained_and_refused_nothing_else_has_a_page() -> None:
    runs = Runs()
    runs.begin("night")
    runs.keep("night", 1, accuracy=0.0, parent_accuracy=0.0, noise_floor=None)
    assert Read(render(runs.facts("night"))).open == []


def test_the_same_facts_make_the_same_page() -> None:
    assert render(compared().facts("night", "day")) == render(compared().facts("night", "day"))


def test_a_lineage_deeper_than_browsers_nest_is_closed_in_order() -> None:
    runs = Runs()
    runs.begin("night")
    above = runs.baselines[0]
    for index in range(1, 301):
        above = runs.keep("night", index, parent=above, line="#")
    read = Read(render(runs.facts("night")))
    assert read.open == []
    assert sum(tag == "li" and "data-verdict" in attrs for tag, attrs in read.elements) == 301
