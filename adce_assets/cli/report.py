"""`adce report`: one page of what the lake should have and has, for a browser."""

from pathlib import Path

import click

from adce_assets.cli import options
from adce_assets.cli.output import talk, write_file, write_json

PAGE = "adce-report.html"


@click.command(epilog="Example: `adce report -o coverage.html` writes a page; open it in any browser.")
@click.option("--html", "as_page", is_flag=True, help="Write the page to stdout, or where `-o` says.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help=f"Where to (default: `{PAGE}` here)."
)
@options.as_json
def command(output: Path | None, *, as_page: bool, as_json: bool) -> None:
    """Draw a map of every season of every data set, with gaps, what closed, what cannot be had, and forecasts.

    A square leads to the keys of its cell that are not plainly in the lake, and to how they stand in the ledger. The
    page needs nothing else, and tells of the last reconciliation; the lake is not asked.
    """
    from adce_assets.loop.project import open_project
    from adce_assets.report.gathering import document, gather
    from adce_assets.report.lake_page import page
    from adce_assets.settings import load_settings

    if as_json and (as_page or output is not None):
        raise click.UsageError("`--json` writes no page: leave `--html` and `-o` out")
    told = gather(open_project(load_settings()))
    if as_json:
        write_json({"schema": 1, **document(told)})
        return
    drawn = page(told)
    if as_page and output is None:
        click.echo(drawn, nl=False)
        return
    target = output or Path(PAGE)
    write_file(target, drawn)
    talk(f"written: {target}")
