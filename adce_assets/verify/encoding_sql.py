"""The encoding of `encoding`, as DuckDB SQL: a column's name and types in, an expression that writes its values out.

Only expressions are made here; none is run. What `encoding` says of a value, the expression says byte for byte.
"""

import re
from collections.abc import Mapping

from adce_assets.errors import ConfigurationError
from adce_assets.sql_text import literal, quoted
from adce_assets.verify import encoding
from adce_assets.verify.encoding import ColumnType, Kind

INTEGERS = frozenset(
    ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")
)
MOMENTS = frozenset(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP WITH TIME ZONE"))
FINE = "TIMESTAMP_NS"
FAMILIES: Mapping[str, str] = {
    "VARCHAR": "text",
    "FLOAT": "float",
    "DOUBLE": "float",
    "BOOLEAN": "boolean",
    "DATE": "date",
    FINE: "fine",
    **dict.fromkeys(INTEGERS, "integer"),
    **dict.fromkeys(MOMENTS, "timestamp"),
}
"""What DuckDB's types are here; DECIMAL(p,s) is read apart, every other type is none of ours."""
DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)", re.ASCII)
AMOUNT = r"-?[0-9]{1,19}(\.[0-9]{1,18})?"
"""Numbers that can be subtracted from each other as DECIMAL(38,18)."""
DAY = 86_400_000_000


def family(physical: str) -> str:
    """Say what a type of DuckDB is here; empty for one that has to be made text first."""
    return "decimal" if DECIMAL.fullmatch(physical) else FAMILIES.get(physical, "")


def field_sql(name: str, physical: str, column: ColumnType) -> str:
    """Make the expression that writes the values of a column; it is never NULL.

    Raises:
        ConfigurationError: A column of this type of DuckDB cannot be taken as that type.
    """
    way = _WAYS.get((column.kind, family(physical)))
    if way is None:
        taken = sorted(of for kind, of in _WAYS if kind == column.kind)
        hint = (
            "a floating number is never taken as a decimal; say that it is `float`" if column.kind == "decimal" else ""
        )
        raise ConfigurationError(
            f"`{name}` is {physical} and cannot be taken as {column.kind}",
            where="types",
            valid=", ".join(taken),
            hint=hint,
        )
    return f"coalesce({way(quoted(name), physical, column)}, '{encoding.NULL}')"


def amount_sql(name: str, physical: str, column: ColumnType) -> str:
    """Make the expression for a number as one that can be subtracted; NULL where it is none or has too many digits."""
    x, field = quoted(name), field_sql(name, physical, column)
    if column.kind != "float":
        return f"CASE WHEN {_matches(field, AMOUNT)} THEN {field}::DECIMAL(38,18) END"
    number = f"TRY_CAST({x}{'' if family(physical) in {'float', 'integer'} else '::VARCHAR'} AS DOUBLE)"
    return f"CASE WHEN isfinite({number}) AND left({field}, 1) NOT IN ('?', '!') THEN {number} END"


def shown_sql(name: str, physical: str) -> str:
    """Make the expression for a value as a person reads it; NULL stays NULL, moments are in UTC."""
    x = quoted(name)
    if family(physical) != "timestamp":
        return f"{x}::VARCHAR"
    moment = f"strftime(make_timestamp(epoch_us({x})), '%Y-%m-%dT%H:%M:%S.%fZ')"
    return f"CASE WHEN isfinite({x}) THEN {moment} ELSE {_end_of_time(x)} END"


def measured_sql(text: str) -> str:
    """Write a text after its length in bytes."""
    return f"(strlen({text})::VARCHAR || ':' || {text})"


def misfit_sql(text: str) -> str:
    """Write a text that does not fit its column's type."""
    return f"('?' || {measured_sql(text)})"


def stranger_sql(x: str) -> str:
    """Write any other value that does not fit its column's type; ``x`` writes it in a column of its own."""
    return f"('!' || {x})"


def _matches(text: str, form: str) -> str:
    return f"regexp_full_match({text}, {literal(form)})"


def _choose(*ways: tuple[str, str], otherwise: str) -> str:
    """Make a CASE of (condition, expression); what is NULL stays NULL."""
    return "CASE " + " ".join(f"WHEN {when} THEN {then}" for when, then in ways) + f" ELSE {otherwise} END"


def _text(x: str, _physical: str, column: ColumnType) -> str:
    return measured_sql(normal_sql(x) if column.normalized else x)


