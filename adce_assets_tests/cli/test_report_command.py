"""`adce report`: the page says what the loop's files say, and a browser finds the keys behind a square."""

import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from adce_assets.ledger.book import open_ledger
from adce_assets.ledger.keys import Transition
from adce_assets.ledger.transitions import Event
from adce_assets.settings import load_settings
from adce_assets_tests.cli.conftest import MISSING, NOW


class Marked(HTMLParser):
    """Every element of a page that says something to programs."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.cells: dict[str, tuple[int, int]] = {}
        self.keys: list[str] = []
        self.priorities: list[str] = []
        self.tags = Counter[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found: dict[str, Any] = dict(attrs)
        self.tags[tag] += 1
        if "data-cell" in found:
            self.cells[found["data-cell"]] = (int(found["data-present"]), int(found["data-due"]))
        if "data-key" in found:
            self.keys.append(found["data-key"])
        if "data-priority" in found:
            self.priorities.append(found["data-priority"])


def written(installation: Any, folder: Path) -> str:
    result = installation.adce("report", "-o", str(folder / "page.html"))
    assert result.exit_code == 0, result.stderr
    return (folder / "page.html").read_text()


def test_the_page_has_a_square_for_each_cell_and_every_key_that_is_not_there(reconciled: Any, tmp_path: Path) -> None:
    page = Marked(written(reconciled, tmp_path))
    cells = reconciled.state_of("cache/coverage_analysis.json")["cells"]
    assert page.cells == {
        f"{cell['source']}/{cell['data_type']}/{cell['season']}": (cell["present"], cell["due"]) for cell in cells
    }
    table = pq.read_table(reconciled.home / "inventory" / "cache" / "coverage_analysis.parquet").to_pylist()
    assert Counter(page.keys) == Counter(
        row["key"] for row in table if row["key"] and row["state"] not in {"present", "not_due"}
    )
    assert set(MISSING) <= set(page.keys)
    gaps = reconciled.state_of("cache/detected_gaps.json")["gaps"]
    assert set(page.priorities) == {gap["priority"] for gap in gaps}
    assert not page.tags["script"]
    nowhere = reconciled.adce("report", "-o", str(tmp_path / "no" / "page.html"))
    assert (nowhere.exit_code, "cannot be written" in nowhere.stderr, "fault of ADCE" in nowhere.stderr) == (
        1,
        True,
        False,
    )


def test_the_page_can_be_written_to_a_pipe(reconciled: Any) -> None:
    result = reconciled.adce("report", "--html")
    assert result.stdout.startswith("<!doctype html>")
    assert result.stdout.endswith("</html>\n")


def test_the_same_can_be_had_as_values(reconciled: Any) -> None:
    told, coverage = reconciled.json("report"), reconciled.state_of("cache/coverage_analysis.json")
    assert (told["totals"], told["sources"]) == (coverage["totals"], coverage["sources"])
    gaps = reconciled.state_of("cache/detected_gaps.json")["gaps"]
    assert told["gaps"] == dict(Counter(gap["priority"] for gap in gaps))
    assert reconciled.adce("report", "--json", "--html").exit_code == 1


def test_dead_letters_stand_with_their_reason_among_what_cannot_be_had(gaps_known: Any, tmp_path: Path) -> None:
    detail = {"class": "refused", "what": "<b>404</b>: no such game"}
    path = (Event.DETECTED, Event.LEASED, Event.FAILED, Event.DEAD_LETTERED)
    given_up = [
        Transition(key, event, "espn", "box_scores", "2024-25", at=NOW, detail=detail | {"until": NOW.isoformat()})
        for key in ("box_scores/1.json", "box_scores/2.json")
        for event in path
    ]
    ledger = open_ledger(load_settings(gaps_known.variables).database_url)
    assert not ledger.append(given_up).refused
    ledger.dispose()
    assert "&lt;b&gt;404&lt;/b&gt;: no such game" in written(gaps_known, tmp_path)
    (row,) = [row for row in gaps_known.json("report")["unavailable"] if "`refused`" in row["reason"]]
    assert (row["data_type"], row["keys"], row["seasons"]) == ("box_scores", 2, 1)


def test_before_the_first_reconciliation_there_is_nothing_to_report(installation: Any, tmp_path: Path) -> None:
    result = installation.adce("report", "-o", str(tmp_path / "page.html"))
    assert result.exit_code == 1
    assert "adce reconcile" in result.stderr
    assert not (tmp_path / "page.html").exists()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium: apt-get install chromium")
def test_a_square_leads_to_its_keys_and_how_they_stand_in_the_ledger(reconciled: Any, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    key = MISSING[0]
    stands = reconciled.json("why", key)["state"]
    written(reconciled, tmp_path)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.goto((tmp_path / "page.html").as_uri())
        shown = page.locator(f"[data-key='{key}']")
        assert not shown.is_visible()
        page.locator("[data-cell='espn/play_by_play/2024-25'] a").click()
        assert shown.is_visible()
        row = shown.locator("xpath=ancestor::tr").inner_text()
        browser.close()
    assert ("missing" in row, stands.replace("_", " ") in row) == (True, True)
