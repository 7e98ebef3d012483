"""Rules of `config/reconcile/` in, one check each out: what the rows of the final tables must say of each other.

A kind of rule is a model in `warehouse/rules_config` and one function here that writes its question in SQL: of every
row or group that is asked about, what was expected, what is there, and whether that is wrong. All numbers are exact
decimals. A value that is no number is wrong; one that is not there is wrong only where another one is.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from adce_assets.errors import VerifyError
from adce_assets.sql_text import literal, quoted
from adce_assets.verify.checks import SHOWN, Answer, Cell, Check, Kind, Level, Question, Row, Severity, check, plain
from adce_assets.warehouse import rules_config as config

if TYPE_CHECKING:
    import duckdb

NUMBER = "DECIMAL(38, 12)"
ALONE, DOUBLED = "told by one source alone", "told more than once by a source, and not compared"
"""What `agree` cannot ask about."""
EMPTY = "without any part"
"""What `parts_sum` does not ask about."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An entity as a rule sees it: its name, the columns of its key, and the sources that it is read from."""

    entity: str
    key: Sequence[str]
    sources: Sequence[str]


def judge(engine: "duckdb.DuckDBPyConnection", cell: Cell, asked: Asked, rule: config.Rule) -> Check:
    """Ask one rule of the rows in `checked_<entity>`, of its own entity and of others.

    A rule that could be asked of none of the rows there are has not held: that is a warning, or else whoever renames
    what it goes by would have silenced it.
    """
    (many, wrong, since, dated), worst = _answers(engine, asked, rule)
    rows = [_row(*found) for found in worst]
    idle = 0 if many else _there(engine, asked, rule)
    unasked = _unasked(engine, asked, rule)
    told = "".join(f"; {number} {words}" for words, number in unasked.items() if number)
    answer = Answer(
        expected=f"{many} of {many}",
        actual=f"{many - wrong} of {many}",
        discrepancy=str(wrong),
        message=f"{rule.rule}: {_said(many, wrong, idle)}{told}",
        rows=rows,
        offenders=wrong,
        since=since if dated == wrong else None,
        holds=not idle,
        unasked=unasked,
        asked=bool(many or idle),
    )
    severity = Severity.WARNING if idle else Severity(rule.severity)
    return check(cell, Question(Kind.BUSINESS_RULE, Level.SOURCE_FINAL, rule.name, severity=severity), answer)


def _there(engine: "duckdb.DuckDBPyConnection", asked: Asked, rule: config.Rule) -> int:
    """Count the rows that a rule should have had something to ask of: all, or none where it compares but one source."""
    of_entity = quoted("checked_" + asked.entity)
    rows, sources = engine.execute(f"SELECT count(*), count(DISTINCT SOURCE) FROM {of_entity}").fetchall()[0]
    return 0 if isinstance(rule, config.Agree) and sources == 1 else int(rows)


def _unasked(engine: "duckdb.DuckDBPyConnection", asked: Asked, rule: config.Rule) -> dict[str, int]:
    """Count what a rule has no answer to, by the reason."""
    if rule.rule not in _UNASKED:
        return {}
    found = engine.execute(_UNASKED[rule.rule](asked, rule))
    reasons = [column[0] for column in found.description or ()]
    return dict(zip(reasons, found.fetchall()[0], strict=True))


def _answers(
    engine: "duckdb.DuckDBPyConnection", asked: Asked, rule: config.Rule
) -> tuple[tuple[Any, ...], list[tuple[Any, ...]]]:
    """Ask, and count the answers; VerifyError for a rule that the rows have no answer to."""
    import duckdb

    try:
        engine.execute(f"CREATE OR REPLACE TEMP TABLE answers AS {question(asked, rule)}")
        return engine.execute(_TOTALS).fetchall()[0], engine.execute(_WORST).fetchall()
    except duckdb.Error as error:
        what = f"the rule `{rule.name}` cannot be asked: {str(error).partition(chr(10))[0]}"
        raise VerifyError(what, where=asked.entity, hint="compare its columns' types with its values") from error


def _said(many: int, wrong: int, idle: int) -> str:
    if idle:
        return f"asked of nothing, though {idle} row(s) are there"
    if not many:
        return "there was nothing to ask it of"
    return f"{wrong} of {many} are wrong" if wrong else f"holds for all {many}"


_TOTALS = """
SELECT count(*), count(*) FILTER (wrong), min(written_at) FILTER (wrong), count(written_at) FILTER (wrong) FROM answers
"""
_WORST = f"""
SELECT key, "column", expected, actual, written_at FROM answers WHERE wrong
ORDER BY apart DESC NULLS FIRST, key, "column", expected, actual LIMIT {SHOWN}
"""


