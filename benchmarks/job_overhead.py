"""Measure what Dagster adds: CPU of the reconciliation job against an empty job plus the same four steps without it.

    python benchmarks/job_overhead.py            # three runs of each
    python benchmarks/job_overhead.py --small    # one run of each

Runs each of the three as a command in a process of its own, on the demo's lake under the shipped contract, and prints
one JSON object with the medians in CPU seconds. Exits 1 if the job costs more than `PROMISED` times the other two
together, or, where it is the middle of several runs, adds more than `MOST_ADDED` seconds to the steps: at any size, for
no asset hands rows to another. This file is also what Dagster loads for the empty job.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

ROOT = Path(__file__).resolve().parents[1]
PROMISED = 1.5
MOST_ADDED = 5.0
RUNS = 3
DAGSTER = Path(sys.executable).with_name("dagster")
STEPS = """
from adce_assets.loop.project import open_project
from adce_assets.loop.reconciling import reconcile
from adce_assets.scrapers.catalogue import load_catalogue
from adce_assets.scrapers.planning import requests_per_key
from adce_assets.settings import load_settings
settings = load_settings()
scrapers = load_catalogue(settings.scraper_config_path).scrapers
costs = {name: requests_per_key(entry) for name, entry in scrapers.items()}
reconcile(open_project(settings), scrapers, costs=costs)
"""


def empty_asset(name: str, after: str | None) -> dg.AssetsDefinition:
    @dg.asset(name=name, deps=[after] if after else [])
    def nothing() -> dg.MaterializeResult:
        return dg.MaterializeResult()

    return nothing


NAMES = ("first", "second", "third", "fourth")
defs = dg.Definitions(
    assets=[empty_asset(name, after) for name, after in zip(NAMES, (None, *NAMES), strict=False)],
    jobs=[dg.define_asset_job("four_empty_assets")],
    executor=dg.in_process_executor,
)


def cpu_of(command: list[str | Path], environment: Mapping[str, str]) -> float:
    """Return the CPU seconds, user and system, of a command and everything that it starts."""

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = spent()
    finished = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if finished.returncode:
        sys.exit(finished.stderr)
    return spent() - before


def measured(environment: Mapping[str, str], runs: int) -> dict[str, float]:
    commands: dict[str, list[str | Path]] = {
        "empty_job": [DAGSTER, "job", "execute", "-f", __file__, "-j", "four_empty_assets"],
        "bare_pipeline": [sys.executable, "-c", STEPS],
        "reconciliation_job": [DAGSTER, "job", "execute", "-m", "adce_assets.definitions", "-j", "reconciliation_job"],
    }
    cpu_of(commands["reconciliation_job"], environment)  # makes the instance's database, the state and the byte code
    return {
        name: round(statistics.median(cpu_of(command, environment) for _ in range(runs)), 2)
        for name, command in commands.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true", help="one run of each")
    is_small = parser.parse_args().small
    runs = 1 if is_small else RUNS

    from adce_assets.demo.holes import NOW
    from adce_assets.demo.stage import build

    with tempfile.TemporaryDirectory(prefix="adce-benchmark-") as folder:
        home, plan = build(Path(folder) / "demo", "file")
        state = Path(folder) / "state"
        state.mkdir()
        environment = {
            "PATH": os.environ["PATH"],
            "ADCE_LAKE": home.lake.as_uri(),
            "ADCE_STATE": state.as_uri(),
            "ADCE_AS_OF": NOW.isoformat(),
            "ADCE_DATABASE_URL": f"sqlite:///{folder}/ledger.sqlite",
            "DAGSTER_HOME": str(home.dagster),
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "PYTHONWARNINGS": "ignore",
        }
        seconds = measured(environment, runs)
    ratio = seconds["reconciliation_job"] / (seconds["empty_job"] + seconds["bare_pipeline"])
    added = seconds["reconciliation_job"] - seconds["bare_pipeline"]
    told = {"objects": plan.objects, "runs": runs, "cpu_seconds": seconds, "ratio": round(ratio, 3)}
    told |= {"added_cpu_seconds": round(added, 2), "promised": {"ratio": PROMISED, "added_cpu_seconds": MOST_ADDED}}
    print(json.dumps({"schema": 1, **told}, indent=1))
    return 0 if ratio <= PROMISED and (is_small or added <= MOST_ADDED) else 1


if __name__ == "__main__":
    sys.exit(main())
