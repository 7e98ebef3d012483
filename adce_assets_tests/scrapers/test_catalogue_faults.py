"""What an entry says that its kind, its host or another entry does not bear out is named with its line."""

import textwrap
from pathlib import Path
from types import ModuleType

import pytest

from adce_assets import scrapers
from adce_assets.errors import ConfigurationError
from adce_assets.scrapers.catalogue import kinds, load_catalogue

CATALOGUE = """\
contact: https://example.org/contact
hosts:
  one: {base_url: https://one.example.org, requests_per_second: 1, budget: both}
  two: {base_url: https://two.example.org, requests_per_second: 1, budget: both}
scrapers:
  games:
    kind: json_api
    host: one
    path: /games/{letter}/{game_id}
    fields:
      letter: {from: game_id, match: "(.).*"}
    paging: {kind: cursor, cursor: meta.next, parameter: cursor}
    seasons: "1996-97.."
    valid_until: 2025-10-01
    superseded_by: pages
    waits: {read_timeout_s: 180, deadline_s: 240}
    absent_statuses: [404]
    yields:
      some/games:
        requirements: {must_have: [a]}
  pages:
    kind: html_page
    host: two
    path: /pages/{game_id}
    yields:
      some/pages:
        requirements: {parses: html}
  files:
    kind: file_download
    host: two
    path: /files/{season_end}.zip
    yields:
      some/files:
        member: "*.csv"
        requirements: {parses: csv}
"""
PAGING = "    path: /pages/{game_id}\n    paging: {kind: pages, parameter: page, count: n}\n"


def load(folder: Path, text: str) -> None:
    path = folder / "config" / "scraper_config.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(text))
    load_catalogue(path)


def test_a_catalogue_with_everything_in_it_is_sound(tmp_path: Path):
    load(tmp_path, CATALOGUE)


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "said"),
    [
        ("superseded_by: pages", "superseded_by: page", 15, "scrapers.games.superseded_by", "did you mean `pages`?"),
        ("superseded_by: pages", "superseded_by: games", 15, "scrapers.games.superseded_by", "lead back to it"),
        (
            "two.example.org, requests_per_second: 1",
            "two.example.org, requests_per_second: 2",
            4,
            "hosts.two.budget",
            "`one`",
        ),
        ("[404]", "[403]", 17, "scrapers.games.absent_statuses", "403 does not say that a thing is absent"),
        ("[404]", "[404, 503]", 17, "scrapers.games.absent_statuses", "503 does not say"),
        ("[404]", "[429]", 17, "scrapers.games.absent_statuses", "429 does not say"),
        ('seasons: "1996-97.."', 'seasons: "1996-98.."', 13, "scrapers.games.seasons", "is not a season"),
        ("valid_until: 2025-10-01", "valid_until: soon", 14, "scrapers.games.valid_until", "date"),
        ("kind: cursor, cursor", "kind: curser, cursor", 12, "scrapers.games.paging", "cursor"),
        ("cursor: meta.next, parameter", "cursor: meta.next, paramter", 12, "paging.paramter", "did you mean"),
        (
            "{kind: cursor, cursor",
            "{kind: pages, cursor",
            12,
            "scrapers.games.paging",
            "`pages` needs count, parameter",
        ),
        ("{kind: cursor, cursor", "{kind: cursor, items: a, cursor", 12, "games.paging", "and no others"),
        ("    path: /pages/{game_id}\n", PAGING, 25, "scrapers.pages.paging", "`html_page` knows no pages"),
        ("requirements: {parses: html}", "requirements: {}", 27, "scrapers.pages.yields.some/pages", "`parses: html`"),
        ("requirements: {parses: html}", "member: x", 27, "some/pages.member", "only archives have a member"),
        (
            'member: "*.csv"\n        requirements: {parses: csv}',
            "members: [a]\n        requirements: {must_have: [a]}",
            34,
            "some/files.members",
            "only JSON can be cut",
        ),
        ('match: "(.).*"', 'match: "(."', 11, "fields.letter", "is no pattern"),
        ('match: "(.).*"', 'match: ".*"', 11, "fields.letter", "must name groups"),
        ('match: "(.).*"', "values: {}", 11, "fields.letter.values", "at least 1"),
        ('match: "(.).*"', 'match: "(.).*", values: {a: b}', 11, "fields.letter", "either `values` or `match`"),
        ('match: "(.).*"', 'mach: "(.).*"', 11, "fields.letter.mach", "did you mean `match`?"),
        ("path: /games/{letter}/{game_id}", "path: /games/{game_id}", 11, "fields.letter", "nothing names `{letter}`"),
        ("letter", "season", 11, "fields.season", "is a field of the key already"),
        ("    host: two\n    path: /pages", "    path: /pages", 21, "scrapers.pages", "`host` is required"),
        ("    kind: html_page", "    kind: command", 21, "scrapers.pages", "`command` and `kind: command`"),
        ("read_timeout_s: 180", "read_timeout_s: 0", 16, "waits.read_timeout_s", "greater than 0"),
        (
            "waits: {read_timeout_s",
            "waits: {read_timout_s",
            16,
            "waits.read_timout_s",
            "did you mean `read_timeout_s`?",
        ),
    ],
)
def test_what_nothing_bears_out_is_a_fault(tmp_path: Path, old: str, new: str, line: int, field: str, said: str):
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, CATALOGUE.replace(old, new))
    told = [str(fault) for fault in caught.value.faults]
    assert any(f":{line}:" in fault and field in fault and said in fault for fault in told), told


SNAPSHOT = """\
  today:
    kind: snapshot
    host: two
    path: /today/{month}
    fields: {month: {from: date, match: ".*-(.*)-.*"}}
    yields:
      some/today:
        requirements: {must_have: [a], TELLS}
"""


@pytest.mark.parametrize(
    "tells",
    [
        *('id_path: a, id_is: "{date}"', 'id_path: a, id_is: "of {month}"', 'id_path: a, id_is: "{date_compact}"'),
        *("fresh_path: b", "max_age_s: 3600"),
    ],
)
def test_a_snapshot_that_tells_its_day_is_sound(tmp_path: Path, tells: str):
    load(tmp_path, CATALOGUE + SNAPSHOT.replace("TELLS", tells))


@pytest.mark.parametrize(
    "tells", ["records: b", 'id_path: a, id_is: "{team}"', 'id_path: a, id_is: "{date}", id_may_lack: true']
)
def test_a_snapshot_that_may_be_of_any_day_is_a_fault(tmp_path: Path, tells: str):
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, CATALOGUE + SNAPSHOT.replace("TELLS", tells))
    (fault,) = caught.value.faults
    assert ":43:" in str(fault)
    assert "must tell its day" in str(fault)


def test_all_faults_are_named_at_once(tmp_path: Path):
    wrong = CATALOGUE.replace("superseded_by: pages", "superseded_by: page").replace("host: two", "host: tow")
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, wrong)
    assert len(caught.value.faults) == 3


@pytest.mark.parametrize("name", kinds())
def test_every_kind_offers_what_the_interface_says(name: str):
    kind = __import__(f"{scrapers.__name__}.{name}", fromlist=["plan"])
    assert isinstance(kind, ModuleType)
    assert callable(kind.plan)
    assert callable(kind.answer)
