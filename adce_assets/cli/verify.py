"""`adce verify`: whether what stands in the lake's documents has arrived in the warehouse, record by record."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import options
from adce_assets.cli.drawing import drawn
from adce_assets.cli.output import Column, talk, write_json, write_table
from adce_assets.cli.verifying_tables import diff

if TYPE_CHECKING:
    from adce_assets.lake.store import LakeStore
    from adce_assets.loop.project import Project
    from adce_assets.verify.run import Place
    from adce_assets.warehouse.database import Warehouse

DIFFERS = 2
"""The exit code for a season that does not reconcile, or is not settled yet."""
COLUMNS = (
    Column("is", "state"),
    Column("type", "type"),
    Column("level", "level"),
    Column("check", "what"),
    Column("expected", "expected", numeric=True),
    Column("actual", "actual", numeric=True),
)
ENTRIES = (
    Column("row", "seq", numeric=True),
    Column("at", "moment"),
    Column("event", "event"),
    Column("about", "what"),
    Column("is", "state"),
    Column("hash", "short"),
)
SIDES = ("expected", "actual")
SHORT = 24
"""Characters of a value, and digits of a hash, that a table shows."""

entity_argument = click.argument("entity")
season_option = click.option("--season", metavar="LABEL", required=True, help="The season, such as 2024-25.")


@click.group()
def command() -> None:
    """Hold what arrived in the warehouse against the documents: counted, hashed, summed, by rules, and audited."""


command.add_command(diff, "diff")


@command.command("run", epilog="Example: `adce verify run games --season 2024-25` loads and publishes a season.")
@entity_argument
@season_option
@click.option("--run-id", metavar="ID", help="The name of the run (default: a new one); one that was cut off goes on.")
@click.option("--wait", is_flag=True, help="Wait for what is settling, instead of leaving it to a later run.")
@options.as_json
@click.pass_context
def run(ctx: click.Context, entity: str, season: str, run_id: str | None, *, wait: bool, as_json: bool) -> None:
    """Load a season of an entity, check it, publish it if it reconciles, and report.

    What is loaded are the documents that the last reconciliation expects and the lake has.

    \b
    Exit codes: 0 nothing that stops a season, of which warnings are told; 1 an error, or the audit's end was cut off;
    2 something is not accounted for, or is settling.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    import time

    from adce_assets.loop.season_keys import keys_of
    from adce_assets.verify.run import reconcile

    with _opened() as (project, place), drawn() as progress:
        declared = place.entity(entity)
        told = reconcile(
            place,
            entity,
            season,
            lambda: keys_of(project, declared, season),
            run_id=run_id or f"cli-{uuid.uuid4().hex[:12]}",
            wait=time.sleep if wait else None,
            progress=progress,
        )
    _write(ctx, told, as_json=as_json)


