"""`adce doctor`: what is wrong with an installation, and the command that mends it."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

import click

from adce_assets.cli import options
from adce_assets.cli.main import ERROR
from adce_assets.cli.output import Column, talk, write_json, write_table

if TYPE_CHECKING:
    from adce_assets.operate.findings import Finding, Said

COLUMNS = (Column("examined", "name"), Column("is", "standing"), Column("found", "what"))
NAMES = (
    "python",
    "settings",
    "disk",
    "contract",
    "scrapers",
    "credentials",
    "hosts",
    "ledger",
    "lake_reading",
    "lake_writing",
    "clock",
    "inventory",
    "metrics",
    "history",
    "data_sets",
    "dagster",
    "pools",
    "daemons",
)
"""What can be examined: told here too, so that `--help` need not load what examines it."""


@click.command(epilog="Example: `adce doctor` before the first run, and whenever something is not as it should be.")
@click.option("--only", "chosen", type=click.Choice(NAMES), multiple=True, help="Examine this alone; may be repeated.")
@options.as_json
@click.pass_context
def command(ctx: click.Context, chosen: tuple[str, ...], *, as_json: bool) -> None:
    """Examine everything that an installation stands on, and say what is wrong with which command mends it.

    Rights are tried by using them: one small object is written below `_adce/doctor/`, and stays. No source is asked.

    \b
    Exit codes: 0 nothing is wrong, warnings aside; 1 something is.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    from adce_assets.operate.findings import Standing

    found = list(_found(chosen))
    if as_json:
        told = [{name: getattr(one, name) for name in ("name", "standing", "what", "hint")} for one in found]
        write_json({"schema": 1, "findings": told})
    else:
        _show(found)
    if any(one.standing is Standing.WRONG for one in found):
        ctx.exit(ERROR)


def _found(chosen: tuple[str, ...]) -> "Iterator[Finding]":
    from adce_assets.defs import examining
    from adce_assets.operate import doctor
    from adce_assets.operate.findings import findings
    from adce_assets.settings import load_settings

    installation = doctor.Installation(load_settings)
    every: Iterator[tuple[str, Callable[[], Said]]] = chain(
        doctor.examinations(installation), examining.examinations(installation)
    )
    wanted = ((name, examine) for name, examine in every if not chosen or name in chosen)
    yield from findings(wanted, needs=doctor.NEEDS)


def _show(found: "list[Finding]") -> None:
    from adce_assets.operate.findings import Standing

    write_table(COLUMNS, [{"name": one.name, "standing": one.standing, "what": one.what} for one in found])
    bad = [one for one in found if one.standing in {Standing.WARNING, Standing.WRONG}]
    for one in bad:
        talk(f"{one.standing}: {one.name}: {one.what}\nhint: {one.hint}")
    if not bad:
        talk("nothing is wrong")
