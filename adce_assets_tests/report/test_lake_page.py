"""What is told of a lake, drawn: nothing of it is markup, and nothing is left out in silence."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

from adce_assets.ledger.transitions import Event
from adce_assets.loop.outcomes import Outcomes, Said
from adce_assets.loop.records import STATES
from adce_assets.report.gathering import KeyTold, LakeReport
from adce_assets.report.lake_page import page

NOW = datetime(2024, 12, 5, 12, tzinfo=UTC)
HOSTILE = "</code><script>alert(1)</script>\"'&"


class Read(HTMLParser):
    def __init__(self, drawn: str) -> None:
        super().__init__()
        self.tags, self.text, self.shades = Counter[str](), "", dict[str, str]()
        self.feed(drawn)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        found: dict[str, Any] = dict(attrs)
        if "data-cell" in found:
            self.shades[found["data-cell"]] = found["class"]

    def handle_data(self, data: str) -> None:
        self.text += data


def cell(season: str, **states: int) -> dict[str, Any]:
    counts = dict.fromkeys(STATES, 0) | states
    due = sum(counts.values()) - counts["not_due"] - counts["unavailable"]
    share = 100.0 * counts["present"] / due if due else 100.0
    sums = {"expected": sum(counts.values()), "due": due, "completeness_pct": share, "objects": 7, "bytes": 1_000**3}
    return {"source": "s" + HOSTILE, "data_type": "d", "season": season, **counts, **sums}


def told(cells: list[dict[str, Any]], **changes: Any) -> LakeReport:
    values: dict[str, Any] = {
        "lake": HOSTILE,
        "as_of": HOSTILE,
        "totals": cell("", present=1),
        "sources": [cell("", present=1)],
        "cells": cells,
        "gaps": [],
        "queue": None,
        "ends": {},
        "absent": [],
        "forecasts": Outcomes(None, None, None),
        "keys": {},
    }
    return LakeReport(**(values | changes))


def test_the_colour_of_a_square_says_how_complete_its_cell_is_and_what_is_not_to_be_had_is_told_apart() -> None:
    cells = [
        cell("1", present=4),
        cell("2", present=99, missing=1),
        cell("3", present=3, stale=1),
        cell("4", present=1, damaged=3),
        cell("5", missing=4),
        cell("6", not_due=4),
        cell("7", unavailable=4),
        cell("8", present=999_999, missing=1),
    ]
    read = Read(page(told(cells)))
    shades = {name.rpartition("/")[2]: shade for name, shade in read.shades.items()}
    expected = {"1": "c4", "2": "c3", "3": "c2", "4": "c1", "5": "c0", "6": "later", "7": "never", "8": "c3"}
    assert shades == expected


def test_whatever_is_told_is_text_on_the_page() -> None:
    one = cell("2024-25", missing=3)
    gap = dict.fromkeys(("priority", "source", "data_type", "season", "reason"), HOSTILE)
    counts = {f"{state}_files": 1 for state in ("missing", "stale", "damaged")}
    said = Said(made_at=NOW, keys=9, p50_s=7_200, p90_s=200_000, sample=(), ended_at=NOW + timedelta(hours=3))
    drawn = page(
        told(
            [one],
            gaps=[gap | counts],
            ends={(Event.DEAD_LETTERED, HOSTILE): {1: 0, 7: 2, 30: 5}},
            absent=[{"source": HOSTILE, "data_type": "d", "reason": HOSTILE, "seasons": 1, "keys": 1_234}],
            forecasts=Outcomes(said, said, 0.5),
            keys={(one["source"], "d", "2024-25"): [KeyTold(HOSTILE, "missing", HOSTILE)]},
        )
    )
    read = Read(drawn)
    assert not read.tags["script"]
    assert read.text.count(HOSTILE) >= 12
    told_words = ("1,234", "2 more", "2.0 hours", "2.3 days", "it took 3.0 hours", "50 % ended")
    assert [words for words in told_words if words not in read.text] == []
