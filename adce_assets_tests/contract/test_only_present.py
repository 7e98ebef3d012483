"""What a contract may say of a data set of which only the present can be had, and what that makes expected."""

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.contract.expected import cells
from adce_assets.lake.classify import Classifier

if TYPE_CHECKING:
    from adce_assets_tests.contract.conftest import SmallContract

NOW = datetime(2024, 1, 15, 12, tzinfo=UTC)
DAYS = "sources.espn.data_types.days"
PRESENT = ("        changes: until_final\n", "        changes: until_final\n        only_present: true\n")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            [("        changes: until_final\n", "        only_present: true\n")],
            f"26: `{DAYS}.changes`: what is `only_present` cannot change once its day is over; valid: until_final",
        ),
        (
            [("description: awards", "description: awards\n        only_present: true\n        changes: until_final")],
            "`sources.espn.data_types.awards.only_present`: needs `date` in `for_each`",
        ),
        (
            [PRESENT, ('["days/{date}.json"]', '["days.json", "days/{date}.json"]')],
            "does not name the date: two keys would be one; add {date} or {date_compact}",
        ),
        (
            [PRESENT, ('["days/{date}.json"]', '["days/{date}.json", "days.json", "day/{date}.json"]')],
            "does not name the date: two keys would be one; add {date} or {date_compact}",
        ),
        (
            [('["days/{date}.json"]', '["days/{date}.json", "days.json"]')],
            "does not name the date: two keys would be one; add {date} or {date_compact}",
        ),
    ],
)
def test_what_the_present_alone_cannot_mean_is_refused(
    small: "SmallContract", changes: list[tuple[str, str]], said: str
):
    assert any(said in fault for fault in small.faults(*changes))


def test_an_older_place_that_tells_no_day_is_read_and_expected_nowhere(small: "SmallContract"):
    contract = small.load(PRESENT, ('["days/{date}.json"]', '["days/{date}.json", "days.json", "old/days.json"]'))
    read = Classifier(contract).classify("old/days.json")
    assert (read.kind, read.data_set, read.season, read.entity) == ("data", "espn/days", None, "")
    templates = {text for cell in cells(contract, NOW) if cell["data_type"] == "days" for text in cell["templates"]}
    assert templates == {"days/{date}.json"}


def test_what_can_be_had_later_too_has_no_window(small: "SmallContract"):
    assert {data_set.window(date(2024, 1, 15)) for data_set in small.load().data_sets.values()} == {None}


@settings(max_examples=20)
@given(day=st.dates(date(1993, 8, 25), date(2100, 1, 1)), grace=st.integers(0, 400))
def test_windows_follow_each_other_without_a_moment_between_them(
    tmp_path_factory: pytest.TempPathFactory, day: date, grace: int
):
    from adce_assets_tests.contract.conftest import SmallContract

    small = SmallContract(tmp_path_factory.mktemp("contract"))
    changed = (PRESENT[0], f"{PRESENT[1]}        grace_hours: {grace}\n")
    data_set = small.load(changed).data_sets["espn/days"]
    window, following = data_set.window(day), data_set.window(day + timedelta(days=1))
    assert window is not None
    assert following is not None
    assert following[0] - window[0] == timedelta(days=1)
    assert window[1] - following[0] == timedelta(hours=grace)
    assert window[0].date() == day
