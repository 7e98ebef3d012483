"""Compare two tables row by row, beside datacompy's polars engine on the same files in the same run.

    python benchmarks/difference.py          # a million rows
    python benchmarks/difference.py --small  # 200,000
    python benchmarks/difference.py --full   # and ten million, which datacompy, at 9.5 GiB, is not asked for

Two Parquet files of ten columns with the same rows, each in an order of its own; then with one row changed; then with
half of them changed. Every comparison is a process of its own that is asked to find how many rows differ; the two
programs take turns, and the best of a few runs counts. Wall seconds from the files to the answer, imports excluded,
CPU seconds of all threads, and the peak memory of the whole process. Prints one JSON object, and exits 1 if a count is
wrong, if a comparison takes more memory than `MOST_MIB`, if half of the rows cost more than `MOST_TIMES` what none
costs, or if datacompy is faster; of `--small`, where starting counts for much, if that takes less than half of the
CPU.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

SMALL, ROWS, FULL = 200_000, 1_000_000, 10_000_000
KEY = ("game_id", "play_id")
CHANGED = {"none": "false", "one": "game_id = 401000017 AND play_id = 17", "half": "hash(play_id, game_id) % 2 = 0"}
"""Which rows are another on the right."""
MOST_MIB = 1_024
MOST_TIMES = 2.0
MOST_OF_DATACOMPY = {SMALL: ("cpu_seconds", 2.0), ROWS: ("seconds", 1.0)}
MEMORY = "640MB"
"""As `adce verify diff` has it."""


def rows(count: int) -> str:
    """Select plays that look like those of basketball."""
    return f"""
        SELECT (401000000 + i // 450)::BIGINT AS game_id, (i % 450)::INTEGER AS play_id,
            ['LAL', 'BOS', 'DEN', 'MIA', 'PHX', 'NYK'][(1 + hash(i) % 6)::INTEGER] AS team,
            'Player ' || (hash(i * 7) % 600) AS player, (hash(i * 3) % 40)::INTEGER AS points,
            ((hash(i * 5) % 4800) / 100)::DECIMAL(6,2) AS minutes, (hash(i * 11) % 1000000) / 997.0 AS rating,
            make_timestamp(1700000000000000 + i * 1000000) AS "at", hash(i * 13) % 3 = 0 AS home,
            'makes ' || (hash(i * 17) % 30) || '-foot jumper (' || i || ')' AS description
        FROM range({count}) plays(i)"""


def write(folder: Path, count: int) -> dict[str, int]:
    """Write the left and each right; return how many rows of each right are other ones."""
    with duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(folder / "spill")}) as connection:
        connection.execute(f"COPY (FROM ({rows(count)}) ORDER BY hash(game_id, play_id)) TO '{folder}/left.parquet'")
        for name, where in CHANGED.items():
            other = (
                f"SELECT * REPLACE (CASE WHEN {where} THEN points + 1 ELSE points END AS points) FROM ({rows(count)})"
            )
            connection.execute(f"COPY ({other} ORDER BY hash(play_id, game_id)) TO '{folder}/{name}.parquet'")
        counts = ", ".join(f"count(*) FILTER (WHERE {where})" for where in CHANGED.values())
        (found,) = connection.execute(f"SELECT {counts} FROM ({rows(count)})").fetchall()
    return dict(zip(CHANGED, found, strict=True))


def ours() -> Callable[[Path, Path], int]:
    """Import what compares; return what counts the rows that differ."""
    from adce_assets.tables import engine
    from adce_assets.verify.difference import compare
    from adce_assets.verify.relations import inferred, of_parquet

    def differing(left: Path, right: Path) -> int:
        with engine(memory_limit=MEMORY) as backend:
            one, other = of_parquet(backend.con, left), of_parquet(backend.con, right)
            return compare(backend.con, one, other, key=KEY, types=inferred(one, other)).differing

    with engine(memory_limit=MEMORY):  # which imports most when it is first used
        return differing


def theirs() -> Callable[[Path, Path], int]:
    """Do the same of datacompy, which compares when it is made."""
    import datacompy
    import polars as pl

    def differing(left: Path, right: Path) -> int:
        frames = pl.read_parquet(left), pl.read_parquet(right)
        compared = datacompy.PolarsCompare(*frames, join_columns=list(KEY))
        alone = len(compared.df1_unq_rows) + len(compared.df2_unq_rows)
        return alone + len(compared.intersect_rows) - compared.count_matching_rows()

    return differing


PROGRAMS = {"adce": ours, "datacompy": theirs}


def run(program: str, left: Path, right: Path) -> None:
    """Compare in this process, and print what it cost."""
    differing = PROGRAMS[program]()
    started, before = time.perf_counter(), time.process_time()
    found = differing(left, right)
    seconds, cpu = time.perf_counter() - started, time.process_time() - before
    print(json.dumps({"differing": found, "seconds": seconds, "cpu_seconds": cpu, "peak_mib": peak_mib()}))


def peak_mib() -> int:
    """Return the most memory of this program alone; `getrusage` would begin with that of the one that started it."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024
    sys.exit("/proc/self/status tells no VmHWM: memory is measured on Linux alone")


def child(program: str, left: Path, right: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--run", program, "--left", str(left), "--right", str(right)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        sys.exit(finished.stderr)
    return json.loads(finished.stdout.splitlines()[-1])


def measured(folder: Path, count: int, programs: tuple[str, ...], times: int) -> dict[str, Any]:
    """Let the programs take turns over each pair of files."""
    truth = write(folder, count)
    report: dict[str, Any] = {"rows": count}
    for name, differing in truth.items():
        turns = [
            {program: child(program, folder / "left.parquet", folder / f"{name}.parquet") for program in programs}
            for _ in range(times)
        ]
        report[name] = {
            "differing": differing,
            **{program: best([turn[program] for turn in turns]) for program in programs},
        }
    return report


def best(turns: list[dict[str, Any]]) -> dict[str, Any]:
    """Keep the least time and the most memory of several runs."""
    least = {name: round(min(turn[name] for turn in turns), 3) for name in ("seconds", "cpu_seconds")}
    return {**least, "peak_mib": max(turn["peak_mib"] for turn in turns), "found": turns[0]["differing"]}


def judged(report: dict[str, Any]) -> list[str]:
    """Add the ratios, and say which promises are broken."""
    pairs = {name: report[name] for name in CHANGED}
    report["half_by_none_cpu"] = round(pairs["half"]["adce"]["cpu_seconds"] / pairs["none"]["adce"]["cpu_seconds"], 2)
    faults = [] if report["half_by_none_cpu"] <= MOST_TIMES else [f"half of the rows cost {report['half_by_none_cpu']}"]
    for name, pair in pairs.items():
        faults += [
            f"{name}: {program} finds {pair[program]['found']} rows, not {pair['differing']}"
            for program in PROGRAMS
            if program in pair and pair[program]["found"] != pair["differing"]
        ]
        if pair["adce"]["peak_mib"] > MOST_MIB:
            faults.append(f"{name}: {pair['adce']['peak_mib']} MiB of {MOST_MIB}")
        if "datacompy" in pair:
            faults += beside(report["rows"], name, pair)
    return faults


def beside(count: int, name: str, pair: dict[str, Any]) -> list[str]:
    """Add how long it takes, and how much CPU, of datacompy's; say if that is more than is promised."""
    ratios = {cost: round(pair["adce"][cost] / pair["datacompy"][cost], 2) for cost in ("seconds", "cpu_seconds")}
    pair["of_datacompy"] = ratios
    cost, most = MOST_OF_DATACOMPY[count]
    return [f"{name}: {ratios[cost]} times the {cost} of datacompy"] if ratios[cost] > most else []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--run", choices=PROGRAMS, help=argparse.SUPPRESS)
    parser.add_argument("--left", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--right", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.run:
        run(chosen.run, chosen.left, chosen.right)
        return 0
    sizes = [(SMALL, tuple(PROGRAMS), 2)] if chosen.small else [(ROWS, tuple(PROGRAMS), 3)]
    sizes += [(FULL, ("adce",), 1)] if chosen.full else []
    reports, faults = [], []
    for size, programs, times in sizes:
        with tempfile.TemporaryDirectory(prefix="adce-difference-") as folder:
            reports.append(measured(Path(folder), size, programs, times))
        faults += judged(reports[-1])
    print(json.dumps({"measured": reports, "broken": faults}, indent=1))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
