"""`adce tasks`: the queue of collecting work, in the order in which it will be done, and what was left out of it."""

import click

from adce_assets.cli import options
from adce_assets.cli.installation import state
from adce_assets.cli.output import Column, talk, with_data_set, write_json, write_table

COLUMNS = (
    Column("task", "id"),
    Column("priority", "priority"),
    Column("score", "score", numeric=True),
    Column("scraper", "scraper"),
    Column("data set", "data_set"),
    Column("season", "season"),
    Column("missing", "missing_files", numeric=True),
    Column("stale", "stale_files", numeric=True),
    Column("minutes", "estimated_time_minutes", numeric=True),
)


@click.command(epilog="Example: `adce tasks --source espn --json | jq '.tasks[0]'` shows the first task of a source.")
@options.gap_filters
@options.as_json
def command(priority: str | None, source: str | None, season: str | None, *, as_json: bool) -> None:
    """Show the task queue, and what no task covers with the reason."""
    from adce_assets.loop.state import QUEUE

    files = state()
    document = files.read_json(QUEUE)
    options.refuse_unknown(files, source=source, season=season)
    rows = options.chosen(document["tasks"], priority=priority, source=source, season=season)
    left_out = options.chosen(document["left_out"], priority=priority, source=source, season=season)
    if as_json:
        told = {name: document[name] for name in ("generated_at", "as_of")}
        write_json({"schema": 1, **told, "total_tasks": len(rows), "tasks": rows, "left_out": left_out})
        return
    if rows:
        write_table(COLUMNS, with_data_set(rows))
    else:
        talk(f"no such tasks as of {document['as_of']}")
    for entry in left_out:
        talk(f"left out: {entry['keys']:,} {entry['source']}/{entry['data_type']} {entry['season']}: {entry['reason']}")
