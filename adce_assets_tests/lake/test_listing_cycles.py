"""Ten thousand listings of a server that fails in every way at random: each is exactly the truth, or is refused."""

import random
from collections.abc import Collection, Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest
from botocore.exceptions import ConnectionClosedError

from adce_assets.errors import LakeError
from adce_assets.lake import listing
from adce_assets.lake.s3_pages import parse_error
from adce_assets.lake.store import KeyRange
from adce_assets_tests.lake.scripted import Answer, PageSource, Request, Script, TruePages, error

CYCLES = 10_000


class FaultyPages:
    """The pages of a lake, of which some fail on their way; `rate` says how many.

    Behind the keys of `starts` nobody can know what the first page is to hold, so none is exchanged there for another.
    """

    def __init__(self, truth: TruePages, chance: random.Random, rate: float, starts: Collection[str] = ("",)) -> None:
        self.truth, self.chance, self.rate, self.starts = truth, chance, rate, starts
        self.sent = b""

    def body(self, asked: dict[str, str]) -> bytes:
        whole = self.truth.body(asked)
        body = self._spoilt(asked, whole) if self.chance.random() < self.rate else whole
        self.sent = whole
        return body

    def _spoilt(self, asked: dict[str, str], whole: bytes) -> bytes:
        fault = self.chance.choice(FAULTS)
        if fault in {"500", "503"}:
            raise parse_error(error(int(fault), "SlowDown").body, int(fault))
        if fault == "reset":
            raise ConnectionClosedError(endpoint_url="http://lake")
        if fault in {"dropped page", "repeated page"}:
            return self._exchanged(fault, asked, whole)
        return SPOIL[fault](whole, self.chance)

    def _exchanged(self, fault: str, asked: dict[str, str], whole: bytes) -> bytes:
        after = asked.get("start-after", "")
        if "delimiter" in asked or after in self.starts:
            return whole[:-1]
        if fault == "repeated page":
            return self.sent or whole[:-1]
        left_out = [key for key in self.truth.keys if key > after][: self.truth.size]
        return self.truth.body({**asked, "start-after": left_out[-1]}) if left_out else whole[:-1]


def cut(whole: bytes, chance: random.Random) -> bytes:
    return whole[: chance.randrange(len(whole))]


def drop_row(whole: bytes, _: random.Random) -> bytes:
    return without(whole, b"<Contents>", b"</Contents>")


def lose_token(whole: bytes, _: random.Random) -> bytes:
    return without(whole, b"<NextContinuationToken>", b"</NextContinuationToken>")


def lose_token_and_end(whole: bytes, chance: random.Random) -> bytes:
    return lose_token(whole.replace(b"<IsTruncated>true", b"<IsTruncated>false"), chance)


def miscount(whole: bytes, _: random.Random) -> bytes:
    return whole.replace(b"<KeyCount>", b"<KeyCount>1")


def swap_rows(whole: bytes, _: random.Random) -> bytes:
    first, separator, rest = whole.partition(b"</Contents>")
    return whole if b"<Contents>" not in rest else swapped(first, separator, rest)


def without(body: bytes, opening: bytes, closing: bytes) -> bytes:
    """Cut the first element out; a body that has none fails otherwise."""
    start, end = body.find(opening), body.find(closing)
    return body[:start] + body[end + len(closing) :] if start >= 0 else body[:-1]


def swapped(first: bytes, separator: bytes, rest: bytes) -> bytes:
    head, opening, one = first.rpartition(b"<Contents>")
    other, _, tail = rest.partition(separator)
    return head + other + separator + opening + one + separator + tail


SPOIL = {
    "cut": cut,
    "dropped rows": drop_row,
    "lost token": lose_token,
    "lost token and end": lose_token_and_end,
    "wrong count": miscount,
    "swapped rows": swap_rows,
}
FAULTS = ("500", "503", "reset", "dropped page", "repeated page", *SPOIL)


def lakes(chance: random.Random) -> list[TruePages]:
    made = []
    for size in (4, 5, 7, 9):
        for count in (0, 1, size, 2 * size, 3 * size + 1, 30):
            keys = {
                f"{chance.choice('abc')}/{chance.randrange(1_000):03d} ü": chance.randrange(99) for _ in range(count)
            }
            made.append(TruePages(keys, size))
    return made


def cycles(number: int) -> Iterator[tuple[random.Random, TruePages]]:
    chance = random.Random(number)
    choices = lakes(chance)
    for _ in range(number):
        yield chance, chance.choice(choices)


def test_ten_thousand_listings_of_a_failing_server_say_nothing_false():
    whole, false = 0, []
    for chance, truth in cycles(CYCLES):
        ranges, expected = asked_of(truth, chance)
        faulty = FaultyPages(truth, chance, chance.choice((0.02, 0.15, 0.4)), [within.after for within in ranges])
        shared = chance.random() < 0.05
        hints = truth.keys[::3] if shared and chance.random() < 0.5 else []
        try:
            taken = listing.take(
                PageSource(faulty.body).store(), ranges=ranges, workers=3 if shared else 1, hints=hints
            ).objects
        except LakeError:
            continue
        whole += 1
        found = dict(zip(taken["key"].to_pylist(), taken["size"].to_pylist(), strict=True))
        if list(found.items()) != expected:
            false.append((truth, ranges, found))
    assert false == []
    assert CYCLES * 0.5 < whole < CYCLES * 0.95


def asked_of(truth: TruePages, chance: random.Random) -> tuple[list[KeyRange], list[tuple[str, int]]]:
    """Choose one range or two, and say what they hold."""
    ranges = [KeyRange()]
    if truth.keys and chance.random() < 0.5:
        low, middle, high = sorted(chance.choice([*truth.keys, "a", "b/5", "c0"]) for _ in range(3))
        ranges = [KeyRange(low, middle), KeyRange(high, chance.choice([None, high + "x"]))]
    held = [
        (key, truth.objects[key])
        for key in truth.keys
        if any(within.after < key and (within.until is None or key <= within.until) for within in ranges)
    ]
    return ranges, held


@pytest.mark.parametrize("seed", range(3))
def test_so_it_is_over_a_wire(server: Script, seed: int):
    chance = random.Random(seed)
    outcomes = set()
    for truth in lakes(chance):
        faulty = FaultyPages(truth, chance, 0.3)

        def answer(requests: list[Request], faulty: FaultyPages = faulty) -> Answer:
            asked = dict(parse_qsl(urlsplit(requests[-1].path).query))
            try:
                return Answer(faulty.body(asked), cut=chance.choice([None, None, None, 100]))
            except Exception:  # noqa: BLE001 - whatever the fault, on the wire it is a reset
                return Answer(reset=True)

        server.answers = [answer]
        try:
            taken = listing.take(server.store())
        except LakeError:
            outcomes.add("refused")
        else:
            outcomes.add("whole")
            assert taken.objects["key"].to_pylist() == truth.keys
    assert outcomes == {"refused", "whole"}
