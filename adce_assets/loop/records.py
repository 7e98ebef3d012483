"""The records in which the steps of the loop meet; a step never imports another.

What a step alone knows is declared beside its function. Here stands what one step writes and the next one reads.
"""

from dataclasses import dataclass

from adce_assets.errors import MixedRunsError
from adce_assets.loop.state import State

STATES = ("present", "stale", "damaged", "missing", "unknown", "not_due", "unavailable")
"""Every expected key is in exactly one of these."""
OPEN_STATES = ("missing", "stale", "damaged")
"""The states of a key that something can be done about."""
CELL = ("source", "data_type", "season")
"""What names a cell."""
ID_DIGITS = 16
"""Hexadecimal digits of an id: among a million gaps or tasks two are alike once in 37 million runs."""


@dataclass(frozen=True, slots=True)
class Gap:
    """The open keys of a cell that have one priority, as `detected_gaps.json` says it.

    ``expected_files``, ``actual_files`` and ``completeness_pct`` are of the whole cell. ``held_files`` counts the keys
    of the gap that nobody may try to collect now: the last ones in the table of open keys. ``urgency`` counts the
    completeness thresholds that the cell is below, its data type's own included; ``is_schedule`` marks documents of a
    schedule of record. Times are ISO 8601 in UTC.
    """

    id: str
    gap_type: str
    priority: str
    source: str
    data_type: str
    season: str
    missing_files: int
    stale_files: int
    damaged_files: int
    expected_files: int
    actual_files: int
    completeness_pct: float
    reason: str
    detected_at: str
    scraper: str | None
    required: bool
    is_schedule: bool
    urgency: int
    held_files: int = 0

    @property
    def keys(self) -> int:
        """The number of keys in the gap."""
        return self.missing_files + self.stale_files + self.damaged_files

    @property
    def free_files(self) -> int:
        """The number of keys that somebody may try to collect now: the first ones of the gap."""
        return self.keys - self.held_files


def refuse_other_run(state: State, name: str, *, said: int, found: int) -> None:
    """Raise MixedRunsError when a table does not hold as many keys as the summary beside it says."""
    if said != found:
        raise MixedRunsError(
            f"the summary counts {said:,} open keys and the table holds {found:,}: they are of two different runs",
            where=f"{state.store.url}/{name}",
            hint="run `adce reconcile`",
        )
