"""Documents as they lie in the lake and the facts of a recording in, the facts that are not in the documents out.

A fact is read by the reader of its name; where names are alike by what follows a word (``columns_in_PlayerStats``), by
the one of that word. What pages of HTML say is read in `recorded_pages`.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import recorded_pages

Json = Any
Reader = Callable[[Json, Json], object]
"""The document and what is recorded in, what the document says out."""


def unseen(facts: Mapping[str, Any], documents: Sequence[bytes]) -> Iterator[str]:
    """Yield each fact that the documents, which belong to one answer, do not bear out."""
    if any(body.lstrip()[:1] == b"<" for body in documents):
        yield from recorded_pages.unseen(facts, documents[0])
        return
    document: Json = {}
    for body in documents:
        document = _merged(document, json.loads(body))
    for name, recorded in facts.items():
        read = _read(name, document, recorded)
        if read != recorded:
            yield f"{name}: read {_shown(read)}, recorded {_shown(recorded)}"


def _read(name: str, document: Json, recorded: Json) -> object:
    reader = READERS.get(name)
    try:
        if reader is not None:
            return reader(document, recorded)
        for word, named in NAMED.items():
            if name.startswith(word):
                return named(document, name.removeprefix(word))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        return f"nothing: {type(error).__name__}: {error}"
    return "nothing: nobody knows how to read it"


def _merged(one: Json, other: Json) -> Json:
    """Put the parts of an answer that several data sets keep together again."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one | {name: _merged(one[name], value) if name in one else value for name, value in other.items()}
    return other


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:200]


def _only_page(document: Json) -> Json:
    """Take a document of one page out of its list of pages."""
    return document["pages"][0] if isinstance(document, dict) and list(document) == ["pages"] else document


