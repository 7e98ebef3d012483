"""A queue in, what came of earlier forecasts of queues out, and the next forecast if it is time for one."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from adce_assets.loop import forecast
from adce_assets.loop.chances import LATELY
from adce_assets.loop.forecast import Span, Tally, Work
from adce_assets.loop.outcomes import Outcomes, follow
from adce_assets.loop.project import Project
from adce_assets.loop.records import OPEN_STATES
from adce_assets.scrapers.catalogue import Catalogue

if TYPE_CHECKING:
    from adce_assets.fetch.limits import HostState

NOBODY = Tally()


def followed(project: Project, catalogue: Catalogue, queue: Mapping[str, Any]) -> Outcomes:
    """Say what came of earlier forecasts, and write the next one down if it is time.

    Raises:
        LakeError: the state cannot be read or written.
        LedgerError: the ledger cannot be used.
    """

    def make() -> Span:
        return forecast.forecast(works(project, catalogue, queue), project.settings.reconciliation.retries).total

    return follow(project, [task["id"] for task in queue["tasks"]], make)


def works(project: Project, catalogue: Catalogue, queue: Mapping[str, Any]) -> list[Work]:
    """Sum up by budget, or program, what the tasks of a queue ask for, at the rates and with the success of now."""
    now, stood_in = project.clock(), catalogue.with_base_urls(project.settings.host_urls)
    requests = Counter[str]()
    for task in queue["tasks"]:
        keys = sum(task[f"{state}_files"] for state in OPEN_STATES)
        requests[task["scraper"]] += max(round(keys * task["requests_per_key"]), 1)
    tallies = forecast.tallies(project.ledger.recent(forecast.MEASURED, now - LATELY))
    asking = _Asking(stood_in, _states(project, stood_in, requests), tallies, now)
    found: dict[str, Work] = {}
    for scraper, count in sorted(requests.items()):
        work = asking.work(scraper, count)
        before = found.get(work.budget, replace(work, requests=0, tally=NOBODY))
        found[work.budget] = replace(work, requests=work.requests + before.requests, tally=work.tally + before.tally)
    return list(found.values())


def _states(project: Project, catalogue: Catalogue, scrapers: Mapping[str, int]) -> "dict[str, HostState]":
    """Ask how the hosts of scrapers stand; programs ask none that is known."""
    from adce_assets.fetch.limits import Limits

    names = {catalogue.scrapers[scraper].host for scraper in scrapers} - {""}
    limits = Limits(project.settings.limits_place)
    try:
        return {state.name: state for state in limits.states({name: catalogue.hosts[name] for name in sorted(names)})}
    finally:
        limits.dispose()


@dataclass(frozen=True, slots=True)
class _Asking:
    """How scrapers ask, now: how their hosts stand, and what came of asking of late by data set."""

    catalogue: Catalogue
    hosts: "Mapping[str, HostState]"
    tallies: Mapping[str, Tally]
    now: datetime

    def work(self, scraper: str, requests: int) -> Work:
        """Say what so many requests of a scraper come to."""
        entry = self.catalogue.scrapers[scraper]
        tally = sum((self.tallies.get(name, NOBODY) for name in entry.yields), NOBODY)
        if entry.command is not None:
            return Work(scraper, requests, 1 / entry.command.seconds_per_key, 0, 0.0, tally)
        host = self.hosts[entry.host]
        return Work(host.budget, requests, host.rate, sum(host.waiting.values()), self._closed_s(host), tally)

    def _closed_s(self, host: "HostState") -> float | None:
        if host.blocked_since is not None:
            return None
        return 0.0 if host.closed_until is None else max((host.closed_until - self.now).total_seconds(), 0.0)
