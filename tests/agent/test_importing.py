"""Other people's networks: what fits comes in, what does not is named with its reason."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deltanas_agent import importing
from deltanas_agent.importing import import_networks
from deltanas_repo_store.importers.files import read_folder
from deltanas_repo_store.reported import NewBaseline, Skipped
from deltanas_repo_store.repository import MemoryRepository
from deltanas_repo_store.store import Store
from tests.networks_for_tests import architecture, network


def test_networks_without_the_interface_are_named_with_what_they_lack(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(network())
    (tmp_path / "bare.py").write_text("class Net:\n    pass\n")
    (tmp_path / "broken.py").write_text("def\n")
    store = Store(MemoryRepository())
    report = import_networks(store, read_folder(tmp_path), interface=True)
    assert [entry.name for entry in store.baselines()] == ["good"]
    reasons = {Path(each.name).stem: each.reason for each in report.skipped}
    assert "supported_hyperparameters" in reasons["bare"]
    assert "not Python" in reasons["broken"] or "syntax" in reasons["broken"]


def test_a_stopped_import_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = [
        NewBaseline(name=f"n{number}", architecture=architecture(network())) for number in range(7)
    ]
    store = Store(MemoryRepository())
    monkeypatch.setattr(importing, "BATCH", 2)

    def stopped() -> Iterator[NewBaseline]:
        yield from networks[:5]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_networks(store, stopped(), interface=True)
    assert len(store.baselines()) == 4
    report = import_networks(store, networks, interface=True)
    assert (report.added, report.present) == (3, 4)


def test_what_a_reader_left_out_is_in_the_report() -> None:
    store = Store(MemoryRepository())
    left_out = Skipped(name="huge", reason="too large")
    assert import_networks(store, [left_out], interface=True).skipped == (left_out,)
