"""`adce approve`: what waits for a person, and what persons have decided; every decision is kept for good."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import options
from adce_assets.cli.output import Column, talk, write_json, write_table

if TYPE_CHECKING:
    from adce_assets.loop.approvals import Decision, Held
    from adce_assets.loop.project import Project

GROWTHS = (
    Column("source", "source"),
    Column("data type", "data_type"),
    Column("season", "season"),
    Column("new tasks", "tasks", numeric=True),
    Column("new keys", "keys", numeric=True),
)
DECISIONS = (
    Column("id", "id"),
    Column("decided", "decided"),
    Column("by", "by"),
    Column("at", "at"),
    Column("new tasks", "new_tasks", numeric=True),
    Column("new keys", "new_keys", numeric=True),
)
MOST_SHOWN = 20

by_option = click.option("--by", required=True, metavar="NAME", help="Who decides.")
note_option = click.option("--note", required=True, metavar="TEXT", help="Why, for whoever reads it later.")


@click.group()
def command() -> None:
    """Decide about work that is more than the loop may start by itself."""


@command.command("list", epilog="Example: `adce approve list` says what waits, and who has decided what.")
@options.as_json
def list_command(*, as_json: bool) -> None:
    """Show what waits for an approval, and every decision that was ever taken."""
    from adce_assets.loop import approvals

    project, held = _opened()
    found = approvals.decisions(project.state)
    rows = [_decided(decision) for decision in found.taken]
    if as_json:
        pending = [] if held is None else [_told(held)]
        write_json({"schema": 1, "pending": pending, "decisions": rows, "refused": list(found.refused)})
        return
    talk("nothing waits for an approval" if held is None else f"{held.id}: {held}")
    if rows:
        write_table(DECISIONS, rows, note="note")
    for fault in found.refused:
        talk(f"not believed: {fault}")


@command.command("show", epilog="Example: `adce approve show hold-0123456789abcdef` shows which cells have grown.")
@click.argument("held_id", metavar="ID")
@options.as_json
def show_command(held_id: str, *, as_json: bool) -> None:
    """Show what would be started: the cells that have grown, the largest first, and what was decided about it."""
    from adce_assets.loop import approvals

    project, held = _opened()
    taken = [_decided(one) for one in approvals.decisions(project.state).taken if one.id == held_id]
    pending = held if held is not None and held.id == held_id else None
    if pending is None and not taken:
        raise _unknown(held_id, held)
    if as_json:
        write_json({"schema": 1, "pending": pending and _told(pending), "decisions": taken})
        return
    if pending is None:
        talk(f"{held_id} does not wait any more")
    else:
        talk(str(pending))
        write_table(GROWTHS, _growths(pending)[:MOST_SHOWN])
        if len(pending.growths) > MOST_SHOWN:
            talk(f"and {len(pending.growths) - MOST_SHOWN:,} cells more; `--json` has all of them")
    for row in taken:
        talk(f"{row['decided']} by {row['by']} at {row['at']}: {row['note']}")


@command.command(
    "accept", epilog="Example: `adce approve accept hold-0123456789abcdef --by Ann --note 'three new seasons'`."
)
@click.argument("held_id", metavar="ID")
@by_option
@note_option
@options.as_json
def accept_command(held_id: str, by: str, note: str, *, as_json: bool) -> None:
    """Let it start: this much of these cells and this contract, and nothing larger that comes later."""
    _decide(held_id, by, note, accepted=True, as_json=as_json)


@command.command(
    "reject", epilog="Example: `adce approve reject hold-0123456789abcdef --by Ann --note 'a typing error'`."
)
@click.argument("held_id", metavar="ID")
@by_option
@note_option
@options.as_json
def reject_command(held_id: str, by: str, note: str, *, as_json: bool) -> None:
    """Keep it waiting, and say why; it may still be accepted later."""
    _decide(held_id, by, note, accepted=False, as_json=as_json)


def _opened() -> tuple["Project", "Held | None"]:
    """Open the installation, and look at what of its queue would have to wait."""
    from adce_assets.loop import approvals
    from adce_assets.loop.project import open_project
    from adce_assets.loop.state import QUEUE
    from adce_assets.settings import load_settings

    project = open_project(load_settings())
    return project, approvals.look(project, project.state.read_json(QUEUE))


def _decide(held_id: str, by: str, note: str, *, accepted: bool, as_json: bool) -> None:
    from adce_assets.loop import approvals

    project, held = _opened()
    if held is None or held.id != held_id:
        raise _unknown(held_id, held)
    decision = approvals.decide(project, held, accepted=accepted, by=by, note=note)
    row = _decided(decision)
    if as_json:
        write_json({"schema": 1, "decision": row})
    else:
        talk(f"{row['decided']} by {row['by']}: {decision.new_tasks:,} new tasks, {decision.new_keys:,} new keys")


def _unknown(held_id: str, held: "Held | None") -> Exception:
    from adce_assets.errors import AdceError

    what = f"nothing of the name `{held_id[:40]}` waits for an approval"
    return AdceError(what, valid="" if held is None else held.id, hint="`adce approve list` says what does")


def _growths(held: "Held") -> list[dict[str, Any]]:
    names = ("source", "data_type", "season")
    return [
        {**dict(zip(names, growth.cell, strict=True)), "tasks": growth.tasks, "keys": growth.keys}
        for growth in held.growths
    ]


def _told(held: "Held") -> dict[str, Any]:
    return {
        "id": held.id,
        "contract": held.contract,
        "why": held.why,
        "new_tasks": held.new_tasks,
        "new_keys": held.new_keys,
        "cells": _growths(held),
        "decision": held.decision and _decided(held.decision),
    }


def _decided(decision: "Decision") -> Mapping[str, Any]:
    told = decision.model_dump(mode="json", exclude={"schema_version", "accepted"})
    return {**told, "decided": "accepted" if decision.accepted else "rejected"}
