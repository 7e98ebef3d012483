"""`adce hosts` tells of every host what the processes that share the limits have left."""

from collections.abc import Iterator
from typing import Any

import pytest

from adce_assets.fetch.hosts import Host
from adce_assets.fetch.lanes import Lane
from adce_assets.fetch.limits import Answered, Limits

CATALOGUE = """
contact: https://example.org/adce
hosts:
  plain:
    base_url: https://plain.example.org
    requests_per_second: 2
    burst: 3
  pages:
    base_url: https://pages.example.org
    requests_per_second: 0.3
    budget: operator
    robots: {ignored_because: an interface for programs}
  files:
    base_url: https://files.example.org
    requests_per_second: 0.3
    budget: operator
scrapers:
  summary:
    kind: json_api
    host: plain
    path: /
    yields: {espn/play_by_play: {}}
"""
PLAIN = Host(base_url="https://plain.example.org", requests_per_second=2, burst=3)
PAGES = Host(base_url="https://pages.example.org", requests_per_second=0.3, budget="operator")


@pytest.fixture
def home(installation: Any) -> Any:
    """An installation of three hosts, two of them one operator's."""
    (installation.home / "config" / "scraper_config.yaml").write_text(CATALOGUE)
    return installation


@pytest.fixture
def limits(home: Any) -> Iterator[Limits]:
    shared = Limits(home.home / ".adce" / "limits.sqlite", sleep=lambda _: None)
    yield shared
    shared.dispose()


def of(home: Any, name: str) -> dict[str, Any]:
    (found,) = (host for host in home.json("hosts")["hosts"] if host["host"] == name)
    return found


def test_hosts_that_nobody_has_asked_are_open(home: Any):
    assert [host["state"] for host in home.json("hosts")["hosts"]] == ["open"] * 3
    assert of(home, "plain")["rate"] == {"per_second": 2, "ceiling": 2, "floor": 0.2}
    assert (of(home, "plain")["jail"], of(home, "plain")["breaker"]) == (None, None)


def test_what_was_used_is_told_by_lane_for_all_hosts_of_a_budget(home: Any, limits: Limits):
    limits.acquire("pages", PAGES)
    limits.acquire("pages", PAGES, lane=Lane.HISTORY)
    budget = of(home, "files")["budget"]
    assert (budget["name"], budget["used_24h"]) == ("operator", {"fresh": 1, "history": 1})
    assert budget["used_24h_pct"] == pytest.approx(100 * 2 / (0.3 * 86_400), abs=0.01)


def test_a_closed_host_is_told_in_words_with_its_absurd_wish(home: Any, limits: Limits):
    limits.close_host("plain", PLAIN, 1e9, "429 and Retry-After")
    shown = home.adce("hosts")
    assert "closed" in next(line for line in shown.stdout.splitlines() if line.startswith("plain"))
    assert "`plain`: nobody asks before" in shown.stderr
    assert "429 and Retry-After; it asked for 1,000,000,000 s, which was cut to a day" in shown.stderr
    assert of(home, "plain")["jail"]["absurd_wish_s"] == 1e9


def test_blocked_egress_is_told_in_words(home: Any, limits: Limits):
    for _ in range(3):
        limits.answered("pages", PAGES, Answered.SILENT)
    shown = home.adce("hosts").stderr
    assert "`pages`: blocked egress: since" in shown
    assert "no slow host and no missing data" in shown
    assert of(home, "pages")["breaker"]["next_probe"] > of(home, "pages")["breaker"]["since"]
    assert (of(home, "pages")["state"], of(home, "files")["state"]) == ("blocked", "open")


def test_a_lowered_rate_is_told(home: Any, limits: Limits):
    limits.answered("plain", PLAIN, Answered.BUSY)
    assert of(home, "plain")["rate"]["per_second"] == 1
    assert "errors have lowered its rate to 1 of 2 a second" in home.adce("hosts").stderr


def test_it_is_told_why_robots_are_not_asked_for_and_how_slow_those_wish_to_be_asked_that_are(
    home: Any, limits: Limits
):
    limits.acquire("plain", PLAIN, crawl_delay_s=4)
    told = {"honoured": True, "ignored_because": None, "crawl_delay_s": 4}
    assert of(home, "plain")["robots"] == told
    assert of(home, "pages")["robots"]["ignored_because"] == "an interface for programs"


def test_limits_that_cannot_be_read_are_an_error_with_the_way_out(home: Any):
    refused = home.adce("hosts", ADCE_LIMITS="mysql://me@host/adce")
    assert refused.exit_code == 1
    assert "valid: a path of a SQLite file, or postgresql://" in refused.stderr
