"""`adce verify diff LEFT RIGHT`: any two tables compared row by row, wherever they are; part of `adce verify`."""

import tempfile
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import options
from adce_assets.cli.output import Column, talk, write_json, write_table

if TYPE_CHECKING:
    from adce_assets.verify.difference import Difference
    from adce_assets.verify.encoding import ColumnType
    from adce_assets.verify.relations import Relation

COLUMNS = (
    Column("difference", "kind"),
    Column("key", "key"),
    Column("column", "column"),
    Column("left", "left"),
    Column("right", "right"),
)
DIFFERENT = 2
MEMORY = "640MB"
"""What the tables may take before they spill; with the program itself it stays below 1 GiB."""
TYPES = ("text", "bytes", "integer", "decimal", "float", "boolean", "date", "timestamp")
"""As `encoding.KINDS`, and ``bytes``: a text of which the normal form counts, too."""


def _pairs(_ctx: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """Read ``column=value``; a column's name may hold the sign itself."""
    pairs: dict[str, str] = {}
    for text in given:
        column, sign, value = text.rpartition("=")
        if not sign or not column or column in pairs:
            message = f"`{text}` is not `column=value`, or the column is named twice"
            raise click.BadParameter(message, param=option)
        pairs[column] = value
    return pairs


def _types(ctx: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    types = _pairs(ctx, option, given)
    for value in types.values():
        if value not in TYPES:
            message = f"`{value}` is no type; valid: {', '.join(TYPES)}"
            raise click.BadParameter(message, param=option)
    return types


def _tolerances(ctx: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, Decimal]:
    try:
        return {column: Decimal(value) for column, value in _pairs(ctx, option, given).items()}
    except InvalidOperation as error:
        message = "a tolerance is a number, such as `minutes=0.01`"
        raise click.BadParameter(message, param=option) from error


@click.command(
    "diff", epilog="Example: `adce verify diff old.csv final.parquet --key game_id --tolerance minutes=0.01`."
)
@click.argument("left")
@click.argument("right")
@click.option("--key", multiple=True, required=True, metavar="COLUMN", help="What names a row; once for each column.")
@click.option(
    "--tolerance",
    "tolerances",
    multiple=True,
    metavar="COLUMN=NUMBER",
    callback=_tolerances,
    help="By how much a number may differ.",
)
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="COLUMN=TYPE",
    callback=_types,
    help=f"How a column is compared, if not as the tables say: {', '.join(TYPES)}.",
)
@click.option("--without", multiple=True, metavar="COLUMN", help="Leave a column out; once for each.")
@click.option("--most", default=100, show_default=True, type=click.IntRange(1, 100_000), help="Differences to name.")
@options.as_json
@click.pass_context
def diff(
    ctx: click.Context,
    left: str,
    right: str,
    key: tuple[str, ...],
    tolerances: dict[str, Decimal],
    types: dict[str, str],
    without: tuple[str, ...],
    most: int,
    *,
    as_json: bool,
) -> None:
    """Compare two tables, row by row, in any order.

    LEFT and RIGHT are FILE.parquet (or a quoted pattern), FILE.csv or FILE.tsv (also .gz, .zst), FILE.duckdb#TABLE, or
    postgresql://USER@HOST/DATABASE#TABLE. A CSV file with a heading has the types of the other table; nothing between
    two commas is NULL, `""` is the empty text. How values are compared, and what the hash of a table is, stands in
    docs/hashing.md.

    \b
    Exit codes: 0 the tables hold the same rows; 2 they differ; 1 error.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    from adce_assets.tables import engine
    from adce_assets.verify.difference import compare
    from adce_assets.verify.relations import inferred, open_relation

    with tempfile.TemporaryDirectory(prefix="adce-diff-") as folder, engine(memory_limit=MEMORY) as backend:
        connection: Any = backend.con
        one, other = (open_relation(connection, place, folder=Path(folder)) for place in (left, right))
        chosen = inferred(one, other, without=without, given={column: _type(name) for column, name in types.items()})
        found = compare(connection, one, other, key=key, types=chosen, tolerances=tolerances, most_rows=most)
    if as_json:
        write_json(_document(found, one, other, key))
    else:
        _show(found, one, other)
    if not found.equal:
        ctx.exit(DIFFERENT)


def _type(name: str) -> "ColumnType":
    from adce_assets.verify.encoding import KINDS, ColumnType

    known = {kind: ColumnType(kind) for kind in KINDS} | {"bytes": ColumnType("text", normalized=False)}
    return known[name]


def _document(found: "Difference", left: "Relation", right: "Relation", key: tuple[str, ...]) -> dict[str, Any]:
    return {
        "schema": 1,
        "equal": found.equal,
        "left": {"name": left.name, "rows": found.left_rows, "hash": found.left_hash},
        "right": {"name": right.name, "rows": found.right_rows, "hash": found.right_hash},
        "key": list(key),
        "differing": {
            "exclusive_left": found.exclusive_left,
            "exclusive_right": found.exclusive_right,
            "changed": found.changed,
            "duplicated": found.duplicated,
        },
        "rows": [
            {"kind": row.kind, "key": list(row.key), "column": row.column, "left": row.left, "right": row.right}
            for row in found.rows
        ],
    }


def _show(found: "Difference", left: "Relation", right: "Relation") -> None:
    if found.rows:
        rows = [
            {
                "kind": row.kind.replace("_", " "),
                "key": ", ".join(map(_visible, row.key)),
                "column": None if row.column is None else _visible(row.column),
                "left": _visible(row.left),
                "right": _visible(row.right),
            }
            for row in found.rows
        ]
        write_table(COLUMNS, rows)
    for side, name, rows, hashed in (
        ("left", left.name, found.left_rows, found.left_hash),
        ("right", right.name, found.right_rows, found.right_hash),
    ):
        talk(f"{side}: {rows:,} rows, {hashed}, {_visible(name)}")
    if found.equal:
        talk("the same rows" if found.left_hash == found.right_hash else "the same rows, within the tolerances")
        return
    named = len({(row.kind, row.key) for row in found.rows})
    if named < found.differing:
        talk(f"named are {named:,} of {found.differing:,} keys, of each kind some; `--most` names more")
    talk(
        f"{found.differing:,} keys differ: {found.exclusive_left:,} only on the left, {found.exclusive_right:,} only "
        f"on the right, {found.changed:,} changed, {found.duplicated:,} more often on one side"
    )


def _visible(text: str | None) -> str:
    """Write a value so that it can be told from those that look alike: NULL, spaces at an end, another normal form."""
    import json
    import unicodedata

    if text is None:
        return "NULL"
    plain = text == text.strip() and text not in {"", "NULL"} and text.isprintable()
    return text if plain and unicodedata.is_normalized("NFC", text) else json.dumps(text)
