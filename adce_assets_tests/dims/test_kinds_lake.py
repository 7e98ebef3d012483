"""Metrics of the lake: beside what plain Python says of the same objects, and why there is none where there is none."""

import math
from collections.abc import Iterator
from fnmatch import fnmatchcase
from fractions import Fraction
from statistics import fmean
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from adce_assets.dims.world import World
from adce_assets.errors import MetricError
from adce_assets.shares import percent
from adce_assets_tests.dims import small_lake
from adce_assets_tests.dims.small_lake import OBJECTS, Put, later, measured, shared

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

SPANS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}


@pytest.fixture(scope="module")
def world(workshop: "Workshop") -> World:
    """Lend a world that no test changes."""
    return shared(workshop)


@pytest.fixture(scope="module")
def look(world: World) -> Iterator[World]:
    """Lend the same world for the length of one look."""
    with world.reading():
        yield world


CELL = {"source", "data_type", "season"}
SEASONS = {"official": {"2022-23", "2023-24", "current", "previous"}, "almanac": {"all"}}


def wanted(**of: Any) -> list[Put]:
    """Choose objects as a person would."""
    seasons = {"current": "2023-24", "previous": "2022-23"}
    season = seasons.get(of.get("season", ""), of.get("season"))
    part = of.get("part") or ("data" if CELL & of.keys() else None)
    return [
        found
        for found in OBJECTS
        if part in {None, found.part}
        and of.get("source") in {None, found.source}
        and of.get("data_type") in {None, found.data_type}
        and season in {None, found.season}
        and found.key.startswith(of.get("prefix", ""))
        and fnmatchcase(found.key, of.get("glob", "*"))
        and found.size < of.get("smaller_than", math.inf)
        and found.size > of.get("larger_than", -1)
    ]


FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "source": st.sampled_from(["official", "almanac"]),
        "data_type": st.sampled_from(["pbp", "box", "days", "awards", "players"]),
        "season": st.sampled_from(["2022-23", "2023-24", "1999-00", "current", "previous", "all"]),
        "part": st.sampled_from(["data", "non_data", "unclassified"]),
        "prefix": st.sampled_from(["pbp/", "pbp/g1", "ml", "x", "b"]),
        "glob": st.sampled_from(["*/g?.json", "*.json", "ml/*.bin", "pbp/g5.json", "*.csv?", "????/*", "*.jso"]),
        "smaller_than": st.sampled_from([0, 20, 21, 300, 5_000_000]),
        "larger_than": st.sampled_from([0, 19, 20, 777, 4_999_999]),
    },
)


def _why_refused(of: dict[str, Any]) -> str:
    """Say why there is no number, as the contract has it."""
    if of.get("part", "data") != "data" and CELL & of.keys():
        return "is of no source, data type or season"
    found = {
        (one.data_type, one.source)
        for one in OBJECTS
        if of.get("source") in {None, one.source} and of.get("data_type") in {None, one.data_type} and one.source
    }
    if not found:
        return "the contract has no data type"
    is_expected = "season" not in of or any(of["season"] in SEASONS[source or ""] for _, source in found)
    return "" if is_expected else "nothing is expected of"


@settings(max_examples=60)
@given(of=FILTERS)
def test_objects_are_counted_and_weighed_as_plain_python_does(look: World, of: dict[str, Any]):
    chosen = wanted(**of)
    if why := _why_refused(of):
        with pytest.raises((MetricError, ValidationError), match=why):
            measured(look, "objects", **of)
        return
    assert measured(look, "objects", **of) == len(chosen)
    assert measured(look, "bytes", **of) == sum(found.size for found in chosen)
    if not chosen:
        for kind in ("average_bytes", "object_age"):
            with pytest.raises(MetricError, match="there is no such object"):
                measured(look, kind, **of)
        return
    assert measured(look, "average_bytes", **of) == pytest.approx(fmean(found.size for found in chosen))
    hours = [found.hours for found in chosen]
    assert measured(look, "object_age", **of) == pytest.approx(min(hours))
    assert measured(look, "object_age", which="oldest", **of) == pytest.approx(max(hours))


