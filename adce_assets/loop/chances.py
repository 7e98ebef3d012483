"""The ledger in, chances out: which share of the keys of each data set lately came to a good end.

What a good chance is worth is decided in `priority`.
"""

from collections.abc import Mapping
from datetime import timedelta

from adce_assets.loop import forecast
from adce_assets.loop.project import Project

LATELY = timedelta(days=14)
PRIOR = 4
"""Successes that every data set is believed to have had before: one failure alone says little."""


def success_rates(project: Project) -> Mapping[str, float]:
    """Say of each data set (``source/data_type``) that was asked for lately which share was collected, in [0, 1].

    Raises:
        LedgerError: the ledger cannot be used.
    """
    told = forecast.tallies(project.ledger.tally(forecast.MEASURED, project.clock() - LATELY))
    return {name: round((of.good + PRIOR) / (of.good + of.failed + PRIOR), 2) for name, of in sorted(told.items())}
