"""A scoreboard of ESPN in, its games out; every league of ESPN's has the same form.

Endpoint: site.api.espn.com/apis/site/v2/sports/{sport}/{league}/scoreboard?dates=YYYYMMDD. Facts: recordings of NBA and
WNBA scoreboards, and what public parsers found in 23 seasons of them:

- ``date`` is the UTC instant, so a late game lies on the next day. ESPN groups a day by US Eastern time: the date of a
  game is the document's ``day.date`` if it has one that fits (a document may span many days), else the Eastern date.
- ``season.year`` is the year a season ends in. Leagues that play within one year name that year. Which it is stands in
  ``leagues[].season``; the season described there may be another one than the event's, its form is the same. Without it
  an event in the year before its label proves a season of two years; otherwise the start is not known.
- All-Star games and the Cup final are filed under the regular season, and are told by competition type and notes.
- A game that a series may not need says so in its notes, under the status of any game to come.
"""

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from adce_assets.contract.formats._reading import EASTERN, Many, Shape, day, identifier, instant, read_json, shown, team
from adce_assets.contract.schedule import Game, GameStatus
from adce_assets.errors import VerifyError

MAX_BYTES = 32 * 1024 * 1024
Year = Annotated[int, Field(ge=1890, lt=2200)]

_ID = re.compile(r"[0-9]{6,12}")
_TWO_YEARS = re.compile(r"(\d{4})-\d\d", re.ASCII)
_ONE_YEAR = re.compile(r"\d{4}", re.ASCII)
_SEASON_TYPES = {1: "preseason", 2: "regular", 3: "playoffs", 5: "play_in"}
_NOTED_TYPES = (
    ("all_star", re.compile(r"all.?star|rising stars", re.IGNORECASE)),
    ("play_in", re.compile(r"play-in", re.IGNORECASE)),
    (
        "cup_final",
        re.compile(r"\b(cup|in-season tournament)\b(?!.*(semi|quarter)).*\b(championship|final)\b", re.IGNORECASE),
    ),
)
_IF_NECESSARY = re.compile(r"if necessary", re.IGNORECASE)
_NOTE_LENGTH = 300
_STATUSES = {
    "STATUS_SCHEDULED": GameStatus.SCHEDULED,
    "STATUS_FINAL": GameStatus.FINAL,
    "STATUS_POSTPONED": GameStatus.POSTPONED,
    "STATUS_CANCELED": GameStatus.CANCELLED,
    "STATUS_ABANDONED": GameStatus.CANCELLED,
    "STATUS_FORFEIT": GameStatus.CANCELLED,
    "STATUS_UNCONTESTED": GameStatus.CANCELLED,
    "STATUS_SUSPENDED": GameStatus.IN_PLAY,
}
_STATES = {"pre": GameStatus.SCHEDULED, "in": GameStatus.IN_PLAY, "post": GameStatus.FINAL}


class _StatusType(Shape):
    name: str
    state: Literal["pre", "in", "post"]
    completed: bool


class _Status(Shape):
    type: _StatusType


class _Team(Shape):
    abbreviation: str = ""


class _Competitor(Shape):
    side: Literal["home", "away"] = Field(alias="homeAway")
    team: _Team


class _CompetitionType(Shape):
    abbreviation: str = ""


class _Note(Shape):
    headline: str = ""


class _Competition(Shape):
    competitors: Many[_Competitor]
    type: _CompetitionType = _CompetitionType()
    notes: Many[_Note] = ()
    time_valid: bool = Field(default=True, alias="timeValid")


class _Label(Shape):
    year: Year
    type: int


class _Event(Shape):
    id: str
    date: str
    season: _Label
    status: _Status
    competitions: Annotated[Many[_Competition], Field(min_length=1, max_length=1)]


class _LeagueSeason(Shape):
    display_name: str = Field("", alias="displayName")
    start: str | None = Field(None, alias="startDate")
    end: str | None = Field(None, alias="endDate")


class _League(Shape):
    season: _LeagueSeason | None = None


class _Day(Shape):
    date: str


class _Scoreboard(Shape):
    events: Many[_Event]
    leagues: Many[_League] = ()
    day: _Day | None = None


def parse(body: bytes) -> list[Game]:
    """Read the games of a scoreboard, in the order of the document."""
    scoreboard = read_json(_Scoreboard, body, limit=MAX_BYTES)
    named = day(scoreboard.day.date, where="day.date") if scoreboard.day else None
    instants = [instant(event.date, where=f"event {shown(event.id)}") for event in scoreboard.events]
    dates = [_date(found, named) for found in instants]
    ahead = _label_ahead(scoreboard, dates)
    return [_game(*found, ahead) for found in zip(scoreboard.events, instants, dates, strict=True)]


def _game(event: _Event, starts: datetime, on: date, ahead: int | None) -> Game:
    where = f"event {shown(event.id)}"
    competition = event.competitions[0]
    sides = {competitor.side: competitor.team.abbreviation for competitor in competition.competitors}
    if sides.keys() != {"home", "away"} or len(competition.competitors) != len(sides):
        raise VerifyError("it is not between one home and one away team", where=where)
    return Game(
        game_id=identifier(event.id, _ID, where=where),
        season_start=None if ahead is None else event.season.year - ahead,
        season_type=_season_type(event.season.type, competition),
        date=on,
        starts_at=starts if competition.time_valid else None,
        status=_status(event.status.type, _notes(competition), where),
        home=team(sides["home"], where=where),
        away=team(sides["away"], where=where),
    )


def _date(starts: datetime, named: date | None) -> date:
    eastern = starts.astimezone(EASTERN).date()
    fits = named is not None and abs(named - eastern) <= timedelta(days=1)
    return named if named and fits else eastern


def _label_ahead(scoreboard: _Scoreboard, dates: Iterable[date]) -> int | None:
    """Tell by how many years ``season.year`` lies after the start of the season: 1, 0, or None for unknown."""
    told = {_years_spanned(league.season) for league in scoreboard.leagues if league.season} - {None}
    if len(told) == 1:
        return told.pop()
    early = any(on.year < event.season.year for event, on in zip(scoreboard.events, dates, strict=True))
    return 1 if early else None


def _years_spanned(season: _LeagueSeason) -> int | None:
    if _TWO_YEARS.fullmatch(season.display_name):
        return 1
    if _ONE_YEAR.fullmatch(season.display_name):
        return 0
    if season.start is None or season.end is None:
        return None
    start, end = (instant(text, where="leagues[].season") for text in (season.start, season.end))
    return int(start.year != end.year)


def _season_type(label: int, competition: _Competition) -> str:
    if competition.type.abbreviation.upper() == "ALLSTAR":
        return "all_star"
    notes = _notes(competition)
    noted = (season_type for season_type, said in _NOTED_TYPES if said.search(notes))
    return next(noted, _SEASON_TYPES.get(label, "other"))


def _status(status: _StatusType, notes: str, where: str) -> GameStatus:
    """Tell the status from its name, else from its state; a game is over only if ESPN calls it completed."""
    found = _STATUSES.get(status.name, _STATES[status.state])
    if found is GameStatus.FINAL and not status.completed:
        raise VerifyError(f"the status {shown(status.name)} is over but not completed", where=where)
    if found is GameStatus.SCHEDULED and _IF_NECESSARY.search(notes):
        return GameStatus.IF_NECESSARY
    return found


def _notes(competition: _Competition) -> str:
    """Return what the notes say, one a line, each cut to what a pattern can be searched for in no time."""
    return "\n".join(note.headline[:_NOTE_LENGTH] for note in competition.notes)
