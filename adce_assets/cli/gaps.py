"""`adce gaps`: the gaps that the last reconciliation found, the most urgent first."""

import click

from adce_assets.cli import options
from adce_assets.cli.installation import state
from adce_assets.cli.output import Column, talk, with_data_set, write_json, write_table

COLUMNS = (
    Column("priority", "priority"),
    Column("data set", "data_set"),
    Column("season", "season"),
    Column("missing", "missing_files", numeric=True),
    Column("stale", "stale_files", numeric=True),
    Column("damaged", "damaged_files", numeric=True),
    Column("complete %", "completeness_pct", numeric=True),
)


@click.command(epilog="Example: `adce gaps --priority critical` shows what is missing of the last few days.")
@options.gap_filters
@options.as_json
def command(priority: str | None, source: str | None, season: str | None, *, as_json: bool) -> None:
    """Show the gaps with their priority and reason."""
    from adce_assets.loop.state import GAPS

    files = state()
    document = files.read_json(GAPS)
    options.refuse_unknown(files, source=source, season=season)
    rows = options.chosen(document["gaps"], priority=priority, source=source, season=season)
    if as_json:
        told = {name: document[name] for name in ("generated_at", "as_of")}
        write_json({"schema": 1, **told, "total_gaps": len(rows), "gaps": rows})
    elif rows:
        write_table(COLUMNS, with_data_set(rows), note="reason")
    else:
        talk(f"no such gaps as of {document['as_of']}")
