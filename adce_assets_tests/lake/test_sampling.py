"""What a sample says of a lake, held against the lake: how often the interval covers, and what was asked for it."""

import random
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from adce_assets.errors import ConfigurationError, LakeError
from adce_assets.lake import listing, sampling
from adce_assets.lake.file_store import FileStore
from adce_assets.lake.key_steps import KeySteps
from adce_assets.lake.sampling import FEWEST_REQUESTS, Estimate, Sample
from adce_assets.lake.store import LakeStore
from adce_assets_tests.lake.scripted import PageSource, TruePages

SHARES = {"box_scores/": 0.3, "pbp/": 0.35, "nba/play/": 0.1, "schedule/": 0.05, "small/": 0.0005, "team_stats/": 0.2}
SEEDS = range(12)


@cache
def lake(count: int) -> TruePages:
    """Make prefixes of uneven size, with ids that come in runs and leaps and sizes that differ widely."""
    chance, objects, number = random.Random(count), {}, 400_000_000
    for folder, share in SHARES.items():
        for _ in range(int(count * share)):
            number += chance.randint(1, 150) if chance.random() < 0.99 else chance.randint(1, 20_000)
            objects[f"{folder}{number}.json"] = int(chance.lognormvariate(8, 1))
    return TruePages(objects)


def sampled(truth: TruePages, seed: int, rate: float, hints: list[str]) -> Sample:
    return sampling.estimate(PageSource(truth.body).store(), rate=rate, seed=seed, hints=hints)


def covers(estimate: Estimate, truth: float) -> bool:
    return estimate.low <= truth and (estimate.high is None or truth <= estimate.high)


def hints_of(truth: TruePages, every: int) -> list[str]:
    """Name keys of an inventory that is older than the lake, of which 3 % have been written since."""
    if not every:
        return []
    chance = random.Random(every)
    return [key for key in truth.keys if chance.random() < 0.97][every - 1 :: every]


@pytest.mark.parametrize(("every", "width"), [(0, None), (100, 0.1), (1_000, 0.2)])
def test_the_intervals_cover_the_truth_about_as_often_as_they_say(every: int, width: float | None):
    truth = lake(60_000)
    hints = hints_of(truth, every)
    prefixes = Counter(key[: key.index("/") + 1] for key in truth.keys)
    objects, sizes, in_prefixes, estimates = 0, 0, [], []
    for seed in SEEDS:
        found = sampled(truth, seed, 0.1, hints)
        objects += covers(found.total.objects, len(truth.keys))
        sizes += covers(found.total.size, sum(truth.objects.values()))
        in_prefixes += [covers(amount.objects, prefixes[name]) for name, amount in found.by_prefix.items()]
        estimates.append(found.total.objects)
        assert found.requests <= (FEWEST_REQUESTS if hints else 2 * FEWEST_REQUESTS)
    assert objects >= 0.9 * len(SEEDS)
    assert sizes >= 0.85 * len(SEEDS)
    assert sum(in_prefixes) >= 0.9 * len(in_prefixes)
    if width is not None:
        assert all(one.high is not None and one.high - one.low <= width * len(truth.keys) for one in estimates)


@pytest.mark.parametrize("every", [100, 1_000])
def test_a_sample_makes_no_more_requests_than_its_share(every: int):
    truth = lake(120_000)
    for rate in (0.1, 0.4, 0.6):
        found = sampled(truth, 1, rate, hints_of(truth, every))
        assert found.requests <= max(FEWEST_REQUESTS, rate * 1.05 * len(truth.keys) / 1_000)
        assert found.requests_of_all == pytest.approx(len(truth.keys) / 1_000, rel=0.05)


@pytest.mark.parametrize("every", [0, 100])
def test_what_few_requests_can_read_is_known_exactly(every: int):
    truth = lake(9_000)
    found = sampled(truth, 7, 1.0, hints_of(truth, every))
    count, size = len(truth.keys), sum(truth.objects.values())
    assert found.total.objects == Estimate(count, count, count)
    assert found.total.size == Estimate(size, size, size)