def _pairs(value: Json) -> Iterator[Mapping[str, Any]]:
    """Walk through every mapping of a document, from the outside in."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _pairs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _pairs(inner)


def _value(document: Json, *names: str) -> Json:
    """Return the first value under one of these names, wherever it stands."""
    return next(found[name] for name in names for found in _pairs(document) if name in found)


# What stats.nba.com calls result sets: names, columns, rows.


def _sets(document: Json) -> list[Json]:
    sets = document.get("resultSets", document.get("resultSet"))
    return sets if isinstance(sets, list) else [sets]


def _columns(one: Json) -> list[str]:
    headers = one["headers"]
    return headers[-1]["columnNames"] if headers and isinstance(headers[0], dict) else headers


def _set(document: Json, name: str) -> Json:
    return next(one for one in _sets(document) if one["name"] == name)


def _first_row(document: Json, recorded: Json) -> object:
    """Find the first row of a set, or of a list, that says what is recorded."""
    rows = [dict(zip(_columns(one), one["rowSet"][0], strict=False)) for one in _all_sets(document) if one["rowSet"]]
    rows += [value[0] for found in _pairs(document) for value in found.values() if _is_rows(value)]
    fitting = (row for row in rows if recorded.items() <= row.items())
    return recorded if next(fitting, None) is not None else rows[:1]


def _all_sets(document: Json) -> list[Json]:
    return _sets(document) if "resultSets" in document or "resultSet" in document else []


def _is_rows(value: Json) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and value[0].keys() != {"headers"}


def _distinct(document: Json, column: str) -> int:
    one = next(one for one in _sets(document) if column in _columns(one) and one["rowSet"])
    return len({row[_columns(one).index(column)] for row in one["rowSet"]})


def _sum(document: Json, column: str, name: str) -> int:
    one = _set(document, name)
    return sum(row[_columns(one).index(column)] for row in one["rowSet"])


# Box scores and plays of the NBA's newer answers.


def _team(side: str) -> Callable[[Json], Json]:
    return lambda document: _value(document, side)


def _points(player: Json) -> int:
    return player["statistics"]["points"]


def _first_player(team: Json) -> list[object]:
    first = team["players"][0]
    name = first.get("name") or f"{first['firstName']} {first['familyName']}"
    return [name, _points(first), first["statistics"]["minutes"]]


def _of_team(side: str) -> dict[str, Reader]:
    team = _team(side)
    return {
        side: lambda document, _: team(document)["teamTricode"],
        f"{side}_players": lambda document, _: len(team(document)["players"]),
        f"{side}_first_player": lambda document, _: _first_player(team(document)),
        f"{side}_points": lambda document, _: sum(_points(player) for player in team(document)["players"]),
        f"{side}_score": lambda document, _: team(document)["score"],
    }


def _actions(document: Json) -> list[Json]:
    return document["game"]["actions"]


def _made_threes(document: Json, _: Json) -> int:
    made = [action for action in _actions(document) if action.get("shotResult") == "Made"]
    return sum(action.get("actionType") == "3pt" or action.get("shotValue") == 3 for action in made)


def _final_score(document: Json, _: Json) -> list[int]:
    scored = [action for action in _actions(document) if action.get("scoreHome")]
    return [int(scored[-1]["scoreHome"]), int(scored[-1]["scoreAway"])]


# Events of ESPN, games of schedules.


def _event(event: Json) -> dict[str, object]:
    sides = {team["homeAway"]: team for team in event["competitions"][0]["competitors"]}
    teams = {side: [team["team"]["abbreviation"], team["score"]] for side, team in sides.items()}
    return {"id": event["id"], "date": event["date"], "home": teams["home"], "away": teams["away"]}


def _games(document: Json) -> list[Json]:
    return [game for day in document["leagueSchedule"]["gameDates"] for game in day["games"]]


def _place(game: Json) -> list[str]:
    return [game["gameId"], game["gameCode"]]


def _season_type(document: Json, recorded: Json) -> object:
    names = [found["name"] for found in _pairs(document["leagues"][0]["season"]) if "name" in found]
    return recorded if recorded in names else names


def _espn_players(document: Json, _: Json) -> dict[str, int]:
    teams = document["boxscore"]["players"]
    return {team["team"]["abbreviation"]: len(team["statistics"][0]["athletes"]) for team in teams}


def _espn_first_player(document: Json, _: Json) -> list[str]:
    statistics = document["boxscore"]["players"][0]["statistics"][0]
    first = statistics["athletes"][0]
    names = [name.lower() for name in statistics.get("labels") or statistics["names"]]
    return [first["athlete"]["displayName"], first["stats"][names.index("pts")]]


def _espn_score(document: Json, _: Json) -> dict[str, object]:
    teams = next(iter(document["header"].get("competitions", [])), {}).get("competitors", [])
    return {team["team"]["abbreviation"]: team["score"] for team in teams if "score" in team}


# EuroLeague, officials, odds, envelopes.


def _quarters(document: Json, _: Json) -> int:
    return max(len([name for name in row if name != "Team"]) for row in document["ByQuarter"])


def _euro_first(document: Json) -> list[object]:
    first = document["Stats"][0]["PlayersStats"][0]
    return [first["Player"].strip(), first["Points"], first["Minutes"].strip()]


PERIODS = ("FirstQuarter", "SecondQuarter", "ThirdQuarter", "ForthQuarter", "ExtraTime")


def _by_period(document: Json) -> dict[str, int]:
    return {name: len(document[name]) for name in PERIODS}


def _last_score(document: Json, _: Json) -> list[int]:
    scored = [play for name in PERIODS for play in document[name] if play.get("POINTS_A") is not None]
    return [scored[-1]["POINTS_A"], scored[-1]["POINTS_B"]]


def _euro_teams(document: Json, _: Json) -> list[str]:
    if "Stats" in document:
        return [team["Team"].strip() for team in document["Stats"]]
    return [document["TeamA"], document["TeamB"]]


def _events(document: Json, _: Json) -> int:
    if "g" in document:
        return sum(len(period["pla"]) for period in document["g"]["pd"])
    if "FirstQuarter" in document:
        return sum(_by_period(document).values())
    return len(document.get("events", document.get("data", [])))


def _first_event(document: Json, _: Json) -> object:
    if "data" not in document:
        return _event(document["events"][0])
    first = document["data"][0]
    return [first["id"], first["commence_time"], first["away_team"], first["home_team"]]


def _periods(document: Json, _: Json) -> int:
    return len(document["g"]["pd"]) if "g" in document else max(action["period"] for action in _actions(document))


def _season(document: Json, _: Json) -> str:
    return document["leagueSchedule"]["seasonYear"]


def _number_of_games(document: Json, _: Json) -> int:
    return len(_games(document)) if "leagueSchedule" in document else len(_value(document, "games"))


def _rows(document: Json) -> list[Json]:
    return _only_page(document)["data"]


def _official(document: Json, _: Json) -> list[str]:
    rows = document["nba"]["Table"]["rows"]
    return [rows[0]["game_id"], rows[0]["official1"], rows[0]["game_code"]]


READERS: Mapping[str, Reader] = {
    "resource": lambda document, _: document["resource"],
    "result_sets_rows": lambda document, _: {one["name"]: len(one["rowSet"]) for one in _sets(document)},
    "multi_level_headers": lambda document, _: [header["name"] for header in _sets(document)[0]["headers"]],
    "first_row": _first_row,
    "root_key": lambda document, recorded: recorded if recorded in document else list(document),
    "game_id": lambda document, _: _value(document, "gameId", "gid"),
    **_of_team("homeTeam"),
    **_of_team("awayTeam"),
    "n_actions": lambda document, _: len(_actions(document)),
    "periods": _periods,
    "final_score_home_away": _final_score,
    "made_3pt": _made_threes,
    "season": _season,
    "game_dates": lambda document, _: len(document["leagueSchedule"]["gameDates"]),
    "games": _number_of_games,
    "games_by_id_prefix": lambda document, _: dict(Counter(game["gameId"][:3] for game in _games(document))),
    "first_game": lambda document, _: _place(_games(document)[0]),
    "last_game": lambda document, _: _place(_games(document)[-1]),
    "games_status_final": lambda document, _: sum(game["gameStatus"] == 3 for game in _games(document)),
    "game_date": lambda document, _: _value(document, "gameDate"),
    "league_id": lambda document, _: _value(document, "leagueId"),
    "gamecode": lambda document, _: document["g"]["gcode"],
    "events": _events,
    "last_event": lambda document, _: _last_play(document) if "g" in document else _event(document["events"][-1]),
    "home_visitor_score": lambda document, _: [_scored(document["g"][side]) for side in ("hls", "vls")],
    "home_players": lambda document, _: len(document["g"]["hls"]["pstsg"]),
    "first_home_player": lambda document, _: _first_at_home(document),
    "first_event": _first_event,
    "ids_sorted_first_last": lambda document, _: _ends(sorted(event["id"] for event in document["events"])),
    "season_year": lambda document, _: document["leagues"][0]["season"]["year"],
    "season_type": _season_type,
    "event_id": lambda document, _: document["header"]["id"],
    "score": _espn_score,
    "players_per_team": _espn_players,
    "first_player": lambda document, recorded: (
        _euro_first(document) if "Stats" in document else _espn_first_player(document, recorded)
    ),
    "top_level_keys": lambda document, _: list(document),
    "athletes": lambda document, _: len(document["athletes"]),
    "first_athlete": lambda document, _: document["athletes"][0]["displayName"],
    "team": lambda document, _: document["team"]["displayName"],
    "count": lambda document, _: document["count"],
    "items": lambda document, _: len(document["items"]),
    "total": lambda document, _: document["total"],
    "len_data": lambda document, _: len(document["data"]),
    "first_of_data": lambda document, recorded: {name: document["data"][0].get(name) for name in recorded},
    "envelope_keys": lambda document, _: list(_only_page(document)),
    "rows": lambda document, _: len(_rows(document)),
    "first_row_keys": lambda document, _: len(_rows(document)[0]),
    "meta": lambda document, _: _only_page(document)["meta"],
    "timestamp": lambda document, _: document["timestamp"],
    "next_timestamp": lambda document, _: document["next_timestamp"],
    "leagues": lambda document, _: list(document),
    "nba_rows": lambda document, _: len(document["nba"]["Table"]["rows"]),
    "first": _official,
    "attendance": lambda document, _: document["Attendance"],
    "teams": _euro_teams,
    "players": lambda document, _: [len(team["PlayersStats"]) for team in document["Stats"]],
    "points": lambda document, _: [team["totr"]["Points"] for team in document["Stats"]],
    "quarters": _quarters,
    "code_team_a_raw": lambda document, _: document["CodeTeamA"],
    "events_by_period": lambda document, _: _by_period(document),
    "actual_quarter": lambda document, _: document["ActualQuarter"],
    "last_score_a_b": _last_score,
}
NAMED: Mapping[str, Callable[[Json, str], object]] = {
    "columns_in_": lambda document, name: len(_columns(_set(document, name))),
    "distinct_": _distinct,
    "sum_PTS_in_": lambda document, name: _sum(document, "PTS", name),
}


def _scored(team: Json) -> list[object]:
    return [team["ta"], team["s"]]


def _last_play(document: Json) -> list[object]:
    last = document["g"]["pd"][-1]["pla"][-1]
    return [last["evt"], last["cl"], last["de"]]


def _first_at_home(document: Json) -> list[object]:
    first = document["g"]["hls"]["pstsg"][0]
    return [f"{first['fn']} {first['ln']}", first["pts"]]


def _ends(values: Sequence[str]) -> list[str]:
    return [values[0], values[-1]] if values else []
