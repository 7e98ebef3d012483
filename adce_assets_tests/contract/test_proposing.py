"""Lakes that nobody has described: what is drafted of them reads their keys, and expects what was there before."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as some

from adce_assets.contract.loading import Contract, load_contract
from adce_assets.contract.proposing import EMPTY, FOLDER, NOT_PLAIN, ODD, Draft, propose
from adce_assets.lake.classify import Classifier
from adce_assets_tests.examples import examples

NOW = datetime(2024, 12, 5, tzinfo=UTC)
OLDER = [date(2023, 8, 1) + timedelta(days) for days in range(111)]
DAYS = [date(2023, 11, 20) + timedelta(days) for days in range(80)]


def draft(keys: Iterable[str], size: int = 500) -> Draft:
    return propose(dict.fromkeys(keys, size), NOW)


def loaded(found: Draft) -> Contract:
    with TemporaryDirectory() as folder:
        (Path(folder) / "tables").mkdir()
        for name, text in found.tables.items():
            (Path(folder) / "tables" / name).write_text(text)
        path = Path(folder) / "contract.yaml"
        path.write_text(yaml.safe_dump(dict(found.contract), sort_keys=False))
        return load_contract(path)


def templates(found: Draft) -> dict[str, tuple[str, ...]]:
    return {one.template: one.ranges for one in found.data_sets}


@pytest.mark.parametrize(
    ("keys", "template", "ranges"),
    [
        (
            [f"hourly/{station}/{day}.csv" for station in ("ENGM", "ENFB", "ENBR") for day in DAYS],
            "hourly/{code}/{date}.csv",
            ("date", "code"),
        ),
        ([f"{day:%Y%m%d}.csv.gz" for day in DAYS], "{date_compact}.csv.gz", ("date",)),
        ([f"{day:%Y}/{day}.csv" for day in DAYS], "{season_start}/{date}.csv", ("date",)),
        (
            [
                f"invoices/{year}-{month:02d}/{name}.pdf"
                for year in (2022, 2023)
                for month in range(1, 13)
                for name in "abcdefgh"
            ],
            "invoices/{season_start}-{month}/{name}.pdf",
            ("season", "month", "name"),
        ),
        (
            [
                f"customer={customer}/year={year}/all.parquet"
                for customer in range(10, 30)
                for year in (2021, 2022, 2023)
            ],
            "customer={customer}/year={season_start}/all.parquet",
            ("season", "customer"),
        ),
        (
            [f"yearly/{year}-{year + 1}.csv" for year in range(1990, 2020)],
            "yearly/{season_start}-{season_end}.csv",
            ("season",),
        ),
        (
            [f"tables/season_{year}-{year % 100 + 1:02d}.json" for year in range(2005, 2020)],
            "tables/season_{season}.json",
            ("season",),
        ),
        ([f"docs/{number * 7919 % 10**9:09d}.json" for number in range(1, 400)], "docs/{doc}.json", ("doc",)),
        (["v2/readme.md"], "v2/readme.md", ()),
        (
            [f"fin/{year}Q{quarter}.csv" for year in range(2017, 2025) for quarter in range(1, 5)],
            "fin/{season_start}Q{quarter}.csv",
            ("season", "quarter"),
        ),
        (
            [f"w/country={land}/year={year}/d.json" for land in ("de", "us-east-1") for year in range(2020, 2024)],
            "w/country={country}/year={season_start}/d.json",
            ("season", "country"),
        ),
        ([f"w/{day}_hour=01_of=a.json" for day in DAYS], "w/{date}_hour=01_of=a.json", ("date",)),
    ],
)
def test_what_stands_in_keys_is_recognised(keys: list[str], template: str, ranges: tuple[str, ...]) -> None:
    found = draft(keys)
    assert (templates(found), found.left) == ({template: ranges}, {})


def declared(found: Draft, name: str) -> dict[str, Any]:
    source, _, data_type = name.partition("/")
    return dict(found.contract["sources"][source]["data_types"][data_type])


def test_days_of_which_most_are_missing_are_not_expected() -> None:
    (weekly,) = draft(f"dumps/{day}.zip" for day in DAYS[::7]).data_sets
    assert (weekly.template, weekly.expects) == ("dumps/{day}.zip", False)
    assert "no day is expected" in weekly.note


def test_a_value_is_expected_from_the_first_to_the_last_season_that_has_it() -> None:
    lives = {"OLDS": range(2018, 2021), "NEWS": range(2021, 2025), "BOTH": range(2018, 2025)}
    found = draft(f"yearly/{year}/{name}.csv" for name, years in lives.items() for year in years)
    (table,) = found.tables.values()
    rows = [line.split(",") for line in table.splitlines()[1:]]
    assert rows == [["BOTH", "2018-19", ""], ["NEWS", "2021-22", ""], ["OLDS", "2018-19", "2020-21"]]


def test_what_ended_is_expected_no_longer_and_what_runs_goes_on() -> None:
    keys = [f"{name}/{year}.csv" for name, last in (("over", 2015), ("runs", 2025)) for year in range(2010, last)]
    found = draft(keys)
    assert declared(found, "over/csv")["seasons"] == "2010-11..2014-15"
    assert declared(found, "runs/csv")["seasons"] == "2010-11.."
    loaded(found)


@pytest.mark.parametrize("form", ["x/year={d.year}/month={d.month}/day={d.day}/a.csv", "x/{d:%d-%m-%Y}.csv"])
def test_a_day_that_no_month_has_is_not_expected(form: str) -> None:
    (found,) = draft(form.format(d=date(2022, 1, 1) + timedelta(days)) for days in range(730)).data_sets
    assert (found.keys, found.expects) == (730, False)


def test_what_the_running_year_does_not_have_yet_is_expected_at_its_end() -> None:
    weeks = [(year, week) for year in (2022, 2023, 2024) for week in range(1, 53) if (year, week) < (2024, 20)]
    found = draft(f"w/{year}-W{week:02d}.csv" for year, week in weeks)
    assert declared(found, "w/w")["due"] == "season_end"
    rows = found.tables["number.csv"].split()
    assert (len(rows), [row for row in rows[1:] if not row.endswith(",")]) == (53, [])


def test_ids_of_one_document_each_are_read_and_expected_of_nobody() -> None:
    (games,) = draft(f"games/{2018 + number % 5}/{401_000 + number}.json" for number in range(200)).data_sets
    assert (games.keys, games.expects) == (200, False)


def test_one_key_that_is_no_day_does_not_spoil_the_others() -> None:
    found = draft(
        [*(f"hourly/{day}.csv" for day in DAYS), *(f"hourly/{day}.csv" for day in OLDER), "hourly/2023-02-30.csv"]
    )
    assert (templates(found), dict(found.left)) == (
        {"hourly/{date}.csv": ("date",)},
        {ODD: ("hourly/2023-02-30.csv",)},
    )


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        *(
            (key, NOT_PLAIN)
            for key in ("a b.csv", "{x}.csv", "a//b.csv", "../b.csv", "a/./b", "caf\xe9.csv", "a\\b.csv", "x\n")
        ),
        ("folder/", FOLDER),
    ],
)
def test_what_no_template_can_write_is_left_with_the_reason(key: str, reason: str) -> None:
    found = draft([key, "fine.csv"])
    assert (found.left, [one.template for one in found.data_sets]) == ({reason: (key,)}, ["fine.csv"])


def test_small_documents_are_not_damaged_because_they_are_small() -> None:
    found = propose({"flags/a.txt": 3, "flags/b.txt": 300}, NOW)
    assert [declared(found, name)["min_bytes"] for name in ("flags/a", "flags/b")] == [3, 100]


def test_marks_without_content_are_left_out_and_an_empty_one_among_others_is_damaged() -> None:
    marks = [f"sales/year={year}/_SUCCESS" for year in range(2018, 2024)]
    found = propose(
        dict.fromkeys(marks, 0) | {f"sales/year={year}/d.json": year % 5 for year in range(2018, 2024)}, NOW
    )
    assert (templates(found), dict(found.left)) == (
        {"sales/year={season_start}/d.json": ("season",)},
        {EMPTY: tuple(marks)},
    )
    assert declared(found, "sales/d")["min_bytes"] == 1


MONTHS = [f"{month:02d}" for month in range(1, 13)]


@pytest.mark.parametrize(
    ("keys", "template", "ranges"),
    [
        (
            [f"sales/year=2024/month={month}/d.json" for month in MONTHS[:11]],
            "sales/year={season_start}/month={month}/d.json",
            ("season", "month"),
        ),
        (
            [f"fin/2024Q{quarter}.csv" for quarter in range(1, 4)],
            "fin/{season_start}Q{quarter}.csv",
            ("season", "quarter"),
        ),
        (["report/2024/eu.json"], "report/{season_start}/eu.json", ("season",)),
        (["plan-2025.xlsx"], "plan-{season_start}.xlsx", ("season",)),
        (["t/2024-25.json"], "t/{season}.json", ("season",)),
        (["t/2024-2025.json"], "t/{season_start}-{season_end}.json", ("season",)),
        (
            [f"log/{day:%m-%d-%Y}.json" for day in DAYS if day.year == 2023],
            "log/{number}-{number_2}-{season_start}.json",
            ("season", "number", "number_2"),
        ),
        ([f"log/2024/{month}/01/a" for month in MONTHS], "log/{season_start}/{month}/01/a", ("season", "month")),
        (["log/2024/report/01.json"], "log/{season_start}/report/01.json", ("season",)),
        (
            [f"log/2024/11/{day:02d}/{name}" for day in (3, 4, 9) for name in "ab"],
            "log/{season_start}/{month}/{day}/a",
            ("season", "month", "day"),
        ),
        (["hourly/2024-12-04.csv"], "hourly/{day}.csv", ("day",)),
        (["x/20241204.csv"], "x/{day}.csv", ("day",)),
        (["inv/2024-11/a.pdf"], "inv/{season_start}-{month}/a.pdf", ("season", "month")),
        ([f"{day:%Y}/{day}.csv" for day in DAYS if day.year == 2024], "{season_start}/{date}.csv", ("date",)),
        (["old/1999/a.json"], "old/1999/a.json", ()),
        (["m/model2024.bin"], "m/model2024.bin", ()),
    ],
)
def test_a_year_that_is_the_only_one_yet_does_not_stay_the_only_one(
    keys: list[str], template: str, ranges: tuple[str, ...]
) -> None:
    found = draft(keys)
    assert (found.data_sets[0].template, found.data_sets[0].ranges, found.left) == (template, ranges, {})
    classifier = Classifier(loaded(found))
    later = [key.replace("2025", "2026").replace("2024-25", "2025-26").replace("2024", "2025") for key in keys]
    known = {classifier.classify(key).data_set is not None for key in (*keys, *later)}
    assert known == ({True} if "{" in template else {True, False} if "2024" in template else {True})


def test_the_rest_of_the_only_year_is_expected_and_what_lay_before_it_in_the_next() -> None:
    found = draft(f"sales/2024/{month}.json" for month in ("09", "10", "11"))
    assert (declared(found, "sales/json")["seasons"], declared(found, "sales/json")["due"]) == (
        "2024-25..",
        "season_end",
    )
    rows = dict(line.split(",")[:2] for line in found.tables["month.csv"].split()[1:])
    assert rows == {month: "2025-26" if month < "09" else "2024-25" for month in MONTHS}
    assert found.data_sets[0].expects
    assert "only 2024 was seen" in found.data_sets[0].note


def test_what_is_no_day_among_most_that_are_is_put_aside_or_told() -> None:
    few = ("2024-02-30", "2024-13-01", "0000-00-00")
    found = draft(f"d/{day}.json" for day in [*OLDER[:90], *few])
    assert (templates(found), found.left[ODD]) == (
        {"d/{date}.json": ("date",)},
        tuple(sorted(f"d/{text}.json" for text in few)),
    )
    (told,) = draft(f"d/{day}.json" for day in [*DAYS[:9], *few]).data_sets
    assert "9 of 12 are days" in told.note


WORDS = ("pbp", "box_scores", "hourly", "raw", "orders", "v2", "Logs", "by-day", "2d", "data.v1")
TIMES = {
    "year": [f"{year}" for year in range(2019, 2025)],
    "season": [f"{year}-{(year + 1) % 100:02d}" for year in range(1997, 2004)],
    "years": [f"{year}_{year + 1}" for year in range(2010, 2018)],
    "day": [day.isoformat() for day in DAYS],
    "compact": [f"{day:%Y%m%d}" for day in DAYS],
    "month": [f"{year}-{month:02d}" for year in (2022, 2023) for month in range(1, 13)],
    "year_and_day": [f"{day:%Y}/{day}" for day in DAYS],
    "only_year": ["2024"],
    "only_season": ["2024-25"],
    "only_month": ["2024/11"],
    "months_of_a_year": [f"2024-{month}" for month in MONTHS[6:11]],
    "quarters": [f"{year}Q{quarter}" for year in (2022, 2023) for quarter in range(1, 5)],
    "only_day": ["2024-12-04"],
    "day_in_folders": [f"{day:%Y/%m/%d}" for day in DAYS],
    "weekly": [day.isoformat() for day in DAYS[::7]],
    "none": [""],
}
ENTITIES = {
    "codes": ["ENGM", "ENFB", "ENBR", "KJFK"],
    "names": ["acme", "globex", "new-york-co", "a.b", "x"],
    "many_names": [f"{a}{b}_corp" for a in "abcde" for b in ("lpha", "eta", "am")],
    "numbers": ["7", "12", "100", "4711"],
    "ids": [f"{number * 7919 % 10**9:09d}" for number in range(30)],
    "hex": [f"{number * 2654435761 % 2**32:08x}" for number in range(1, 40)],
    "mixed": ["202212010BOS", "202212020NYK", "a1b2c3", "42"],
    "places": ["de", "fr", "us-east-1", "uk=new"],
    "odd": ["plus+one", "a=b", "c@d", "(e)", "f[0]", "~g"],
    "none": [""],
}


@some.composite
def lakes(draw: some.DrawFn) -> list[str]:
    """The keys of a lake with a few data sets, each of a form of its own, from some of which a few keys are lost."""
    keys: set[str] = set()
    for folder in draw(some.lists(some.sampled_from(WORDS), min_size=1, max_size=4, unique=True)):
        time, one, other = (draw(some.sampled_from(sorted(kind))) for kind in (TIMES, ENTITIES, ENTITIES))
        forms = [
            "{f}/{t}/{a}/{b}.json",
            "{f}/{a}_{t}/{b}.csv.gz",
            "{f}/{a}-{b}/{t}.csv",
            "{a}/{f}.{t}.{b}",
            "{f}/x={a}/{b}/p_{t}",
        ]
        form = draw(some.sampled_from(forms))
        values = list(product(TIMES[time], ENTITIES[one], ENTITIES[other]))
        step = draw(some.sampled_from((1, 7, 13)))
        lost = set(values[::step]) if step > 1 else set()
        keys |= {form.format(f=folder, t=t, a=a, b=b) for t, a, b in values[:600] if (t, a, b) not in lost}
    return sorted(keys)


@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.too_slow])
@given(lakes())
def test_every_key_is_read_by_exactly_one_data_set_or_left_with_a_reason(keys: list[str]) -> None:
    found = draft(keys)
    left = {key for reason in found.left for key in found.left[reason]}
    assume(found.data_sets)
    classifier = Classifier(loaded(found))
    placed = {key: classifier.classify(key).data_set for key in keys}
    assert left == {key for key, data_set in placed.items() if data_set is None}
    assert {reason: keys for reason, keys in found.left.items() if reason != NOT_PLAIN} == {}
    assert sum(one.keys for one in found.data_sets) == len(keys) - len(left)
