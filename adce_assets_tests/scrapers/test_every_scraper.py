"""Every scraper of the shipped catalogue: a gap in, against a source that speaks its shape, the expected keys out."""

import importlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adce_assets.contract.seasons import WHOLE_HISTORY, Season
from adce_assets.contract.templates import field_values
from adce_assets.fetch.client import Client, user_agent
from adce_assets.fetch.limits import Limits
from adce_assets.lake.store import LakeStore, open_store
from adce_assets.ledger.receipts import read_receipts
from adce_assets.scrapers.catalogue import ScraperEntry
from adce_assets.scrapers.collect import CollectReport, collect, wanted
from adce_assets.scrapers.interface import Wanted
from adce_assets_tests.scrapers.every_scraper import (
    HTML,
    JSON,
    NOW,
    SECRET,
    TODAY,
    Asked,
    Case,
    Sent,
    Source,
    day,
)
from adce_assets_tests.shipped import CATALOGUE, CONTRACT

FAMILIES = sorted(path.stem for path in Path(__file__).parent.glob("cases_*.py"))
CASES: Mapping[str, Case] = {
    name: case
    for family in FAMILIES
    for name, case in importlib.import_module(f"adce_assets_tests.scrapers.{family}").CASES.items()
}
AT_PROGRAMS = frozenset({"command"})
"""Kinds that start a program instead of asking a host: their tests have one."""


def entry_of(name: str) -> ScraperEntry:
    return CATALOGUE.scrapers[name.partition("@")[0]]


ASKING = [name for name in CASES if not entry_of(name).is_retired(TODAY)]
RETIRED = [name for name in CASES if entry_of(name).is_retired(TODAY)]
UNREACHABLE = [name for name in CASES if entry_of(name).unreachable]
NOTICE = b"<!DOCTYPE html><html><head><title>Please wait</title></head><body><p>We are checking you.</p></body></html>"
Poison = Callable[[Sent], Sent]
"""What the source would have sent in; what it sends instead out."""


def about_another(sent: Sent, told: Sequence[str]) -> Sent:
    """Send the document of another thing of the same kind: this one with other ids."""
    status, content_type, body = sent
    for one in told:
        other = one[:-1] + ("0" if one[-1] != "0" else "1")
        body = body.replace(one.encode(), other.encode())
    return status, content_type, body


