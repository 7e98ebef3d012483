"""`adce doctor`: what is wrong with an installation, and the command that mends it."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

import click

from adce_assets.cli import options
from adce_assets.cli.main import ERROR
from adce_assets.cli.output import Column, talk, write_json, write_table

if TYPE_CHECKING:
    from adce_assets.operate.causes import Cause
    from adce_assets.operate.doctor import Installation
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
    "loop",
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
    found = list(findings(wanted, needs=doctor.NEEDS))
    yield from found
    if not chosen or doctor.LOOP in chosen:
        yield from _of_health(installation, found)


def _of_health(installation: "Installation", found: "list[Finding]") -> "Iterator[Finding]":
    """Tell what `adce health` finds, and what keeps it from finding anything."""
    from adce_assets.operate import doctor
    from adce_assets.operate.findings import Said, findings, ok

    causes: list[Cause] = []

    def look() -> Said:
        causes.extend(_causes(installation))
        return ok("`adce health` finds nothing else")

    looked = list(findings([(doctor.LOOP, look)]))
    yield from list(doctor.of_causes(causes, found)) or looked


def _causes(installation: "Installation") -> "list[Cause]":
    """Find what `adce health` finds; Dagster's records are asked where they are kept."""
    from adce_assets.cli.serving import looked, served
    from adce_assets.operate.outside import Outside
    from adce_assets.settings import dagster_home, now

    one = served()
    is_by_hand = dagster_home() is None and one.service.running() is None
    if not is_by_hand:
        return looked(one, installation)[1]
    _, causes = looked(one, installation, Outside(now(), fault="DAGSTER_HOME is not set"))
    return [cause for cause in causes if cause.code != "dagster"]


def _show(found: "list[Finding]") -> None:
    from adce_assets.operate.findings import Standing

    write_table(COLUMNS, [{"name": one.name, "standing": one.standing, "what": one.what} for one in found])
    bad = [one for one in found if one.standing in {Standing.WARNING, Standing.WRONG}]
    for one in bad:
        talk(f"{one.standing}: {one.name}: {one.what}\nhint: {one.hint}")
    if not bad:
        talk("nothing is wrong")
