"""What was published before a run and what is after it in, what the merge has done out: no row may vanish unseen.

Counts and hashes compare a run with itself: where a source has changed so that a document is taken for one without
records, or where a document is no longer listed, both sides have none of it. What was published is what such a change
cannot reach.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from adce_assets.sql_text import literal, quoted
from adce_assets.verify.checks import (
    SHOWN,
    Answer,
    Cell,
    Check,
    Kind,
    Level,
    Question,
    Row,
    Severity,
    check,
    key_text,
    plain,
)
from adce_assets.verify.evidence import Season, same_key, shown_key

if TYPE_CHECKING:
    import duckdb

THERE, LEFT = "what was published is there", "documents of what was published are there"


def compare_published(
    engine: "duckdb.DuckDBPyConnection", cell: Cell, of: Season, sources: Iterable[str], objects: Iterable[str]
) -> Iterator[Check]:
    """Ask whether a row that was published is gone, though its object is there; and which have gone with theirs.

    One of which nobody knows any more where it came from counts with those whose object is there. So many of each
    source may vanish as the entity says, and are told as a warning; a document that had several rows keeps one.

    Args:
        engine: Where the rows lie.
        cell: What is reconciled.
        of: The season.
        sources: The sources of the run.
        objects: Its objects.
    """
    import pyarrow as pa

    engine.register("listed", pa.table({"OBJECT_KEY": pa.array(list(objects), pa.string())}))
    engine.execute(f"CREATE OR REPLACE TEMP TABLE vanished AS {_vanished(of, sources)}")
    engine.unregister("listed")
    emptied = engine.execute(_emptied(of)).fetchall()[0][0]
    for name, which, how in ((THERE, "_listed", "though"), (LEFT, "NOT _listed", "and so")):
        where = "their documents are there" if which == "_listed" else "are their documents"
        yield _gone(engine, cell, of, name, which, f"{how} {where}", emptied if which == "_listed" else 0)


def _gone(
    engine: "duckdb.DuckDBPyConnection", cell: Cell, of: Season, name: str, which: str, how: str, emptied: int
) -> Check:
    """Tell of the vanished rows of a kind, and whether they are more than may vanish."""
    allowed, published = of.entity.checks.may_lose_pct, f"published_{of.entity.name}"
    counted = f"SELECT count(*), count(WRITTEN_AT), min(WRITTEN_AT) FROM vanished WHERE {which}"
    many, dated, since = engine.execute(counted).fetchall()[0]
    before = dict(engine.execute(f"SELECT SOURCE, count(*) FROM {quoted(published)} GROUP BY 1").fetchall())
    lost = engine.execute(f"SELECT SOURCE, count(*) FROM vanished WHERE {which} GROUP BY 1 ORDER BY 1").fetchall()
    over = emptied or any(number * 100 > allowed * before[source] for source, number in lost)
    told = ", ".join(f"{number} of {before[source]} of {source}" for source, number in lost)
    empty = f"; {emptied} document(s) have none left" if emptied else ""
    texts = ", ".join(shown_key(of))
    worst = engine.execute(f"SELECT {texts}, WRITTEN_AT FROM vanished WHERE {which} ORDER BY ALL LIMIT {SHOWN}")
    rows = [Row(key_text(dict(zip(of.key, key, strict=True))), "lost", written_at=at) for *key, at in worst.fetchall()]
    answer = Answer(
        expected="0",
        actual=str(many),
        discrepancy=str(many),
        message=f"published rows are gone, {how} ({plain(allowed)} % may be): {told}{empty}"
        if many
        else "none is gone",
        rows=rows,
        offenders=many,
        since=since if dated == many else None,
    )
    severity = Severity.ERROR if over or not many else Severity.WARNING
    return check(cell, Question(Kind.COUNT, Level.SOURCE_FINAL, name, severity=severity), answer)


def _vanished(of: Season, sources: Iterable[str]) -> str:
    name = of.entity.name
    return f"""
        SELECT p.*, WRITTEN_AT, p.OBJECT_KEY IS NULL OR p.OBJECT_KEY IN (SELECT OBJECT_KEY FROM listed) AS _listed
        FROM {quoted("published_" + name)} AS p LEFT JOIN objects USING (OBJECT_KEY)
        WHERE p.SOURCE IN ({", ".join(map(literal, sources))})
        AND NOT EXISTS (SELECT 1 FROM {quoted("final_" + name)} AS f WHERE {same_key("f", "p", of.key)})
    """


def _emptied(of: Season) -> str:
    """Count the documents that are there, had several of the published rows, and have none of them any more."""
    return f"""
        SELECT count(*) FROM (
            SELECT OBJECT_KEY, count(*) AS many FROM {quoted("published_" + of.entity.name)} GROUP BY 1
        ) JOIN (SELECT OBJECT_KEY, count(*) AS lost FROM vanished WHERE _listed GROUP BY 1) USING (OBJECT_KEY)
        WHERE many = lost AND many > 1
    """


def merged(engine: "duckdb.DuckDBPyConnection", of: Season, sources: Iterable[str]) -> dict[str, int]:
    """Count the rows that a run has inserted, updated and deleted."""
    name, known = of.entity.name, ", ".join(map(literal, sources))
    differs = " OR ".join(f"p.{column} IS DISTINCT FROM f.{column}" for column in map(quoted, of.entity.columns))
    found = engine.execute(f"""
        SELECT count(*) FILTER (p.SOURCE IS NULL), count(*) FILTER (p.SOURCE = f.SOURCE AND ({differs})),
            count(*) FILTER (f.SOURCE IS NULL)
        FROM (SELECT * FROM "published_{name}" WHERE SOURCE IN ({known})) AS p
        FULL JOIN "merged_{name}" AS f ON {same_key("p", "f", of.key)}
    """).fetchall()
    return dict(zip(("inserted", "updated", "deleted"), found[0], strict=True))
