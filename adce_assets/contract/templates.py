"""Key templates: one definition writes keys and reads them.

``pbp/{game_id}.json`` renders the key of a game and reads the game from a key. Seasons and dates stand in keys in
several notations, because lakes mix them; each notation is one entry of `SEASON_FIELDS` or `DATE_FIELDS`. Everything
else in braces is an entity (game, team, player, ...) whose pattern the contract declares. Which values stand for what
is not known here.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from string import Formatter
from typing import Generic, TypeVar

from adce_assets.contract.seasons import Season

Subject = TypeVar("Subject", Season, date)


@dataclass(frozen=True, slots=True)
class Notation(Generic[Subject]):
    """How one field writes a season or a date, and the pattern (RE2, no groups) of what it writes."""

    pattern: str
    write: Callable[[Subject], str]
    read: Callable[[str], Subject]


YEAR = r"[1-9]\d{3}"
SEASON_FIELDS: Mapping[str, Notation[Season]] = {
    "season": Notation(YEAR + r"-\d{2}", lambda season: season.label, Season.parse),
    "season_start": Notation(YEAR, lambda season: f"{season.start:04d}", lambda text: Season(int(text))),
    "season_end": Notation(YEAR, lambda season: f"{season.start + 1:04d}", lambda text: Season(int(text) - 1)),
}
DATE_FIELDS: Mapping[str, Notation[date]] = {
    "date": Notation(YEAR + r"-\d{2}-\d{2}", lambda day: day.isoformat(), date.fromisoformat),
    "date_compact": Notation(
        YEAR + r"\d{4}",
        lambda day: day.isoformat().replace("-", ""),
        lambda text: date(int(text[:4]), int(text[4:6]), int(text[6:])),
    ),
}
TOKEN = re.compile(r"\\.|\[\^?+\]?+(?:\\.|[^\]\\])*\]|\{\d+(?:,\d*)?\}|.", re.DOTALL)
"""One piece of a pattern: an escape, a class, a counted repeat, or one character."""
FOREIGN = re.compile(r"\\(?![dw])[A-Za-z0-9]|(?<!^)(?<!\\)\[|&&|--|~~|\|\|")
"""What a token holds that engines read differently: other escapes, and classes made of classes."""
NOT_IN_A_VALUE = "".join(map(chr, range(33))) + "/\\{}\x7f\xe9"
"""What no value may hold: ``/``, braces, spaces, control characters, and (for all beyond ASCII) one letter."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a template reads from a key: the season and date if the key tells them, and its entities by field."""

    season: Season | None
    day: date | None
    entities: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled key template. Build it with `compile_template`."""

    text: str
    fields: tuple[str, ...]
    prefix: str
    matcher: re.Pattern[str]
    patterns: Mapping[str, str]

    def render(self, values: Mapping[str, str]) -> str:
        """Write the key of these field values; raise ValueError for a value that its field cannot have."""
        for name in self.fields:
            _check_value(name, values.get(name, ""), self.patterns[name])
        return self.text.format_map(values)

    def read(self, key: str) -> Reading | None:
        """Read a key back, or return None when this template cannot have written it."""
        match = self.matcher.fullmatch(key)
        if match is None:
            return None
        values = match.groupdict()
        try:
            seasons = {SEASON_FIELDS[name].read(values.pop(name)) for name in self.fields if name in SEASON_FIELDS}
            days = {DATE_FIELDS[name].read(values.pop(name)) for name in self.fields if name in DATE_FIELDS}
        except ValueError:
            return None
        if len(seasons) > 1 or len(days) > 1:
            return None
        return Reading(next(iter(seasons), None), next(iter(days), None), values)


def _check_value(name: str, value: str, pattern: str) -> None:
    if re.fullmatch(pattern, value, re.ASCII) is None:
        message = f"`{value}` is no {name}; valid: {pattern}"
        raise ValueError(message)
    notation = SEASON_FIELDS.get(name) or DATE_FIELDS.get(name)
    if notation is not None:
        notation.read(value)


def field_values(season: Season | None, day: date | None, entities: Mapping[str, str]) -> dict[str, str]:
    """Write a season and a date in every notation, beside the entities: what `Template.render` takes."""
    values = dict(entities)
    if season is not None:
        values |= {name: notation.write(season) for name, notation in SEASON_FIELDS.items()}
    if day is not None:
        values |= {name: notation.write(day) for name, notation in DATE_FIELDS.items()}
    return values


def compile_template(text: str, entities: Mapping[str, str]) -> Template:
    """Compile a template whose entity fields have these patterns.

    Raises:
        ValueError: the braces do not pair, a field is unknown, a pattern is not plain (groups, look-around), or the
            template does not write a plain relative path.
    """
    known = {name: notation.pattern for name, notation in {**SEASON_FIELDS, **DATE_FIELDS}.items()} | dict(entities)
    expression, prefix, fields = "", "", []
    for literal, name, spec, conversion in Formatter().parse(text):
        prefix += literal if not fields else ""
        expression += re.escape(literal)
        if name is None:
            continue
        if name not in known or spec or conversion:
            message = f"the field `{{{name}}}` is not known here; valid: {', '.join(sorted(known))}"
            raise ValueError(message)
        expression += f"(?P={name})" if name in fields else f"(?P<{name}>{check_pattern(known[name])})"
        fields.append(name)
    _check_path(text)
    unique = tuple(dict.fromkeys(fields))
    return Template(text, unique, prefix, re.compile(expression, re.ASCII), {name: known[name] for name in unique})


def _check_path(text: str) -> None:
    """Refuse a template that would write what is no plain relative path; ``text`` is known to pair its braces."""
    path = re.sub(r"\{\w+\}", "x", text)
    if re.search(r"[^!-~]|[\\{}]", path) or {"", ".", ".."} & set(path.split("/")):
        message = f"`{text}` is not a plain path; valid: folder/name.json, without spaces, `//`, `..` or `{{{{`"
        raise ValueError(message)


@lru_cache(maxsize=1_000)
def check_pattern(pattern: str) -> str:
    """Return the pattern if every engine reads it alike and no value of it can leave its place in a key.

    Raises:
        ValueError: it uses anything but characters, classes, ``(?:...)``, ``|`` and repeats, or it may match what no
            value may be: nothing at all, dots alone, or anything of `NOT_IN_A_VALUE`.
    """
    tokens = TOKEN.findall(pattern)
    outline = "".join("x" if token[0] in "\\[" and len(token) > 1 else token for token in tokens)
    if any(FOREIGN.search(token) for token in tokens) or re.search(r"\((?!\?:)|[*+?}]\+|[\^$]", outline):
        message = (
            f"the pattern `{pattern}` uses groups, anchors or look-around; "
            r"valid: characters, classes, \d, \w, (?:...), | and repeats"
        )
        raise ValueError(message)
    if "[" in tokens:
        message = f"the pattern `{pattern}` is not a regular expression: a class is not closed"
        raise ValueError(message)
    try:
        compiled = re.compile(pattern, re.ASCII)
    except re.error as error:
        message = f"the pattern `{pattern}` is not a regular expression: {error}"
        raise ValueError(message) from error
    allowed = [text for text in ("", ".", "..") if compiled.fullmatch(text)]
    allowed += [character for character in NOT_IN_A_VALUE if any(_matches(token, character) for token in tokens)]
    if allowed or not pattern.isascii():
        message = f"the pattern `{pattern}` allows {(allowed or [pattern])[0]!a}, which cannot be part of a key"
        raise ValueError(message)
    return pattern


def _matches(token: str, character: str) -> bool:
    if token[0] in "\\[":
        return re.fullmatch(token, character, re.ASCII) is not None
    return token in {".", character}
