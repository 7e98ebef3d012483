"""The files of the loop and its ledger in, all that the page of a lake tells out. Nothing is looked at anew.

The lake itself is not asked: what is told is of the last reconciliation, but for how keys stand in the ledger.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from adce_assets.errors import LakeError, printable
from adce_assets.ledger.keys import KeyState
from adce_assets.ledger.transitions import Event, State
from adce_assets.loop import outcomes
from adce_assets.loop.outcomes import Outcomes
from adce_assets.loop.project import Project
from adce_assets.loop.records import CELL, OPEN_STATES
from adce_assets.loop.state import COVERAGE, GAPS, QUEUE
from adce_assets.tables import engine

if TYPE_CHECKING:
    import ibis.expr.types as ir

Cell = tuple[str, str, str]
Failed = tuple[str, str, str]
"""A source, a data type, and the class of a failure."""
Row = Mapping[str, Any]

ENDS = (Event.CLOSED, Event.TOMBSTONED, Event.DEAD_LETTERED)
"""The events that are counted: closed, not to be had, and given up until a person looks."""
SPANS = (1, 7, 30)
"""Days that events are counted over."""
TOLD_STATES = (*OPEN_STATES, "unknown", "unavailable")
"""The states of keys that are told one by one."""
MOST_KEYS = 6_000
"""Keys that are told in all, so that the page stays one that a browser opens."""


@dataclass(frozen=True, slots=True)
class KeyTold:
    """A key that is not plainly in the lake, and how it stands in the ledger; None where nothing is known of it."""

    key: str
    state: str
    reason: str
    standing: KeyState | None = None


@dataclass(frozen=True, slots=True)
class LakeReport:
    """What is told of a lake.

    Attributes:
        lake: Its URL.
        as_of: Of when the inventory is, ISO 8601 in UTC.
        totals: The states of all keys, and the objects of the lake.
        sources: The same of each source.
        cells: The same of each cell, in the order of the contract.
        gaps: The gaps, the most urgent first.
        queue: The summary of the task queue; None if there is none yet.
        ends: Keys that closed, were tombstoned or dead-lettered, by event and source, within each of `SPANS`.
        absent: What cannot be had: keys by source, data type and reason, most first; and what was given up until a
            person looks, by the class of its failure.
        forecasts: What is known of forecasts.
        keys: Some keys of each cell that has any that are told one by one.
    """

    lake: str
    as_of: str
    totals: Row
    sources: Sequence[Row]
    cells: Sequence[Row]
    gaps: Sequence[Row]
    queue: Row | None
    ends: Mapping[tuple[Event, str], Mapping[int, int]]
    absent: Sequence[Row]
    forecasts: Outcomes
    keys: Mapping[Cell, Sequence[KeyTold]]


def gather(project: Project) -> LakeReport:
    """Read all that is told of a lake.

    Raises:
        LakeError: nothing was reconciled yet, or the state cannot be read.
        LedgerError: the ledger cannot be used.
    """
    coverage, gaps = project.state.read_json(COVERAGE), project.state.read_json(GAPS)
    absent, keys = _keys(project, sum(1 for cell in coverage["cells"] if _told_keys(cell)))
    return LakeReport(
        lake=project.lake.url,
        as_of=coverage["as_of"],
        totals=coverage["totals"],
        sources=coverage["sources"],
        cells=coverage["cells"],
        gaps=gaps["gaps"],
        queue=_queue(project),
        ends=_ends(project),
        absent=[*absent, *_given_up(project)],
        forecasts=outcomes.judged(outcomes.kept(project), project.clock()),
        keys=keys,
    )


def document(told: LakeReport) -> dict[str, Any]:
    """Say the same in values that JSON knows, but for the gaps and cells, which other commands tell."""
    last, kept = told.forecasts.last, told.forecasts.within_p90
    return {
        "lake": told.lake,
        "as_of": told.as_of,
        "totals": dict(told.totals),
        "sources": [dict(source) for source in told.sources],
        "gaps": Counter(gap["priority"] for gap in told.gaps),
        "ends": [
            {"event": event, "source": source, **{f"last_{days}_days": keys for days, keys in counts.items()}}
            for (event, source), counts in sorted(told.ends.items())
        ],
        "unavailable": [dict(row) for row in told.absent],
        "forecast": None if last is None else last.model_dump(mode="json", exclude={"sample"}),
        "forecasts_kept": kept,
    }


def _told_keys(cell: Row) -> int:
    return sum(cell[state] for state in TOLD_STATES)


def _queue(project: Project) -> Row | None:
    try:
        return project.state.read_json(QUEUE)
    except LakeError:
        return None


def _ends(project: Project) -> dict[tuple[Event, str], dict[int, int]]:
    """Count what came to an end of late, by event and source."""
    found: dict[tuple[Event, str], dict[int, int]] = {}
    for days in SPANS:
        tally = project.ledger.tally(ENDS, project.clock() - timedelta(days=days))
        for (event, source, _), keys in tally.items():
            counts = found.setdefault((event, source), dict.fromkeys(SPANS, 0))
            counts[days] += keys
    return found


def _keys(project: Project, cells: int) -> tuple[list[Row], dict[Cell, list[KeyTold]]]:
    """Read what cannot be had, by reason, and some keys of each cell with how they stand."""
    most = max(1, MOST_KEYS // max(cells, 1))
    limits = project.settings.reconciliation.engine
    with engine(**limits.model_dump()) as backend, project.state.local(COVERAGE) as path:
        table = backend.read_parquet(path)
        absent = backend.to_pyarrow(_absent(table)).to_pylist()
        rows = backend.to_pyarrow(_some(table, most)).to_pylist()
    standings = {state.key: state for state in project.ledger.states(keys=[row["key"] for row in rows])}
    keys: dict[Cell, list[KeyTold]] = {}
    for row in rows:
        told = KeyTold(row["key"], row["state"], row["reason"] or "", standings.get(row["key"]))
        keys.setdefault((row["source"], row["data_type"], row["season"]), []).append(told)
    return absent, keys


def _absent(table: "ir.Table") -> "ir.Table":
    unavailable = table.filter(table.state == "unavailable")
    summed = unavailable.group_by("source", "data_type", "reason").agg(
        keys=unavailable["keys"].sum(), seasons=unavailable.season.nunique()
    )
    return summed.order_by(summed["keys"].desc(), "source", "data_type", "reason")


def _given_up(project: Project) -> list[Row]:
    """Sum the dead letters up: their data set, how they failed, and what was said of one of them."""
    keys, seasons, said = Counter[Failed](), dict[Failed, set[str]](), dict[Failed, str]()
    for letter in project.ledger.states(states=[State.DEAD_LETTERED]):
        name = letter.source, letter.data_type, str(letter.detail.get("class"))
        keys[name] += 1
        seasons.setdefault(name, set()).add(letter.season)
        said[name] = printable(str(letter.detail.get("what") or letter.detail.get("why") or ""))
    return [
        {
            "source": source,
            "data_type": data_type,
            "reason": f"given up as `{failure}` (`adce dlq list`): {said[source, data_type, failure]}",
            "keys": many,
            "seasons": len(seasons[source, data_type, failure]),
        }
        for (source, data_type, failure), many in keys.most_common()
    ]


def _some(table: "ir.Table", most: int) -> "ir.Table":
    """Choose so many keys of each cell: the open ones first, each state in the order of its keys."""
    import ibis

    told = table.filter(table.state.isin(TOLD_STATES) & table.key.notnull())
    rank = told.state.cases(*((state, number) for number, state in enumerate(TOLD_STATES)), else_=len(TOLD_STATES))
    ranked = told.mutate(rank=rank)
    at = ibis.row_number().over(group_by=CELL, order_by=[ranked["rank"], ranked.key])
    numbered = ranked.mutate(at=at)
    return numbered.filter(numbered["at"] < most).order_by(*CELL, "at").select(*CELL, "key", "state", "reason")
