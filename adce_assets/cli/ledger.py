"""`adce ledger`: whether the record of what happened to keys fits together, and with what was kept of it elsewhere."""

import random
from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import options
from adce_assets.cli.drawing import drawn
from adce_assets.cli.output import talk, write_json

if TYPE_CHECKING:
    from adce_assets.ledger.chain import Head
    from adce_assets.ledger.verifying import Verification

MOST_TOLD = 20
"""Faults that are told in words; `--json` has them all."""


@click.group()
def command() -> None:
    """See whether the record of what happened to keys was changed."""


def _share(_ctx: click.Context, _option: click.Parameter, given: str | None) -> float | None:
    """Read a percentage, with its sign or without."""
    if given is None:
        return None
    try:
        share = float(given.strip().removesuffix("%")) / 100
    except ValueError:
        share = 0
    if not 0 < share <= 1:
        message = f"`{given}` is no percentage; valid: more than 0%, up to 100%, such as 2.5%"
        raise click.BadParameter(message)
    return share


def _head(_ctx: click.Context, _option: click.Parameter, given: str | None) -> "Head | None":
    """Read the number and the hash of an entry."""
    from adce_assets.ledger.chain import Head

    try:
        return None if given is None else Head.parse(given.strip())
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


head_option = click.option(
    "--head", "kept", metavar="SEQ:HASH", callback=_head, help="Hold it against this entry, which you kept elsewhere."
)


@command.command("verify", epilog="Example: `adce ledger verify --sample 2.5%` looks at one entry in forty.")
@click.option("--sample", metavar="PERCENT", callback=_share, help="Look at so many of the entries (default: all).")
@click.option("--seed", type=int, help="Look at the same sample again (default: another one each time).")
@head_option
@options.as_json
@click.pass_context
def verify(ctx: click.Context, sample: float | None, seed: int | None, kept: "Head | None", *, as_json: bool) -> None:
    """Hash the entries of the ledger anew, and find any that was changed, taken out, put in or moved.

    That an entry is missing is found by a sample too; that one was changed only if it is looked at. Whoever can write
    to the database can also write all of it anew, or cut it off: that is found by the head that an earlier verification
    told, if you kept it in another place and give it as `--head`.

    \b
    Exit codes: 0 the ledger fits together, and with `--head`; 1 it does not, or it cannot be read.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    from adce_assets.ledger.book import open_ledger
    from adce_assets.settings import load_settings

    chosen = random.SystemRandom().randrange(2**32) if seed is None else seed
    ledger = open_ledger(load_settings().database_url)
    try:
        with drawn() as progress:
            found = ledger.verify(sample=sample, seed=chosen, kept=kept, progress=progress)
    finally:
        ledger.dispose()
    if as_json:
        write_json(_told(found, None if sample is None else {"share": sample, "seed": chosen}))
    else:
        _show(found, "" if sample is None else f" (`--seed {chosen}` looks at the same ones)")
    if found.faults:
        ctx.exit(1)


def _told(found: "Verification", sample: dict[str, Any] | None) -> dict[str, Any]:
    faults = [{"seq": fault.seq, "key": fault.key, "what": fault.what} for fault in found.faults]
    told = {"schema": 1, "entries": found.entries, "checked": found.checked, "sample": sample, "faults": faults}
    return told | {"head": found.head and str(found.head)}


def _show(found: "Verification", note: str) -> None:
    from adce_assets.errors import printable

    click.echo(f"{found.checked:,} of {found.entries:,} entries hashed anew, {len(found.faults):,} faults{note}")
    for fault in found.faults[:MOST_TOLD]:
        of = f" of `{printable(fault.key)}`" if fault.key else ""
        talk(f"{f'entry {fault.seq:,}' if fault.seq else 'the ledger'}{of}: {printable(fault.what)}")
    if found.head is not None:
        talk(
            f"the head is {found.head}: keep it elsewhere, and `--head` shows later that nothing before it has changed"
        )
    if len(found.faults) > MOST_TOLD:
        talk(f"and {len(found.faults) - MOST_TOLD:,} more; `--json` has them all")
