"""Accepted values in, a file out, and the same values again; of any other file, nothing is believed."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.dims import accepted
from adce_assets.dims.history_records import Approval, ApprovalState
from adce_assets.dims.metrics import Accepted, Severity, Value
from adce_assets.documents import MAX_BYTES
from adce_assets.errors import ConditionFailedError, MetricError
from adce_assets.lake.store import open_store
from adce_assets.loop.state import State

NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)
GOOD = "metadata: {version: 1, last_updated: 2025-01-15T12:00:00+00:00}\n"
ENTRY = "lake: {objects: {value: 5, at: 2025-01-15T12:00:00+00:00, how: first, by: ann}}\n"
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,79}", fullmatch=True).filter(lambda name: name != "metadata")
TEXTS = st.text(st.characters(exclude_categories=["C"]), max_size=50).filter(str.isprintable)
VALUES = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - given by timezones


def state(folder: Path) -> State:
    return State(open_store(folder.as_uri(), make=True))


@pytest.fixture
def kept(tmp_path: Path) -> State:
    return state(tmp_path)


def one(value: Value = 5, at: datetime = NOON, how: str = "first", by: str = "ann") -> Accepted:
    return Accepted(value, at, how, by)


def put(kept: State, values: Mapping[str, Accepted]) -> None:
    accepted.put(kept, values, instead_of=accepted.read(kept), at=NOON)


@settings(max_examples=25)
@given(
    values=st.dictionaries(
        st.tuples(NAMES, NAMES).map(".".join),
        st.builds(
            Accepted,
            VALUES,
            MOMENTS,
            st.sampled_from(["first", "update", "approval"]),
            TEXTS.map(str.strip).filter(bool),
        ),
        max_size=5,
    )
)
def test_what_is_written_is_read_again_of_the_same_types(
    values: dict[str, Accepted], tmp_path_factory: pytest.TempPathFactory
):
    kept = state(tmp_path_factory.mktemp("state"))
    put(kept, values)
    found = accepted.load(kept)
    assert found == values
    assert {name: repr(one.value) for name, one in found.items()} == {
        name: repr(one.value) for name, one in values.items()
    }


def test_where_there_is_no_file_nothing_is_accepted(kept: State):
    assert accepted.read(kept) == accepted.Version({}, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "metadata"),
        ("- 1\n", "mapping"),
        ("metadata: [", "YAML"),
        (ENTRY, "metadata"),
        ("metadata: {version: 2, last_updated: 2025-01-15T12:00:00+00:00}\n" + ENTRY, "version"),
        (GOOD + "lake: {objects: 5}\n", "lake.objects"),
        (GOOD + "lake: 5\n", "lake"),
        (GOOD + "Lake: {}\n", "`Lake` is no name"),
        (GOOD + ENTRY.replace("objects:", "'x y':"), "is no name"),
        (GOOD + ENTRY.replace("value: 5", "value: true"), "metrics.yaml:2"),
        (GOOD + ENTRY.replace("value: 5", "value: .nan"), "no finite number"),
        (GOOD + ENTRY.replace("value: 5", "value: -.inf"), "no finite number"),
        (GOOD + ENTRY.replace("value: 5", f"value: {2**63}"), "64 bits"),
        (GOOD + ENTRY.replace("value: 5", "value: [5]"), "no finite number"),
        (GOOD + ENTRY.replace("value: 5", "value: null"), "no finite number"),
        (GOOD + ENTRY.replace("value: 5", r'value: "a\nb"'), "printable"),
        (GOOD + ENTRY.replace("value: 5", r'value: "\u202e5"'), "printable"),
        (GOOD + ENTRY.replace("value: 5", "value: !!python/object/apply:os.system [id]"), "tag"),
        (GOOD + ENTRY.replace("+00:00, how", ", how"), "timezone"),
        (GOOD + ENTRY.replace("at: 2025", "at: 2100"), "not of our times"),
        (GOOD + ENTRY.replace("at: 2025-01-15T12:00:00+00:00", "at: 0001-01-01T00:00:00+14:00"), "not of our times"),
        (GOOD + ENTRY.replace("at: 2025-01-15T12:00:00+00:00", "at: later"), "datetime"),
        (GOOD + ENTRY.replace("how: first", "how: force"), "`force` is not known"),
        (GOOD + ENTRY.replace("by: ann", "by: ' '"), "printable"),
        (GOOD + ENTRY.replace("by: ann", "by: ann, also: eve"), "unknown key"),
        (GOOD + ENTRY.replace(", by: ann", ""), "required"),
        (GOOD + ENTRY + ENTRY, "twice"),
        (GOOD + "include: ['*.yaml']\n", "stands already"),
        (GOOD + "include: ['../*']\n", "include"),
        (GOOD + f"a: {'[' * 50}{']' * 50}\n", "nested too deeply"),
        (GOOD + "a: &a [" + "x," * 999 + "]\nb: &b [" + "*a," * 999 + "]\nc: [" + "*b," * 99 + "]\n", "too much"),
        ("\0", "YAML"),
        (" " * (MAX_BYTES + 1), "bytes"),
    ],
)
def test_a_file_that_is_not_what_is_written_here_is_refused_whole(text: str, told: str, kept: State):
    kept.store.put(accepted.KEY, text.encode())
    with pytest.raises(MetricError) as refused:
        accepted.load(kept)
    assert told in str(refused.value)
    assert str(refused.value).startswith(f"{kept.store.url}/metrics.yaml: ")
    assert "/tmp/adce-" not in str(refused.value)  # noqa: S108 - the file is named as people know it


def test_bytes_that_are_no_text_are_refused(kept: State):
    kept.store.put(accepted.KEY, b"\xff\xfe")
    with pytest.raises(MetricError, match="not UTF-8"):
        accepted.load(kept)


def test_moments_of_other_zones_are_told_in_utc(kept: State):
    put(kept, {"lake.objects": one(at=NOON.astimezone(timezone(timedelta(hours=-5))))})
    assert accepted.load(kept)["lake.objects"].at.tzinfo == UTC
    assert accepted.load(kept)["lake.objects"].at == NOON


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("metadata.objects", one()),
        ("lake", one()),
        ("lake.Objects", one()),
        ("lake.objects.more", one()),
        ("lake.objects", one(math.nan)),
        ("lake.objects", one(2**63)),
        ("lake.objects", one(value=True)),
        ("lake.objects", one("a\nb")),
        ("lake.objects", one("\ud800")),
        ("lake.objects", one(at=NOON.replace(tzinfo=None))),
        ("lake.objects", one(how="force")),
        ("lake.objects", one(by="")),
    ],
)
def test_what_could_not_be_read_again_is_not_written(metric: str, value: Accepted, kept: State):
    put(kept, {"lake.size": one()})
    with pytest.raises(MetricError, match="cannot be accepted"):
        put(kept, {metric: value})
    assert accepted.load(kept) == {"lake.size": one()}


@pytest.mark.parametrize("before", [{}, {"lake.size": one(1)}])
@pytest.mark.parametrize("mine", [{"lake.size": one(1)}, {"lake.size": one(2)}])
def test_a_file_that_somebody_has_written_meanwhile_stays(
    before: dict[str, Accepted], mine: dict[str, Accepted], kept: State
):
    if before:
        put(kept, before)
    seen = accepted.read(kept)
    put(kept, {"lake.size": one(3)})
    with pytest.raises(ConditionFailedError):
        accepted.put(kept, mine, instead_of=seen, at=NOON)
    assert accepted.load(kept) == {"lake.size": one(3)}


def test_a_file_that_says_the_same_is_not_written_again(kept: State):
    put(kept, {"lake.size": one()})
    before = accepted.read(kept)
    put(kept, {"lake.size": one()})
    assert accepted.read(kept).etag == before.etag


def decided(metric: str = "lake.objects", new: Value = 9, at: datetime = NOON) -> Approval:
    return Approval(
        1, metric, ApprovalState.ACCEPTED, 5, new, 80.0, Severity.HIGH, 1, NOON, NOON, at, by="bob", note="so it is"
    )


@pytest.mark.parametrize(
    ("passed", "holds"),
    [(timedelta(seconds=1), 9), (timedelta(0), 5), (-timedelta(seconds=1), 5)],
    ids=["decided later", "carried over already", "accepted since"],
)
def test_the_later_one_of_a_value_and_a_decision_holds(passed: timedelta, holds: int):
    found = accepted.with_decisions({"lake.objects": one(5)}, [decided(at=NOON + passed)])
    assert found["lake.objects"].value == holds


def test_the_last_of_several_decisions_holds():
    told = [decided(new=9, at=NOON + timedelta(hours=1)), decided(new=8, at=NOON + timedelta(hours=2))]
    last = Accepted(8, NOON + timedelta(hours=2), "approval", "bob")
    assert accepted.with_decisions({"lake.objects": one(5)}, told) == {"lake.objects": last}
    assert accepted.with_decisions({}, reversed(told)) == {"lake.objects": last}


def test_a_decision_is_carried_into_the_file_once(kept: State):
    put(kept, {"lake.objects": one(5), "lake.size": one(1)})
    told = [decided(at=NOON + timedelta(hours=1))]
    holds = accepted.carry_over(kept, told, at=NOON)
    assert accepted.load(kept) == holds
    assert {name: found.value for name, found in holds.items()} == {"lake.objects": 9, "lake.size": 1}
    written = accepted.read(kept).etag
    accepted.carry_over(kept, told, at=NOON)
    assert accepted.read(kept).etag == written


def test_a_file_that_never_rests_is_told_of(kept: State, monkeypatch: pytest.MonkeyPatch):
    def restless(*_: Any) -> str:
        raise ConditionFailedError("the object has changed")

    put(kept, {"lake.objects": one(5)})
    monkeypatch.setattr(kept.store, "put_if_match", restless)
    with pytest.raises(MetricError, match="again and again"):
        accepted.carry_over(kept, [decided(at=NOON + timedelta(hours=1))], at=NOON)


@pytest.mark.parametrize("clock", [NOON, NOON - timedelta(days=1)])
def test_what_is_accepted_comes_after_what_was_whatever_the_clock_says(clock: datetime):
    assert accepted.after(clock, one()) > NOON
    assert accepted.after(clock, None) == clock