@pytest.mark.parametrize(
    ("parameters", "value"),
    [
        ({}, sum(found.size for found in OBJECTS)),
        ({"scale": "GiB"}, sum(found.size for found in OBJECTS) / 2**30),
        ({"scale": "MB", "digits": 2}, round(sum(found.size for found in OBJECTS) / 1_000_000, 2)),
        ({"scale": "KiB", "source": "almanac", "digits": 1}, round(5_000_200 / 1024, 1)),
    ],
)
def test_bytes_are_told_in_the_unit_that_is_asked_for(look: World, parameters: dict[str, Any], value: float):
    found = measured(look, "bytes", **parameters)
    assert (found, type(found)) == (pytest.approx(value, rel=1e-12), type(value))


@pytest.mark.parametrize("span", SPANS)
def test_ages_are_told_in_the_span_that_is_asked_for(look: World, span: str):
    found = measured(look, "object_age", source="official", data_type="pbp", span=span)
    assert found == pytest.approx(80 * 3600 / SPANS[span])
    assert measured(later(look, hours=3), "inventory_age", span=span) == pytest.approx(3 * 3600 / SPANS[span])


def test_the_cost_is_a_price_for_each_gib_and_what_is_paid_in_any_case(look: World):
    size = sum(found.size for found in OBJECTS)
    assert measured(look, "cost_estimate", per_gib=1000, fixed=29) == round(29 + size / 1024 / 1024 / 1024 * 1000, 2)
    models = measured(look, "cost_estimate", per_gib=0.023, part="non_data", digits=12)
    assert models == pytest.approx((777 + 778) / 1024**3 * 0.023, abs=1e-12)


EXPECTED = {
    # source, data type and season: expected, due, present, missing, damaged
    ("official", "schedule", "2022-23"): (1, 1, 1, 0, 0),
    ("official", "schedule", "2023-24"): (1, 1, 1, 0, 0),
    ("official", "pbp", "2022-23"): (4, 4, 2, 2, 0),
    ("official", "pbp", "2023-24"): (4, 4, 1, 2, 1),
    ("official", "box", "2022-23"): (4, 4, 4, 0, 0),
    ("official", "box", "2023-24"): (4, 4, 0, 4, 0),
    ("official", "days", "2023-24"): (265, 4, 2, 2, 0),
    ("almanac", "awards", "all"): (2, 2, 1, 1, 0),
}
"""Counted by hand; the days from 10 January to the end of September of a leap year are 265."""
NUMBERS = ("expected", "due", "present", "missing", "damaged")


@pytest.mark.parametrize("source", [None, "official", "almanac"])
@pytest.mark.parametrize("season", [None, "2022-23", "current", "all"])
@pytest.mark.parametrize("value", NUMBERS)
def test_coverage_is_summed_up_over_cells(look: World, source: str | None, season: str | None, value: str):
    label = "2023-24" if season == "current" else season
    rows = [row for cell, row in EXPECTED.items() if source in {None, cell[0]} and label in {None, cell[2]}]
    if not rows:
        with pytest.raises(MetricError, match=f"nothing is expected of {source} {label}"):
            measured(look, "coverage", value=value, source=source, season=season)
        return
    found = measured(look, "coverage", value=value, source=source, season=season)
    assert found == sum(row[NUMBERS.index(value)] for row in rows)


@pytest.mark.parametrize(
    ("of", "share"),
    [
        ({}, 12 / 24),
        ({"source": "official", "data_type": "pbp"}, 3 / 8),
        ({"required": True}, 8 / 16),
        ({"required": False}, 4 / 8),
        ({"data_type": "days", "season": "2022-23"}, 1),
    ],
)
def test_completeness_is_the_share_of_what_is_due(look: World, of: dict[str, Any], share: float):
    assert measured(look, "coverage", **of) == pytest.approx(100 * share)


@given(due=st.integers(1, 10**7), missing=st.integers(0, 50), digits=st.none() | st.integers(0, 6))
def test_a_share_is_all_of_it_only_where_nothing_is_missing(due: int, missing: int, digits: int | None):
    present = max(0, due - missing)
    share, exact = percent(present, due, digits), Fraction(100 * present, due)
    assert (share == 100) == (present == due)
    assert float(exact) - (0 if digits is None else 10**-digits) <= share <= float(exact)


def test_what_cannot_be_named_has_no_completeness(look: World):
    with pytest.raises(MetricError) as caught:
        measured(look, "coverage", source="almanac", data_type="players")
    assert "nothing is expected of almanac players" in str(caught.value)
    assert "almanac/players" in caught.value.hint


