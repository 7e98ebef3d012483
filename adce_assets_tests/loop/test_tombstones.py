"""What a source does not have is unavailable for a while, is asked for again cheaply, and comes back by itself."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from adce_assets.ledger.leases import Wish
from adce_assets.ledger.transitions import Event
from adce_assets.loop import gaps, tombstones
from adce_assets.loop.state import HELD_KEYS, TOMBSTONES
from adce_assets_tests.loop.lives import BODY, CELL, Life, day

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

BURIED = [day(number) for number in range(2, 9)]
NEWEST = [day(number) for number in (6, 7, 8)]


@pytest.fixture
def ended(workshop: "Workshop") -> Life:
    """A life in which seven tombstones of a cell have just ended, and the loop has gone round."""
    life = Life.begin(workshop, first="2024-01-02")
    life.bury(BURIED, days=5)
    life.wait(days=5).cycle()
    return life


def states_of(life: Life, keys: list[str]) -> set[str]:
    states = life.states()
    return {states[key] for key in keys}


def test_a_tombstone_makes_a_missing_key_unavailable_until_it_ends(workshop: "Workshop") -> None:
    life = Life.begin(workshop)
    life.bury([day(5)], days=30)
    life.cycle()
    told = "the source was asked 3 times, and has nothing; asked for again on 2024-02-09"
    assert life.covered()[day(5)] == ("unavailable", told)
    assert [key for key, _ in life.held()] == [day(number) for number in (9, 8, 7, 6)]
    assert life.states()[day(5)] == "tombstoned"
    (row,) = life.project.state.read_table(TOMBSTONES).to_pylist()
    assert (row["key"], row["until"].isoformat()) == (day(5), "2024-02-09T12:00:00+00:00")


def test_what_has_ended_is_asked_for_again_by_a_few_of_its_cell_the_newest(ended: Life) -> None:
    assert states_of(ended, NEWEST) == {"planned"}
    assert states_of(ended, BURIED[:4]) == {"tombstoned"}
    covered = ended.covered()
    assert {covered[key][0] for key in NEWEST} == {"missing"}
    assert {covered[key][0] for key in BURIED[:4]} == {"unavailable"}
    assert covered[BURIED[0]][1].endswith("asked for again when others of its cell have been")
    before = ended.project.ledger.head()
    ended.wait(hours=1).cycle()
    assert ended.project.ledger.head() == before


def test_a_probe_that_is_collected_opens_all_of_its_cell(ended: Life) -> None:
    ended.absent(NEWEST[:1])
    ended.wait(minutes=1).promote(NEWEST[1])
    ended.wait(hours=1).cycle()
    assert {ended.covered()[key][0] for key in BURIED[:4]} == {"missing"}
    assert ended.project.ledger.entries(BURIED[0])[-2].detail == {"why": f"`{NEWEST[1]}` could be had"}


def test_probes_that_find_nothing_let_all_of_the_cell_rest_again(ended: Life) -> None:
    ended.absent(NEWEST[:2])
    tombstones.write(ended.wait(hours=1).project)
    assert states_of(ended, NEWEST[:2]) == {"failed"}  # one has not answered yet
    ended.claim(NEWEST[2:])
    ended.tell(NEWEST[2:], Event.FAILED, **{"class": "busy", "failures": 1, "next_at": None})
    tombstones.write(ended.wait(hours=1).project)
    assert states_of(ended, NEWEST) == {"failed"}  # that is no answer
    ended.absent(NEWEST[2:])
    tombstones.write(ended.wait(hours=1).project)
    assert states_of(ended, BURIED) == {"tombstoned"}
    detail = ended.project.ledger.entries(BURIED[0])[-1].detail
    assert detail["why"] == "3 of its cell were asked for again, and the source has nothing"
    assert detail["until"].startswith("2024-02-14T15:00")
    before = ended.project.ledger.head()
    tombstones.write(ended.wait(days=29).project)
    assert ended.project.ledger.head() == before
    tombstones.write(ended.wait(days=2).project)
    assert states_of(ended, NEWEST) == {"detected"}


def kill(life: Life, keys: list[str]) -> None:
    life.claim(keys)
    life.tell(keys, Event.FAILED, Event.DEAD_LETTERED, **{"class": "refused"})


def test_a_probe_that_is_a_dead_letter_answers_for_nobody(ended: Life) -> None:
    ended.absent(NEWEST[:2])
    kill(ended, NEWEST[2:])
    tombstones.write(ended.wait(hours=1).project)
    assert states_of(ended, [*BURIED[:4], *NEWEST[:2]]) == {"tombstoned"}
    assert ended.states()[NEWEST[2]] == "dead_lettered"
    tombstones.write(ended.wait(days=31).project)
    assert states_of(ended, BURIED[2:6]) == {"detected", "tombstoned"}  # asked for again, without the letter
    assert [key for key in BURIED if ended.states()[key] == "detected"] == BURIED[3:6]


@pytest.mark.parametrize("is_dead", [True, False])
def test_where_no_probe_answers_others_are_asked_after_a_while(ended: Life, *, is_dead: bool) -> None:
    if is_dead:
        kill(ended, NEWEST)
    tombstones.write(ended.wait(days=2).project)
    assert states_of(ended, BURIED[:4]) == {"tombstoned"}
    tombstones.write(ended.wait(days=1).project)
    assert [key for key in BURIED[:4] if ended.states()[key] == "detected"] == BURIED[1:4]
    ended.promote(BURIED[3])
    tombstones.write(ended.wait(hours=1).project)
    assert ended.states()[BURIED[0]] == "detected"


def test_one_answer_goes_for_those_of_its_cell_that_end_a_little_later(workshop: "Workshop") -> None:
    life = Life.begin(workshop, first="2024-01-02", tombstones={"probes_per_cell": 1})
    for number, key in enumerate(BURIED, 1):
        life.bury([key], days=number)
    asked = []
    for _ in range(8):
        tombstones.write(life.wait(days=1).project)
        opened = [key for key in BURIED if life.states()[key] == "detected"]
        asked += opened
        life.absent(opened)
        tombstones.write(life.wait(hours=1).project)
    assert asked == [BURIED[0], BURIED[4]]
    assert states_of(life, BURIED) == {"tombstoned"}


def test_held_keys_say_what_holds_them_and_stand_behind_all_others(workshop: "Workshop") -> None:
    life = Life.begin(workshop)
    life.claim([day(9)], minutes=90)
    life.claim([day(8)])
    life.tell([day(8)], Event.FAILED, **{"class": "busy", "failures": 1, "next_at": "2024-01-10T14:00:00+00:00"})
    life.claim([day(7)])
    life.tell([day(7)], Event.FAILED, Event.DEAD_LETTERED, **{"class": "refused", "what": "403 for everybody"})
    queue = life.wait(hours=1).cycle()
    assert life.held() == [
        (day(6), None),
        (day(5), None),
        (day(9), "leased by run run until 2024-01-10T13:30+00:00"),
        (day(8), "next try at 2024-01-10T14:00+00:00 after `busy`"),
        (day(7), "dead-lettered: 403 for everybody"),
    ]
    (gap,) = life.project.state.read_json("cache/detected_gaps")["gaps"]
    assert (gap["missing_files"], gap["held_files"]) == (5, 3)
    assert [task["missing_files"] for task in queue["tasks"]] == [2]
    assert [(entry["keys"], entry["reason"]) for entry in queue["left_out"]] == [
        (1, "dead-lettered: 403 for everybody"),
        (1, "leased by run run until 2024-01-10T13:30+00:00"),
        (1, "next try at 2024-01-10T14:00+00:00 after `busy`"),
    ]
    gaps.find(life.wait(hours=2).project)
    assert [key for key, held in life.held() if held] == [day(7)]


def test_a_stale_object_that_cannot_be_had_better_is_held(workshop: "Workshop") -> None:
    life = Life.begin(workshop)
    life.project.lake.put(day(5), b"{}")
    life.bury([day(5)], days=30)
    life.cycle()
    assert life.covered()[day(5)][0] == "damaged"
    assert life.held()[-1] == (day(5), "tombstoned: the source was asked 3 times, and has nothing")
    assert life.states()[day(5)] == "tombstoned"


def test_without_a_ledger_nothing_is_buried_and_nothing_held(workshop: "Workshop") -> None:
    life = Life.begin(workshop)
    tombstones.write(life.project)
    tables = [life.project.state.read_table(name) for name in (TOMBSTONES, HELD_KEYS)]
    assert [table.num_rows for table in tables] == [0, 0]
    life.cycle()
    assert BODY


def test_what_was_given_back_before_its_next_try_is_held_until_then(workshop: "Workshop") -> None:
    life = Life.begin(workshop)
    life.absent([day(9)], **{"class": "busy", "failures": 1, "next_at": "2024-01-10T18:00:00+00:00"})
    wish = Wish(day(9), *CELL, task="task")
    until = life.now + timedelta(minutes=10)
    life.project.ledger.claim([wish], run="run", until=until, now=life.now, reopen=True)
    life.tell([day(9)], Event.RELEASED, why="stopped by a person")
    queue = life.wait(hours=1).cycle()
    assert life.held()[-1] == (day(9), "next try at 2024-01-10T18:00+00:00")
    assert [task["missing_files"] for task in queue["tasks"]] == [4]
