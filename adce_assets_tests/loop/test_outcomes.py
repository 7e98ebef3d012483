"""What came of forecasts: they end with their last key, are held against what they said, and are made once a day."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adce_assets.ledger.transitions import Event
from adce_assets.loop.forecast import Span
from adce_assets.loop.outcomes import Outcomes, Said, follow, judged
from adce_assets.loop.state import FORECASTS
from adce_assets_tests.loop.lives import BODY, Life, day

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)


def said(hours_ago: float, *, p90: float = 2, took: float | None = None) -> Said:
    made = NOW - timedelta(hours=hours_ago)
    ended = None if took is None else made + timedelta(hours=took)
    return Said(made_at=made, keys=9, p50_s=1800 * p90, p90_s=3600 * p90, sample=("k",), ended_at=ended)


@pytest.mark.parametrize(
    ("forecasts", "share"),
    [
        ([], None),
        ([said(1)], None),
        ([said(3)], 0.0),
        ([said(3, took=1)], 1.0),
        ([said(30, took=5), said(9, took=2)], 0.5),
        ([said(99, took=1), said(50, took=1), said(30, took=1), said(5)], 0.75),
    ],
    ids=["none", "still in time", "late already", "in time", "one of two", "late ones count before their end"],
)
def test_forecasts_are_judged_by_what_came_of_them(forecasts: list[Said], share: float | None):
    told = judged(forecasts, NOW)
    assert told.within_p90 == share
    assert told.last == (forecasts[-1] if forecasts else None)


SOON = Span(60.0, 120.0)


class Loop:
    """A life whose queue of the first day is forecast at each look."""

    def __init__(self, life: Life) -> None:
        self.life, self.made = life, 0
        self.ids = [task["id"] for task in life.cycle()["tasks"]]

    def look(self, span: Span = SOON) -> Outcomes:
        def make() -> Span:
            self.made += 1
            return span

        return follow(self.life.project, self.ids, make)

    def kept(self) -> list[dict[str, Any]]:
        return self.life.project.state.read_json(FORECASTS)["forecasts"]


def test_a_forecast_ends_when_the_last_of_its_keys_does(workshop: "Workshop"):
    loop = Loop(Life.begin(workshop, first="2024-01-08"))
    first = loop.look()
    assert first.last is not None
    assert (first.last.keys, first.last.sample, first.settled) == (2, (day(8), day(9)), None)
    loop.life.wait(minutes=1).promote(day(9), BODY)
    assert loop.look().settled is None
    loop.life.wait(minutes=1)
    assert loop.life.claim([day(8)]) == [day(8)]
    loop.life.tell([day(8)], Event.FAILED)
    loop.life.tell([day(8)], Event.DEAD_LETTERED)
    told = loop.look()
    assert told.settled is not None
    assert told.settled.took_s == 120
    assert (told.within_p90, loop.made) == (1.0, 1)


def test_a_forecast_is_made_once_a_day_and_forgotten_after_two_weeks(workshop: "Workshop"):
    loop = Loop(Life.begin(workshop, first="2024-01-09"))
    loop.look()
    for hours, made, kept in ((23, 1, 1), (1, 2, 2), (24 * 13, 3, 2)):
        loop.life.wait(hours=hours)
        loop.look()
        assert (loop.made, len(loop.kept())) == (made, kept)


def test_what_nobody_can_foretell_is_not_written_down_and_damage_is_forgotten(workshop: "Workshop"):
    loop = Loop(Life.begin(workshop, first="2024-01-09"))
    assert loop.look(Span(None, None)) == Outcomes(None, None, None)
    loop.life.project.state.store.put(f"{FORECASTS}.json", b'{"schema": 1, "forecasts": [{"made_at": 7}]}')
    assert loop.look().last is not None
