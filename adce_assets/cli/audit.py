"""`adce audit`: who has done what, the loop included, and whether the log of it is as it was written."""

import json
from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import options
from adce_assets.cli.acting import opened_log
from adce_assets.cli.ledger import head_option
from adce_assets.cli.output import Column, talk, write_json, write_table

if TYPE_CHECKING:
    from adce_assets.ledger.chain import Head
    from adce_assets.operate.actions import Action

COLUMNS = (
    Column("entry", "seq", numeric=True),
    Column("at", "at"),
    Column("actor", "actor"),
    Column("role", "role"),
    Column("action", "action"),
    Column("subject", "subject"),
    Column("outcome", "outcome"),
)
MOST_TOLD = 20


@click.group()
def command() -> None:
    """See who has done what: persons at the command line and over HTTP, and the loop by itself."""


@command.command("list", epilog="Example: `adce audit list --actor loop --tail 20` shows what nobody had asked for.")
@click.option("--tail", type=click.IntRange(1), default=50, show_default=True, metavar="N", help="The last N entries.")
@click.option("--actor", metavar="NAME", help="Only what this user, token, or the `loop` did.")
@click.option("--action", metavar="NAME", help="Only this action, such as `apply` or `approve accept`.")
@options.as_json
@click.pass_context
def list_(ctx: click.Context, tail: int, actor: str | None, action: str | None, *, as_json: bool) -> None:
    """Show the last entries, the newest first. What a person does has two: `begun`, and `done` or `failed`.

    One that nobody can read any more is shown as it stands, and `spoilt` says so; it hides no other.

    \b
    Exit codes: 0 all that are shown can be read; 1 one cannot (`adce audit verify` says more), or the log cannot.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    with opened_log() as log:
        rows = [_row(entry) for entry in log.entries(most=tail, actor=actor, action=action)]
    if as_json:
        write_json({"schema": 1, "entries": rows})
    elif rows:
        write_table(COLUMNS, [row | {"told": _told(row)} for row in rows], note="told")
    else:
        talk("no such entries")
    if any(row["spoilt"] for row in rows):
        ctx.exit(1)


@command.command("verify", epilog="Example: `adce audit verify --head 12:0a1b...`, which you kept on another day.")
@head_option
@options.as_json
@click.pass_context
def verify(ctx: click.Context, kept: "Head | None", *, as_json: bool) -> None:
    """Hash every entry anew, and find any that was changed, taken out, put in or moved.

    Whoever can write to the database can write all of it anew, or cut it off: keep the head in a place of your own.

    \b
    Exit codes: 0 the log fits together, and with what was kept of it; 1 it does not, or it cannot be read.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    with opened_log() as log:
        found = log.verify(kept)
    faults = [{"seq": fault.seq, "what": fault.what} for fault in found.faults]
    if as_json:
        write_json({"schema": 1, "entries": found.entries, "head": str(found.head), "faults": faults})
    else:
        click.echo(f"{found.entries:,} entries hashed anew, {len(faults):,} faults")
        for fault in faults[:MOST_TOLD]:
            talk(f"entry {fault['seq']}: {fault['what']}")
        talk(
            f"the head is {found.head}: keep it elsewhere, and `--head` shows later that nothing before it has changed"
        )
    if faults:
        ctx.exit(1)


def _row(entry: "Action") -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at": entry.at and entry.at.isoformat(timespec="seconds"),
        "actor": entry.actor,
        "role": entry.role,
        "action": entry.action,
        "subject": entry.subject,
        "outcome": entry.outcome,
        "detail": dict(entry.detail),
        "hash": entry.hash,
        "spoilt": entry.spoilt or None,
    }


def _told(row: dict[str, Any]) -> str:
    return row["spoilt"] or json.dumps(row["detail"], ensure_ascii=False)
