"""Of what only the present can be had: a day is missing while it lasts, and lost, never a gap, once it is over."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adce_assets.lake.store import StoredObject
from adce_assets.loop import gaps
from adce_assets.loop.coverage_sums import STATES
from adce_assets.loop.project import Project
from adce_assets.loop.records import OPEN_STATES
from adce_assets_tests.loop.hoops import TICK, held

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

CONTRACT = r"""
version: 1
leagues:
  hoops: {first_season: 2021-22, season_starts: 10}
dimensions:
  team: {values: [BOS, NYK]}
sources:
  official:
    description: d
    league: hoops
    data_types:
      injuries:
        description: d
        for_each: [date]
        from_date: 2023-09-20
        only_present: true
        changes: until_final
        grace_hours: 6
        templates: ['injuries/{date}.json', 'hurt/{date_compact}.json', 'injuries.json']
      rosters:
        description: d
        for_each: [date, team]
        from_date: 2024-01-10
        only_present: true
        changes: until_final
        grace_hours: 0
        templates: ['rosters/{date}/{team}.json', 'rosters/{team}.json']
      boards: {description: d, for_each: [date], from_date: 2023-12-01, templates: ['boards/{date}.json']}
"""
TODAY = date(2024, 1, 15)
MIDNIGHT = datetime.combine(TODAY, time(), UTC)
NEW_SEASON = datetime(2023, 10, 1, tzinfo=UTC)
DAY, GRACE = timedelta(days=1), timedelta(hours=6)
TYPES = {"injuries": (date(2023, 9, 20), GRACE), "rosters": (date(2024, 1, 10), timedelta())}


def at(workshop: "Workshop", now: datetime) -> Project:
    return workshop.project(CONTRACT, now=now)


def told(
    workshop: "Workshop", project: Project, data_type: str = "injuries", **laid: Any
) -> dict[str, tuple[str, str]]:
    """Cover what was laid out: the state and the reason of every day of a data type that is not plainly present."""
    workshop.lay_out(project, laid.pop("objects", ()), **laid)
    _, rows = workshop.cover(project)
    mine = [row for row in rows if row["data_type"] == data_type and row["key"]]
    return {row["entity"]: (row["state"], row["reason"]) for row in mine}


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (MIDNIGHT - TICK, "not_due"),
        (MIDNIGHT, "missing"),
        (MIDNIGHT + DAY + GRACE - TICK, "missing"),
        (MIDNIGHT + DAY + GRACE, "unavailable"),
        (MIDNIGHT + 300 * DAY, "unavailable"),
    ],
)
def test_a_day_that_nobody_took_is_missing_until_its_grace_is_over(workshop: "Workshop", now: datetime, state: str):
    found = told(workshop, at(workshop, now))
    assert found[str(TODAY)][0] == state
    if state == "unavailable":
        assert found[str(TODAY)][1] == "the day was missed: only the present can be had of this"


def test_a_day_that_was_taken_stays_present(workshop: "Workshop"):
    for now in (MIDNIGHT + DAY / 2, MIDNIGHT + 4 * DAY, MIDNIGHT + 900 * DAY):
        taken = StoredObject(f"injuries/{TODAY}.json", 500, "e", MIDNIGHT + TICK)
        found = told(workshop, at(workshop, now), objects=[taken])
        assert str(TODAY) not in found


@pytest.mark.parametrize(
    ("size", "written", "while_it_lasts", "once_it_is_over"),
    [
        (500, MIDNIGHT, None, None),
        (500, MIDNIGHT - TICK, "stale", "unavailable"),
        (5, MIDNIGHT, "damaged", "unavailable"),
        (5, MIDNIGHT - TICK, "damaged", "unavailable"),
    ],
)
def test_what_is_wrong_with_a_day_that_is_over_cannot_be_mended(
    workshop: "Workshop", size: int, written: datetime, while_it_lasts: str | None, once_it_is_over: str | None
):
    there = StoredObject(f"injuries/{TODAY}.json", size, "e", written)
    end = MIDNIGHT + DAY + GRACE
    for now, state in ((end - TICK, while_it_lasts), (end, once_it_is_over)):
        found = told(workshop, at(workshop, now), objects=[there])
        assert found.get(str(TODAY), (None,))[0] == state


def test_objects_that_tell_no_day_satisfy_none_and_are_no_surprise(workshop: "Workshop"):
    project = at(workshop, MIDNIGHT + DAY / 2)
    objects = [held("injuries.json"), held("rosters/BOS.json"), held("injuries/2020-01-01.json")]
    workshop.lay_out(project, objects)
    document, rows = workshop.cover(project)
    assert (document["totals"]["unlisted"], document["totals"]["unclassified"]) == (2, 0)
    assert document["unexpected"] == ["injuries/2020-01-01.json"]
    assert {row["state"] for row in rows if row["entity"] == str(TODAY)} >= {"missing"}


def test_a_lost_day_is_in_no_gap_and_the_day_of_today_is(workshop: "Workshop"):
    project = at(workshop, MIDNIGHT + DAY / 2)
    workshop.lay_out(project)
    workshop.cover(project)
    found = gaps.find(project)
    of_days = {gap.data_type: gap.missing_files for gap in found.gaps}
    assert (of_days["injuries"], of_days["rosters"]) == (1, 2)


def test_what_can_be_had_later_too_is_a_gap_as_ever(workshop: "Workshop"):
    states = {state for state, _ in told(workshop, at(workshop, MIDNIGHT + DAY / 2), "boards").values()}
    assert states == {"missing", "not_due"}


def test_the_window_of_a_day_is_where_coverage_asks_for_it(workshop: "Workshop"):
    contract = at(workshop, MIDNIGHT).contract
    assert contract.data_sets["official/injuries"].window(TODAY) == (MIDNIGHT, MIDNIGHT + DAY + GRACE)
    assert contract.data_sets["official/boards"].window(TODAY) is None


class Drawn:
    """A lake of days drawn from a seed, and what state each day must be in, said key by key."""

    def __init__(self, seed: int) -> None:
        chance = self.chance = random.Random(seed)
        self.now = MIDNIGHT + timedelta(minutes=chance.randrange(4 * 1440))
        if chance.random() < 0.3:
            self.now = NEW_SEASON + timedelta(minutes=chance.randrange(-600, 900))
        self.as_of = self.now - timedelta(hours=chance.choice([0, 2, 30, 60]))
        self.objects: dict[str, StoredObject] = {}
        self.bad: set[str] = set()
        self.states: dict[tuple[str, str], str] = {}
        for data_type, (first, grace) in TYPES.items():
            for number in range(max((self.now.date() - first).days + 3, 0)):
                self._day(data_type, first + number * DAY, grace)

    def _day(self, data_type: str, day: date, grace: timedelta) -> None:
        if self.now < NEW_SEASON <= datetime.combine(day, time(), UTC):
            return  # of a season that has not begun nothing is expected yet
        entities = [f"{day}/BOS", f"{day}/NYK"] if data_type == "rosters" else [f"{day}"]
        for entity in entities:
            places = [f"{data_type}/{entity}.json"]
            places += [f"hurt/{day:%Y%m%d}.json"] if data_type == "injuries" else []
            begins = datetime.combine(day, time(), UTC)
            there = [self._put(place, begins, grace) for place in places if self.chance.random() < 0.6]
            order = ["present", "stale", "damaged", "unavailable"]
            found = min((state for state in there if state), key=order.index, default=None)
            self.states[data_type, entity] = found or self._absent(begins, grace)

    def _put(self, place: str, begins: datetime, grace: timedelta) -> str | None:
        written = begins + timedelta(hours=self.chance.choice([-60, -3, 0, 5, 23]))
        if written > self.as_of:
            return None
        size = self.chance.choice([99, 100, 4000])
        self.objects[place] = StoredObject(place, size, f"e{len(self.objects)}", written)
        wrong = size < 100
        if self.chance.random() < 0.2:
            self.bad.add(place)
            wrong = True
        early, lost = written < begins, begins + DAY + grace <= self.now
        if lost and (wrong or early):
            return "unavailable"
        if wrong:
            return "damaged"
        closed = begins < NEW_SEASON <= self.now
        counts = not closed or begins - written <= timedelta(days=2)
        return "stale" if early and counts and begins <= self.as_of else "present"

    def _absent(self, begins: datetime, grace: timedelta) -> str:
        if begins > self.now:
            return "not_due"
        if begins > self.as_of:
            return "unknown"
        return "unavailable" if begins + DAY + grace <= self.now else "missing"


@pytest.mark.parametrize("seed", [*range(8), 15])
def test_every_day_of_a_drawn_lake_is_in_the_one_state_that_plain_words_give_it(workshop: "Workshop", seed: int):
    drawn = Drawn(seed)
    project = at(workshop, drawn.now)
    verdicts = {(key, drawn.objects[key].etag): "HTML where JSON was due" for key in drawn.bad}

    workshop.lay_out(project, drawn.objects.values(), verdicts=verdicts, as_of=drawn.as_of)
    document, rows = workshop.cover(project)

    named = {(row["data_type"], row["entity"]): row["state"] for row in rows if row["key"]}
    wanted = {day: state for day, state in drawn.states.items() if state != "present"}
    assert {day: named.get(day) for day in wanted} == wanted
    assert not {day for day in drawn.states.keys() - wanted.keys() if named.get(day, "present") != "present"}
    for entry in (document["totals"], *document["cells"], *document["data_types"]):
        assert sum(entry[state] for state in STATES) == entry["expected"]
    gap_keys = gaps.find(project).document["total_keys"]
    assert gap_keys == sum(document["totals"][state] for state in OPEN_STATES)


def test_a_day_is_never_open_again_once_it_is_lost(workshop: "Workshop"):
    there = StoredObject(f"injuries/{TODAY}.json", 5, "e", MIDNIGHT)
    for days in (2, 9, 300):
        for objects in ([], [there], [replace(there, last_modified=MIDNIGHT - DAY, size=500)]):
            found = told(workshop, at(workshop, MIDNIGHT + days * DAY), objects=objects)
            assert found[str(TODAY)][0] == "unavailable"
