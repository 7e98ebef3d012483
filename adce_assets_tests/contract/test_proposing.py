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
from adce_assets.contract.proposing import FOLDER, NOT_PLAIN, ODD, Draft, propose
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
    found = propose({"flags/a.txt": 3, "flags/b.txt": 0}, NOW)
    assert {declared(found, name)["min_bytes"] for name in ("flags/a", "flags/b")} == {3, 100}


WORDS = ("pbp", "box_scores", "hourly", "raw", "orders", "v2", "Logs", "by-day", "2d", "data.v1")
TIMES = {
    "year": [f"{year}" for year in range(2019, 2025)],
    "season": [f"{year}-{(year + 1) % 100:02d}" for year in range(1997, 2004)],
    "years": [f"{year}_{year + 1}" for year in range(2010, 2018)],
    "day": [day.isoformat() for day in DAYS],
    "compact": [f"{day:%Y%m%d}" for day in DAYS],
    "month": [f"{year}-{month:02d}" for year in (2022, 2023) for month in range(1, 13)],
    "year_and_day": [f"{day:%Y}/{day}" for day in DAYS],
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
