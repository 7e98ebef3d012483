"""`adce prove KEY`: what happened to a key, from gap to closed, each entry of the ledger hashed anew."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import options
from adce_assets.cli.installation import opened_ledger
from adce_assets.cli.ledger import head_option
from adce_assets.cli.output import Column, talk, write_json, write_table

if TYPE_CHECKING:
    from adce_assets.ledger.chain import Fault, Head

COLUMNS = (
    Column("entry", "seq", numeric=True),
    Column("at", "at"),
    Column("event", "event"),
    Column("run", "run"),
    Column("task", "task"),
    Column("hash", "short"),
    Column("is", "is"),
)
SHORT = 12
"""Digits of a hash that a table shows."""
MAX_BYTES = 64 * 1024 * 1024


@click.command(epilog="Example: `adce prove KEY --json > proof.json`, and anywhere `adce prove --check proof.json`.")
@click.argument("key", required=False)
@click.option(
    "--check",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Check a proof that `--json` wrote; no ledger is looked at.",
)
@head_option
@options.as_json
@click.pass_context
def command(ctx: click.Context, key: str | None, file: Path | None, kept: "Head | None", *, as_json: bool) -> None:
    """Prove what happened to a key.

    Each of its entries is hashed anew, over the entry before it and over the key's own entry before it. Of a proof in a
    file that shows only that its entries fit together. If you have kept the number and the hash of one of them in
    another place, `--head` shows that this one and those before it are what was written.

    \b
    Exit codes: 0 all of it fits together, and with `--head`; 1 it does not, or nothing is known of the key.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    from adce_assets.ledger.proving import check

    if (key is None) == (file is None):
        raise click.UsageError("say either a key or `--check FILE`")
    if kept is not None and file is None:
        raise click.UsageError("`--head` is for `--check FILE`; `adce ledger verify --head` is for the ledger")
    if file is not None:
        document = _read(file)
        faults = check(document, kept)
    else:
        document, faults = _proven(key or "")
    if as_json:
        write_json(document | {"faults": [{"seq": fault.seq, "what": fault.what} for fault in faults]})
    else:
        _show(document, faults)
    if faults:
        ctx.exit(1)


def _proven(key: str) -> "tuple[dict[str, Any], tuple[Fault, ...]]":
    with opened_ledger() as ledger:
        proof = ledger.prove(key)
    return proof.to_document(), proof.faults


def _read(file: Path) -> dict[str, Any]:
    """Read a proof that somebody wrote down."""
    from adce_assets.errors import LedgerError

    if file.stat().st_size > MAX_BYTES:
        raise LedgerError("the file is too large for a proof", where=str(file), valid=f"at most {MAX_BYTES:,} bytes")
    try:
        document = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise LedgerError(f"this is no proof of a key: {error}", where=str(file), valid="schema 1") from error
    if not isinstance(document, dict):
        raise LedgerError("this is no proof of a key: it is no JSON object", where=str(file), valid="schema 1")
    return document


def _show(document: dict[str, Any], faults: "tuple[Fault, ...]") -> None:
    from adce_assets.errors import printable

    wrong = {fault.seq for fault in faults}
    rows = [
        {name: printable(str(entry[name])) for name in ("at", "event", "run", "task")}
        | {
            "seq": entry["seq"],
            "short": printable(entry["hash"][:SHORT]),
            "is": "changed" if entry["seq"] in wrong else "fits",
        }
        for entry in document["entries"]
    ]
    write_table(COLUMNS, rows)
    for fault in faults:
        talk(f"entry {fault.seq}: {printable(fault.what)}")
    if not faults:
        entries = f"{len(rows)} entr{'y' if len(rows) == 1 else 'ies'}, which fit together"
        last = f"{document['head']['seq']}:{document['head']['hash']}"
        talk(f"`{printable(document['key'])}` is {document['state']}: {entries}, told at the head {last}")
