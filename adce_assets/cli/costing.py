"""Tasks of a plan in, whom they ask out: how often, how fast, how long. Nobody is asked anything for it.

The requests are those that a run would make: the entries' own templates are filled, and keys that one answer serves are
one request. Of an answer in pages only the first is counted, because nobody knows how many there are.
"""

import importlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from adce_assets.contract.loading import Contract
from adce_assets.errors import ConfigurationError
from adce_assets.fetch.limits import HostState, standings
from adce_assets.loop import forecast
from adce_assets.loop.forecast import NOBODY, Tally, Work
from adce_assets.loop.plans import HostWork, PlannedTask
from adce_assets.scrapers.catalogue import Catalogue
from adce_assets.scrapers.collect import wanted
from adce_assets.scrapers.interface import Failed, Kind, Wanted
from adce_assets.scrapers.working import refusal
from adce_assets.settings import Settings


@dataclass(slots=True)
class Price:
    """What tasks ask for: requests by scraper, and by source and priority; and the keys that nobody need ask for."""

    requests: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    by_group: Counter[tuple[str, str]] = field(default_factory=Counter)
    tallies: dict[str, Tally] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Duration:
    """What each host has to do, and the seconds that all of it takes; None where nobody knows."""

    hosts: tuple[HostWork, ...]
    p50_s: float | None
    p90_s: float | None


def price(
    contract: Contract, catalogue: Catalogue, tasks: Iterable[PlannedTask], tallies: Mapping[str, Tally], now: datetime
) -> Price:
    """Count the requests of tasks, joined as runs of one scraper, season and priority join them.

    Raises:
        ContractError: a key is none of the contract's, because that has changed since.
        ConfigurationError: there is no such scraper, or its entry names what a key does not have.
    """
    found, lanes = Price(), dict[tuple[str, str, str], list[PlannedTask]]()
    for task in tasks:
        lanes.setdefault((task.scraper, task.season, task.priority), []).append(task)
    for (scraper, _, priority), members in lanes.items():
        if scraper not in catalogue.scrapers:
            hint = "the configuration has changed since: run `adce reconcile`"
            raise ConfigurationError(f"the scraper `{scraper}` is not configured any more", hint=hint)
        asked = list(_asked(contract, catalogue, scraper, members, found, now))
        found.keys[scraper] += len(asked)
        for one in _requests(catalogue, scraper, asked, found, now):
            found.requests[scraper] += 1
            found.by_group[one.source, priority] += 1
    for scraper in {scraper for scraper, _, _ in lanes}:
        told = (tallies.get(data_set, NOBODY) for data_set in catalogue.scrapers[scraper].yields)
        found.tallies[scraper] = sum(told, NOBODY)
    return found


def _asked(
    contract: Contract,
    catalogue: Catalogue,
    scraper: str,
    tasks: Sequence[PlannedTask],
    found: Price,
    now: datetime,
) -> Iterator[Wanted]:
    """Yield what is asked for; what the entry says cannot be had is noted."""
    entry = catalogue.scrapers[scraper]
    for task in tasks:
        for key, _, etag in task.keys:
            one = wanted(contract, task.data_set, task.season, key, etag)
            error = refusal(entry, one, now)
            if error is None:
                yield one
            else:
                found.refused[key] = error.what


def _requests(
    catalogue: Catalogue, scraper: str, asked: Sequence[Wanted], found: Price, now: datetime
) -> Iterator[Wanted]:
    """Yield one of the keys of each request."""
    entry = catalogue.scrapers[scraper]
    kind = cast("Kind", importlib.import_module(f"adce_assets.scrapers.{entry.kind}"))
    for step in kind.plan(entry, asked, now):
        if isinstance(step, Failed):
            found.refused[step.wanted.key] = step.error.what
        else:
            yield step.wanted[0]


def duration(settings: Settings, catalogue: Catalogue, found: Price, now: datetime) -> Duration:
    """Say how long the requests take, within the limits of each host as all processes have left them."""
    names = {entry.host for name in found.keys if (entry := catalogue.scrapers[name]).command is None}
    hosts = standings(settings.limits_place, {name: catalogue.hosts[name] for name in sorted(names)})
    parts = [_part(catalogue, scraper, found, hosts, now) for scraper in sorted(found.keys)]
    works = forecast.by_budget(part.work for part in parts)
    told = forecast.forecast(works, settings.reconciliation.retries)
    spans = told.budgets
    described = tuple(
        part.host.model_copy(update={"p50_s": spans[part.work.budget].p50_s, "p90_s": spans[part.work.budget].p90_s})
        for part in _by_host(parts)
    )
    return Duration(described, told.total.p50_s, told.total.p90_s)


@dataclass(frozen=True, slots=True)
class _Part:
    """The work of a scraper, or of a host: as it is told, and as it is simulated."""

    host: HostWork
    work: Work


def _part(catalogue: Catalogue, scraper: str, found: Price, states: Mapping[str, HostState], now: datetime) -> _Part:
    """Describe the work of one scraper; a program's pace is that of its keys."""
    entry, tally, keys = catalogue.scrapers[scraper], found.tallies[scraper], found.keys[scraper]
    if entry.command is not None:
        work = forecast.work_of_program(scraper, keys, entry.command.seconds_per_key, tally)
    else:
        work = forecast.work_of_host(states[entry.host], found.requests[scraper], tally, now)
    host = HostWork(
        host=entry.host or work.budget,
        budget=work.budget,
        requests=found.requests[scraper],
        keys=keys,
        per_second=work.per_second,
        waiting=work.waiting,
        succeeded=tally.good,
        failed=tally.failed,
        in_pages=entry.paging is not None,
        p50_s=None,
        p90_s=None,
    )
    return _Part(host, work)


def _by_host(parts: Sequence[_Part]) -> list[_Part]:
    """Join the scrapers that ask the same host."""
    joined: dict[str, _Part] = {}
    for part in parts:
        name, before = part.host.host, joined.get(part.host.host)
        joined[name] = part if before is None else _Part(_both(before.host, part.host), part.work)
    return list(joined.values())


def _both(one: HostWork, other: HostWork) -> HostWork:
    sums = {name: getattr(one, name) + getattr(other, name) for name in ("requests", "keys", "succeeded", "failed")}
    return one.model_copy(update=sums | {"in_pages": one.in_pages or other.in_pages})
