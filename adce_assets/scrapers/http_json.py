"""Wanted keys in, JSON documents out: one request for all keys that the same answer holds.

An answer may hold several data sets; each keeps the members that its entry names, or the answer as it is. An answer
that cannot be cut is handed on whole, so that the audit can refuse it and keep it aside.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from adce_assets.errors import ConfigurationError, FetchError, VerifyError
from adce_assets.fetch.client import Client, Response
from adce_assets.scrapers.catalogue import ScraperEntry
from adce_assets.scrapers.interface import Collected, Failed, Wanted
from adce_assets.scrapers.members import cut

PLAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]|\.(?!\.)){0,99}")
"""What may be put into a path or query: an id, a date, a season; never something that leads elsewhere."""


@dataclass(frozen=True, slots=True)
class Request:
    """A path and a query below a host's base URL."""

    path: str
    parameters: tuple[tuple[str, str], ...]


def collect(entry: ScraperEntry, wanted: Sequence[Wanted], client: Client) -> Iterator[Collected | Failed]:
    """Fetch what is wanted, each request once, and answer for every key as soon as its request is done."""
    requests: dict[Request, list[Wanted]] = {}
    for one in wanted:
        try:
            requests.setdefault(_request(entry, one.entity), []).append(one)
        except VerifyError as error:
            yield Failed(one, error, "")
    for request, group in requests.items():
        try:
            response = client.get(entry.host, request.path, dict(request.parameters))
        except FetchError as error:
            yield from (Failed(one, error, error.where) for one in group)
        else:
            yield from (_collected(entry, one, response) for one in group)


def _request(entry: ScraperEntry, entity: Mapping[str, str]) -> Request:
    parameters = tuple((name, _filled(text, entity)) for name, text in entry.parameters.items())
    return Request(_filled(entry.path, entity), parameters)


def _filled(template: str, entity: Mapping[str, str]) -> str:
    """Fill a template; an entity without the field is a fault of the configuration, an odd value one of the key."""
    for name, value in entity.items():
        if f"{{{name}}}" in template and not PLAIN.fullmatch(value):
            raise VerifyError(f"{value[:60]!r} cannot be asked for", where=f"`{{{name}}}`", valid=PLAIN.pattern)
    try:
        return template.format_map(entity)
    except KeyError as error:
        raise ConfigurationError(
            f"nothing fills `{{{error.args[0]}}}`", where=template, valid=", ".join(entity)
        ) from error


def _collected(entry: ScraperEntry, one: Wanted, response: Response) -> Collected:
    yielded = entry.yields.get(one.data_set)
    if yielded is None:
        raise ConfigurationError(f"the scraper does not yield `{one.data_set}`", valid=", ".join(entry.yields))
    body = response.body
    if yielded.members is not None:
        try:
            body = cut(body, yielded.members)
        except VerifyError:
            body = response.body
    return Collected(one, body, response.url, response.fetched_at, yielded.requirements)
