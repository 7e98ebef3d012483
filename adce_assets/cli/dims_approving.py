"""`adce dims approve`: the moves of critical metrics that wait for a person, and what persons have decided."""

from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import options
from adce_assets.cli.approve import by_option, note_option
from adce_assets.cli.dims_options import opened, plain
from adce_assets.cli.output import Column, talk, write_json, write_table

if TYPE_CHECKING:
    from adce_assets.dims.history_records import Approval, Proposal

APPROVALS = (
    Column("id", "id", numeric=True),
    Column("is", "state"),
    Column("metric", "metric"),
    Column("holds", "shown_old", numeric=True),
    Column("measured", "shown_new", numeric=True),
    Column("drift %", "drift_pct", numeric=True),
    Column("severity", "severity"),
    Column("since", "asked_at"),
    Column("by", "by"),
)
PROPOSALS = (
    Column("at", "at"),
    Column("measured", "shown_new", numeric=True),
    Column("drift %", "drift_pct", numeric=True),
    Column("severity", "severity"),
)

id_argument = click.argument("approval", type=int, metavar="ID")


@click.group("approve")
def approve() -> None:
    """Decide about critical metrics that have moved by their threshold or more; until then the old value holds."""


@approve.command("list", epilog="Example: `adce dims approve list --all` shows who has decided what, too.")
@click.option("--all", "everything", is_flag=True, help="Also what was decided, or is no longer asked.")
@options.as_json
def list_command(*, everything: bool, as_json: bool) -> None:
    """Show what waits for a person, oldest first."""
    from adce_assets.dims import approvals

    with opened() as place:
        waiting = [_row(one) for one in approvals.pending(place)]
        known = {row["id"] for row in waiting}
        others = [_row(one) for one in place.history.approvals() if one.id not in known] if everything else []
    if as_json:
        write_json({"schema": 1, "pending": waiting, "decided": others})
        return
    talk(f"{len(waiting):,} wait(s) for a person" if waiting else "nothing waits for a person")
    if waiting or others:
        write_table(APPROVALS, [row | _shown(row) for row in (*waiting, *others)], note="note")


@approve.command("show", epilog="Example: `adce dims approve show 7` shows every value that was measured meanwhile.")
@id_argument
@options.as_json
def show_command(approval: int, *, as_json: bool) -> None:
    """Show a move: what holds, each value that was measured since, and what was decided."""
    with opened() as place:
        row = _row(place.history.approval(approval))
        measured = [_proposed(one) for one in place.history.proposals(approval)]
        known = place.catalogue.metrics.get(row["metric"])
    described = {"unit": known.unit, "description": known.description} if known else {}
    if as_json:
        write_json({"schema": 1, "approval": row | described, "measured": measured})
        return
    write_table(APPROVALS, [row | _shown(row)])
    write_table(PROPOSALS, [one | {"shown_new": plain(one["new"])} for one in measured])
    talk(f"{row['metric']}: {described['description']}" if described else f"{row['metric']} is not configured any more")
    if row["by"]:
        talk(f"{row['state']} by {plain(row['by'])} at {row['decided_at']}: {plain(row['note'])}")


@approve.command("accept", epilog="Example: `adce dims approve accept 7 --by Ann --note 'two seasons were removed'`.")
@id_argument
@by_option
@note_option
@options.as_json
def accept_command(approval: int, by: str, note: str, *, as_json: bool) -> None:
    """Make the value that was measured last hold."""
    _decide(approval, by, note, accept=True, as_json=as_json)


@approve.command("reject", epilog="Example: `adce dims approve reject 7 --by Ann --note 'the inventory was cut off'`.")
@id_argument
@by_option
@note_option
@options.as_json
def reject_command(approval: int, by: str, note: str, *, as_json: bool) -> None:
    """Keep the old value; nobody is asked again while the metric stays where it was rejected."""
    _decide(approval, by, note, accept=False, as_json=as_json)


def _decide(approval: int, by: str, note: str, *, accept: bool, as_json: bool) -> None:
    from adce_assets.dims import approvals

    with opened() as place:
        decision = approvals.decide(place, approval, accept=accept, by=by, note=note)
    row, holds = _row(decision.approval), decision.holds.value if decision.holds else None
    if as_json:
        write_json({"schema": 1, "approval": row, "holds": holds})
    else:
        talk(f"{row['state']} by {plain(row['by'])}: {row['metric']} is {plain(holds) or 'unknown'}")


def _row(one: "Approval") -> dict[str, Any]:
    return {
        "id": one.id,
        "metric": one.metric,
        "state": str(one.state),
        "old": one.old,
        "new": one.new,
        "drift_pct": one.drift,
        "severity": str(one.severity),
        "run": one.run_id,
        "asked_at": one.asked_at.isoformat(timespec="seconds"),
        "proposed_at": one.proposed_at.isoformat(timespec="seconds"),
        "decided_at": one.decided_at and one.decided_at.isoformat(timespec="seconds"),
        "by": one.by,
        "note": one.note,
    }


def _proposed(one: "Proposal") -> dict[str, Any]:
    return {
        "at": one.at.isoformat(timespec="seconds"),
        "new": one.value,
        "drift_pct": one.drift,
        "severity": str(one.severity),
        "run": one.run_id,
    }


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    shown = {f"shown_{side}": plain(row[side]) for side in ("old", "new")}
    return shown | {name: plain(row[name]) for name in ("by", "note")}
