"""Print the comparison of objects with expected keys as Athena's SQL, compiled from the expression that the loop runs.

python docs/athena_sql.py > docs/athena.sql
"""

import ibis

from adce_assets.loop.matching import _compared
from adce_assets.moments import MOMENT

OBJECTS = {"key": "string", "size": "int64", "last_modified": MOMENT, "etag": "string"}
WANTED = {
    "cell": "int32",
    "rank": "int8",
    "event": "int32",
    "min_bytes": "int64",
    "place": "string",
    "key": "string",
    "entity": "string",
    "event_at": MOMENT,
    "suspect_before": MOMENT,
}


def main() -> None:
    """Print it."""
    comparison = _compared(ibis.table(WANTED, name="wanted"), ibis.table(OBJECTS, name="objects"), ())
    print(ibis.to_sql(comparison, dialect="athena"))


if __name__ == "__main__":
    main()
