"""What a soak did and what was seen of it from outside in, all that is wrong of it out.

Nothing is asked of anybody here: whoever lets the loop come around, see `benchmarks/soak.py`, brings what the source,
S3, lake and ledger say. That too little happened to prove anything is as wrong as a sum that does not come out.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import linear_regression, median

LEAST = 50
"""Cycles in a third, from which on it is told whether something has grown: what is made once takes some fifty."""
GROWS = 0.05
"""How much more memory a thousand cycles may take, as a share."""
SLOWER = 1.5
"""How much more time of a processor a cycle may take in the last third than in the second."""
ILL, FAILING, GONE, OTHERS = (3, 2), (4, 3), (50, 44), (10, 9)
"""In which cycles, by divisor and rest, the source is ill, S3 fails or is gone, and another process is let live."""
KILLED = 0.25
"""The least share of the others that is killed; chance says where they are to die, and some do not come there."""


def is_in(number: int, turn: tuple[int, int]) -> bool:
    """Tell whether it is a cycle's turn."""
    return number % turn[0] == turn[1]


@dataclass(frozen=True, slots=True)
class Sums:
    """How often each key was asked for, and answered whole, at the source; its events in the ledger, its receipts."""

    asked: Counter[str]
    answered: Counter[str]
    events: Mapping[str, Counter[str]]
    receipts: Counter[str]

    def of(self, event: str) -> Counter[str]:
        """Count an event, by key."""
        return Counter({key: counted[event] for key, counted in self.events.items()})


@dataclass(frozen=True, slots=True)
class Deeds:
    """What was done, and what happened.

    Attributes:
        cycles: How many there were, those not counted that let all come to its end.
        errors: With what each cycle ended that did not come around.
        deleted: How often each key was deleted.
        ends: How the other processes ended, as signals (below 0) or statuses.
        s3_failed: How often S3 failed.
        held: How often a key was held by a process that was killed.
        unwritten: What the killed were sent, by key, of which they had written nothing down.
    """

    cycles: int
    errors: Mapping[int, str]
    deleted: Counter[str]
    ends: Sequence[int]
    s3_failed: int
    held: Counter[str] = field(default_factory=Counter)
    unwritten: Counter[str] = field(default_factory=Counter)

    def turns(self, turn: tuple[int, int]) -> int:
        """Count the cycles that were of a kind."""
        return sum(is_in(number, turn) for number in range(self.cycles))


def uneventful(deeds: Deeds, sums: Sums) -> Iterator[str]:
    """Say what had to happen and did not, or happened and had not to."""
    for number, error in deeds.errors.items():
        if not is_in(number, GONE):
            yield f"cycle {number} ended with {error}, and S3 was not gone"
    if (gone := deeds.turns(GONE)) > sum(is_in(number, GONE) for number in deeds.errors):
        yield f"S3 was gone in {gone} cycles, and {len(deeds.errors)} ended with an error"
    least = {
        "objects were deleted": (deeds.deleted.total(), deeds.cycles // 2),
        "requests failed at S3": (deeds.s3_failed, deeds.turns(FAILING) // 2),
        "tries failed": (sums.of("failed").total(), deeds.turns(ILL) // 3),
        "others were killed": (sum(end < 0 for end in deeds.ends), int(KILLED * len(deeds.ends))),
    }
    yield from (f"{found} {what}, of at least {asked}" for what, (found, asked) in least.items() if found < asked)
    yield from (f"another process ended with {end}" for end in deeds.ends if end > 0)


def uneven(deeds: Deeds, sums: Sums, had: Collection[str]) -> Iterator[str]:
    """Compare sums, key by key; ``had`` are the keys that are closed in the end.

    A host that answers that it lets nobody ask was asked: the key is given back, and no try.
    """
    for key, counted in sorted(sums.events.items()):
        held, sent, tried = deeds.held[key], deeds.unwritten[key], counted["fetched"] + counted["failed"]
        killed = f"{held} that were killed held it and were sent it {sent} times"
        if not 0 <= sent <= held or sums.answered[key] != counted["fetched"] + sent:
            yield f"{key} was sent {sums.answered[key]} times and fetched {counted['fetched']} times; {killed}"
        if not tried + sent <= sums.asked[key] <= tried + held + counted["released"]:
            yield f"{key} was asked for {sums.asked[key]} times and tried {tried} times; {killed}"
        if not counted["promoted"] <= sums.receipts[key] <= counted["promoted"] + held:
            yield f"{key} has {sums.receipts[key]} receipts for {counted['promoted']} promotions; {killed}"
        ends = 1 + deeds.deleted[key] if key in had else 0
        if counted["closed"] != ends:
            yield f"{key} was closed {counted['closed']} times, not {ends}"


def growth(measured: Sequence[Mapping[str, float]]) -> list[str] | None:
    """Say what has grown: memory over the last half, all else in the last third; what is loaded late comes before.

    None where there were too few cycles to tell.
    """
    third = len(measured) // 3
    if third < LEAST:
        return None
    before, after = measured[third : 2 * third], measured[2 * third :]
    grown = []
    if (more := slope(measured)) > GROWS * measured[-1]["memory_mb"]:
        grown.append(f"a thousand cycles take {more:.1f} MB more")
    for name in ("files", "threads", "connections"):
        most, once = (max(told[name] for told in part) for part in (after, before))
        if most > once:
            grown.append(f"{name}: {most} after {once}")
    slower = median(told["cpu_seconds"] for told in after) / median(told["cpu_seconds"] for told in before)
    if slower > SLOWER:
        grown.append(f"a cycle takes {slower:.2f} times as long as before")
    return grown


def slope(measured: Sequence[Mapping[str, float]]) -> float:
    """Say how many megabytes more a thousand cycles take, by those of the last half."""
    memory = [told["memory_mb"] for told in measured[len(measured) // 2 :]]
    return 1_000 * linear_regression(range(len(memory)), memory).slope
