"""What the shipped catalogue demands of pages and files, held against documents that are nearly right."""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date

import pyarrow.parquet as pq
import pytest

from adce_assets.contract.seasons import WHOLE_HISTORY, Season
from adce_assets.contract.templates import field_values
from adce_assets.errors import EmptyAnswerError, VerifyError
from adce_assets.fetch.audit import audit
from adce_assets.fetch.requirements import Arrival, Requirements
from adce_assets.scrapers.interface import Request, Wanted
from adce_assets.scrapers.planning import plan
from adce_assets_tests.scrapers import cases_basketball_reference, cases_files, cases_leagues, cases_pages
from adce_assets_tests.scrapers.cases_basketball_reference import CASES as PAGES
from adce_assets_tests.scrapers.every_scraper import NOW, Case
from adce_assets_tests.scrapers.made_pages import page, table
from adce_assets_tests.shipped import CATALOGUE

CASES: Mapping[str, Case] = (
    cases_basketball_reference.CASES | cases_leagues.CASES | cases_pages.CASES | cases_files.CASES
)
JUST_NOW = Arrival(NOW, {"age": "0"})
ANOTHER = {
    "game_id": "199901010NYK",
    "team": "NYK",
    "franchise": "NYK",
    "player_slug": "jordami01",
    "award": "roy",
    "cbb_game": "2019-12-31-20-duke",
    "gleague_team": "SXF",
    "intl_league": "eurocup",
    "date": "2021-11-30",
    "standings_by_date_file": "western_conference",
}
"""Somebody else, for every kind of entity."""
ONE_OF_A_KIND = "bbref_injuries"
"""A page about no entity and no season."""


def planned(name: str, case: Case) -> Iterator[tuple[Request, Requirements]]:
    entry = CATALOGUE.scrapers[name.partition("@")[0]]
    season = None if case.season == WHOLE_HISTORY else Season.parse(case.season)
    entity = {field: text for field, text in case.entity.items() if field != "date"}
    day = date.fromisoformat(case.entity["date"]) if "date" in case.entity else None
    fields = field_values(season, day, entity)
    for data_set in case.records:
        source, data_type = data_set.split("/")
        for request in plan(entry, [Wanted("key", source, data_type, case.season, fields, None)], NOW):
            assert isinstance(request, Request)
            yield request, entry.yields[data_set].requirements


def documents(name: str) -> Iterator[tuple[bytes, Requirements, Mapping[str, str]]]:
    """Give each document of a case with what is demanded of it, and the fields of its entity."""
    for request, requirements in planned(name, CASES[name]):
        status, _, body = CASES[name].answer(request.path, dict(request.parameters))
        assert status == 200
        yield body, requirements, request.wanted[0].entity


def of_another(name: str) -> Mapping[str, str]:
    """The fields of somebody else, in another season."""
    case = CASES[name]
    season = case.season if case.season == WHOLE_HISTORY else Season.parse(case.season).next.next.label
    entity = {field: ANOTHER.get(field, text) for field, text in case.entity.items()}
    request, _ = next(planned(name, replace(case, season=season, entity=entity)))
    return request.wanted[0].entity


def of_kind(*kinds: str) -> list[str]:
    return [name for name in CASES if {demands.parses for _, demands in planned(name, CASES[name])} & set(kinds)]


def refused(body: bytes, requirements: Requirements, entity: Mapping[str, str]) -> VerifyError:
    with pytest.raises(VerifyError) as caught:
        audit(body, requirements, entity, arrival=JUST_NOW)
    return caught.value


@pytest.mark.parametrize("name", [name for name in of_kind("html", "parquet") if not name.startswith(ONE_OF_A_KIND)])
def test_a_document_about_another_is_refused(name: str):
    for body, requirements, _ in documents(name):
        refused(body, requirements, of_another(name))


@pytest.mark.parametrize("name", of_kind("html"))
def test_a_page_whose_places_have_other_names_is_refused_and_never_taken_for_empty(name: str):
    for body, requirements, entity in documents(name):
        renamed = re.sub(rb'( id=| class=|__espnfitt__)"?', b' data-was="', body)

        assert not isinstance(refused(renamed, requirements, entity), EmptyAnswerError)


@pytest.mark.parametrize("name", of_kind("html", "csv", "parquet", "zip"))
def test_half_a_document_is_refused(name: str):
    for body, requirements, entity in documents(name):
        refused(
            body[: len(body) // 2] if requirements.parses != "csv" else body[: len(body) // 4], requirements, entity
        )


@pytest.mark.parametrize("name", [name for name in of_kind("html") if not name.startswith("espn_")])
def test_a_page_with_the_notice_of_a_guard_is_refused(name: str):
    for body, requirements, entity in documents(name):
        refused(body.replace(b"<title>", b"<title>Just a moment... "), requirements, entity)


@pytest.mark.parametrize("name", of_kind("parquet"))
def test_a_file_that_lost_a_column_is_refused(name: str):
    for body, requirements, entity in documents(name):
        whole = pq.read_table(io.BytesIO(body))
        written = io.BytesIO()
        pq.write_table(whole.drop_columns(["game_id"]), written)

        refused(written.getvalue(), requirements, entity)


@pytest.mark.parametrize("name", ["bbref_season_totals", "bbref_season_advanced", "bbref_per_poss"])
def test_a_season_of_a_handful_of_players_is_refused(name: str):
    for body, requirements, entity in documents(name):
        refused(re.sub(rb'<tr><th scope="row".*?</tr>', b"", body, count=300), requirements, entity)


@pytest.mark.parametrize(
    ("name", "empty"),
    [
        ("bbref_daily_leaders", table("stats", "ranker player team_id game_result pts", 0)),
        ("cbb_schedule_day", '<div class="game_summaries"></div>'),
    ],
)
def test_a_day_without_games_is_told_apart_from_a_page_that_changed(name: str, empty: str):
    days = {"bbref_daily_leaders": "January 5, 2023", "cbb_schedule_day": "January 5, 2020"}
    for _, requirements, entity in documents(name):
        body = page("", f"<h1>{days[name]}</h1>", empty, title=f"Scores of {days[name]}")

        assert isinstance(refused(body, requirements, entity), EmptyAnswerError)


def test_pages_of_two_layouts_are_counted_alike():
    layouts = ["bbref_box_score", "bbref_box_score@layout_of_2018", "bbref_box_score@aba"]

    assert {PAGES[name].records.get("basketball_reference/game_box_scores", 22) for name in layouts} == {22}


def test_two_hosts_of_one_operator_share_one_budget_of_20_requests_a_minute():
    hosts = [CATALOGUE.hosts[name] for name in ("bbref", "sr_cbb")]

    assert {host.budget for host in hosts} == {"sports_reference"}
    assert all(host.requests_per_second * 60 + host.burst <= 20.5 for host in hosts)
    assert all(host.concurrency == 1 and host.jail_s >= 86_400 and 429 in host.jail_statuses for host in hosts)
