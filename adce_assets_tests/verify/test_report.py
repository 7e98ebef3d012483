"""Answers laid out as a document and as a page."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from adce_assets.verify import report
from adce_assets.verify.checks import Answer, Cell, Check, Kind, Level, Question, Row, Severity, State, check, key_text
from adce_assets.verify.page import page
from adce_assets.verify.report import Outcome, Run, outcome_of
from adce_assets.verify.settling import settle, settles_at

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)
HOSTILE = "<script>alert('&')</script>"


def answer(name: str = "rows", *rows: Row, **told: Any) -> Check:
    cell = Cell("games", "2024-25", NOW)
    asked = {part: told.pop(part) for part in ("worker", "severity") if part in told}
    words: dict[str, Any] = {
        "expected": "3",
        "actual": str(3 - len(rows)),
        "discrepancy": str(-len(rows)),
        "message": "in words",
    }
    question = Question(Kind.COUNT, Level.SOURCE_READ, name, **asked)
    return check(cell, question, Answer(rows=rows, **(words | told)))


def row(key: str = "a", **told: Any) -> Row:
    return Row(key_text({"OBJECT_KEY": key}), "lost", **told)


def drawn(*checks: Check, at: datetime = NOW, run: str = "run-1") -> dict[str, Any]:
    workers = [{"worker": "parser-1", "objects": 3}]
    return report.document(
        "games", "2024-25", checks, Run(run, at, at, workers), published=True, blocking=True, says="in words"
    )


@pytest.mark.parametrize(
    ("checks", "outcome"),
    [
        ([], Outcome.FAILED),
        ([answer()], Outcome.RECONCILED),
        ([answer(), answer("b", row())], Outcome.FAILED),
        ([answer(), answer("b", row(), severity=Severity.WARNING)], Outcome.RECONCILED),
        ([answer(), replace(answer("b", row()), state=State.SETTLING)], Outcome.SETTLING),
        ([answer("a", row()), replace(answer("b", row()), state=State.SETTLING)], Outcome.FAILED),
    ],
)
def test_what_answers_amount_to(checks: list[Check], outcome: Outcome):
    assert outcome_of(checks) is outcome


def test_what_had_nothing_to_ask_counts_in_no_total():
    told = drawn(answer(), answer("b", asked=False))
    assert [told["totals"][name] for name in ("checks", "passed", "not_asked", "success_rate_pct")] == [1, 1, 1, 100.0]
    assert "not asked" in page(told)


def test_nothing_asked_is_nought_per_cent():
    totals = drawn()["totals"]
    assert (totals["checks"], totals["success_rate_pct"]) == (0, 0.0)


def test_a_rate_is_never_rounded_up():
    checks = [answer(f"{number}") for number in range(29_999)]
    assert drawn(*checks, answer("wrong", row()))["totals"]["success_rate_pct"] == 99.99


def test_neither_order_nor_run_nor_times_change_the_digest():
    first, second = answer("a"), answer("b", row())
    later = [replace(one, checked_at=NOW + HALF_AN_HOUR) for one in (second, first)]
    one, other = drawn(first, second), drawn(*later, at=NOW + HALF_AN_HOUR, run="run-2")
    assert one["digest"] == other["digest"]
    assert one["digest"] != drawn(first, answer("b"))["digest"]


def test_answers_of_single_workers_stand_apart():
    told = drawn(answer(), answer(worker="parser-1"))
    assert [one["worker"] for one in told["checks"]] == [None]
    assert [one["worker"] for one in told["run"]["checks"]] == ["parser-1"]


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "action"}]


def test_a_page_needs_nothing_else_and_shows_what_is_wrong_as_text():
    wrong = answer(HOSTILE, row(HOSTILE, expected=HOSTILE, actual=None), message=HOSTILE)
    text = page(drawn(answer(), wrong))
    tags = _Tags()
    tags.feed(text)
    assert "script" not in tags.tags
    assert not tags.links
    assert not re.search(r"https?://", text)
    assert text.count("&lt;script&gt;") >= 3
    assert "1 of 2 hold (50.00 %)" in text


def test_a_page_of_nothing_can_be_drawn():
    told = report.document("games", "2024-25", [], Run("r", NOW, NOW), published=False, blocking=True, says="none")
    assert "failed" in page(told)


@pytest.mark.parametrize(
    ("since", "state"),
    [
        (None, State.FAILED),
        (NOW - HALF_AN_HOUR, State.FAILED),
        (NOW - HALF_AN_HOUR + timedelta(microseconds=1), State.SETTLING),
        (NOW + timedelta(minutes=1), State.SETTLING),
        (NOW + timedelta(days=1), State.FAILED),
    ],
)
def test_only_what_is_young_is_settling(since: datetime | None, state: State):
    (told,) = settle([answer("a", row(), since=since)], NOW, HALF_AN_HOUR)
    assert told.state is state


def test_what_passed_stays_passed_and_all_has_settled_with_the_last():
    young = [answer("a", row(), since=NOW - timedelta(minutes=minutes)) for minutes in (5, 10)]
    told = settle([answer(since=NOW), *young], NOW, HALF_AN_HOUR)
    assert [one.state for one in told] == [State.PASSED, State.SETTLING, State.SETTLING]
    assert settles_at(told, HALF_AN_HOUR) == NOW + timedelta(minutes=25)
    assert settles_at(told[:1], HALF_AN_HOUR) is None
