"""A queue in, what came of earlier forecasts of queues out, and the next forecast if it is time for one."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from adce_assets.fetch.limits import standings
from adce_assets.loop import forecast
from adce_assets.loop.chances import LATELY
from adce_assets.loop.forecast import NOBODY, Span, Work
from adce_assets.loop.outcomes import Outcomes, follow
from adce_assets.loop.project import Project
from adce_assets.loop.records import OPEN_STATES
from adce_assets.scrapers.catalogue import Catalogue


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
    names = {stood_in.scrapers[scraper].host for scraper in requests} - {""}
    hosts = standings(project.settings.limits_place, {name: stood_in.hosts[name] for name in sorted(names)})
    tallies = forecast.tallies(project.ledger.tally(forecast.MEASURED, now - LATELY))

    def work(scraper: str, count: int) -> Work:
        entry = stood_in.scrapers[scraper]
        tally = sum((tallies.get(name, NOBODY) for name in entry.yields), NOBODY)
        if entry.command is not None:
            return forecast.work_of_program(scraper, count, entry.command.seconds_per_key, tally)
        return forecast.work_of_host(hosts[entry.host], count, tally, now)

    return forecast.by_budget(work(*asked) for asked in sorted(requests.items()))
