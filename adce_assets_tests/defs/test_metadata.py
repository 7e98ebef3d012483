"""What the tables beside an asset show when there is more than they can."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from adce_assets.defs import metadata
from adce_assets.ledger.transitions import State
from adce_assets.loop.outcomes import Outcomes, Said
from adce_assets.loop.statistics import Statistics

BASE = datetime(2024, 12, 1, tzinfo=UTC)


def inventory(ranges: int) -> dict[str, Any]:
    """An inventory whose base is as old as can be and whose other ranges were looked at one after the other."""
    rows = [
        {"after": f"k{n}", "until": f"k{n + 1}", "as_of": (BASE + timedelta(hours=n)).isoformat()}
        for n in range(ranges)
    ]
    return {
        **dict.fromkeys(metadata.NUMBERS, 0),
        "mode": "aws",
        "as_of": BASE.isoformat(),
        "generated_at": BASE.isoformat(),
        "ranges": rows,
        "by_prefix": [],
        "vanished": [],
        "unclassified_keys": [],
    }


@pytest.mark.parametrize("count", [1, 3, 20, 21, 50])
def test_ranges_are_counted_and_shown_the_newest_first_and_the_base_last(count: int):
    told = metadata.of_inventory(inventory(count))
    assert told["ranges"] == count
    shown = told["as_of_by_range"]
    assert isinstance(shown, dg.TableMetadataValue)
    moments = [str(record.data["as_of"]) for record in shown.records]
    assert len(moments) == min(count, metadata.SHOWN)
    assert moments == sorted(moments, reverse=True)
    assert moments[0] == (BASE + timedelta(hours=count - 1)).isoformat()
    assert moments[-1] == BASE.isoformat()
    assert ("as_of_by_range_cut" in told) == (count > metadata.SHOWN)


def life(**changes: Any) -> Statistics:
    told: dict[str, Any] = {
        "open_keys": {"critical": 5, "high": 0, "medium": 0, "low": 10},
        "oldest_critical": timedelta(hours=30),
        "closed_by_day": {date(2025, 1, 14): 2, date(2025, 1, 15): 1},
        "closed_last_day": 2,
        "to_close": (timedelta(hours=1), timedelta(hours=9)),
        "failed_by_class": {"gone": 2, "transient": 1},
        "waiting": {State.TOMBSTONED: 4, State.DEAD_LETTERED: 1, State.PROMOTED: 0},
    }
    return Statistics(**(told | changes))


def test_the_life_of_the_loop_is_told_in_numbers_that_can_be_plotted():
    told = metadata.of_life(life())
    tables = {"closed_by_day", "failures_by_class"}
    assert {name: value for name, value in told.items() if name not in tables} == {
        "open_keys_critical": 5,
        "open_keys_high": 0,
        "open_keys_medium": 0,
        "open_keys_low": 10,
        "oldest_critical_hours": 30.0,
        "closed_last_24h": 2,
        "hours_to_close_p50": 1.0,
        "hours_to_close_p90": 9.0,
        "failed_last_24h": 3,
        "keys_tombstoned": 4,
        "keys_dead_lettered": 1,
        "keys_promoted": 0,
    }
    assert [record.data["failures"] for record in told["failures_by_class"].records] == [2, 1]


def test_what_there_is_none_of_is_plotted_as_no_number():
    assert "hours_to_close_p50" not in metadata.of_life(life(to_close=None))
    assert metadata.of_forecasts(Outcomes(None, None, None)) == {}
    assert metadata.of_life(life(oldest_critical=None))["oldest_critical_hours"] == 0


def test_a_forecast_is_plotted_beside_what_came_of_it():
    said = Said(made_at=BASE, keys=3, p50_s=3600, p90_s=7200, sample=("k",), ended_at=BASE + timedelta(hours=1.5))
    assert metadata.of_forecasts(Outcomes(said, said, 2 / 3)) == {
        "forecast_hours_p50": 1.0,
        "forecast_hours_p90": 2.0,
        "settled_forecast_hours_p50": 1.0,
        "settled_outcome_hours": 1.5,
        "outcomes_within_p90_pct": 66.7,
    }
