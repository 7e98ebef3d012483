"""What is known of a task in, its score out: which of two tasks of one priority comes first.

Priority comes first, always: no score lifts a task over one of a higher priority. A score is the sum of `TERMS`, each a
share of its weight, so that every term is bounded and can be shown beside the score that it explains. What makes a key
urgent is decided in `gaps`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from adce_assets.settings import Thresholds

RECENT = timedelta(days=7)
"""The age at which a document is worth half of what it was worth when it was new."""
COSTLY_MINUTES = 1.0
"""The time that a document takes at which half of the highest cost is charged."""
MOST_THRESHOLDS = len(Thresholds.model_fields) + 1
"""The completeness thresholds that a cell can be below: the configured ones and its data type's own."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a score is made of.

    ``urgency`` counts the completeness thresholds that the cell is below, ``moment`` (UTC) is that of the newest thing
    the task collects, ``gap_keys`` is the size of the whole gap, ``minutes`` is what one document takes. Of the parts
    of one gap only ``moment`` differs, so that they are collected newest first.
    """

    is_schedule: bool
    required: bool
    urgency: int
    moment: datetime
    gap_keys: int
    minutes: float


@dataclass(frozen=True, slots=True)
class Term:
    """A part of the score: a share in [0, 1] of ``weight`` points."""

    name: str
    weight: float
    share: Callable[[Facts, datetime], float]


TERMS = (
    # A schedule names the documents that nobody knows to be missing yet.
    Term("schedule", 30.0, lambda facts, _: float(facts.is_schedule)),
    Term("required", 20.0, lambda facts, _: float(facts.required)),
    # Never zero, so that 2003 comes before 1953.
    Term("recency", 40.0, lambda facts, now: 1 / (1 + max(now - facts.moment, timedelta(0)) / RECENT)),
    Term("urgency", 15.0, lambda facts, _: facts.urgency / MOST_THRESHOLDS),
    # A small gap is soon closed, and a closed cell is worth more than two that are half done.
    Term("size", 5.0, lambda facts, _: 1 / (1 + math.log10(facts.gap_keys))),
    Term("cost", -5.0, lambda facts, _: facts.minutes / (facts.minutes + COSTLY_MINUTES)),
)


def terms(facts: Facts, now: datetime) -> dict[str, float]:
    """Return the points that each term gives, by its name."""
    return {term.name: term.weight * term.share(facts, now) for term in TERMS}


def score(facts: Facts, now: datetime) -> float:
    """Return the sum of the terms; the higher, the sooner."""
    return round(sum(terms(facts, now).values()), 4)
