"""`adce gaps`: the gaps that the last reconciliation found, the most urgent first."""

from collections.abc import Mapping, Sequence
from typing import Any

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
    Column("cell: missing", "cell_missing", numeric=True),
    Column("unknown", "cell_unknown", numeric=True),
    Column("not due", "cell_not_due", numeric=True),
)
CELL = ("source", "data_type", "season")
CELL_STATES = ("missing", "unknown", "not_due")
"""States of a cell's keys that are told apart beside a gap: missing now, perhaps missing, and not missing yet."""


@click.command(epilog="Example: `adce gaps --priority critical` shows what is missing of the last few days.")
@options.gap_filters
@options.as_json
def command(priority: str | None, source: str | None, season: str | None, *, as_json: bool) -> None:
    """Show the gaps with their priority and reason, and what is missing, unknown and not due yet in their cells."""
    from adce_assets.loop.state import COVERAGE, GAPS

    files = state()
    document = files.read_json(GAPS)
    options.refuse_unknown(files, source=source, season=season)
    chosen = options.chosen(document["gaps"], priority=priority, source=source, season=season)
    rows = _with_cells(chosen, files.read_json(COVERAGE)["cells"] if chosen else ())
    if as_json:
        told = {name: document[name] for name in ("generated_at", "as_of")}
        write_json({"schema": 1, **told, "total_gaps": len(rows), "gaps": rows})
    elif rows:
        write_table(COLUMNS, with_data_set(rows), note="reason")
    else:
        talk(f"no such gaps as of {document['as_of']}")


def _with_cells(gaps: Sequence[Mapping[str, Any]], cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Add to each gap how many keys of its whole cell are in which state; None where coverage has no such cell."""
    by_cell = {tuple(cell[name] for name in CELL): cell for cell in cells}
    found = [(gap, by_cell.get(tuple(gap[name] for name in CELL), {})) for gap in gaps]
    return [{**gap, **{f"cell_{name}": cell.get(name) for name in CELL_STATES}} for gap, cell in found]
