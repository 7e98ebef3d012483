"""A soak that proves nothing fails, and so does one in which a single document is sent twice."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from adce_assets_tests.whole.adding_up import LEAST, Deeds, Sums, growth, uneven, uneventful

KEYS = ("a", "b")
DEEDS = Deeds(
    cycles=60,
    errors={44: "LakeError"},
    deleted=Counter(a=25, b=25),
    ends=(-9, 0, -9, 0, -9, 0),
    s3_failed=40,
    held=Counter(a=2),
    unwritten=Counter(a=1),
)
EVENTS = Counter(fetched=26, failed=10, promoted=26, closed=26)
SUMS = Sums(
    asked=Counter(a=37, b=36),
    answered=Counter(a=27, b=26),
    events=dict.fromkeys(KEYS, EVENTS),
    receipts=Counter(a=27, b=26),
)


def faults(deeds: Deeds, sums: Sums) -> list[str]:
    return [*uneventful(deeds, sums), *uneven(deeds, sums, KEYS)]


def measured(cycles: int, **more: float) -> list[dict[str, float]]:
    held = {"memory_mb": 400.0, "files": 14, "threads": 1, "connections": 1, "cpu_seconds": 0.5}
    return [{name: value + more.get(name, 0) * at for name, value in held.items()} for at in range(cycles)]


def test_what_adds_up_and_went_wrong_often_enough_has_no_fault() -> None:
    assert faults(DEEDS, SUMS) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda deeds: replace(deeds, errors=dict.fromkeys(range(60), "LakeError")),
        lambda deeds: replace(deeds, errors={}),
        lambda deeds: replace(deeds, s3_failed=0),
        lambda deeds: replace(deeds, ends=(0,) * 6),
        lambda deeds: replace(deeds, ends=(-9, 1, -9, 0, -9, 0)),
    ],
    ids=["no cycle came around", "S3 was never gone", "S3 never failed", "nobody was killed", "another broke down"],
)
def test_a_soak_in_which_too_little_or_too_much_went_wrong_has_one(spoil: Callable[[Deeds], Deeds]) -> None:
    assert faults(spoil(DEEDS), SUMS)


def test_a_soak_in_which_nothing_at_all_happened_is_told_by_its_deletions() -> None:
    nothing = Deeds(cycles=4, errors={}, deleted=Counter(), ends=(), s3_failed=9)
    assert [fault for fault in uneventful(nothing, SUMS) if "deleted" in fault]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda sums: replace(sums, answered=sums.answered + Counter("b")),
        lambda sums: replace(sums, answered=sums.answered + Counter("a")),
        lambda sums: replace(sums, asked=sums.asked + Counter("b")),
        lambda sums: replace(sums, receipts=sums.receipts + Counter("b")),
        lambda sums: replace(sums, events={"a": EVENTS, "b": EVENTS + Counter(closed=1)}),
    ],
    ids=["sent twice", "sent twice, held once", "asked for without a trace", "a receipt of nothing", "closed twice"],
)
def test_one_of_a_key_too_many_is_a_fault_whatever_others_have_less(spoil: Callable[[Sums], Sums]) -> None:
    assert len(faults(DEEDS, spoil(SUMS))) == 1


def test_what_a_living_process_did_not_write_down_is_a_fault() -> None:
    assert faults(replace(DEEDS, held=Counter()), SUMS)


@pytest.mark.parametrize("name", ["memory_mb", "files", "threads", "connections", "cpu_seconds"])
def test_what_grows_is_named_and_few_cycles_are_not_judged(name: str) -> None:
    growing = {name: 1.0}
    assert growth(measured(3 * LEAST)) == []
    assert growth(measured(3 * LEAST, **growing))
    assert growth(measured(3 * LEAST - 1, **growing)) is None