POISONS: Mapping[str, Poison] = {
    "a notice": lambda _sent: (200, HTML, NOTICE),
    "nothing": lambda sent: (200, sent[1], b""),
    "an error as data": lambda _sent: (200, JSON, b'{"message":"An error occurred","statusCode":500}'),
    "half of it": lambda sent: (200, sent[1], sent[2][: len(sent[2]) // 2]),
}
ANY_ENTITY = frozenset(
    {
        *("balldontlie/injuries", "balldontlie/players", "espn/calendar", "espn/injuries", "espn/teams"),
        *("euroleague/box_scores", "euroleague/headers", "euroleague/play_by_play", "euroleague/shots"),
        *("kaggle/basketball_database", "kaggle/historical_box_scores", "kaggle/nba_aba_baa_stats", "kaggle/nba_games"),
        *("nba_api/all_players", "nba_api/draft_history", "nba_api/franchise_history", "nba_cdn/odds"),
        *("nba_official/player_movement", "pbpstats/game_stats", "pbpstats/totals", "torvik/team_ratings"),
    }
)
"""Data sets whose documents do not say what they are about: there another's would be taken for right."""
SAYING = [
    name for name in ASKING if not ANY_ENTITY & {*CASES[name].records} and not name.endswith("@a_day_without_games")
]
"""Cases whose documents say it; of a day without games hardly any does."""


@pytest.fixture(scope="module")
def source() -> Iterator[Source]:
    with Source().running() as running:
        yield running


@dataclass(frozen=True)
class Collecting:
    """Collects one case into a lake of its own."""

    name: str
    lake: LakeStore
    client: Client

    @property
    def entry(self) -> ScraperEntry:
        """The entry, as if its source let itself be asked."""
        return entry_of(self.name).model_copy(update={"unreachable": None})

    @property
    def case(self) -> Case:
        return CASES[self.name]

    def keys(self) -> dict[str, str]:
        """Fill the first template of each data set that the case counts."""
        case = self.case
        season = None if case.season == WHOLE_HISTORY else Season.parse(case.season)
        of_day = day(case.entity["date"]) if "date" in case.entity else None
        values = field_values(season, of_day, {name: text for name, text in case.entity.items() if name != "date"})
        return {name: CONTRACT.data_sets[name].templates[0].render(values) for name in case.records}

    def asked(self) -> list[Wanted]:
        return [wanted(CONTRACT, name, self.case.season, key, None) for name, key in self.keys().items()]

    def run(self, run_id: str, entry: ScraperEntry | None = None) -> CollectReport:
        moments = (NOW + timedelta(milliseconds=tick) for tick in itertools.count())
        return collect(
            entry or self.entry,
            self.asked(),
            client=self.client,
            store=self.lake,
            run_id=run_id,
            clock=lambda: next(moments),
        )

    def data(self) -> dict[str, bytes]:
        keys = [found.key for found in self.lake.list() if not found.key.startswith("_adce/")]
        return {key: self.lake.get(key) for key in keys}


@pytest.fixture(scope="module")
def client(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    limits = Limits(tmp_path_factory.mktemp("limits") / "limits.sqlite")
    with Client(
        CATALOGUE.with_base_urls(dict.fromkeys(CATALOGUE.hosts, source.url)).hosts,
        limits,
        agent=user_agent("https://example.org/contact"),
        now=lambda: NOW,
        sleep=lambda _: None,
        secrets=lambda _: SECRET,
    ) as client:
        yield client
    limits.dispose()


@pytest.fixture
def collecting(request: pytest.FixtureRequest, client: Client, tmp_path: Path) -> Collecting:
    (tmp_path / "lake").mkdir()
    return Collecting(request.param, open_store((tmp_path / "lake").as_uri()), client)


def credential_parameter(entry: ScraperEntry) -> str | None:
    credential = CATALOGUE.hosts[entry.host].credential
    return credential.parameter if credential else None


def expected_bodies(collecting: Collecting, bodies: Mapping[str, bytes]) -> dict[str, object]:
    """Say what must lie in the lake, made of what the source sent; of a document that is cut, its parsed members."""
    pages = collecting.case.pages
    whole = b'{"pages":[' + b",".join(bodies[line] for line in pages) + b"]}" if pages else next(iter(bodies.values()))
    expected: dict[str, object] = {}
    for name, key in collecting.keys().items():
        members = collecting.entry.yields[name].members
        expected[key] = merged(json.loads(whole), members) if members else whole
    return expected


def merged(document: Any, members: Sequence[str]) -> dict[str, Any]:
    """Take the members at dotted paths, of which none leads through another, out of a document."""
    kept: dict[str, Any] = {}
    for place, _, inner in (path.partition(".") for path in members):
        kept[place] = {**kept.get(place, {}), inner: document[place][inner]} if inner else document[place]
    return kept


def test_every_scraper_of_the_catalogue_has_a_case_and_every_case_a_scraper():
    asking = {name for name, entry in CATALOGUE.scrapers.items() if entry.kind not in AT_PROGRAMS}

    assert {name.partition("@")[0] for name in CASES} == asking


def test_the_cases_of_a_scraper_count_every_data_set_that_it_yields():
    counted: dict[str, set[str]] = {}
    for name, case in CASES.items():
        counted.setdefault(name.partition("@")[0], set()).update(case.records)

    assert counted == {name: set(CATALOGUE.scrapers[name].yields) for name in counted}


@dataclass(frozen=True)
class Collected:
    """What a run made of a gap."""

    collecting: Collecting
    asked: Asked
    report: CollectReport


@pytest.fixture(scope="module")
def collected(
    request: pytest.FixtureRequest, client: Client, source: Source, tmp_path_factory: pytest.TempPathFactory
) -> Collected:
    """Close the gap of one case, once for all that is claimed of it."""
    collecting = Collecting(request.param, open_store(tmp_path_factory.mktemp("lake").as_uri()), client)
    asked = source.now_answers(collecting.case.answer, credential_parameter(collecting.entry))
    return Collected(collecting, asked, collecting.run("run1"))


@pytest.mark.parametrize("collected", ASKING, indirect=True)
def test_what_is_wanted_lies_in_the_lake_as_it_was_sent(collected: Collected):
    collecting, reports = collected.collecting, collected.report.data_sets

    assert {name: dict(one.failed) for name, one in reports.items()} == {
        name: {} for name in collecting.case.records
    }, [one.worst for one in reports.values()]
    expected, data = expected_bodies(collecting, collected.asked.bodies), collecting.data()
    assert {
        key: body if isinstance(expected.get(key), bytes) else json.loads(body) for key, body in data.items()
    } == expected


@pytest.mark.parametrize("collected", ASKING, indirect=True)
def test_what_it_holds_is_counted_in_the_report_and_in_a_receipt(collected: Collected):
    collecting, records = collected.collecting, collected.collecting.case.records

    assert {name: one.records for name, one in collected.report.data_sets.items()} == {
        name: count or 0 for name, count in records.items()
    }
    assert receipts_of(collecting.lake) == {key: records[name] for name, key in collecting.keys().items()}


@pytest.mark.parametrize("collected", ASKING, indirect=True)
def test_its_host_is_asked_truthfully_and_once_for_each_page(collected: Collected):
    collecting, asked = collected.collecting, collected.asked
    credential = CATALOGUE.hosts[collecting.entry.host].credential

    assert len(asked.requests) == max(1, len(collecting.case.pages))
    for _, _, headers in asked.requests:
        assert headers["User-Agent"].startswith("adce/")
        assert headers["credential"] == (credential.prefix + SECRET if credential else "")


def receipts_of(lake: LakeStore) -> dict[str, int | None]:
    files = [found.key for found in lake.list() if found.key.startswith("_adce/receipts/")]
    return {receipt.key: receipt.records for key in files for receipt in read_receipts(key, lake.get(key))}


def told_by(collecting: Collecting) -> list[str]:
    """List the ids that the audit will look for, as far as the documents tell any."""
    found = []
    for one in collecting.asked():
        fields = dict(one.entity)
        for name, derived in collecting.entry.fields.items():
            fields[name] = derived.value(fields[derived.of]) or ""
        due = (collecting.entry.yields[one.data_set].requirements.id_is or "").format_map(fields)
        found.append(max(due.split("*"), key=len))
    return [told for told in found if told]


@pytest.mark.parametrize("collecting", ASKING, indirect=True)
def test_what_is_not_the_document_never_becomes_one(collecting: Collecting, source: Source):
    case, became = collecting.case, {}
    for number, (name, poison) in enumerate(POISONS.items()):
        source.now_answers(
            lambda path, query, poison=poison: poison(case.answer(path, query)), credential_parameter(collecting.entry)
        )
        report = collecting.run(f"run{number}")
        became[name] = sum(one.written for one in report.data_sets.values())

    assert became == dict.fromkeys(became, 0)
    assert collecting.data() == {}


def test_what_does_not_say_what_it_is_about_is_known_and_says_why():
    asked = {
        name: yielded.requirements for entry in CATALOGUE.scrapers.values() for name, yielded in entry.yields.items()
    }
    silent = {name: one.id_unsaid for name, one in asked.items() if not one.id_is}

    assert set(silent) == ANY_ENTITY
    assert all(silent.values())


@pytest.mark.parametrize("collecting", SAYING, indirect=True)
def test_a_document_about_another_thing_is_told_from_the_one_that_is_due(collecting: Collecting, source: Source):
    case, told = collecting.case, told_by(collecting)
    changed: list[bool] = []

    def answer(path: str, query: dict[str, str]) -> Sent:
        right = case.answer(path, query)
        wrong = (*right[:2], case.another) if case.another else about_another(right, told)
        changed.append(wrong != right)
        return wrong

    source.now_answers(answer, credential_parameter(collecting.entry))
    report = collecting.run("run1")

    assert any(changed)
    assert {name: dict(one.failed) for name, one in report.data_sets.items()} == {
        name: {"wrong_entity": 1} for name in case.records
    }
    assert collecting.data() == {}


@pytest.mark.parametrize("name", UNREACHABLE)
def test_a_source_that_does_not_let_itself_be_asked_is_not_asked(
    name: str, client: Client, source: Source, tmp_path: Path
):
    collecting = Collecting(name, open_store(tmp_path.as_uri()), client)
    asked = source.now_answers(collecting.case.answer)

    report = collecting.run("run1", entry_of(name))

    assert asked.requests == []
    assert {name: dict(one.failed) for name, one in report.data_sets.items()} == {
        name: {"forbidden": 1} for name in collecting.case.records
    }


@pytest.mark.parametrize("collecting", RETIRED, indirect=True)
def test_a_retired_source_is_not_asked_any_more(collecting: Collecting, source: Source):
    asked = source.now_answers(collecting.case.answer)

    report = collecting.run("run1")

    assert asked.requests == []
    assert {name: dict(one.failed) for name, one in report.data_sets.items()} == {
        name: {"gone": 1} for name in collecting.case.records
    }
