"""`adce init`: a home for a lake that nobody has described yet, drafted from its keys."""

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import options
from adce_assets.cli.coverage import STATES
from adce_assets.cli.main import ERROR
from adce_assets.cli.output import Column, talk, write_json, write_table

if TYPE_CHECKING:
    from adce_assets.contract.proposing import Draft
    from adce_assets.operate.beginning import Looked

MOST_OBJECTS = 100_000
SHOWN = 3
DATA_SETS = (
    Column("data set", "name"),
    Column("template", "template"),
    Column("ranges over", "over"),
    Column("objects", "keys", numeric=True),
    Column("expected", "expected"),
)
SOURCES = (
    Column("source", "source"),
    *(Column(state.replace("_", " "), state, numeric=True) for state in ("expected", *STATES)),
    Column("complete %", "completeness_pct", numeric=True),
)


@click.command(epilog="Example: `adce init --lake s3://my-bucket --home my-lake --write`, then `adce reconcile`.")
@click.option("--lake", metavar="URL", help="The lake: s3://bucket[/prefix] or file:///path (default: ADCE_LAKE).")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write; it must be new or empty (default: ADCE_HOME).",
)
@click.option(
    "--most-objects",
    type=click.IntRange(1_000, 10_000_000),
    default=MOST_OBJECTS,
    show_default=True,
    help="Objects to look at, at the most; of a larger lake as many of each folder.",
)
@click.option("--write", is_flag=True, help="Write the home: contract, configuration, Dagster's settings.")
@options.as_json
@click.pass_context
def command(
    ctx: click.Context, lake: str | None, home: Path | None, most_objects: int, *, write: bool, as_json: bool
) -> None:
    """Look at a lake's keys, propose templates, seasons and a contract, and show the coverage it would have.

    Without `--write` nothing is written. What keys cannot tell is guessed, and said in the files.

    \b
    Exit codes: 0 a contract is proposed; 1 there is nothing to propose one from, or the home is not empty.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    from adce_assets.contract.proposing import propose
    from adce_assets.lake.store import open_store
    from adce_assets.operate import beginning

    settings, folder = beginning.settings_of(lake), _folder(home) if write else None
    store = open_store(settings.lake_url)
    looked = beginning.look(store, most_objects, outside=(settings.reconciliation.s3.inventory_prefix,))
    draft = propose(looked.sizes, settings.clock())
    if not draft.data_sets:
        if as_json:
            write_json({"schema": 1, "lake": store.url, **_told(looked, draft, None, None)})
        _show_left(draft)
        talk(f"there is nothing to propose a contract from: {looked.objects:,} objects in {store.url}")
        ctx.exit(ERROR)
    texts = beginning.files(draft, store.url, settings.clock())
    covered = beginning.coverage_of(texts, store.url) if looked.complete else None
    if folder is not None:
        beginning.write(folder, texts)
    if as_json:
        write_json({"schema": 1, "lake": store.url, **_told(looked, draft, covered, folder)})
    else:
        _show(looked, draft, covered)
        _say_what_is_next(folder, store.url)


def _folder(home: Path | None) -> Path:
    """Say where the home is to be written, before anything is looked at."""
    from adce_assets.errors import ConfigurationError
    from adce_assets.operate import beginning
    from adce_assets.settings import kept

    named = home or (Path(configured) if (configured := kept("ADCE_HOME")) else None)
    if named is None:
        raise ConfigurationError("no folder is named to write the home to", hint="name one with `--home`")
    beginning.refuse_to_write_over(named)
    return named.absolute()


def _told(looked: "Looked", draft: "Draft", covered: dict[str, Any] | None, folder: Path | None) -> dict[str, Any]:
    """Say what was looked at and what is proposed, in plain values."""
    from dataclasses import asdict

    left = {reason: {"objects": len(keys), "keys": keys[:SHOWN]} for reason, keys in draft.left.items()}
    return {
        "looked_at": len(looked.sizes),
        "complete": looked.complete,
        "objects": looked.objects,
        "objects_low": looked.low,
        "objects_high": looked.high,
        "folders_left": looked.folders_left,
        "data_sets": [asdict(one) for one in draft.data_sets],
        "left": left,
        "coverage": covered,
        "home": folder and str(folder),
    }


def _show(looked: "Looked", draft: "Draft", covered: dict[str, Any] | None) -> None:
    from dataclasses import asdict

    told = [
        {**asdict(one), "over": ", ".join(one.ranges) or "-", "expected": "yes" if one.expects else "no"}
        for one in draft.data_sets
    ]
    write_table(DATA_SETS, told)
    for one in draft.data_sets:
        if one.note:
            talk(f"{one.name}: {one.note}")
    _show_left(draft)
    if looked.folders_left:
        talk(f"{looked.folders_left:,} folder(s) were not looked into")
    if covered is None:
        talk(
            f"{len(looked.sizes):,} of about {looked.objects:,} objects were looked at; "
            "`adce reconcile` shows the coverage of all"
        )
        return
    click.echo()
    write_table(SOURCES, covered["sources"])
    talk(f"{len(looked.sizes):,} objects, all that there are; this is the coverage that the proposed contract has")


def _show_left(draft: "Draft") -> None:
    from adce_assets.contract.proposing import REASONS

    for reason, keys in draft.left.items():
        talk(f"left out: {len(keys):,}, such as {keys[0]!r}; {REASONS[reason]}")


def _say_what_is_next(written: Path | None, lake: str) -> None:
    if written is None:
        talk("nothing was written: `--write --home FOLDER` writes it")
        return
    talk(f"written: {written}; read inventory/data_inventory.yaml there, then")
    exported = {"ADCE_HOME": written, "DAGSTER_HOME": written, "ADCE_LAKE": lake}
    talk(f"  export {' '.join(f'{name}={quote(str(value))}' for name, value in exported.items())}")
    talk("  adce reconcile && adce gaps")
