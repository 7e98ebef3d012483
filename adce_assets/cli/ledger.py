"""`adce ledger`: whether the record of what happened to keys fits together, and with what was kept of it elsewhere."""

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import options
from adce_assets.cli.drawing import drawn
from adce_assets.cli.installation import opened_ledger, state
from adce_assets.cli.output import talk, write_json

if TYPE_CHECKING:
    from adce_assets.ledger.chain import Fault, Head
    from adce_assets.ledger.verifying import Verification

MOST_TOLD = 20
"""Faults that are told in words; `--json` has them all."""


@click.group()
def command() -> None:
    """See whether the record of what happened to keys was changed, and make from it again how they stand."""


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
    to the database can also write all of it anew, or cut it off. So each reconciliation keeps the head in the state
    (`cache/ledger_head.json`), and the ledger is held against it. Keep one in a place of your own as well, and give it
    as `--head`.

    \b
    Exit codes: 0 the ledger fits together, and with what was kept of it; 1 it does not, or it cannot be read.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    chosen = random.SystemRandom().randrange(2**32) if seed is None else seed
    with opened_ledger() as ledger, drawn() as progress:
        by_loop, faults = _kept_by_the_loop(ledger.url)
        held = [one for one in (by_loop, kept) if one is not None]
        found = ledger.verify(sample=sample, seed=chosen, kept=held, progress=progress)
        found = replace(found, faults=(*faults, *found.faults))
    if as_json:
        told = _told(found, None if sample is None else {"share": sample, "seed": chosen})
        write_json(told | {"kept_head": by_loop and str(by_loop)})
    else:
        _show(found, "" if sample is None else f" (`--seed {chosen}` looks at the same ones)")
        if not faults:
            talk(f"the head that was kept last is {by_loop}" if by_loop else "no head of it has been kept yet")
    if found.faults:
        ctx.exit(1)


def _kept_by_the_loop(ledger: str) -> "tuple[Head | None, list[Fault]]":
    """Read the head that a reconciliation has kept; that it cannot be read keeps nobody from looking at the rest."""
    from adce_assets.errors import LakeError, VerifyError
    from adce_assets.ledger.chain import Fault
    from adce_assets.loop.heads import last

    try:
        return last(state(), ledger), []
    except (LakeError, VerifyError) as error:
        return None, [Fault(0, "", f"the head that was kept of it cannot be read: {error}")]


@command.command("rebuild", epilog="Example: `adce ledger rebuild`, after `adce ledger verify` has named a key.")
@options.as_json
def rebuild(*, as_json: bool) -> None:
    """Make from the entries again how each key stands, where anything else is kept of it.

    The entries themselves are not touched, and must fit together. All of it is done or nothing; nobody else can write
    to the ledger meanwhile, and waits up to a minute: of a ledger of millions of entries, stop the loop first.

    \b
    Exit codes: 0 each key stands as its entries say; 1 they do not fit together, or cannot be read.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    with opened_ledger() as ledger, drawn() as progress:
        done = ledger.rebuild(progress=progress)
    if as_json:
        write_json({"schema": 1, "keys": done.keys, "mended": done.mended, "removed": done.removed})
    else:
        click.echo(f"{done.keys:,} keys: {done.mended:,} made anew, {done.removed:,} without an entry removed")


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