@command.command("report", epilog="Example: `adce verify report games --season 2024-25 --html > games.html`.")
@click.argument("entity", required=False)
@click.option("--season", metavar="LABEL", help="The season (default: the last that was looked at).")
@click.option("--run", "run_id", metavar="ID", help="The report of this run (default: the last).")
@click.option("--html", is_flag=True, help="Write one page for a browser, which needs nothing else.")
@options.as_json
@click.pass_context
def report(
    ctx: click.Context, entity: str | None, season: str | None, run_id: str | None, *, html: bool, as_json: bool
) -> None:
    """Show the last report, or that of a season or a run: every check with what was expected and what is there.

    It is held against the audit, and made of it where it was lost. Nothing is written.

    \b
    Exit codes: 0 nothing that stops a season, of which warnings are told; 1 there is no report, or it and the audit do
    not fit together; 2 something is not accounted for, or is settling.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    from adce_assets.verify.page import page
    from adce_assets.verify.recall import recalled

    if html and as_json:
        raise click.UsageError("say either `--html` or `--json`")
    with _read_only() as (files, warehouse):
        found = recalled(files, warehouse, entity=entity, season=season, run=run_id)
    if html:
        click.echo(page(found.told), nl=False)
    if found.said:
        talk(f"run {found.told['run']['id']}: {found.said}")
    _write(ctx, found.told, as_json=as_json, silent=html, apart=found.apart)


@command.command("show", epilog="Example: `adce verify show --run ID --json` is all that the audit has on a run.")
@click.option("--run", "run_id", metavar="ID", required=True, help="The run.")
@options.as_json
@click.pass_context
def show(ctx: click.Context, run_id: str, *, as_json: bool) -> None:
    """Show what the audit has on a run, hash the whole audit anew, and hold it against every report.

    A run that found its end cut off is a fault for ever: those rows are gone.

    Nothing is written.

    \b
    Exit codes: 0 the audit fits together; 1 it does not, or has nothing on the run.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    from adce_assets.errors import VerifyError
    from adce_assets.verify import audit, report

    with _read_only() as (files, warehouse):
        kept, damaged = report.heads(files)
        with warehouse.transaction() as connection:
            head = audit.head(connection)
            entries = [entry.document() for entry in audit.entries(connection, run_id)]
            faults = [*damaged, *audit.verify(audit.entries(connection), head, *kept)]
    if not entries and not faults:
        hint = "`adce verify run` tells the id of its run"
        raise VerifyError(f"the audit has nothing on the run `{run_id}`", where="--run", hint=hint)
    told = [{"seq": fault.seq, "run": fault.key, "what": fault.what} for fault in faults]
    if as_json:
        write_json({"schema": 1, "run": run_id, "entries": entries, "head": str(head), "faults": told})
    else:
        write_table(ENTRIES, [{**entry, "short": entry["hash"][:SHORT]} for entry in entries])
        talk(f"the audit ends at {head}; {len(faults)} fault(s)")
        for fault in faults:
            talk(f"row {fault.seq}: {fault.what}")
    if faults:
        ctx.exit(1)


@contextmanager
def _opened() -> "Iterator[tuple[Project, Place]]":
    from adce_assets.loop.project import open_project
    from adce_assets.settings import load_settings
    from adce_assets.verify.run import open_place

    project = open_project(load_settings())
    with open_place(project.settings, project.lake, project.state.store) as place:
        yield project, place


@contextmanager
def _read_only() -> "Iterator[tuple[LakeStore, Warehouse]]":
    """Lend where reports are kept, and a warehouse in which nothing can be made or written."""
    from adce_assets.loop.project import open_project
    from adce_assets.settings import load_settings
    from adce_assets.warehouse.database import open_warehouse

    project = open_project(load_settings())
    with open_warehouse(project.settings.warehouse_url, read_only=True) as warehouse:
        yield project.state.store, warehouse


def _write(
    ctx: click.Context, told: Mapping[str, Any], *, as_json: bool, silent: bool = False, apart: bool = False
) -> None:
    """Show a report, unless that is done, and exit as it ended, or as one that does not fit the audit."""
    if as_json:
        write_json(told)
    elif not silent:
        show_report(told)
    if told["run"]["cut"]:
        talk(
            f"the run has not found row {told['run']['cut']} of the audit: its end was cut off, or it was written anew"
        )
    if apart or told["run"]["cut"]:
        ctx.exit(1)
    if told["outcome"] != "reconciled":
        ctx.exit(DIFFERS)


def show_report(told: Mapping[str, Any]) -> None:
    """Show a report: what does not hold with the first of what differs, none of which can steer a terminal."""
    from adce_assets.errors import printable

    rows = [
        {**one, "state": one["state"] if one["asked"] else "not asked"}
        | {"what": printable(" ".join(filter(None, (one["name"], one["source"]))))}
        | {name: printable(one[name])[:SHORT] for name in SIDES}
        for one in told["checks"]
    ]
    write_table(COLUMNS, rows)
    totals = told["totals"]
    talk(f"{told['entity']} {told['season']}: {told['outcome']}: {printable(told['says'])}")
    aside = f", {totals['not_asked']} had nothing to ask" if totals["not_asked"] else ""
    talk(f"{totals['passed']} of {totals['checks']} checks hold{aside}; run {told['run']['id']}")
    changes = ", ".join(f"{many} {how}" for how, many in told["run"]["merged"].items())
    talk(f"published: {changes}" if told["published"] else "not published: the final table has the season as it was")
    for one in told["checks"]:
        if one["state"] != "passed":
            for row in one["rows"][:3]:
                sides = " -> ".join("nothing" if row[side] is None else printable(row[side]) for side in SIDES)
                talk(f"  {printable(one['id'])}: {printable(row['key'])} {row['kind']}: {sides}")