def _row(key: str, column: str, expected: str | None, actual: str | None, written_at: datetime | None) -> Row:
    kind = "lost" if actual is None else "surplus" if expected is None else "differs"
    return Row(key, kind, column, _shown(expected), _shown(actual), written_at)


def _shown(text: str | None) -> str | None:
    """Leave out of a decimal the noughts that only its form has."""
    if text is None or "." not in text or not text.lstrip("-").replace(".", "", 1).isdigit():
        return text
    return plain(Decimal(text))


def question(asked: Asked, rule: config.Rule) -> str:
    """Write a rule as a query of ``key, column, expected, actual, apart, wrong, written_at``."""
    return _QUESTIONS[rule.rule](asked, rule)


def _not_negative(asked: Asked, rule: config.NotNegative) -> str:
    bounded = config.Within(rule="within", name=rule.name, columns=rule.columns, least=Decimal(0), where=rule.where)
    return _within(asked, bounded.model_copy(update={"tolerance": rule.tolerance}))


def _within(asked: Asked, rule: config.Within) -> str:
    return " UNION ALL ".join(_bounded(asked, rule, column) for column in rule.columns)


def _bounded(asked: Asked, rule: config.Within, column: str) -> str:
    join, most = "", _literal(rule.most) if rule.most is not None else "NULL"
    if rule.most_of is not None:
        join = f"LEFT JOIN ({_theirs(rule.most_of)}) AS other USING (SOURCE, {_names(rule.most_of.match)})"
        most = "other._told"
    value, least = _number(f"mine.{quoted(column)}"), _literal(rule.least) if rule.least is not None else "NULL"
    missing = f"OR {most} IS NULL" if rule.most_of is not None else ""
    apart = f"greatest({least} - {value}, {value} - {most})"
    above, below = (f"'{sign} ' || {_text(bound)}" for sign, bound in ((">=", least), ("<=", most)))
    if rule.most_of is not None:
        below = f"coalesce({below}, '<= {rule.most_of.entity}.{rule.most_of.column}, which says nothing')"
    bounds = f"concat_ws(' and ', {above}, {below})"
    return f"""
        SELECT {_key("mine", asked.key)} AS key, '{column}' AS "column", {bounds} AS expected,
            CAST(mine.{quoted(column)} AS VARCHAR) AS actual, {apart} AS apart,
            ({value} IS NULL {missing} OR coalesce({apart} > {_literal(rule.tolerance)}, FALSE)) AS wrong,
            WRITTEN_AT AS written_at
        FROM {quoted("checked_" + asked.entity)} AS mine {join}
        WHERE mine.{quoted(column)} IS NOT NULL AND {_where("mine", rule.where)}
    """


def _sums_to(asked: Asked, rule: config.SumsTo) -> str:
    return _against_another(asked, rule, f"sum({_number(quoted(rule.of))})")


def _last_equals(asked: Asked, rule: config.LastEquals) -> str:
    return _against_another(asked, rule, f"last({_number(quoted(rule.of))} ORDER BY {_names(rule.order)})")


def _against_another(asked: Asked, rule: config.SumsTo | config.LastEquals, total: str) -> str:
    """Ask of each group whether a number made of it is what another entity says."""
    apart = "abs(_total - _told)"
    return f"""
        SELECT {_key("joined", rule.by)} AS key, '{rule.of}' AS "column", CAST(_told AS VARCHAR) AS expected,
            CAST(_total AS VARCHAR) AS actual, {apart} AS apart,
            coalesce({apart} > {_literal(rule.tolerance)}, _total IS NOT NULL OR _told IS NOT NULL) AS wrong,
            coalesce(_own_written_at, _written_at) AS written_at
        FROM ({_joined(asked, rule, total)}) AS joined WHERE {_both_needed(rule)}
    """


def _joined(asked: Asked, rule: config.SumsTo | config.LastEquals, total: str) -> str:
    """Put every group beside what the other entity says of it, and each of either side that has no other."""
    by, sources = _names(rule.by), ", ".join(map(_literal, asked.sources)) or "NULL"
    return f"""
        SELECT * FROM (
            SELECT SOURCE, {by}, {total} AS _total, 1 AS _mine, max(WRITTEN_AT) AS _own_written_at
            FROM {quoted("checked_" + asked.entity)} AS own WHERE {_where("own", rule.where)} GROUP BY SOURCE, {by}
        ) FULL JOIN (SELECT *, 1 AS _theirs FROM ({_theirs(rule.equals)}) WHERE SOURCE IN ({sources}))
        USING (SOURCE, {_names(rule.equals.match)})
    """


