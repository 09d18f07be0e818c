"""What a report writes beside its page: figures and data that other programs read."""

import csv
import io
import xml.etree.ElementTree as ET

import pytest

from deltanas_agent.report.files import ReportFiles, report_files
from deltanas_repo_store.errors import ConfigError
from tests.agent.report.runs_for_tests import Runs, compared


@pytest.fixture(scope="module")
def files() -> ReportFiles:
    return report_files(compared().facts("night", "day"))


def rows(files: ReportFiles, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files.beside[name], newline="")))


def test_every_answer_is_a_row_of_the_data(files: ReportFiles) -> None:
    found = rows(files, "candidates.csv")
    assert len(found) == 24
    assert {each["status"] for each in found} == {"kept", "rejected"}


def test_the_data_has_what_the_store_has(files: ReportFiles) -> None:
    [row] = [each for each in rows(files, "candidates.csv") if each["run"] == "day"][11:]
    assert (row["accuracy"], row["parent_accuracy"], row["gain"]) == ("0.7", "0.8", "-0.1")


def test_no_text_in_the_data_is_a_formula_of_a_spreadsheet() -> None:
    runs = Runs()
    runs.begin("night")
    runs.keep("night", 1, summary="=HYPERLINK(1)")
    [row] = rows(report_files(runs.facts("night")), "candidates.csv")
    assert row["change"] == "'=HYPERLINK(1)"


def test_measurements_of_baselines_are_in_the_data_seed_by_seed(files: ReportFiles) -> None:
    found = [each for each in rows(files, "measurements.csv") if each["name"] == "birch"]
    assert [each["accuracy"] for each in found] == ["0.85", "0.86"]


def test_the_funnel_is_in_the_data_cycle_by_cycle(files: ReportFiles) -> None:
    found = [
        (each["cycle"], each["answered"], each["trained"])
        for each in rows(files, "funnel.csv")
        if (each["arm"], each["counted"]) == ("night", "first")
    ]
    assert found == [("1", "5", "5"), ("2", "6", "6"), ("3", "1", "1")]


def test_every_figure_is_an_svg_on_its_own(files: ReportFiles) -> None:
    figures = {name: text for name, text in files.beside.items() if name.endswith(".svg")}
    assert len(figures) >= 10
    for text in figures.values():
        root = ET.fromstring(text)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.attrib["aria-label"]
        assert "color-scheme" in (root[0].text or "")


def test_figures_have_no_coordinate_that_is_no_number(files: ReportFiles) -> None:
    assert not any("nan" in text or "inf" in text for text in files.beside.values())


def test_without_tokens_there_is_no_figure_against_tokens(files: ReportFiles) -> None:
    assert "best-by-tokens-1.svg" in files.beside
    runs = Runs()
    runs.begin("night")
    runs.keep("night", 1)
    assert "best-by-tokens-1.svg" not in report_files(runs.facts("night")).beside


@pytest.mark.parametrize("names", [(), ("night", "night"), ("night", "dawn")])
def test_runs_are_named_once_each_and_are_there(names: tuple[str, ...]) -> None:
    runs = Runs()
    runs.begin("night")
    with pytest.raises(ConfigError):
        runs.facts(*names)
