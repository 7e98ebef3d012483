"""The demo's seasons: what is said to be real about them is real."""

from collections import Counter
from datetime import timedelta

import pytest

from adce_assets.contract.schedule import GameStatus, played
from adce_assets.demo.holes import NOW
from adce_assets.demo.season import FRAMES, ODD_GAMES, TEAMS, Frame, OddGame, as_of, played_pairs, scoreboards
from adce_assets_tests.shipped import CONTRACT

each_season = pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame.season.label)


@pytest.fixture(scope="module")
def truth() -> dict[tuple[str, str, str], int]:
    return dict(CONTRACT.truth)


@each_season
def test_every_team_plays_as_often_as_the_others_half_of_it_at_home(frame: Frame):
    pairs = [pair for on_day in played_pairs(frame).values() for pair in on_day]
    played_by, at_home = Counter(team for pair in pairs for team in pair), Counter(home for home, _ in pairs)
    assert played_by == dict.fromkeys(TEAMS, frame.games_a_team)
    assert at_home == dict.fromkeys(TEAMS, frame.games_a_team // 2)


@each_season
def test_no_team_plays_twice_on_a_day_or_on_a_day_off(frame: Frame):
    for day, pairs in played_pairs(frame).items():
        teams = [team for pair in pairs for team in pair]
        assert len(teams) == len(set(teams))
        assert frame.first_day <= day <= frame.last_day
        assert day not in frame.days_off


@each_season
def test_a_season_has_as_many_games_as_it_really_had(frame: Frame, truth: dict[tuple[str, str, str], int]):
    games = [game for on_day in scoreboards(frame).values() for game in on_day if played(game)]
    counted = Counter(game.season_type for game in games)
    assert counted["regular"] == truth["nba", frame.season.label, "regular"]
    if frame.playoff_games:
        assert counted["playoffs"] == truth["nba", frame.season.label, "playoffs"]


@each_season
def test_an_id_names_one_game_of_one_day_unless_it_was_replayed(frame: Frame):
    shown = Counter(game.game_id for on_day in scoreboards(frame).values() for game in on_day)
    replayed = sum(odd.replayed is not None and odd.season == frame.season for odd in ODD_GAMES)
    assert sorted(shown.values())[-replayed - 1 :] == [1, *[2] * replayed]


def test_old_ids_spell_the_date_and_the_home_team():
    for day, games in scoreboards(FRAMES[0]).items():
        for game in games:
            home = {"NJ": "BKN"}.get(game.home, game.home)
            assert game.game_id == f"{day.year - 1980}{day:%m%d}{TEAMS[home]:03d}"


@pytest.mark.parametrize("odd", ODD_GAMES, ids=lambda odd: odd.story.split(",", maxsplit=1)[0])
def test_an_odd_game_stands_on_its_own_day(odd: OddGame):
    frame = next(frame for frame in FRAMES if frame.season == odd.season)
    days = scoreboards(frame)
    (game,) = [game for game in days[odd.day] if game.status is odd.status]
    assert (game.home, game.away) == (odd.home, odd.away)
    if odd.replayed:
        assert game.game_id in {again.game_id for again in days[odd.replayed] if again.status is GameStatus.SCHEDULED}


def test_a_final_that_took_fewer_games_leaves_one_behind_that_was_not_necessary():
    left = [game for on_day in scoreboards(FRAMES[1]).values() for game in on_day if not played(game)]
    assert [game.season_type for game in left if game.status is GameStatus.IF_NECESSARY] == ["playoffs"]


def test_a_game_is_to_come_then_on_then_final():
    game = scoreboards(FRAMES[2])[FRAMES[2].first_day][0]
    assert game.starts_at is not None
    statuses = [as_of(game, game.starts_at + timedelta(hours=hours)).status.value for hours in (-1, 1, 4)]
    assert statuses == ["scheduled", "in_play", "final"]


def test_the_same_season_is_made_every_time():
    assert scoreboards(FRAMES[1]) == scoreboards(FRAMES[1])


def test_the_demos_clock_lies_in_its_last_season():
    assert FRAMES[-1].first_day < NOW.date() < FRAMES[-1].last_day