def normal_sql(x: str) -> str:
    """Bring a text into NFC; DuckDB's function alone forgets what follows a NUL, so those texts go in pieces."""
    pieces = f"list_transform(string_split({x}, chr(0)), lambda piece: nfc_normalize(piece))"
    return f"CASE WHEN contains({x}, chr(0)) THEN array_to_string({pieces}, chr(0)) ELSE nfc_normalize({x}) END"


def _integer(x: str, _physical: str, _column: ColumnType) -> str:
    return f"{x}::VARCHAR"


def _decimal(x: str, physical: str, _column: ColumnType) -> str:
    precision, scale = _size(physical)
    if scale == 0:
        return f"{x}::VARCHAR"
    if precision > scale:
        return f"rtrim(rtrim({x}::VARCHAR, '0'), '.')"
    digits = rf"regexp_replace({x}::VARCHAR, '^(-?)0*\.', '\10.')"  # `.50` is how such a type writes a half
    return f"rtrim(rtrim({digits}, '0'), '.')"


def _size(physical: str) -> tuple[int, int]:
    found = DECIMAL.fullmatch(physical)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _number_in_text(x: str, _physical: str, _column: ColumnType) -> str:
    plain = f"ltrim({x}, '+-')"
    whole = f"ltrim(split_part({plain}, '.', 1), '0')"
    part = f"rtrim(split_part({plain}, '.', 2), '0')"
    sign = f"CASE WHEN starts_with({x}, '-') AND ({whole} <> '' OR {part} <> '') THEN '-' ELSE '' END"
    digits = f"CASE {whole} WHEN '' THEN '0' ELSE {whole} END || CASE {part} WHEN '' THEN '' ELSE '.' || {part} END"
    return _choose(
        (_matches(x, encoding.NUMBER), f"{sign} || {digits}"), (f"{x} IS NOT NULL", misfit_sql(x)), otherwise="NULL"
    )


def _whole_float(x: str, _physical: str, _column: ColumnType) -> str:
    whole = f"TRY_CAST({x} AS HUGEINT)"
    bits = _bits(x)
    return _choose(
        (f"isfinite({x}) AND {x} = trunc({x}) AND abs({x}) < {encoding.WIDEST}::DOUBLE", f"{whole}::VARCHAR"),
        (f"{x} IS NOT NULL", stranger_sql(bits)),
        otherwise="NULL",
    )


def _bits(x: str) -> str:
    return f"(CASE WHEN isnan({x}) THEN 'nan' ELSE lower(hex({x}::DOUBLE::BIT::BLOB)) END)"


def _float(x: str, _physical: str, _column: ColumnType) -> str:
    return _bits(x)


def _integer_as_float(x: str, physical: str, _column: ColumnType) -> str:
    exact = (
        f"coalesce(TRY_CAST({x}::DOUBLE AS {physical}) = {x}, false) AND abs({x}::DOUBLE) < {encoding.WIDEST}::DOUBLE"
    )
    return _choose(
        (exact, _bits(f"{x}::DOUBLE")), (f"{x} IS NOT NULL", stranger_sql(f"{x}::VARCHAR")), otherwise="NULL"
    )


def _decimal_as_float(x: str, _physical: str, _column: ColumnType) -> str:
    return _bits(f"{x}::VARCHAR::DOUBLE")


def _float_in_text(x: str, _physical: str, _column: ColumnType) -> str:
    number = f"TRY_CAST({x} AS DOUBLE)"
    return _choose(
        (_matches(x, encoding.ENDLESS), _bits(number)),
        (f"{_matches(x, encoding.FLOATING)} AND coalesce(isfinite({number}), false)", _bits(number)),
        (f"{x} IS NOT NULL", misfit_sql(x)),
        otherwise="NULL",
    )


def _boolean(x: str, _physical: str, _column: ColumnType) -> str:
    return f"CASE {x} WHEN true THEN 't' WHEN false THEN 'f' END"


def _boolean_in_text(x: str, _physical: str, _column: ColumnType) -> str:
    return _choose(
        (_matches(x, encoding.TRUE), "'t'"),
        (_matches(x, encoding.FALSE), "'f'"),
        (f"{x} IS NOT NULL", misfit_sql(x)),
        otherwise="NULL",
    )


def _boolean_as_integer(x: str, _physical: str, _column: ColumnType) -> str:
    other = stranger_sql(f"{x}::VARCHAR")
    return _choose((f"{x} = 1", "'t'"), (f"{x} = 0", "'f'"), (f"{x} IS NOT NULL", other), otherwise="NULL")


def _date(x: str, _physical: str, _column: ColumnType) -> str:
    return f"{x}::VARCHAR"


