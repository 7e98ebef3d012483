"""The catalogue that ships with the project, held against the contract that ships with it and against good manners."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from adce_assets.fetch.hosts import Host, RobotsIgnored
from adce_assets.scrapers.entries import ScraperEntry
from adce_assets_tests.shipped import CATALOGUE, CONTRACT

NOW = datetime(2026, 11, 21, tzinfo=UTC)
OF_A_BROWSER = ("user-agent", "sec-", "cookie", "authorization")
"""Headers by which a program would pass for a person, or would carry a secret in a file."""

every_entry = pytest.mark.parametrize("entry", CATALOGUE.scrapers.values(), ids=CATALOGUE.scrapers)
every_host = pytest.mark.parametrize("host", CATALOGUE.hosts.values(), ids=CATALOGUE.hosts)


def test_it_has_what_the_project_promises():
    sources = Counter(name.partition("/")[0] for entry in CATALOGUE.scrapers.values() for name in entry.yields)

    assert len(CATALOGUE.scrapers) >= 80
    assert len(sources) >= 12


def test_whatever_the_contract_wants_collected_there_is_a_scraper_for():
    wanted = {name: found.declared.scraper for name, found in CONTRACT.data_sets.items() if found.declared.scraper}
    collected = {(name, scraper) for scraper, entry in CATALOGUE.scrapers.items() for name in entry.yields}

    assert set(wanted.items()) - collected == set()


@every_entry
def test_a_scraper_yields_what_the_contract_has(entry: ScraperEntry):
    assert set(entry.yields) <= set(CONTRACT.data_sets)


@every_entry
def test_its_seasons_are_those_that_the_contract_expects(entry: ScraperEntry):
    of_seasons = [CONTRACT.data_sets[name] for name in entry.yields if not CONTRACT.data_sets[name].declared.from_date]
    for data_set in of_seasons:
        beyond = [season.label for season in data_set.seasons(NOW) if season not in entry.season_range]

        assert beyond == [], data_set.name


def test_nothing_is_to_come_from_where_nobody_may_ask():
    closed = {name for name, entry in CATALOGUE.scrapers.items() if entry.unreachable}

    assert closed
    assert [name for name, found in CONTRACT.data_sets.items() if found.declared.scraper in closed] == []


def test_what_is_filed_by_the_day_begins_in_a_season_that_its_scraper_has():
    by_day = [
        (name, entry, CONTRACT.data_sets[name])
        for entry in CATALOGUE.scrapers.values()
        for name in entry.yields
        if entry.kind != "snapshot" and CONTRACT.data_sets[name].declared.from_date
    ]
    missed = [
        name
        for name, entry, found in by_day
        if (first := found.declared.from_date) and found.calendar.season_of(first) not in entry.season_range
    ]

    assert missed == []


def test_a_source_whose_seasons_are_known_says_the_first():
    """Only what is of no season, or of today alone, says nothing; and two of a service that does not tell."""
    told = {name for name, entry in CATALOGUE.scrapers.items() if entry.seasons or entry.kind == "snapshot"}
    whole = {
        name
        for name, entry in CATALOGUE.scrapers.items()
        if all(CONTRACT.data_sets[of].declared.seasons == "all" for of in entry.yields)
    }

    assert set(CATALOGUE.scrapers) - told - whole == {"bdl_box_scores", "bdl_stats"}


def test_what_was_collected_is_counted():
    uncounted = [
        name
        for entry in CATALOGUE.scrapers.values()
        for name, one in entry.yields.items()
        if one.requirements.records is None
    ]

    assert uncounted == []


@every_entry
def test_a_document_can_be_told_from_a_notice(entry: ScraperEntry):
    for name, yielded in entry.yields.items():
        demands = yielded.requirements

        assert demands.must_have or demands.may_be_empty or demands.columns or demands.parses != "json", name


@every_host
def test_no_host_is_deceived_about_who_asks(host: Host):
    assert [name for name in host.headers if name.lower().startswith(OF_A_BROWSER)] == []


@every_host
def test_a_host_is_asked_no_faster_than_twice_a_second(host: Host):
    assert host.requests_per_second <= 2
    assert host.burst <= 5
    assert host.base_url.startswith("https://")


def test_robots_are_ignored_only_where_there_are_no_pages():
    pages = {entry.host for entry in CATALOGUE.scrapers.values() if entry.kind == "html_page"}

    assert [name for name in pages if isinstance(CATALOGUE.hosts[name].robots, RobotsIgnored)] == []


def test_hosts_of_one_operator_share_one_budget():
    budgets = Counter(host.budget for host in CATALOGUE.hosts.values() if host.budget)

    assert {"espn", "nba_stats", "nba_office", "euroleague"} <= set(budgets)
    assert min(budgets.values()) > 1
