"""A key and what was found of it in, its state out: what it means to be damaged, stale or absent, one entry each.

The first entry that holds of a row decides: of `PRESENT_STATES` where an object is there, else of `ABSENT_STATES`.
Which columns a row has is the business of `coverage`, which lays it out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir

TOO_EARLY_DAYS = 2
"""A document of a closed season counts as written too early if it was at most so long before its event was over."""


@dataclass(frozen=True, slots=True)
class StateRule:
    """A state, when it holds of a row at a moment (UTC), and why, in words."""

    state: str
    when: Callable[["ir.Table", "ir.TimestampValue"], "ir.BooleanValue"]
    reason: str


A_TOMBSTONE_SAYS = "the source was asked, and has nothing"
"""In the place of this stands what the tombstone of the key says."""

PRESENT_STATES = (
    StateRule(
        "unavailable",
        lambda row, now: _is_lost(row, now) & (_is_bad(row) | (row.last_modified < row.event_at)),
        "what is there is no document of its day, and the day is over: only the present can be had",
    ),
    StateRule("damaged", lambda row, _: row.size < row.min_bytes, "the object is smaller than any real document"),
    StateRule("damaged", lambda row, _: row.verdict.notnull(), "the object's content is not what its key says"),
    # A closed season does not mend what was written too early; but a time long before the event tells of a copy or a
    # clock, not of the document, and age alone makes nothing stale.
    StateRule(
        "stale",
        lambda row, _: (
            (row.changes == "until_final")
            & (row.basis != "estimate")
            & (row.last_modified < row.event_at)
            & (row.is_open | _shortly_before_the_end(row))
            & row.was_due
        ),
        "written before the event was over",
    ),
    StateRule(
        "stale",
        lambda row, _: _may_change(row) & row.is_old,
        "older than its data type allows while it can still change",
    ),
)
ABSENT_STATES = (
    StateRule("unavailable", lambda row, _: row.absent_reason.notnull(), "the source never had it"),
    StateRule("unknown", lambda row, _: row.due_at.isnull(), "nobody can say yet when it is due"),
    StateRule("not_due", lambda row, now: row.due_at > now, "not due yet"),
    StateRule(
        "unknown",
        lambda row, _: row.confirmed_at.notnull() & (row.confirmed_at < row.event_at),
        "the schedule is older than the event: nobody knows whether it was played",
    ),
    StateRule("unknown", lambda row, _: ~row.is_known, "nobody has looked in this part of the lake"),
    StateRule("unknown", lambda row, _: ~row.was_due, "due since this part of the lake was looked at"),
    StateRule(
        "unavailable",
        lambda row, now: row.place.notnull() & _is_lost(row, now),
        "the day was missed: only the present can be had of this",
    ),
    StateRule("unavailable", lambda row, _: row.place.notnull() & row.tombstone.notnull(), A_TOMBSTONE_SAYS),
    StateRule("missing", lambda row, _: row.place.notnull(), "due and not in the lake"),
)


def first_that_holds(
    rules: tuple[StateRule, ...], table: "ir.Table", now: "ir.TimestampValue", otherwise: tuple[str, str]
) -> tuple["ir.Value", "ir.Value"]:
    """Express the state that the first rule gives which holds of a row, and why, in words."""
    import ibis

    never = ibis.literal(value=False)
    conditions = [(ibis.coalesce(rule.when(table, now), never), rule) for rule in rules]
    state = ibis.cases(*[(when, rule.state) for when, rule in conditions], else_=otherwise[0])
    reason = ibis.cases(*[(when, rule.reason) for when, rule in conditions], else_=otherwise[1])
    return state, reason


def _shortly_before_the_end(row: "ir.Table") -> "ir.BooleanValue":
    import ibis

    return row.last_modified >= row.event_at - ibis.interval(days=TOO_EARLY_DAYS)


def _is_bad(row: "ir.Table") -> "ir.BooleanValue":
    return (row.size < row.min_bytes) | row.verdict.notnull()


def _is_lost(row: "ir.Table", now: "ir.TimestampValue") -> "ir.BooleanValue":
    """Tell whether it is too late to collect: of some data only the present can be had."""
    return row.event_at + row.lost_seconds.as_interval("s") <= now


def _may_change(row: "ir.Table") -> "ir.BooleanValue":
    return (row.changes == "always") | (row.is_open & (row.changes == "within_season"))
