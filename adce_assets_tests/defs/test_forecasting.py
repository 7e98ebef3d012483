"""What a queue asks of each budget, for the loop's own forecast of it."""

from typing import Any

import pytest

from adce_assets.defs.forecasting import works
from adce_assets.fetch.limits import Limits
from adce_assets.loop.forecast import Tally
from adce_assets.scrapers.catalogue import Catalogue

FORBIDDEN = {"ignored_because": "a test"}


def entry(host: str) -> dict[str, Any]:
    return {"kind": "json_api", "host": host, "path": "/{season}", "yields": {f"{host}/x": {}}}


CATALOGUE = Catalogue.model_validate(
    {
        "contact": "https://example.org/adce",
        "hosts": {
            "one": {"base_url": "http://one.example", "requests_per_second": 2, "budget": "both", "robots": FORBIDDEN},
            "two": {"base_url": "http://two.example", "requests_per_second": 2, "budget": "both", "robots": FORBIDDEN},
            "three": {"base_url": "http://three.example", "requests_per_second": 5, "robots": FORBIDDEN},
        },
        "scrapers": {name: entry(host) for name, host in {"a": "one", "b": "two", "c": "three"}.items()},
    }
)


def task(scraper: str, keys: int, cost: float = 1.0) -> dict[str, Any]:
    counts = {"missing_files": keys - 1, "stale_files": 1, "damaged_files": 0}
    return {"scraper": scraper, "requests_per_key": cost, **counts}


def test_requests_are_summed_up_by_budget_at_the_rate_of_now(small: Any):
    queue = {"tasks": [task("a", 10), task("b", 30, 0.5), task("c", 7), task("c", 1, 0.1)]}
    found = {work.budget: work for work in works(small.project, CATALOGUE, queue)}
    assert {name: (work.requests, work.per_second, work.closed_s) for name, work in found.items()} == {
        "both": (25, 2, 0.0),
        "three": (8, 5, 0.0),
    }
    assert found["both"].tally == Tally()


def test_a_host_that_is_closed_is_asked_after_its_closure(small: Any):
    project = small.project
    small.environment.pop("ADCE_AS_OF")
    live = small.project
    project.settings.work_folder.mkdir(exist_ok=True)
    limits = Limits(project.settings.limits_place)
    limits.close_host("three", CATALOGUE.hosts["three"], 600, "Retry-After")
    limits.dispose()
    (work,) = works(live, CATALOGUE, {"tasks": [task("c", 7)]})
    assert work.closed_s == pytest.approx(600, abs=60)