def _day_of(x: str, _physical: str, _column: ColumnType) -> str:
    moment = f"epoch_us({x})"
    return _choose(
        (f"isfinite({x}) AND {moment} % {DAY} = 0", f"make_timestamp({moment})::DATE::VARCHAR"),
        (f"isfinite({x})", stranger_sql(f"{moment}::VARCHAR")),
        otherwise=_end_of_time(x),
    )


def _date_in_text(x: str, _physical: str, _column: ColumnType) -> str:
    day = f"{_matches(x, encoding.DAY)} AND {x} >= '0001' AND TRY_CAST({x} AS DATE) IS NOT NULL"
    return _choose((f"{_forever(x)} OR ({day})", x), (f"{x} IS NOT NULL", misfit_sql(x)), otherwise="NULL")


def _forever(x: str) -> str:
    return f"{x} IN ({', '.join(map(literal, encoding.FOREVER))})"


def _timestamp(x: str, _physical: str, _column: ColumnType) -> str:
    return f"CASE WHEN isfinite({x}) THEN epoch_us({x})::VARCHAR ELSE {_end_of_time(x)} END"


def _end_of_time(x: str) -> str:
    return f"CASE WHEN {x} IS NOT NULL THEN {x}::TIMESTAMP::VARCHAR END"


def _fine_timestamp(x: str, _physical: str, _column: ColumnType) -> str:
    moment = f"(CAST(epoch_ns({x}) AS DECIMAL(35,0)) * 0.001)"
    exact = f"rtrim(rtrim({moment}::VARCHAR, '0'), '.')"
    return f"CASE WHEN isfinite({x}) THEN {exact} ELSE {_end_of_time(x)} END"


def _midnight(x: str, physical: str, column: ColumnType) -> str:
    return _timestamp(f"{x}::TIMESTAMP", physical, column)


def _timestamp_in_text(x: str, _physical: str, _column: ColumnType) -> str:
    zoned = f"CASE WHEN {_matches(x, encoding.MOMENT)} THEN {x} || '+00' ELSE {x} END"
    moment = f"TRY_CAST({zoned} AS TIMESTAMPTZ)"
    fits = f"{_matches(x, f'{encoding.MOMENT}{encoding.OFFSET}?')} AND {x} >= '0001' AND isfinite({moment})"
    return _choose(
        (_forever(x), x),
        (f"coalesce({fits}, false)", f"epoch_us({moment})::VARCHAR"),
        (f"{x} IS NOT NULL", misfit_sql(x)),
        otherwise="NULL",
    )


_WAYS = {
    ("text", "text"): _text,
    ("integer", "integer"): _integer,
    ("integer", "decimal"): _decimal,
    ("integer", "float"): _whole_float,
    ("integer", "text"): _number_in_text,
    ("decimal", "integer"): _integer,
    ("decimal", "decimal"): _decimal,
    ("decimal", "text"): _number_in_text,
    ("float", "float"): _float,
    ("float", "integer"): _integer_as_float,
    ("float", "decimal"): _decimal_as_float,
    ("float", "text"): _float_in_text,
    ("boolean", "boolean"): _boolean,
    ("boolean", "integer"): _boolean_as_integer,
    ("boolean", "text"): _boolean_in_text,
    ("date", "date"): _date,
    ("date", "timestamp"): _day_of,
    ("date", "text"): _date_in_text,
    ("timestamp", "timestamp"): _timestamp,
    ("timestamp", "fine"): _fine_timestamp,
    ("timestamp", "date"): _midnight,
    ("timestamp", "text"): _timestamp_in_text,
}
"""How a type of DuckDB is written in a column of a type; what is not here is refused."""


def kind_of(left: str, right: str) -> Kind | None:
    """Choose the type of a column from what two tables keep it as; None where the two cannot be compared.

    A text beside anything else is read as that: a file of texts (CSV) takes the types of the other table.
    """
    families = {_common(family(left)), _common(family(right))} - {"text"}
    if not families:
        return "text"
    for kind, within in _JOINED:
        if families <= within:
            return kind
    return None


def _common(of: str) -> str:
    return {"fine": "timestamp", "": "text"}.get(of, of)


_JOINED: tuple[tuple[Kind, frozenset[str]], ...] = (
    ("integer", frozenset({"integer"})),
    ("decimal", frozenset({"integer", "decimal"})),
    ("float", frozenset({"integer", "decimal", "float"})),
    ("boolean", frozenset({"boolean"})),
    ("date", frozenset({"date"})),
    ("timestamp", frozenset({"date", "timestamp"})),
)
"""The types that hold what several families write, the narrowest first."""