def _both_needed(rule: config.SumsTo | config.LastEquals) -> str:
    """Say which of them are asked about: those of both sides, and of sources of which each needs the other all."""
    strict = ", ".join(map(_literal, rule.every)) or "NULL" if isinstance(rule.every, tuple) else ""
    alone = f"SOURCE IN ({strict})" if strict else str(rule.every).upper()
    return f"coalesce(_mine + _theirs = 2 OR {alone}, FALSE)"


def _one_sided(asked: Asked, rule: config.SumsTo | config.LastEquals) -> str:
    """Count the groups that are not asked about because only one of the two entities knows them."""
    here, there = (quoted(f"{how} in {rule.equals.entity}") for how in ("not", "only"))
    return f"""
        SELECT count(*) FILTER (_mine = 1) AS {here}, count(*) FILTER (_mine IS NULL) AS {there}
        FROM ({_joined(asked, rule, "NULL")}) WHERE NOT {_both_needed(rule)}
    """


def _count_of(asked: Asked, rule: config.CountOf) -> str:
    by = _names(rule.by)
    return f"""
        SELECT {_key("mine", rule.by)} AS key, '' AS "column", '{rule.equals}' AS expected,
            CAST(_many AS VARCHAR) AS actual, abs(_many - {rule.equals}) AS apart, _many <> {rule.equals} AS wrong,
            _written_at AS written_at
        FROM (
            SELECT SOURCE, {by}, count(*) FILTER (WHERE {_where("own", rule.where)}) AS _many,
                max(WRITTEN_AT) AS _written_at
            FROM {quoted("checked_" + asked.entity)} AS own GROUP BY SOURCE, {by}
        ) AS mine
    """


def _parts_sum(asked: Asked, rule: config.PartsSum) -> str:
    parts = " + ".join(f"coalesce({_number(quoted(column))}, 0)" for column in rule.columns)
    whole = _number(quoted(rule.equals))
    return f"""
        SELECT {_key("mine", asked.key)} AS key, '{rule.equals}' AS "column", CAST({whole} AS VARCHAR) AS expected,
            CAST({parts} AS VARCHAR) AS actual, abs({parts} - {whole}) AS apart,
            coalesce(abs({parts} - {whole}) > {_literal(rule.tolerance)}, TRUE) AS wrong, WRITTEN_AT AS written_at
        FROM {quoted("checked_" + asked.entity)} AS mine WHERE {_has_parts(rule)} AND {_where("mine", rule.where)}
    """


def _has_parts(rule: config.PartsSum) -> str:
    return f"({' OR '.join(f'{quoted(column)} IS NOT NULL' for column in rule.columns)})"


def _without_parts(asked: Asked, rule: config.PartsSum) -> str:
    """Count the rows that are not asked about because no part has a value, though the whole has one."""
    return f"""
        SELECT count(*) AS {quoted(EMPTY)} FROM {quoted("checked_" + asked.entity)} AS mine
        WHERE NOT {_has_parts(rule)} AND {quoted(rule.equals)} IS NOT NULL AND {_where("mine", rule.where)}
    """


def _agree(asked: Asked, rule: config.Agree) -> str:
    return " UNION ALL ".join(_agreed(asked, rule, column) for column in rule.columns)


def _agreed(asked: Asked, rule: config.Agree, column: str) -> str:
    """Ask whether the sources that say anything of a thing say the same; numbers may differ by the tolerance."""
    value = f"CAST({quoted(column)} AS VARCHAR)"
    number = f"TRY_CAST({value} AS {NUMBER})"
    return f"""
        SELECT {_key("things", rule.by, source=False)} AS key, '{column}' AS "column", _told AS expected,
            _said AS actual, _apart AS apart, coalesce(_apart > {_literal(rule.tolerance)}, _words > 1) AS wrong,
            _written_at AS written_at
        FROM (
            SELECT {_names(rule.by)}, arg_min({value}, ({_rank(rule)}, {value})) AS _told,
                string_agg(SOURCE || ' ' || {value}, ', ' ORDER BY {_rank(rule)}, {value}) AS _said,
                CASE WHEN count({number}) = count(*) THEN max({number}) - min({number}) END AS _apart,
                count(DISTINCT {value}) AS _words, max(WRITTEN_AT) AS _written_at
            FROM ({_counted(asked, rule)}) WHERE {quoted(column)} IS NOT NULL
            GROUP BY {_names(rule.by)} HAVING count(DISTINCT SOURCE) > 1 AND max(_times) = 1
        ) AS things
    """


def _counted(asked: Asked, rule: config.Agree) -> str:
    """Say of each row how often (``_times``) its source tells of the thing."""
    times = f"count(*) OVER (PARTITION BY {_names(rule.by)}, SOURCE) AS _times"
    return f"SELECT *, {times} FROM {quoted('checked_' + asked.entity)} AS own WHERE {_where('own', rule.where)}"


