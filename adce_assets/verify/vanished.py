"""What was published before a run and what is after it in, what the merge has done out: no row may vanish unseen.

Counts and hashes compare a run with itself: where a source has changed so that a document is taken for one without
records, both sides have none of it. What was published is what such a change cannot reach.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from adce_assets.verify.checks import SHOWN, Answer, Cell, Check, Kind, Level, Question, Row, check, key_text, plain
from adce_assets.verify.evidence import Season, same_key

if TYPE_CHECKING:
    import duckdb


def compare_published(
    engine: "duckdb.DuckDBPyConnection", cell: Cell, of: Season, sources: Iterable[str], objects: Iterable[str]
) -> Check:
    """Ask whether a row that was published is gone, though the object that it came from is there.

    One of which nobody knows any more where it came from counts, too.

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
    before = engine.execute(f'SELECT count(*) FROM "published_{of.entity.name}"').fetchall()[0][0]
    counted = "SELECT count(*), count(WRITTEN_AT), min(WRITTEN_AT) FROM vanished"
    many, dated, since = engine.execute(counted).fetchall()[0]
    allowed = of.entity.checks.may_lose_pct
    holds = many * 100 <= allowed * before
    names = ", ".join(f'CAST("{name}" AS VARCHAR)' for name in of.key)
    worst = engine.execute(f"SELECT {names}, WRITTEN_AT FROM vanished ORDER BY ALL LIMIT {SHOWN}").fetchall()
    rows = [Row(key_text(dict(zip(of.key, key, strict=True))), "lost", written_at=at) for *key, at in worst]
    gone = f"{many} of {before} published rows are gone, though their documents are there ({plain(allowed)} % may be)"
    answer = Answer(
        expected="0",
        actual=str(many),
        discrepancy=str(many),
        message=gone if many else "no published row is gone whose document is there",
        rows=[] if holds else rows,
        offenders=0 if holds else many,
        since=since if dated == many else None,
    )
    return check(cell, Question(Kind.COUNT, Level.SOURCE_FINAL, "what was published is there"), answer)


def _vanished(of: Season, sources: Iterable[str]) -> str:
    name = of.entity.name
    known = ", ".join(f"'{source}'" for source in sources)
    return f"""
        SELECT p.*, WRITTEN_AT FROM "published_{name}" AS p LEFT JOIN objects USING (OBJECT_KEY)
        WHERE p.SOURCE IN ({known})
        AND (p.OBJECT_KEY IS NULL OR p.OBJECT_KEY IN (SELECT OBJECT_KEY FROM listed))
        AND NOT EXISTS (SELECT 1 FROM "final_{name}" AS f WHERE {same_key("f", "p", of.key)})
    """


def merged(engine: "duckdb.DuckDBPyConnection", of: Season, sources: Iterable[str]) -> dict[str, int]:
    """Count the rows that a run has inserted, updated and deleted."""
    name, known = of.entity.name, ", ".join(f"'{source}'" for source in sources)
    differs = " OR ".join(f'p."{column}" IS DISTINCT FROM f."{column}"' for column in of.entity.columns)
    found = engine.execute(f"""
        SELECT count(*) FILTER (p.SOURCE IS NULL), count(*) FILTER (p.SOURCE = f.SOURCE AND ({differs})),
            count(*) FILTER (f.SOURCE IS NULL)
        FROM (SELECT * FROM "published_{name}" WHERE SOURCE IN ({known})) AS p
        FULL JOIN "merged_{name}" AS f ON {same_key("p", "f", of.key)}
    """).fetchall()
    return dict(zip(("inserted", "updated", "deleted"), found[0], strict=True))