@pytest.mark.parametrize(
    ("of", "value"),
    [
        ({}, 12),
        ({"value": "gaps"}, 5),
        ({"value": "missing"}, 11),
        ({"value": "damaged"}, 1),
        ({"value": "stale"}, 0),
        ({"value": "held"}, 0),
        ({"priority": "critical"}, 2),
        ({"priority": "high", "value": "gaps"}, 2),
        ({"source": "official", "season": "current"}, 9),
        ({"source": "almanac"}, 1),
        ({"data_type": "schedule"}, 0),
    ],
)
def test_open_keys_are_counted(look: World, of: dict[str, Any], value: int):
    assert measured(look, "gaps", **of) == value


@pytest.mark.parametrize(
    ("of", "days"),
    [
        ({}, {"01-02", "01-03", "01-04", "02-03", "02-04", "01-11", "01-12"}),
        ({"data_type": "days"}, {"01-11", "01-12"}),
        ({"data_type": "pbp", "season": "2023-24"}, {"01-02", "01-03", "01-04"}),
        ({"data_type": "pbp", "season": "2023-24", "state": "missing"}, {"01-03", "01-04"}),
        ({"data_type": "pbp", "season": "2023-24", "state": "damaged"}, {"01-02"}),
        ({"data_type": "box"}, {"01-02", "01-03", "01-04"}),
        ({"source": "almanac"}, set()),
    ],
)
def test_days_on_which_something_is_open_are_counted_once(look: World, of: dict[str, Any], days: set[str]):
    assert measured(look, "gap_days", **of) == len(days)


@pytest.mark.parametrize(
    ("of", "games"),
    [
        ({}, {"g3", "g4", "g5", "g6", "g7", "g8"}),
        ({"data_type": "pbp"}, {"g3", "g4", "g7", "g8"}),
        ({"data_type": "box"}, {"g5", "g6", "g7", "g8"}),
        ({"season": "previous"}, {"g3", "g4"}),
        ({"season": "current", "data_type": "pbp"}, {"g7", "g8"}),
    ],
)
def test_games_without_a_document_are_counted_once(look: World, of: dict[str, Any], games: set[str]):
    assert measured(look, "missing_games", source="official", **of) == len(games)


@pytest.mark.parametrize("of", [{"source": "almanac"}, {"source": "official", "data_type": "days"}])
def test_games_of_what_has_none_are_no_number(look: World, of: dict[str, Any]):
    with pytest.raises(MetricError, match="is of one game"):
        measured(look, "missing_games", **of)


@pytest.mark.parametrize("kind", ["objects", "bytes", "coverage", "gaps", "gap_days", "object_age"])
def test_a_source_that_the_contract_lacks_is_no_zero(look: World, kind: str):
    with pytest.raises(MetricError) as caught:
        measured(look, kind, source="oficial")
    assert "did you mean `official`?" in str(caught.value)
    with pytest.raises(MetricError, match="no data type `awards`"):
        measured(look, kind, source="official", data_type="awards")


@pytest.mark.parametrize("kind", ["objects", "coverage", "gaps", "gap_days", "object_age"])
@pytest.mark.parametrize("of", [{"season": "1990-91"}, {"source": "almanac", "season": "2023-24"}])
def test_a_season_of_which_nothing_is_expected_is_no_zero(look: World, kind: str, of: dict[str, Any]):
    with pytest.raises(MetricError, match=f"nothing is expected of .*{of['season']}"):
        measured(look, kind, **of)


@pytest.mark.parametrize("of", [{"source": "official"}, {"data_type": "pbp"}, {"season": "current"}])
def test_what_is_no_data_is_of_no_cell(of: dict[str, Any]):
    with pytest.raises(ValidationError, match="what is `non_data` is of no source"):
        small_lake.ADAPTER.validate_python({"kind": "objects", "part": "non_data", **of})


def test_what_lies_ahead_has_no_age(look: World):
    assert measured(later(look, hours=-1, seconds=-100), "object_age") == 0.0  # clocks differ
    for kind, hours in (("object_age", 2), ("inventory_age", 1)):
        with pytest.raises(MetricError, match=r"has no age: 2024-01-15 1[12]:00 UTC is 1\.0 hours from now"):
            measured(later(look, hours=-hours), kind)


@pytest.mark.parametrize("season", ["2023/24", "2023-25", "last", ""])
def test_a_season_that_is_none_is_refused_before_anything_is_measured(season: str):
    with pytest.raises(ValidationError, match="is no season"):
        small_lake.ADAPTER.validate_python({"kind": "objects", "season": season})
