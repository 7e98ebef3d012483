"""All metrics as they were on a day, kept as a file for people and in the history for comparing.

A snapshot says of each metric what was measured last, and how that stands beside what is accepted. The history is the
truth; the file `inventory/historical/<date>.yaml` is written after it, and a snapshot that is taken again writes both
again.
"""

import logging
import math
import re
from dataclasses import dataclass
from datetime import date
from typing import Any

from adce_assets.dims.accepted import METADATA, check_value, text_of
from adce_assets.dims.drift import between, told
from adce_assets.dims.history_records import Pruned
from adce_assets.dims.metrics import Accepted, Value, Verdict
from adce_assets.dims.place import Place
from adce_assets.dims.standing import newest, standing
from adce_assets.errors import HistoryError, LakeError

logger = logging.getLogger(__name__)

FOLDER = "historical/"
NAME = re.compile(rf"{FOLDER}\d{{4}}-\d\d-\d\d\.yaml", re.ASCII)


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric on two days.

    Attributes:
        metric: Its id.
        before: What was measured by the earlier day; None if nothing was.
        after: What was measured by the later day; None likewise.
        drift: In percent of the former; None where one of them is not there.
    """

    metric: str
    before: Value | None
    after: Value | None
    drift: float | None


def take(place: Place, day: date) -> dict[str, Any]:
    """Keep what is known of all metrics as the snapshot of a day, and let go of what is too old, as `prune` does.

    Returns:
        The snapshot: ``metadata``, and of each category and metric ``value``, ``at``, ``status``, ``drift``, ``error``
        of the last measurement, ``unit``, and ``accepted`` (``value``, ``at``, ``how``, ``by``, or None).
    """
    document = _document(place, day)
    place.history.keep_snapshot(day, document)
    place.project.state.store.put(_key(day), text_of(document).encode())
    prune(place)
    return document


def compare(place: Place, earlier: date, later: date) -> tuple[Difference, ...]:
    """Hold two days against each other, metric by metric, those that moved most first.

    Raises:
        HistoryError: there is no snapshot of one of the days, or it is not what was written.
    """
    before, after = _values(place, earlier), _values(place, later)
    differences = [_difference(metric, before.get(metric), after.get(metric)) for metric in {**before, **after}]
    return tuple(sorted(differences, key=_moved, reverse=True))


def prune(place: Place) -> Pruned:
    """Let go of what is older than the configuration keeps, in the history and among the files of snapshots."""
    retention = place.catalogue.retention
    gone = place.history.prune(place.project.clock(), days=retention.days, snapshots=retention.snapshots)
    _sweep(place)
    return gone


def _document(place: Place, day: date) -> dict[str, Any]:
    """Lay out what is known of all metrics of the catalogue, in its order."""
    catalogue, now = place.catalogue.metrics, place.project.clock()
    holds = standing(place).values
    found = newest(place, catalogue.values(), holds)
    document: dict[str, Any] = {METADATA: {"version": 1, "day": day.isoformat(), "taken_at": now.isoformat()}}
    for metric in catalogue.values():
        entry = {"unit": metric.unit, **_measured(found.get(metric.id)), "accepted": _accepted(holds.get(metric.id))}
        document.setdefault(metric.category, {})[metric.name] = entry
    return document


def _measured(verdict: Verdict | None) -> dict[str, Any]:
    if verdict is None:
        return {"value": None, "at": None, "status": None, "drift": None, "error": "has not been measured yet"}
    measured = verdict.measurement
    return {
        "value": measured.value,
        "at": measured.at.isoformat(),
        "status": verdict.status.value,
        "drift": verdict.drift,
        "error": measured.error,
    }


def _accepted(accepted: Accepted | None) -> dict[str, Any] | None:
    if accepted is None:
        return None
    return {"value": accepted.value, "at": accepted.at.isoformat(), "how": accepted.how, "by": accepted.by}


def _values(place: Place, day: date) -> dict[str, Value]:
    """Read what was measured by a day, by metric; what could not be measured is not there."""
    document = place.history.snapshot(day)
    if document is None:
        days = place.history.snapshot_days()
        valid = f"{len(days)} days from {days[0]} to {days[-1]}" if days else "none has been taken yet"
        raise HistoryError(f"there is no snapshot of {day}", where=place.history.url, valid=valid)
    try:
        return {
            f"{category}.{name}": check_value(entry["value"])
            for category, entries in document.items()
            if category != METADATA
            for name, entry in entries.items()
            if entry["value"] is not None
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise HistoryError(f"the snapshot of {day} is not what was written", where=place.history.url) from error


def _difference(metric: str, before: Value | None, after: Value | None) -> Difference:
    drift = None if before is None or after is None else told(between(before, after))
    return Difference(metric, before, after, drift)


def _moved(difference: Difference) -> float:
    """Say by how much a metric moved; one that came or went moved more than any other."""
    return math.inf if difference.drift is None else difference.drift


def _key(day: date) -> str:
    return f"{FOLDER}{day.isoformat()}.yaml"


def _sweep(place: Place) -> None:
    """Delete the files of all days but the newest that are kept; other files stay, and all where that is refused."""
    store = place.project.state.store
    keys = sorted(found.key for found in store.list(FOLDER) if NAME.fullmatch(found.key))
    try:
        for key in keys[: -place.catalogue.retention.snapshots]:
            store.delete(key)
    except LakeError as error:
        logger.warning("files of old snapshots stay: %s", error)
