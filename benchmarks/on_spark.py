"""Compare the same objects with the same expected keys on both engines: CPU, wall time, memory, and equal rows.

    python benchmarks/on_spark.py [--keys 10000000] [--memory 2GB] [--master 'local[2]']

Each engine runs in a process of its own; of Spark both the Python process and its Java machine are counted. Prints one
JSON object: seconds to start the engine and seconds of the work itself. Exits 1 if the engines' rows differ.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
FIRST = 1945
SOURCES, TYPES, SEASONS = 10, 4, 80
CELLS = SOURCES * TYPES * SEASONS
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Make the inputs, run both engines on them, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--engine", choices=("duckdb", "spark"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engine:
        settings = {"backend": options.engine, "memory_limit": options.memory, "spark_master": options.master}
        print(json.dumps(measure(options.folder, settings)))
        return 0
    with tempfile.TemporaryDirectory(prefix="adce-bench-") as folder:
        figures: dict[str, Any] = {"keys": make_inputs(Path(folder), options.keys)}
        for name in ("duckdb", "spark"):
            command = [sys.executable, __file__, *sys.argv[1:], "--engine", name, "--folder", folder]
            figures[name] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    duckdb, spark = figures["duckdb"], figures["spark"]
    figures["spark_cpu_per_duckdb_cpu"] = round(spark["cpu_seconds"] / duckdb["cpu_seconds"], 1)
    figures["rows_are_equal"] = duckdb.pop("digest") == spark.pop("digest")
    print(json.dumps(figures, indent=1))
    return 0 if figures["rows_are_equal"] else 1


def make_inputs(folder: Path, keys: int) -> int:
    """Write a contract of about ``keys`` keys and the objects of a lake that lacks one in a hundred of them."""
    import duckdb

    entities = max(keys // CELLS, 1)
    first, last = (f"{year}-{(year + 1) % 100:02d}" for year in (FIRST, FIRST + SEASONS - 1))
    data_type = {"description": "d", "for_each": ["season", "player"]}
    contract = {
        "version": 1,
        "leagues": {"one": {"first_season": first, "last_season": last, "season_starts": 7}},
        "dimensions": {"player": {"table": "players.csv"}},
        "sources": {
            f"source_{source}": {
                "description": "d",
                "league": "one",
                "data_types": {
                    f"type_{number}": data_type
                    | {"templates": [f"source_{source}/type_{number}/{{season_start}}/{{player}}.json"]}
                    for number in range(TYPES)
                },
            }
            for source in range(SOURCES)
        },
    }
    (folder / "data_inventory.yaml").write_text(json.dumps(contract, indent=1))
    (folder / "players.csv").write_text("player\n" + "".join(f"{number:010d}\n" for number in range(entities)))
    duckdb.sql(f"""
        COPY (
            SELECT format('source_{{}}/type_{{}}/{{}}/{{:010d}}.json', a, b, {FIRST} + c, e) AS "key",
                   (200 + hash(e, c) % 5000)::BIGINT AS size,
                   make_timestamp(1700000000000000 + (hash(e) % 10000000)::BIGINT)::TIMESTAMPTZ AS last_modified,
                   md5(e || '-' || c) AS etag
            FROM range({SOURCES}) x(a), range({TYPES}) y(b), range({SEASONS}) z(c), range({entities}) w(e)
            WHERE hash(a, b, c, e) % 100 <> 7
        ) TO '{folder}/objects.parquet' (ROW_GROUP_SIZE 200000)
    """)
    return CELLS * entities


def measure(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Compare the inputs in a folder on one engine."""
    from adce_assets.contract.events import events_table
    from adce_assets.contract.loading import load_contract
    from adce_assets.loop.matching import Held, Matcher
    from adce_assets.loop.ranges import WHOLE, Known
    from adce_assets.tables import engine

    contract = load_contract(folder / "data_inventory.yaml")
    began = time.perf_counter()
    with engine(**settings) as backend:
        backend.create_table("warm", events_table([]), temp=True)
        started = time.perf_counter()
        with _work(backend) as spent:
            objects = backend.read_parquet(folder / "objects.parquet")
            held = Held(objects, objects.count().to_pyarrow().as_py(), [Known(WHOLE, NOW)])
            matched = Matcher(contract, backend, NOW).match("all", held, events_table([]))
            rows = matched.rows.order_by(matched.rows.columns).to_pyarrow()
    return {
        "start_seconds": round(started - began, 1),
        **{name: round(value, 1) for name, value in spent.items()},
        "rows": rows.num_rows,
        "digest": hashlib.sha256(repr(rows.to_pylist()).encode()).hexdigest(),
    }


@contextmanager
def _work(backend: Any) -> Iterator[dict[str, float]]:
    """Note what a block costs: of this process, and of Spark's."""
    processes = [os.getpid()]
    if backend.name == "pyspark":
        processes.append(backend._session.sparkContext._gateway.proc.pid)  # noqa: SLF001  # nothing public names it
    spent: dict[str, float] = {}
    cpu, wall = sum(map(_cpu, processes)), time.perf_counter()
    yield spent
    spent["cpu_seconds"] = sum(map(_cpu, processes)) - cpu
    spent["wall_seconds"] = time.perf_counter() - wall
    spent["peak_mib"] = sum(map(_peak, processes))


def _cpu(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _peak(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    sys.exit(main())
