"""What is known of a task in, its score out: which of two tasks of one priority comes first.

Priority comes first, always: no score lifts a task over one of a higher priority. Within it, what a request is likely
to bring counts: value x chance / cost, with a bounded term for a small gap and one for long waiting. Every part is
shown beside the score that it explains. What makes a key urgent is decided in `gaps`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from adce_assets.configuration import PriorityWeighting, Thresholds

RECENT = timedelta(days=7)
"""The age at which a document is worth half of what it was worth when it was new."""
LEAST_COST, MOST_COST = 0.25, 10.0
"""Requests a key between which one is cheaper than another; beyond, all are alike."""
MOST_THRESHOLDS = len(Thresholds.model_fields) + 1
"""The completeness thresholds that a cell can be below: the configured ones and its data type's own."""
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a score is made of.

    Attributes:
        priority: One of `PRIORITIES`.
        source: Whose documents these are.
        is_schedule: Whether they name other documents.
        required: Whether the contract cannot do without them.
        urgency: How many completeness thresholds the cell is below.
        moment: When the newest thing happened that the task collects (UTC); of the parts of one gap only this differs.
        gap_keys: The size of the whole gap.
        detected_at: When the gap was first found (UTC).
        success_rate: The share of such keys that lately came to a good end, in [0, 1].
        requests_per_key: What a key costs.
    """

    priority: str
    source: str
    is_schedule: bool
    required: bool
    urgency: int
    moment: datetime
    gap_keys: int
    detected_at: datetime
    success_rate: float = 1.0
    requests_per_key: float = 1.0


@dataclass(frozen=True, slots=True)
class Term:
    """A part of the value: a share in [0, 1] of ``weight`` points."""

    name: str
    weight: float
    share: Callable[[Facts, datetime], float]


VALUE = (
    # A schedule names the documents that nobody knows to be missing yet.
    Term("schedule", 30.0, lambda facts, _: float(facts.is_schedule)),
    Term("required", 20.0, lambda facts, _: float(facts.required)),
    # Never zero, so that 2003 comes before 1953.
    Term("recency", 40.0, lambda facts, now: 1 / (1 + max(now - facts.moment, timedelta(0)) / RECENT)),
    Term("urgency", 15.0, lambda facts, _: facts.urgency / MOST_THRESHOLDS),
)


@dataclass(frozen=True, slots=True)
class Score:
    """A score and all it is made of: ``base + value x chance / cost + size + age``; ``parts`` sum up to ``value``."""

    base: float
    parts: dict[str, float]
    multiplier: float
    chance: float
    cost: float
    size: float
    age: float

    @property
    def value(self) -> float:
        """What the documents are worth."""
        return self.multiplier * sum(self.parts.values())

    @property
    def total(self) -> float:
        """The score itself; the higher, the sooner."""
        return round(self.base + self.value * self.chance / self.cost + self.size + self.age, 4)


def score(facts: Facts, weighting: PriorityWeighting, now: datetime) -> Score:
    """Say what a task is worth, and why."""
    hours = max(now - facts.detected_at, timedelta(0)) / HOUR
    return Score(
        base=getattr(weighting.base_scores, facts.priority),
        parts={term.name: term.weight * term.share(facts, now) for term in VALUE},
        multiplier=weighting.source_multipliers.get(facts.source, 1.0),
        chance=1 - weighting.success_rate_weight * (1 - facts.success_rate),
        cost=min(max(facts.requests_per_key, LEAST_COST), MOST_COST),
        # A small gap is soon closed, and a closed cell is worth more than two that are half done.
        size=-min(weighting.gap_size_weight * facts.gap_keys, weighting.gap_size_cap),
        age=min(weighting.age_weight * hours, weighting.age_cap),
    )
