"""`adce token`: who may ask the health server, and who may start and stop by it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from adce_assets.cli import options
from adce_assets.cli.output import Column, talk, write_json, write_table

if TYPE_CHECKING:
    from adce_assets.operate.tokens import Token, Tokens

COLUMNS = (
    Column("name", "name"),
    Column("role", "role"),
    Column("is", "is"),
    Column("issued", "issued_at"),
    Column("by", "issued_by"),
    Column("rotated", "rotated_at"),
    Column("revoked", "revoked_at"),
)
ROLES = ("viewer", "operator")
"""As `operate.tokens` has them, which is not imported here: `adce --help` must not wait for it."""
ONCE = "keep the secret: it is shown this once"

name_argument = click.argument("name")


@click.group()
def command() -> None:
    """Let others see how the loop is, or start, stop and approve: by a secret of their own, of which a hash is kept."""


@command.command("issue", epilog="Example: `adce token issue grafana --role viewer`, for whoever reads `/metrics`.")
@name_argument
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True, help="What its holder may do.")
@options.as_json
def issue(name: str, role: str, *, as_json: bool) -> None:
    """Make a token; its secret goes to stdout, this once."""
    from adce_assets.operate import actions
    from adce_assets.operate.tokens import Role

    with _opened() as tokens:
        secret = tokens.issue(name, Role(role), actions.user().name)
    _show(name, secret, as_json=as_json)


@command.command("rotate", epilog="Example: `adce token rotate grafana`, then give its holder the new secret.")
@name_argument
@options.as_json
def rotate(name: str, *, as_json: bool) -> None:
    """Give a token another secret, which goes to stdout this once; the old one is good no more, a second later."""
    with _opened() as tokens:
        secret = tokens.rotate(name)
    _show(name, secret, as_json=as_json)


@command.command("revoke", epilog="Example: `adce token revoke grafana`.")
@name_argument
@options.as_json
def revoke(name: str, *, as_json: bool) -> None:
    """Let a token be good no more, a second later; its name may be issued again."""
    with _opened() as tokens:
        tokens.revoke(name)
    if as_json:
        write_json({"schema": 1, "name": name, "revoked": True})
    else:
        talk(f"`{name}` is good no more")


@command.command("list", epilog="Example: `adce token list` says who may do what, and who could once.")
@options.as_json
def list_(*, as_json: bool) -> None:
    """List the tokens, those that were revoked too; no secret can be shown again."""
    with _opened() as tokens:
        rows = [_row(token) for token in tokens.list()]
    if as_json:
        write_json({"schema": 1, "tokens": rows})
    elif rows:
        write_table(COLUMNS, rows)
    else:
        talk("there are no tokens; `adce token issue NAME` makes one")


@contextmanager
def _opened() -> "Iterator[Tokens]":
    """Open the tokens, whatever stands in the files of the installation: a slip there keeps none alive."""
    from adce_assets.operate.access_database import AccessDatabase
    from adce_assets.operate.tokens import Tokens
    from adce_assets.settings import access_url_of, now

    database = AccessDatabase(access_url_of())
    try:
        yield Tokens(database, now)
    finally:
        database.dispose()


def _show(name: str, secret: str, *, as_json: bool) -> None:
    if as_json:
        write_json({"schema": 1, "name": name, "secret": secret})
    else:
        click.echo(secret)
        talk(ONCE)


def _row(token: "Token") -> dict[str, str | None]:
    moments = {name: getattr(token, name) for name in ("issued_at", "rotated_at", "revoked_at")}
    told = {name: moment and moment.isoformat(timespec="seconds") for name, moment in moments.items()}
    stands = "good" if token.revoked_at is None else "revoked"
    return {"name": token.name, "role": str(token.role), "is": stands, "issued_by": token.issued_by, **told}
