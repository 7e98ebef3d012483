"""Ids in, what they spell out: the season and the season type of an event, where its id tells.

How an id is written is declared in the contract. An id that tells nothing is no fault: the schedule of record knows.
"""

import re
from datetime import date

from adce_assets.contract.models import IdKind, IdSeasonRule
from adce_assets.contract.seasons import Calendar, Season

CENTURY = 100


def season_of_id(kind: IdKind, calendar: Calendar, game_id: str) -> Season | None:
    """Return the season that an id spells by the first rule that fits it, or None."""
    for rule in kind.seasons:
        match = re.fullmatch(rule.match, game_id, re.ASCII)
        if match is not None:
            return _season(rule, calendar, match)
    return None


def season_type_of_id(kind: IdKind, game_id: str) -> str | None:
    """Return the season type that an id spells, or None."""
    if kind.season_type_digit is None or len(game_id) <= kind.season_type_digit:
        return None
    return kind.season_types.get(game_id[kind.season_type_digit])


def _season(rule: IdSeasonRule, calendar: Calendar, match: re.Match[str]) -> Season | None:
    try:
        values = {name: int(text) for name, text in match.groupdict().items()}
        if "start_year" not in values:
            return calendar.season_of(date(values["year"] + rule.year_base, values["month"], values["day"]))
    except ValueError:
        return None
    start = values["start_year"] + rule.year_base
    if rule.pivot is None:
        return Season(start)
    return Season(start + (19 if start >= rule.pivot else 20) * CENTURY)
