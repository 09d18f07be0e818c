"""The page in a real browser: at phone width, by keyboard, in the dark, without scripts."""

import re
from collections.abc import Generator
from pathlib import Path

import pytest

from benchmarks.synthetic_store import Search, fill
from deltanas_agent.report.facts import read_facts
from deltanas_agent.report.page import render
from deltanas_repo_store.repository import MemoryRepository
from deltanas_repo_store.store import Store
from tests.agent.report.browser_for_tests import BROWSER, DRIVER, MISSING, Page, opened
from tests.agent.report.runs_for_tests import HOSTILE, NOW, compared

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (BROWSER and DRIVER), reason=MISSING),
]
PHONE, DESK = 360, 1100


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(compared().facts("night", "day")), encoding="utf-8")
    return path


@pytest.fixture
def phone(tmp_path: Path, report: Path) -> Generator[Page]:
    with opened(tmp_path, width=PHONE) as page:
        page.open(report)
        yield page


@pytest.fixture
def desk(tmp_path: Path, report: Path) -> Generator[Page]:
    with opened(tmp_path, width=DESK) as page:
        page.open(report)
        yield page


def focused(page: Page) -> str:
    return str(page.run("return document.activeElement.innerText"))


def widest(page: Page) -> int:
    return int(page.run("return document.scrollingElement.scrollWidth"))


def ground(page: Page) -> tuple[int, ...]:
    """The colour of the page's ground."""
    colour = page.run("return getComputedStyle(document.body).backgroundColor")
    return tuple(int(each) for each in re.findall(r"\d+", colour))


def test_nothing_of_a_hostile_model_runs_or_is_refused_by_the_policy(desk: Page) -> None:
    assert desk.complaints() == []
    assert desk.run("return document.querySelectorAll('img').length") == 0
    assert desk.run("return document.scripts.length") == 1


def test_the_policy_stops_a_script_that_got_in_all_the_same(tmp_path: Path, report: Path) -> None:
    spoilt = tmp_path / "spoilt.html"
    text = report.read_text(encoding="utf-8")
    spoilt.write_text(text.replace("<main>", "<main><script>window.bad = 1</script>"), "utf-8")
    with opened(tmp_path, width=DESK) as page:
        page.open(spoilt)
        assert page.run("return window.bad ?? null") is None
        assert any("Content Security Policy" in each for each in page.complaints())


def test_nothing_is_fetched(desk: Page) -> None:
    assert desk.run("return performance.getEntriesByType('resource').map((e) => e.name)") == []


@pytest.mark.parametrize("width", [320, PHONE, 768, DESK])
def test_the_page_is_no_wider_than_the_screen(tmp_path: Path, report: Path, width: int) -> None:
    with opened(tmp_path, width=width) as page:
        page.open(report)
        page.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        assert widest(page) <= width


def test_text_in_figures_is_large_enough_on_a_phone(phone: Page) -> None:
    sizes = phone.run(
        "return [...document.querySelectorAll('figure svg')].map((svg) => "
        "11 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)"
    )
    assert min(sizes) >= 9


def test_keys_walk_fold_and_open_the_lineage(desk: Page) -> None:
    desk.run("document.querySelector('#lineage [tabindex=\"0\"]').focus()")
    assert focused(desk) == "ash"
    desk.press("Down")
    assert "night/c01-001" in focused(desk)
    desk.press("Enter")
    assert any("+# night 1 1" in each for each in desk.texts("#lineage .delta"))
    desk.press("Home", "Left")
    assert desk.texts("#lineage summary") == []
    desk.press("Right", "End")
    assert "day/c01-012" in focused(desk)
    desk.press("Left")
    assert focused(desk) == "ash"


def test_the_tab_key_passes_the_lineage_in_one_step(desk: Page) -> None:
    assert desk.run("return document.querySelectorAll('#lineage [tabindex=\"0\"]').length") == 1 + (
        desk.run("return document.querySelectorAll('#lineage pre').length")
    )
    desk.run("document.querySelector('#lineage-unfold').focus()")
    desk.press("Tab")
    assert focused(desk) == "ash"
    desk.press("Tab")
    assert desk.run("return !document.activeElement.closest('#lineage')")


def test_filtering_leaves_what_fits_and_the_way_to_it(desk: Page) -> None:
    desk.click("#lineage-words")
    desk.press(*"c02-008")
    assert desk.texts("#lineage-count") == ["1 of 14 shown"]
    names = desk.texts("#lineage .who")
    assert names[-1] == "night/c02-008"
    assert names[0] == "ash"
    assert len(names) < 14


def test_a_click_folds_what_was_made_of_one(desk: Page) -> None:
    before = len(desk.texts("#lineage .who"))
    desk.click("#lineage .fold")
    assert len(desk.texts("#lineage .who")) < before
    assert desk.run("return document.querySelector('.fold').ariaExpanded") == "false"


def test_in_the_dark_the_page_is_dark_and_its_text_keeps_contrast(desk: Page) -> None:
    for scheme, is_dark in (("light", False), ("dark", True)):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        desk.chrome("Emulation.setEmulatedMedia", features=[feature])
        assert (sum(ground(desk)) < 3 * 64) is is_dark
        assert min(_contrasts(desk)) >= 4.5


def _contrasts(page: Page) -> list[float]:
    """Contrast of the colours of text with the ground. Source: W3C, WCAG 2.2 (2023), 1.4.3."""
    colours = page.run(
        "return ['.note', 'h1', 'a', '.gain.fell', 'main .told', 'td', '.message'].map((each) => "
        "getComputedStyle(document.querySelector(each)).color)"
    )
    base = _luminance(ground(page))
    found: list[float] = []
    for each in colours:
        own = _luminance(tuple(int(part) for part in re.findall(r"\d+", each)))
        found.append((max(own, base) + 0.05) / (min(own, base) + 0.05))
    return found


def _luminance(colour: tuple[int, ...]) -> float:
    linear = [
        part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4
        for part in colour[:3]
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_without_scripts_everything_is_there_and_no_control_is_dead(
    tmp_path: Path, report: Path
) -> None:
    with opened(tmp_path, width=PHONE, has_scripts=False) as page:
        page.open(report)
        assert len(page.texts("#lineage .who")) == 14
        assert page.texts("#lineage-controls, .fold") == []
        page.click("#lineage summary")
        assert len(page.texts("#lineage .delta")) == 1
        assert widest(page) <= PHONE


def test_hostile_text_is_read_as_text(desk: Page) -> None:
    desk.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    start = HOSTILE.split("\u2028")[0]
    assert any(start in each for each in desk.texts("#rejections .message"))


def test_1100_candidates_make_a_page_of_a_few_megabytes_that_stays_usable(tmp_path: Path) -> None:
    store = Store(MemoryRepository())
    fill(store.repository, Search("run"), 1100)
    runs = ("run-0000", "run-0001")
    for run in runs:
        store.begin_run(run, {"kind": "search"})
    text = render(read_facts(store, runs, read_at=NOW, version="0", top=5))
    assert len(text.encode()) < 3_000_000
    path = tmp_path / "large.html"
    path.write_text(text, encoding="utf-8")
    with opened(tmp_path, width=PHONE) as page:
        page.open(path)
        page.click("#lineage-unfold")
        assert len(page.texts("#lineage .who")) > 1100
        assert widest(page) <= PHONE
        assert page.complaints() == []
