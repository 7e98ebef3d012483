"""The plan and what the loop found in, every difference out: how the demo knows whether the loop has closed.

The plan is made before the lake, from the demo's own tables; what the loop found is read from its files. Neither knows
the other.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from adce_assets.contract.loading import Contract
from adce_assets.demo.building import key_of, schedule_key, season_key
from adce_assets.demo.holes import LACKING, NO_SCHEDULE, SCHEDULE, STRAYS, WITHOUT_SCRAPER, Spot
from adce_assets.loop.state import COVERAGE, State

OPEN = ("missing", "stale", "damaged")

Open = dict[str, str]
"""Keys that are open, with their state."""


def planned(contract: Contract, spoiled: Iterable[Spot]) -> Open:
    """List every key that is open before anything is collected, with its state."""
    keys = {key_of(contract.data_sets[spot.data_set].templates[0], spot.game): spot.hole.state for spot in spoiled}
    keys |= {schedule_key(contract.data_sets[SCHEDULE].templates[0], day): "missing" for day in NO_SCHEDULE}
    return keys | {_lacking(contract): "missing"}


def remaining(contract: Contract, spoiled: Iterable[Spot]) -> dict[str, str]:
    """List the open keys that nothing can close, each with the reason."""
    keys = {
        key_of(contract.data_sets[spot.data_set].templates[0], spot.game): spot.hole.what
        for spot in spoiled
        if spot.hole.remains
    }
    return keys | {_lacking(contract): "there is no scraper for it"}


def found(state: State) -> Open:
    """Read which keys the last reconciliation calls open."""
    rows = state.read_table(COVERAGE).select(["key", "state"]).to_pylist()
    return {row["key"]: row["state"] for row in rows if row["state"] in OPEN}


def differences(wanted: Mapping[str, str], actual: Mapping[str, str]) -> Iterator[str]:
    """Say of every key that is not in the state that was planned what it is instead."""
    for key in sorted(wanted.keys() | actual.keys()):
        if wanted.get(key) != actual.get(key):
            yield f"{key}: planned {wanted.get(key, 'nothing open')}, found {actual.get(key, 'nothing open')}"


def faults_of_totals(coverage: Mapping[str, Any], doubled: int) -> Iterator[str]:
    """Say what is wrong with the counts of the coverage after everything was collected."""
    totals = coverage["totals"]
    for name, wanted in (("doubled", doubled), ("unexpected", len(STRAYS)), ("unclassified", 0), ("unknown", 0)):
        if totals[name] != wanted:
            yield f"{name}: planned {wanted}, found {totals[name]}"
    if totals["expected"] != sum(totals[name] for name in (*OPEN, "present", "unknown", "not_due", "unavailable")):
        yield "the seven states do not add up to what is expected"
    if set(coverage["unexpected"]) != set(STRAYS):
        yield f"unexpected objects: planned {', '.join(STRAYS)}, found {', '.join(coverage['unexpected'])}"


def _lacking(contract: Contract) -> str:
    return season_key(contract.data_sets[WITHOUT_SCRAPER].templates[0], LACKING)
