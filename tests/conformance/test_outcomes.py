"""What the suite writes down, and what we make of it."""

import json
from pathlib import Path

import pytest

from tests.conformance.outcomes import outcomes, scenarios

LISTING = """\
Required for 2026-07-28 (3 scenarios):

Server scenarios (test against a server):
  - ping
  - tools-list

Client scenarios (test against a client):
  - initialize

Run and reported, but never scored:
  extension (2):
    - tasks-lifecycle [server]
    - auth/dpop [client]
"""


def test_the_scenarios_are_those_for_servers_scored_or_not() -> None:
    assert scenarios(LISTING) == ("ping", "tools-list", "tasks-lifecycle")


@pytest.mark.parametrize(
    ("name", "statuses", "verdict"),
    [
        pytest.param("ping", ["SUCCESS", "INFO"], "passed", id="nothing wrong"),
        pytest.param("ping", ["SUCCESS", "FAILURE"], "FAILED", id="a failure"),
        pytest.param("ping", ["SUCCESS", "WARNING"], "FAILED", id="what is only recommended"),
        pytest.param("ping", ["SKIPPED"], "skipped", id="not looked at"),
        pytest.param("ping", [], "FAILED", id="not run"),
        pytest.param("server-sse-polling", ["FAILURE"], "known", id="what we do not offer"),
    ],
)
def test_a_scenario_passes_if_no_check_has_anything_to_say(
    tmp_path: Path, name: str, statuses: list[str], verdict: str
) -> None:
    folder = tmp_path / f"server-{name}-2026-11-25T01-06-12-339Z"
    folder.mkdir()
    checks = [{"id": "check", "status": status, "errorMessage": "why"} for status in statuses]
    (folder / "checks.json").write_text(json.dumps(checks), encoding="utf-8")
    [outcome] = outcomes(tmp_path, (name,))
    assert outcome.verdict == verdict


def test_a_scenario_that_left_no_file_has_failed(tmp_path: Path) -> None:
    [outcome] = outcomes(tmp_path, ("ping",))
    assert (outcome.verdict, outcome.words) == ("FAILED", "the suite did not run it")
