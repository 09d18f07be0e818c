"""Everything a report writes, as texts by file name: the page, the figures, the data."""

from deltanas_agent.report.arms import arms
from deltanas_agent.report.data import tables
from deltanas_agent.report.facts import Facts
from deltanas_agent.report.page import render, resource
from deltanas_agent.report.plots import plots
from deltanas_agent.report.results import reasons
from deltanas_agent.report.svg import standalone
from deltanas_repo_store.records import Record


class ReportFiles(Record):
    """A report as files."""

    page: str
    beside: dict[str, str]
    """Figures as SVG and tables as CSV, by their file names."""


def report_files(facts: Facts) -> ReportFiles:
    """Return the page, and what goes beside it."""
    found = arms(facts)
    drawn = plots(facts, found, reasons(found))
    style = resource("figure.css")
    figures = {f"{each.name}.svg": standalone(each.svg, style) for each in drawn}
    return ReportFiles(page=render(facts, drawn), beside=figures | tables(facts))
