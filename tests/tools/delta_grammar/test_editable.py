import pytest

from deltanas_repo_store.baselines import baselines
from deltanas_tools.delta_grammar import editable

SOURCE = """\
import torch

@cached
def supported_hyperparameters():
    return {"lr"}


class Base(torch.nn.Module):
    def learn(self, train_data):
        pass
    # more to come

    def helper(self):
        pass


class Net(Base):
    def train_setup(self, prm):
        self.lr = (
            prm["lr"]
        )
    def forward(self, x):
        return x
"""
LINES = SOURCE.split("\n")


def test_the_frozen_functions_are_those_of_the_network_and_its_bases() -> None:
    frozen = editable(SOURCE).frozen

    assert [LINES[span.start].strip() for span in frozen] == [
        "@cached",
        "def learn(self, train_data):",
        "def train_setup(self, prm):",
    ]
    assert [LINES[span.stop - 1].strip() for span in frozen] == ['return {"lr"}', "pass", ")"]


def test_their_lines_stay_and_nothing_goes_between_them() -> None:
    allowed = editable(SOURCE)

    for span in allowed.frozen:
        assert not any(allowed.lines[at] for at in span)
        assert not any(allowed.gaps[at] for at in span[1:])
    assert allowed.lines.count(False) == sum(map(len, allowed.frozen))


def test_what_follows_one_is_indented_no_deeper_down_to_the_next_code() -> None:
    guards = editable(SOURCE).guards

    guarded = [(LINES[at], guard) for at, guard in enumerate(guards) if guard is not None]

    assert guarded == [
        ("", ""),
        ("", ""),
        ("class Base(torch.nn.Module):", ""),
        ("    # more to come", "    "),
        ("", "    "),
        ("    def helper(self):", "    "),
        ("    def forward(self, x):", "    "),
    ]


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("x = (", id="no Python"),
        pytest.param("", id="nothing"),
        pytest.param("def learn():\n    pass\n", id="a function of another class"),
    ],
)
def test_all_of_a_source_without_frozen_functions_is_editable(source: str) -> None:
    allowed = editable(source)

    assert all(allowed.lines)
    assert all(allowed.gaps)
    assert allowed.frozen == ()


def test_nothing_is_frozen_where_nobody_asks_for_it() -> None:
    assert editable(SOURCE, frozen_parts=False).frozen == ()


@pytest.mark.parametrize("ending", ["\r\n", "\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_endings_and_byte_order_marks_do_not_matter(ending: str, mark: str) -> None:
    assert editable(mark + SOURCE.replace("\n", ending)) == editable(SOURCE)


def test_a_lone_carriage_return_ends_no_line_of_a_delta() -> None:
    source = f"a = 1\rb = 2\n{SOURCE}"

    assert editable(source).frozen == tuple(
        range(span.start + 1, span.stop + 1) for span in editable(SOURCE).frozen
    )


@pytest.mark.parametrize("name", baselines())
def test_each_baseline_has_three_frozen_functions(name: str) -> None:
    assert len(editable(baselines()[name].source).frozen) == 3
