"""The ledger in, chances out: which share of the keys of each data set lately came to a good end.

What a good chance is worth is decided in `priority`.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

from adce_assets.ledger.transitions import Event
from adce_assets.loop.project import Project

LATELY = timedelta(days=14)
PRIOR = 4
"""Successes that every data set is believed to have had before: one failure alone says little."""


def success_rates(project: Project) -> Mapping[str, float]:
    """Say of each data set (``source/data_type``) that was asked for lately which share was collected, in [0, 1].

    Raises:
        LedgerError: the ledger cannot be used.
    """
    good: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    tally = project.ledger.tally((Event.PROMOTED, Event.FAILED), project.clock() - LATELY)
    for (event, source, data_type), keys in tally.items():
        (good if event is Event.PROMOTED else failed)[f"{source}/{data_type}"] += keys
    return {
        name: round((good[name] + PRIOR) / (good[name] + failed[name] + PRIOR), 2) for name in sorted(good | failed)
    }
