"""Clients that other people wrote, against the real server."""

import pytest

from tests.clients.run import CLIENTS, Client, outcomes


@pytest.mark.slow
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_client_drives_a_whole_search_over_stdio_and_http(client: Client) -> None:
    seen = list(outcomes([client.name]))
    assert [each.transport for each in seen] == ["stdio", "http"]
    assert not [each.words for each in seen if each.verdict == "failed"]
    if reasons := {each.words for each in seen if each.verdict == "skipped"}:
        pytest.skip("; ".join(reasons))
