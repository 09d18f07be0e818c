"""The command line: configurations by name of their keys, errors as one sentence."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deltanas_mcp.cli import app
from deltanas_mcp.settings import load_run_config
from deltanas_mcp.wiring import open_store
from deltanas_repo_store.delta import render_delta
from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.records import NoveltyReport

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", sorted((ROOT / "configs").rglob("*.toml")), ids=lambda p: p.name)
def test_every_shipped_configuration_loads(path: Path) -> None:
    load_run_config(path)
    assert path.read_text(encoding="utf-8").startswith("# deltanas run configs/")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        pytest.param("cylces = 3\n", "'cylces'", id="an unknown key"),
        pytest.param("[measurement]\nepoch = 3\n", "'measurement.epoch'", id="a nested one"),
        pytest.param(
            "[tuning.lora]\nrnak = 3\n", r"'tuning\.lora\.rnak'; known here: accum", id="a deep one"
        ),
        pytest.param("[arms.a.model]\nx = 3\n", r"x'; known here: answer", id="one of an arm"),
        pytest.param("[model.server]\nx = 3\n", r"x'; known here: adapter", id="one of a server"),
        pytest.param("cycles = 0\n", "'cycles'", id="out of range"),
        pytest.param("cycles = \n", "not TOML", id="not TOML"),
    ],
)
def test_a_bad_configuration_is_refused_by_the_name_of_its_key(
    tmp_path: Path, text: str, named: str
) -> None:
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(ConfigError, match=named):
        load_run_config(tmp_path / "run.toml")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["leaderboard", "--store", "nowhere"], id="a missing store"),
        pytest.param(["run", "nowhere.toml"], id="a missing configuration"),
        pytest.param(["apply", "plain-cnn", "nowhere.diff"], id="a missing delta"),
    ],
)
def test_our_errors_are_one_line_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("deltanas: ")
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_delta_goes_from_proposal_to_pending(store_path: Path, tmp_path: Path) -> None:
    where = ["--store", str(store_path)]
    proposed = CliRunner().invoke(app, ["propose", "plain-cnn", *where])
    (tmp_path / "my.diff").write_text(proposed.stdout)
    applied = CliRunner().invoke(app, ["apply", "plain-cnn", str(tmp_path / "my.diff"), *where])
    assert applied.exit_code == 0, applied.output
    assert applied.stdout == proposed.stdout
    assert "hand/c01-001" in applied.stderr


def test_an_existing_run_is_not_overwritten(store_path: Path, tmp_path: Path) -> None:
    (tmp_path / "night.toml").write_text(
        "cycles = 1\ncandidates = 1\nbaselines = ['plain-cnn']\n[replication]\nseeds = 1\n"
    )
    call = ["run", str(tmp_path / "night.toml"), "--store", str(store_path)]
    first = CliRunner().invoke(app, call)
    assert first.exit_code == 0, first.output
    again = CliRunner().invoke(app, [*call, "--if-exists", "refuse"])
    assert again.exit_code == 1
    assert "--if-exists new" in again.stderr


@pytest.mark.parametrize(
    ("text", "named"),
    [
        pytest.param("[measurement]\ndataset = 'cifar-10'\n", "fetch cifar-10", id="data set"),
        pytest.param("baselines = ['nosuch']\n", "'nosuch'", id="baseline"),
    ],
)
def test_a_run_that_cannot_begin_does_not_take_its_name(
    store_path: Path, tmp_path: Path, text: str, named: str
) -> None:
    (tmp_path / "night.toml").write_text(text)
    result = CliRunner().invoke(
        app, ["run", str(tmp_path / "night.toml"), "--store", str(store_path)]
    )
    assert result.exit_code == 1
    assert named in result.stderr
    with open_store(store_path) as store:
        assert store.runs() == ()


def test_resuming_can_raise_the_budget(store_path: Path, tmp_path: Path) -> None:
    (tmp_path / "night.toml").write_text(
        "cycles = 1\ncandidates = 2\nattempts = 1\nbaselines = ['plain-cnn']\n"
        "[replication]\nseeds = 1\n[budget]\nanswers = 1\n"
    )
    where = ["--store", str(store_path)]
    first = CliRunner().invoke(app, ["run", str(tmp_path / "night.toml"), *where])
    assert "the budget of 1 answers is spent" in first.stdout
    again = CliRunner().invoke(app, ["resume", "night", "--answers", "2", *where])
    assert again.exit_code == 0, again.output
    with open_store(store_path) as store:
        assert len(store.candidates("night")) == 2


@pytest.mark.parametrize(
    "arguments",
    [["show", "plain-cnn"], ["check", "plain-cnn"], ["novelty", "plain-cnn"], ["baselines"]],
    ids=lambda arguments: arguments[0],
)
def test_an_architecture_can_be_looked_at(store_path: Path, arguments: list[str]) -> None:
    result = CliRunner().invoke(app, [*arguments, "--store", str(store_path)])
    assert result.exit_code == 0, result.output
    assert result.stdout


def test_the_novelty_of_a_pending_candidate_answers_all_four_questions(store_path: Path) -> None:
    where = ["--store", str(store_path)]
    with open_store(store_path) as store:
        source = store.get(store.resolve("plain-cnn")).source
        parent = store.resolve("plain-cnn")
    edited = source.replace("kernel = 3", "kernel = 5", 1)
    delta = render_delta(source, edited)
    for _ in range(2):
        applied = CliRunner().invoke(app, ["apply", "plain-cnn", "-", *where], input=delta)
        assert applied.exit_code == 0, applied.output
    result = CliRunner().invoke(app, ["novelty", "hand/c01-002", "--build", *where])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("novel; ")
    assert "nearest   " in result.stdout
    answer = CliRunner().invoke(app, ["novelty", "hand/c01-002", "--json", *where])
    report = NoveltyReport.model_validate_json(answer.stdout)
    assert report.exact_duplicate_of is None
    assert report.neighbours
    assert parent not in [each.id for each in report.neighbours]


def test_the_novelty_of_a_renamed_copy_names_its_twin(store_path: Path) -> None:
    with open_store(store_path) as store:
        found = store.get(store.resolve("plain-cnn"))
        commented = found.source + "\nimport math  # unused\n"
        store.import_baseline("copy", found.model_copy(update={"source": commented}))
    result = CliRunner().invoke(app, ["novelty", "copy", "--store", str(store_path)])
    assert result.stdout.startswith("a duplicate; ")
    assert "twin      plain-cnn: the same network in other words" in result.stdout


def test_the_doctor_finds_this_machine_fit(store_path: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--store", str(store_path)])
    assert result.exit_code == 0, result.output
    assert "sandbox" in result.stdout


SEARCH_REPLACE = """\
<<<<<<< SEARCH
        kernel = 3
