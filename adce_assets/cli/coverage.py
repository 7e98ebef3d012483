"""`adce coverage`: what the last reconciliation found of each source, data type and season."""

import click

from adce_assets.cli import options
from adce_assets.cli.installation import state
from adce_assets.cli.output import Column, talk, write_json, write_table

STATES = ("present", "stale", "damaged", "missing", "unknown", "not_due", "unavailable")
NAMES = ("source", "data_type", "season")
OTHERS = ("unexpected", "unclassified", "doubled", "unlisted")
"""What objects that satisfy no expected key may be."""
SHOWN = 3


@click.command(
    epilog="Example: `adce coverage --source espn --season 2024-25` lists that season's data types, one a line."
)
@options.source
@options.season
@options.data_type
@options.as_json
def command(source: str | None, season: str | None, data_type: str | None, *, as_json: bool) -> None:
    """Show how much of what the contract expects is in the lake.

    One line a source; with `--source` one line a data type; with `--season` or `--data-type` one line a cell. The
    states add up to what is expected, and completeness is present / due.
    """
    from adce_assets.loop.state import COVERAGE

    files = state()
    document = files.read_json(COVERAGE)
    options.refuse_unknown(files, source=source, season=season, data_type=data_type)
    level = "cells" if season or data_type else "data_types" if source else "sources"
    rows = options.chosen(document[level], source=source, season=season, data_type=data_type)
    if as_json:
        told = {name: document[name] for name in ("generated_at", "as_of", "totals", *OTHERS)}
        write_json({"schema": 1, **told, "level": level, level: rows})
        return
    names = [name for name in NAMES if rows and name in rows[0]]
    columns = [Column(name.replace("_", " "), name) for name in names]
    columns += [Column(state.replace("_", " "), state, numeric=True) for state in ("expected", *STATES)]
    write_table([*columns, Column("complete %", "completeness_pct", numeric=True)], rows)
    totals = document["totals"]
    talk(
        f"{totals['objects']:,} objects as of {document['as_of']}: {totals['doubled']:,} doubled, "
        f"{totals['unexpected']:,} unexpected, {totals['unlisted']:,} of unknown schedule, "
        f"{totals['non_data']:,} not data, {totals['unclassified']:,} unclassified"
    )
    for standing in OTHERS[:2]:
        keys, count = document[standing][:SHOWN], totals[standing]
        more = f" and {count - len(keys):,} more" if count > len(keys) else ""
        if keys:
            talk(f"{standing}: {', '.join(map(repr, keys))}{more}")
    if sum(totals[standing] for standing in OTHERS):
        talk("all of them stand in `cache/other_objects.parquet` of the state")
