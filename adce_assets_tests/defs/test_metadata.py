"""What the tables beside an asset show when there is more than they can."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from adce_assets.defs import metadata

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
