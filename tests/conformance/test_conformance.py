"""The official suite and the Inspector find nothing; `make conformance` prints the table."""

from pathlib import Path

import pytest

from tests.clients.environments import NotAvailable
from tests.conformance.programs import installed
from tests.conformance.run import findings


@pytest.mark.slow
def test_the_official_suite_and_the_inspector_find_nothing(tmp_path: Path) -> None:
    try:
        programs = installed(tmp_path)
    except NotAvailable as error:
        pytest.skip(str(error))
    found = list(findings(programs, tmp_path))
    assert [each.line() for each in found if each.verdict == "FAILED"] == []
    assert len(found) > 80
