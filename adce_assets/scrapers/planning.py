"""Wanted keys in, requests out: each once, with all the keys whose documents its answer holds.

What a key says is put into paths and queries here, and nowhere else; it is checked before.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from adce_assets.errors import ConfigurationError, VerifyError
from adce_assets.scrapers.entries import ScraperEntry
from adce_assets.scrapers.interface import Failed, Request, Wanted

PLAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]|\.(?!\.)){0,99}")
"""What may be put into a path or query: an id, a date, a season; never something that leads elsewhere."""

SHOWN = 20
"""Values of a field that an error lists."""

Question = tuple[str, tuple[tuple[str, str], ...]]


def requests_per_key(entry: ScraperEntry) -> float:
    """Say what a key of a scraper costs, where one request serves a key of each data set that the scraper yields."""
    return 1 / len(entry.yields)


def plan(entry: ScraperEntry, wanted: Sequence[Wanted], now: datetime) -> Iterator[Request | Failed]:  # noqa: ARG001 - as `Kind` has it
    """Fill the entry's templates for each key, and join the keys that ask the same.

    Raises:
        ConfigurationError: the entry names a field that a key does not have, or does not yield a key's data set.
    """
    asked: dict[Question, list[Wanted]] = {}
    for one in wanted:
        if one.data_set not in entry.yields:
            raise ConfigurationError(f"the scraper does not yield `{one.data_set}`", valid=", ".join(entry.yields))
        try:
            fields = _with_derived(entry, one.entity)
            question = _question(entry, one.entity, fields)
        except VerifyError as error:
            yield Failed(one, error, "")
        else:
            asked.setdefault(question, []).append(replace(one, entity=fields))
    for (path, parameters), group in asked.items():
        yield Request(path, parameters, tuple(group))


def _question(entry: ScraperEntry, entity: Mapping[str, str], fields: Mapping[str, str]) -> Question:
    parameters = tuple((name, _filled(text, entity, fields)) for name, text in entry.parameters.items())
    return _filled(entry.path, entity, fields), parameters


def _with_derived(entry: ScraperEntry, entity: Mapping[str, str]) -> dict[str, str]:
    """Add the entry's own fields, each of which may be made of one before it.

    What a pattern takes over of a key's field is checked, whatever the pattern lets through; other words are the
    entry's own.
    """
    fields = dict(entity)
    for name, derived in entry.fields.items():
        given = fields.get(derived.of)
        if given is None:
            raise ConfigurationError(f"nothing fills `{{{derived.of}}}`", where=f"`{name}`", valid=", ".join(fields))
        if derived.match and derived.of in entity:
            _check(derived.of, given)
        value = derived.value(given)
        if value is None:
            valid = ", ".join(list(derived.values)[:SHOWN]) if derived.values else (derived.match or "")
            raise VerifyError(f"{given[:60]!r} gives no `{name}`", where=f"`{{{derived.of}}}`", valid=valid)
        fields[name] = value
    return fields


def _filled(template: str, entity: Mapping[str, str], fields: Mapping[str, str]) -> str:
    """Fill a template; an entity without the field is a fault of the configuration, an odd value one of the key."""
    for name, value in entity.items():
        if f"{{{name}}}" in template:
            _check(name, value)
    try:
        return template.format_map(fields)
    except KeyError as error:
        raise ConfigurationError(
            f"nothing fills `{{{error.args[0]}}}`", where=template, valid=", ".join(fields)
        ) from error


def _check(name: str, value: str) -> None:
    """Refuse a value of a key's field that could say something else in a path or query than it is."""
    if not PLAIN.fullmatch(value):
        raise VerifyError(f"{value[:60]!r} cannot be asked for", where=f"`{{{name}}}`", valid=PLAIN.pattern)
