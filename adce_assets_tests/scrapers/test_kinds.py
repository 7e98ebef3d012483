"""What each kind of scraper does that the others do not: pages, files, archives, what only the present has."""

import importlib
import io
import pkgutil
import zipfile
from datetime import timedelta
from typing import Any

import pytest

from adce_assets import scrapers
from adce_assets.scrapers.catalogue import kinds
from adce_assets_tests.fetch.shapes_files import damaged_zip
from adce_assets_tests.scrapers.conftest import NOON
from adce_assets_tests.scrapers.every_scraper import HTML, JSON, Sent

CSV = b"game_id,points\n" + b"".join(b"%d,%d\n" % (game, game % 50) for game in range(200))
OF_CSV = {"parses": "csv", "columns": {"*": ["game_id", "points"]}, "records": "*"}
HOUR = timedelta(hours=1)


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name.replace("__", "/").replace("_csv", ".csv"), body)
    return file.getvalue()


def sends(body: bytes, content_type: str = JSON) -> Any:
    def answer(_path: str, _query: dict[str, str]) -> Sent:
        return 200, content_type, body

    return answer


def test_a_page_is_kept_whole(small_source: Any):
    page = b"<html><body><table id='stats'><tbody><tr><td data-stat='pts'>1</td></tr></tbody></table></body></html>"
    needs = {"parses": "html", "must_have": ["stats"], "records": "stats"}
    told = small_source.one(
        sends(page, HTML), small_source.wanted(), kind="html_page", yields={"some/things": {"requirements": needs}}
    )
    assert (told.written, told.records) == (1, 1)
    assert small_source.data() == {"things/x": page}


def test_a_file_is_kept_as_it_was_sent_and_nothing_of_it_is_left_behind(small_source: Any):
    told = small_source.one(
        sends(CSV, "text/csv"),
        small_source.wanted(),
        kind="file_download",
        yields={"some/things": {"requirements": OF_CSV}},
    )
    assert (told.written, told.records, told.bytes) == (1, 200, len(CSV))
    assert small_source.data() == {"things/x": CSV}


@pytest.mark.parametrize("kind", ["file_download", "kaggle"])
def test_of_an_archive_one_member_can_be_kept(small_source: Any, kind: str):
    archive = zipped(data__games_csv=CSV, data__teams_csv=b"a,b\n1,2\n")
    told = small_source.one(
        sends(archive, "application/zip"),
        small_source.wanted(),
        kind=kind,
        yields={"some/things": {"member": "*games.csv", "requirements": OF_CSV}},
    )
    assert told.written == 1
    assert small_source.data() == {"things/x": CSV}


@pytest.mark.parametrize(
    ("archive", "failure"),
    [
        (zipped(teams_csv=CSV), "drift"),
        (zipped(games_csv=CSV, other__games_csv=CSV), "drift"),
        (zipped(games_csv=CSV)[:-40], "damaged"),
        (zipped(games_csv=CSV)[: len(zipped(games_csv=CSV)) // 2], "damaged"),
        (b"<html>please log in</html>", "damaged"),
        (damaged_zip(zipfile.ZIP_LZMA), "damaged"),
        (damaged_zip(zipfile.ZIP_BZIP2), "damaged"),
        (damaged_zip(zipfile.ZIP_STORED).replace("é".encode(), b"\xff\xfe"), "damaged"),
        (zipped(games_csv=b"0" * 40 * 1024 * 1024), "too_large"),
    ],
    ids=["none fits", "two fit", "no directory", "cut off", "a login page", "LZMA", "bzip2", "a name", "a bomb"],
)
def test_an_archive_that_is_not_what_it_should_be_is_refused(small_source: Any, archive: bytes, failure: str):
    told = small_source.one(
        sends(archive, "application/zip"),
        small_source.wanted(),
        kind="file_download",
        yields={"some/things": {"member": "*gam*.csv", "requirements": OF_CSV}},
    )
    assert (told.failed, small_source.data()) == ({failure: 1}, {})


@pytest.mark.parametrize(
    ("window", "written", "failed"),
    [
        (None, 1, {}),
        ((NOON - HOUR, NOON + HOUR), 1, {}),
        ((NOON, NOON + HOUR), 1, {}),
        ((NOON - 2 * HOUR, NOON), 0, {"lost": 1}),
        ((NOON - 48 * HOUR, NOON - 24 * HOUR), 0, {"lost": 1}),
        ((NOON + HOUR, NOON + 2 * HOUR), 0, {"unreachable": 1}),
    ],
)
def test_a_snapshot_is_taken_in_its_time_or_never(small_source: Any, window: Any, written: int, failed: Any):
    told = small_source.one(
        sends(b'{"a": "2024-12-10"}'),
        small_source.wanted(window=window, date="2024-12-10"),
        kind="snapshot",
        yields={"some/things": {"requirements": {"must_have": ["a"], "id_path": "a", "id_is": "{date}"}}},
    )
    assert (told.written, told.failed) == (written, failed)
    assert len(small_source.asked.requests) == written


FIELDS = {
    "year": {"from": "date", "match": r"(\d{4})-.*"},
    "month": {"from": "date", "match": r"\d{4}-0?(\d+)-\d+"},
    "month_name": {"from": "month", "values": {"12": "december", "1": "january"}},
    "american": {"from": "date", "match": r"(\d+)-(\d+)-(\d+)", "write": r"\2/\3/\1"},
}


def test_fields_are_made_of_fields_of_the_key_in_their_order(small_source: Any):
    entry = small_source.entry(path="/{year}/{month_name}", parameters={"day": "{american}", "all": ""}, fields=FIELDS)
    small_source.collect(entry, sends(b'{"a": 1}'), small_source.wanted(date="2024-12-10"))
    (asked,) = small_source.asked.requests
    assert asked[:2] == ("/2024/december", {"day": "12/10/2024", "all": ""})


@pytest.mark.parametrize("day", ["2024-11-10", "yesterday", "2024-12-10/../x", ""])
def test_a_key_of_which_a_field_cannot_be_made_fails_and_stops_no_other(small_source: Any, day: str):
    good, bad = small_source.wanted("good", date="2024-12-10"), small_source.wanted("bad", date=day)
    told = small_source.one(
        sends(b'{"a": 1}'),
        bad,
        good,
        path="/{thing}/{month_name}",
        fields=FIELDS,
        parameters={"y": "{year}", "d": "{american}"},
    )
    assert (told.written, told.failed.total()) == (1, 1)
    assert list(small_source.data()) == ["things/good"]


def test_an_endpoint_may_take_longer_or_less_long_than_its_host(small_source: Any):
    entry = small_source.entry(waits={"deadline_s": 0.000001})
    report = small_source.collect(entry, sends(b'{"a": 1}'), small_source.wanted())
    assert report.data_sets["some/things"].failed == {"unreachable": 1}


def test_the_modules_that_plan_and_answer_are_the_kinds_and_no_others():
    modules = {
        found.name: importlib.import_module(f"{scrapers.__name__}.{found.name}")
        for found in pkgutil.iter_modules(scrapers.__path__)
    }
    able = [name for name, module in modules.items() if {"plan", "answer"} <= vars(module).keys()]
    assert kinds() == sorted(able)
