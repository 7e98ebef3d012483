import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adce_assets.contract.ids import season_of_id, season_type_of_id
from adce_assets.contract.models import IdKind
from adce_assets.contract.seasons import Calendar, Season
from adce_assets_tests.shipped import CONTRACT as SHIPPED

NBA = SHIPPED.leagues["nba"]


@pytest.mark.parametrize(
    ("kind", "game_id", "season"),
    [
        ("nba_game", "0020000991", "2000-01"),
        ("nba_game", "0024600052", "1946-47"),
        ("nba_game", "0029900001", "1999-00"),
        ("nba_game", "0022500001", "2025-26"),
        ("nba_game", "0062300001", "2023-24"),
        ("espn_game", "131105001", "1993-94"),
        ("espn_game", "131105002", "1993-94"),
        ("espn_game", "311225018", "2011-12"),
        ("espn_game", "320621014", "2011-12"),
        ("espn_game", "400237975", None),
        ("espn_game", "401584783", None),
        ("espn_game", "330101001", None),
        ("espn_game", "131305001", None),
        ("espn_game", "140229001", None),
        ("bbref_game", "202212010BOS", "2022-23"),
        ("bbref_game", "202010110MIA", "2019-20"),
        ("bbref_game", "194611010TRH", "1946-47"),
        ("bbref_game", "202213010BOS", None),
        ("wnba_game", "1029700001", "1997-98"),
        ("gleague_game", "2022300001", "2023-24"),
    ],
)
def test_an_id_tells_its_season_where_its_kind_has_a_rule(kind: str, game_id: str, season: str | None):
    found = season_of_id(SHIPPED.ids[kind], NBA, game_id)

    assert (found and found.label) == season


@pytest.mark.parametrize(
    ("kind", "game_id", "season_type"),
    [
        ("nba_game", "0012300001", "preseason"),
        ("nba_game", "0022300001", "regular"),
        ("nba_game", "0032300001", "all_star"),
        ("nba_game", "0042300101", "playoffs"),
        ("nba_game", "0052300101", "play_in"),
        ("nba_game", "0062300001", "cup_final"),
        ("nba_game", "0092300001", None),
        ("nba_game", "00", None),
        ("espn_game", "401584783", None),
    ],
)
def test_an_id_tells_its_season_type_where_its_kind_has_one(kind: str, game_id: str, season_type: str | None):
    assert season_type_of_id(SHIPPED.ids[kind], game_id) == season_type


@given(st.integers(1946, 2045), st.integers(0, 99_999), st.sampled_from("123456"))
def test_every_nba_id_of_a_century_tells_the_year_it_was_made_of(year: int, number: int, kind: str):
    game_id = f"00{kind}{year % 100:02d}{number:05d}"

    assert season_of_id(SHIPPED.ids["nba_game"], NBA, game_id) == Season(year)


@given(st.dates(date(1993, 1, 1), date(2012, 12, 31)), st.integers(1, 30))
def test_every_dated_espn_id_tells_the_season_of_its_day(day: date, team: int):
    game_id = f"{day.year - 1980}{day:%m%d}{team:03d}"

    assert season_of_id(SHIPPED.ids["espn_game"], NBA, game_id) == NBA.season_of(day)


@given(st.from_regex(re.compile(r"\d{9}|\d{10}|\d{8}0[A-Z]{3}", re.ASCII), fullmatch=True) | st.text(max_size=12))
def test_no_text_breaks_a_rule(game_id: str):
    for kind in SHIPPED.ids.values():
        season = season_of_id(kind, NBA, game_id)
        assert season is None or season.start in range(900, 10_000)


def test_the_first_rule_that_fits_an_id_decides():
    kind = IdKind.model_validate(
        {
            "pattern": "[a-z0-9-]+",
            "seasons": [{"match": r"(?P<start_year>\d{4})-x"}, {"match": r"(?P<start_year>\d{4})-\w", "year_base": -1}],
        }
    )
    calendar = Calendar(Season(1900), 1)

    assert season_of_id(kind, calendar, "1999-x") == Season(1999)
    assert season_of_id(kind, calendar, "1999-y") == Season(1998)
    assert season_of_id(kind, calendar, "1999") is None
