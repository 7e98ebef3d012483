"""`adce resume`: the loop goes on after a halt, because a person says so."""

import click

from adce_assets.cli import options
from adce_assets.cli.approve import by_option, note_option
from adce_assets.cli.installation import state
from adce_assets.cli.output import talk, write_json


@click.command(epilog="Example: `adce resume --by Ann --note 'the mirror has a new address, the entry names it'`.")
@by_option
@note_option
@options.as_json
def command(by: str, note: str, *, as_json: bool) -> None:
    """Let the loop go on that has halted itself after a violation: a redirect inward, a refused right, a broken ledger.

    Until then nothing is collected, on any machine. Find out first what it was: `adce health` says it.

    \b
    Exit codes: 0 it goes on, or was not halted; 1 the state cannot be written; 4 it was halted anew at that moment.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    from adce_assets.operate import halting
    from adce_assets.settings import now

    before = halting.resume(state(), by=by, note=note, at=now())
    if as_json:
        was = None if before is None else before.model_dump(mode="json")
        write_json({"schema": 1, "was_halted": before is not None, "halt": was})
    else:
        talk("it was not halted" if before is None else f"it goes on; it was {before}")