def _unmatched(asked: Asked, rule: config.Agree) -> str:
    """Count the things that only one source knows, and those that cannot be matched because one tells them twice."""
    return f"""
        SELECT count(*) FILTER (sources = 1) AS {quoted(ALONE)}, count(*) FILTER (times > 1) AS {quoted(DOUBLED)} FROM (
            SELECT count(DISTINCT SOURCE) AS sources, max(_times) AS times
            FROM ({_counted(asked, rule)}) GROUP BY {_names(rule.by)}
        )
    """


def resolved(engine: "duckdb.DuckDBPyConnection", asked: Asked, rule: config.Agree) -> list[tuple[Any, ...]]:
    """Say of each thing what is taken for true, of each column the word of the most trusted source that has one.

    Returns:
        For each thing, in order: its names (``by``), the columns, the sources that know it (the most trusted first,
        with commas), and whether all of them agree.
    """
    best = [
        f"arg_min({name}, ({_rank(rule)}, {name})) FILTER ({name} IS NOT NULL)" for name in map(quoted, rule.columns)
    ]
    by, same = _names(rule.by), " AND ".join(_same(column, rule.tolerance) for column in rule.columns)
    return engine.execute(f"""
        SELECT {", ".join([by, *best])}, string_agg(_once, ',' ORDER BY {_rank(rule)}), {same}
        FROM (
            SELECT *, CASE WHEN row_number() OVER of_source = 1 THEN SOURCE END AS _once
            FROM {quoted("checked_" + asked.entity)} AS own WHERE {_where("own", rule.where)}
            WINDOW of_source AS (PARTITION BY {by}, SOURCE ORDER BY {_names(asked.key)})
        ) GROUP BY {by} ORDER BY {by}
    """).fetchall()


def _same(column: str, tolerance: Decimal) -> str:
    value = f"CAST({quoted(column)} AS VARCHAR)"
    number = f"TRY_CAST({value} AS {NUMBER})"
    near = f"max({number}) - min({number}) <= {_literal(tolerance)}"
    words = f"count(DISTINCT {value}) <= 1"
    return f"coalesce(CASE WHEN count({number}) = count({value}) THEN {near} END, {words})"


_QUESTIONS: Mapping[str, Callable[[Asked, Any], str]] = {
    "not_negative": _not_negative,
    "within": _within,
    "sums_to": _sums_to,
    "last_equals": _last_equals,
    "count_of": _count_of,
    "parts_sum": _parts_sum,
    "agree": _agree,
}
_UNASKED: Mapping[str, Callable[[Asked, Any], str]] = {
    "sums_to": _one_sided,
    "last_equals": _one_sided,
    "parts_sum": _without_parts,
    "agree": _unmatched,
}


def _theirs(other: config.Reference) -> str:
    """Select what another entity says (``_told``), with its columns under the names that the rule's own entity has."""
    told = _number(quoted(other.column))
    if other.values:
        cases = " ".join(f"WHEN {_literal(name)} THEN {_literal(value)}" for name, value in other.values.items())
        told = f"CAST(CASE CAST({quoted(other.column)} AS VARCHAR) {cases} END AS {NUMBER})"
    columns = ", ".join(f"{quoted(theirs)} AS {quoted(mine)}" for mine, theirs in other.match.items())
    dated = "WRITTEN_AT AS _written_at"
    return f"SELECT SOURCE, {columns}, {told} AS _told, {dated} FROM {quoted('checked_' + other.entity)}"


def _rank(rule: config.Agree) -> str:
    """Write how little a source is trusted, as a number."""
    ranks = " ".join(f"WHEN {_literal(source)} THEN {number}" for number, source in enumerate(rule.trust))
    return f"CASE SOURCE {ranks} ELSE {len(rule.trust)} END"


def _key(table: str, names: Iterable[str], *, source: bool = True) -> str:
    told = sorted([*names, *(["SOURCE"] if source else [])])
    packed = ", ".join(f"{quoted(name)} := CAST({table}.{quoted(name)} AS VARCHAR)" for name in told)
    return f"CAST(to_json(struct_pack({packed})) AS VARCHAR)"


def _number(expression: str) -> str:
    return f"TRY_CAST({expression} AS {NUMBER})"


def _text(number: str) -> str:
    """Write a decimal without the noughts that only its form has."""
    return f"rtrim(rtrim(CAST({number} AS VARCHAR), '0'), '.')"


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(quoted, names))


def _literal(value: Decimal | int | str) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, Decimal | int):
        return f"CAST({plain(value)} AS {NUMBER})"
    return literal(value)


def _where(table: str, wanted: Mapping[str, Decimal | int | str]) -> str:
    return " AND ".join(f"{table}.{quoted(column)} = {_literal(value)}" for column, value in wanted.items()) or "TRUE"
