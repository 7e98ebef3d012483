from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adce_assets.contract.seasons import Calendar, Season, SeasonRange

NBA = Calendar(first=Season(1946), start_month=10, odd_starts={2020: date(2020, 10, 12)})
NOON_2026 = datetime(2026, 11, 21, 12, tzinfo=UTC)

years = st.integers(1000, 9998)
calendars = st.builds(
    Calendar,
    first=st.builds(Season, st.integers(1900, 2000)),
    start_month=st.integers(1, 12),
    odd_starts=st.dictionaries(st.sampled_from([1950, 1975, 2000]), st.integers(0, 360)).map(
        lambda found: {year: date(year, 1, 1) + timedelta(days=days) for year, days in found.items()}
    ),
)


@given(years)
def test_a_season_is_read_back_from_its_label(year: int):
    assert Season.parse(Season(year).label) == Season(year)


def test_the_turn_of_the_century_is_written_with_two_zeros():
    assert Season(1999).label == "1999-00"
    assert Season.parse("1999-00").next.label == "2000-01"


@pytest.mark.parametrize(
    "text",
    [
        *("2024-26", "2024-2025", "2024", "24-25", "", "2024-25 ", " 2024-25", "2024-25\n", "0000-01", "0999-00"),
        *("\uff12\uff10\uff12\uff14-25", "2024\u201325", "-024-25", "2024-25..", "all"),
    ],
)
def test_what_is_no_season_is_refused(text: str):
    with pytest.raises(ValueError, match="valid: two years in a row, such as 2024-25"):
        Season.parse(text)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("2002-03..2004-05", ["2002-03", "2003-04", "2004-05"], ["2001-02", "2005-06"]),
        ("2002-03..", ["2002-03", "2099-00"], ["2001-02"]),
        ("..1995-96", ["1946-47", "1995-96"], ["1996-97"]),
        ("1998-99", ["1998-99"], ["1997-98", "1999-00"]),
        ("..", ["1946-47", "2099-00"], []),
    ],
)
def test_a_range_includes_both_its_ends(text: str, inside: list[str], outside: list[str]):
    seasons = SeasonRange.parse(text)

    assert [label for label in inside + outside if Season.parse(label) in seasons] == inside


@pytest.mark.parametrize("text", ["2004-05..2002-03", "2002..2004", "2002-03...2004-05", "", "2002-03,2003-04"])
def test_what_is_no_range_is_refused(text: str):
    with pytest.raises(ValueError, match=r"is not a season|ends before it begins"):
        SeasonRange.parse(text)


@given(calendars, st.integers(1940, 2030))
def test_the_first_day_of_a_season_belongs_to_it_and_the_day_before_does_not(calendar: Calendar, year: int):
    season = Season(year)

    assert calendar.season_of(calendar.starts_on(season)) == season
    assert calendar.season_of(calendar.starts_on(season) - timedelta(days=1)) < season


@given(years)
def test_every_season_is_the_season_of_its_first_day(year: int):
    assert NBA.season_of(NBA.starts_on(Season(year))) == Season(year)


@given(st.dates())
def test_every_day_there_is_has_a_season(day: date):
    season = NBA.season_of(day)

    assert NBA.starts_on(season) <= day <= NBA.starts_on(season.next)


@pytest.mark.parametrize(
    ("day", "season"),
    [
        ("2020-10-11", "2019-20"),  # the last game in the bubble
        ("2020-10-12", "2020-21"),
        ("2021-09-30", "2020-21"),
        ("2021-10-01", "2021-22"),
        ("1999-02-05", "1998-99"),  # the first game after the lockout
        ("1946-11-01", "1946-47"),
        ("1993-08-25", "1992-93"),
        ("2000-01-01", "1999-00"),
    ],
)
def test_days_fall_into_the_nba_seasons_that_history_gives_them(day: str, season: str):
    assert NBA.season_of(date.fromisoformat(day)).label == season


@pytest.mark.parametrize(
    ("moment", "season"),
    [
        ("2026-09-30T23:59:59+00:00", "2025-26"),
        ("2026-10-01T00:00:00+00:00", "2026-27"),
        ("2026-09-30T20:00:00-04:00", "2026-27"),  # already October by the clock of the loop
        ("2026-10-01T01:00:00+02:00", "2025-26"),
        ("2020-10-11T12:00:00+00:00", "2019-20"),
        ("2020-10-12T00:00:00+00:00", "2020-21"),
    ],
)
def test_the_current_season_turns_with_the_clock(moment: str, season: str):
    assert NBA.current(datetime.fromisoformat(moment)).label == season


LEAGUES = {
    "nba": (NBA, "1946-47", "2026-27", 81),
    "gleague": (Calendar(Season(2001), 10), "2001-02", "2026-27", 26),
    "aba": (Calendar(Season(1967), 10, last=Season(1975)), "1967-68", "1975-76", 9),
    "baa": (Calendar(Season(1946), 10, last=Season(1948)), "1946-47", "1948-49", 3),
}


@pytest.mark.parametrize("league", LEAGUES)
def test_the_four_leagues_of_one_source_have_the_seasons_they_had(league: str):
    calendar, first, last, count = LEAGUES[league]

    seasons = list(calendar.seasons(NOON_2026))

    assert (seasons[0].label, seasons[-1].label, len(seasons)) == (first, last, count)


def test_seasons_can_be_asked_for_within_a_range():
    seasons = NBA.seasons(NOON_2026, SeasonRange.parse("2024-25.."))

    assert [season.label for season in seasons] == ["2024-25", "2025-26", "2026-27"]


def test_a_league_that_has_not_begun_has_no_seasons():
    assert list(Calendar(Season(2030), 10).seasons(NOON_2026)) == []


def test_a_season_is_open_until_the_next_begins():
    zone = timezone(timedelta(hours=-5))

    assert NBA.is_open(Season(2025), datetime(2026, 9, 30, 18, tzinfo=zone))
    assert not NBA.is_open(Season(2025), datetime(2026, 10, 1, 0, tzinfo=zone))


def test_a_season_of_one_calendar_year_is_found_too():
    weather = Calendar(first=Season(2000), start_month=1)

    assert weather.season_of(date(2024, 1, 1)) == weather.season_of(date(2024, 12, 31)) == Season(2024)