=======
        kernel = 5
>>>>>>> REPLACE
"""


def test_a_dry_run_shows_the_delta_and_keeps_nothing(store_path: Path) -> None:
    where = ["--store", str(store_path), "--dry-run"]
    shown = CliRunner().invoke(app, ["apply", "plain-cnn", "-", *where], input=SEARCH_REPLACE)
    assert shown.exit_code == 0, shown.output
    assert "-        kernel = 3\n+        kernel = 5\n" in shown.stdout
    assert "read as search/replace" in shown.stderr
    with open_store(store_path) as store:
        assert store.runs() == ()


def test_the_filter_answers_every_line_in_order() -> None:
    lines = [
        {"baseline": "a = 1\n", "diff": "@@\n-a = 1\n+a = 2\n"},
        {"baseline": "a = 1\n", "diff": "@@\n-a = 3\n+a = 2\n"},
        {"baseline": "a = 1\n"},
        {"baseline": "a = 1\n", "diff": "@@\n-a = 1\n+a = \ud800'\n"},
    ]
    text = "".join(f"{json.dumps(line)}\n" for line in lines) + "no JSON\n"
    result = CliRunner().invoke(app, ["apply", "--jsonl"], input=text)
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert answers[0] == {"ok": True, "text": "a = 2\n"}
    codes = [answer["error"]["code"] for answer in answers[1:]]
    assert codes == ["not-found", "bad-input", "syntax", "bad-input"]
    assert all(answer["error"]["message"] for answer in answers[1:])


def test_the_filter_leaves_the_gates_of_a_run_open() -> None:
    parent = "def supported_hyperparameters():\n    return {'lr'}\n"
    line = {"baseline": parent, "diff": "@@\n-    return {'lr'}\n+    return {'momentum'}\n"}
    result = CliRunner().invoke(app, ["apply", "--jsonl"], input=json.dumps(line))
    assert json.loads(result.stdout)["ok"] is True


def test_apply_needs_an_architecture_or_the_filter() -> None:
    result = CliRunner().invoke(app, ["apply"])
    assert result.exit_code == 2
    assert "PARENT" in result.stderr


def test_what_a_refused_answer_proposes_is_kept_and_shown(store_path: Path) -> None:
    where = ["--store", str(store_path)]
    answer = (
        "<hp>{'lr': 0.02, 'colour': 1}</hp>\n<delta>\n@@\n-    def learn(self, train_data):\n"
        "+    def learn(self, train_data, extra=0):\n</delta>\n"
    )
    refused = CliRunner().invoke(app, ["apply", "plain-cnn", "-", *where], input=answer)
    assert refused.exit_code == 1
    assert "Net.learn" in refused.stderr
    shown = CliRunner().invoke(app, ["show", "hand/c01-001", *where])
    assert "rejected by the interface gate (frozen)" in shown.stdout
    assert "proposes  lr 0.02" in shown.stdout
    assert "colour" in shown.stdout