@pytest.mark.parametrize(("count", "every"), [(9_000, 0), (39_000, 0), (9_000, 100), (34_000, 100), (34_000, 1_000)])
def test_what_costs_less_to_list_than_to_sample_is_listed(count: int, every: int):
    truth = lake(count)
    found = sampled(truth, 7, 0.05, hints_of(truth, every))
    held = len(truth.keys)
    assert found.total.objects == Estimate(held, held, held)
    assert found.requests == -(-held // 1_000)


def test_the_share_counts_where_it_is_more_than_the_floor():
    truth = lake(120_000)
    few, many = (sampled(truth, 1, rate, hints_of(truth, 100)).requests for rate in (0.05, 0.5))
    assert (few, many) == (pytest.approx(FEWEST_REQUESTS, abs=2), pytest.approx(60, abs=3))


def test_a_cell_with_more_than_can_be_read_is_not_guessed():
    grown = TruePages({f"a/{number:06d}": 1 for number in range(3_000)} | {f"b/{n:06d}": 1 for n in range(90_000)})
    found = sampled(grown, 1, 0.1, grown.keys[99:3_000:100])
    assert found.total.objects.high is None
    assert found.total.objects.low <= len(grown.keys)
    assert found.by_prefix["a/"].objects.high is not None
    assert found.requests <= FEWEST_REQUESTS


def test_an_empty_lake_is_known_to_be_empty():
    found = sampled(TruePages({}), 1, 0.1, [])
    assert (found.total.objects, found.by_prefix, found.requests) == (Estimate(0, 0, 0), {}, 1)


def test_one_seed_gives_one_answer():
    truth = lake(60_000)
    assert sampled(truth, 3, 0.2, []) == sampled(truth, 3, 0.2, [])


def test_what_is_no_data_is_not_counted():
    truth = TruePages({"_adce/x": 1, "inventory-reports/y": 1, "a/1": 5})
    found = sampling.estimate(PageSource(truth.body).store(), rate=1, seed=1, exclude=("_adce/", "inventory-reports/"))
    assert found.total.objects.value == 1
    assert list(found.by_prefix) == ["a/"]


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.1])
def test_a_rate_that_is_no_share_is_refused(rate: float):
    with pytest.raises(ConfigurationError, match="no share"):
        sampling.estimate(FileStore(Path("/nowhere")), rate=rate, seed=1)


def test_a_sample_of_a_failing_lake_is_refused():
    def body(asked: dict[str, str]) -> bytes:
        return b"" if asked.get("start-after", "") > "pbp" else lake(60_000).body(asked)

    with pytest.raises(LakeError):
        sampling.estimate(PageSource(body).store(), rate=0.1, seed=1, hints=lake(60_000).keys[99::100])


def test_every_store_can_be_sampled(store: LakeStore):
    for name in ("a/1", "a/2", "b/x/1", "top"):
        store.put(name, b"four")
    found = sampling.estimate(store, rate=0.5, seed=1)
    assert {name: amount.objects.value for name, amount in found.by_prefix.items()} == {"": 1, "a/": 2, "b/": 1}
    assert found.total.size == Estimate(16, 16, 16)


def test_a_folder_is_sampled_as_a_bucket_is(tmp_path: Path):
    truth = lake(50_000)
    for key in truth.keys[::20]:
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).touch()
    held = listing.take(FileStore(tmp_path)).objects.num_rows
    found = sampling.estimate(FileStore(tmp_path), rate=0.5, seed=1)
    assert found.total.objects == Estimate(held, held, held)


def test_steps_are_even_and_in_the_order_of_keys():
    steps = KeySteps.of(["pbp/400000.json", "pbp/400370.json", "pbp/409990.json"])
    numbers = [
        steps.number(key) for key in ("pbp/400000.json", "pbp/400370.json", "pbp/400740.json", "pbp/999999.json")
    ]
    assert numbers[1] - numbers[0] == numbers[2] - numbers[1]
    assert numbers == sorted(numbers)
    assert [steps.number(steps.key(number)) for number in numbers] == numbers
    assert steps.key(numbers[2]).startswith("pbp/400740")


SHAPES = {
    "flat": lambda number: f"{3 * number:07d}.json",
    "folders in one folder": lambda number: f"top/season={1990 + number // 1_300}/{number % 1_300:05d}.json",
    "hashes": lambda number: f"k/{random.Random(number).getrandbits(64):016x}",
    "many prefixes": lambda number: f"p{number % 50:02d}/{number:05d}",
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_without_hints_no_shape_of_lake_makes_the_interval_false(shape: Callable[[int], str]):
    truth = TruePages({shape(number): 1 for number in range(45_000)})
    found = [sampled(truth, seed, 0.2, []) for seed in range(5)]
    assert sum(covers(one.total.objects, 45_000) for one in found) >= 4
    assert all(one.requests <= 2 * FEWEST_REQUESTS for one in found)
