"""The whole of it as a person has it: started, looked at, an object deleted by hand, closed again by itself, stopped.

Nothing is called here but the command line, and nothing is looked at but the lake, the source and the processes.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import dagster as dg
import pytest
import yaml

from adce_assets.contract.seasons import WHOLE_HISTORY
from adce_assets.defs.collecting import BATCH_TAG
from adce_assets.defs.storage import instance_of
from adce_assets.ledger.receipts import completion_key
from adce_assets.operate.socket_place import place_of
from adce_assets_tests import misbehaving
from adce_assets_tests.misbehaving import MisbehavingServer, after, always, busy, reply
from adce_assets_tests.whole import mortal
from adce_assets_tests.whole.conftest import body
from adce_assets_tests.whole.life import change
from adce_assets_tests.whole.machines import ROOT

PATIENCE_S = 150
"""Some times what it takes, for a busy machine."""
RUN = dict.fromkeys(("code", "daemon", "web", "health"), "running")
THINGS = {kind: [f"good-{number}" for number in range(1, 21)] for kind in ("things", "others")}
LOST = "things/good-7.json"
HURRIED = {
    "intervals": {"completion_seconds": 5, "task_queue_seconds": 5},
    "completions": {"quiet_seconds": 0},
    "canary": {"cron": "0 0 1 1 *"},
    "health": {"interval_seconds": 10},
}


@dataclass(frozen=True)
class Home:
    """An installation with all its objects, and the command line on it."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "ADCE_HOME": str(self.folder),
            "ADCE_LAKE": (self.folder / "lake").as_uri(),
        }

    def adce(self, *arguments: str) -> dict[str, Any]:
        """Run a command that writes one JSON object, and is well."""
        command = [sys.executable, "-m", "adce_assets.cli", *arguments, "--json"]
        done = subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr + self.logs()
        return json.loads(done.stdout)

    def tell(self, data_type: str) -> None:
        """Leave a marker, as whoever changes a lake may do: without one it is found by schedule, minutes later."""
        told = {"schema": 1, "source": "some", "data_type": data_type, "season": WHOLE_HISTORY, "status": "ok"}
        told |= dict.fromkeys(("started_at", "finished_at"), datetime.now(UTC).isoformat())
        told |= {"keys": None, "records": None, "producer": "somebody"}
        marker = self.folder / "lake" / completion_key("some", data_type, WHOLE_HISTORY, "by_hand")
        marker.parent.mkdir(parents=True)
        marker.write_text(json.dumps(told))

    def processes(self) -> dict[int, str]:
        """Say which processes work on the installation, by what stands in their environment."""
        named, found = f"ADCE_HOME={self.folder}\0".encode(), {}
        for process in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                if named in (process / "environ").read_bytes():
                    found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def is_well(self) -> bool:
        """Ask the health server, as whoever watches a machine does."""
        port = yaml.safe_load((self.folder / "config" / "autonomous_config.yaml").read_text())["health"]["port"]
        try:
            with urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
                return answer.status == 200
        except HTTPError:
            return False

    def logs(self) -> str:
        """Return the end of what each component wrote."""
        folder = self.folder / ".adce" / "service" / "logs"
        return "\n".join(f"{path.name}:\n{path.read_text()[-3000:]}" for path in folder.glob("*.log"))

    def tasks(self) -> int | None:
        """Return how many tasks are queued; None where nobody has looked yet."""
        path = self.folder / "inventory" / "gaps.json"
        return json.loads(path.read_text())["total_tasks"] if path.exists() else None


@pytest.fixture
def source() -> Iterator[MisbehavingServer]:
    """A source that says at first, of each thing, that it is busy."""
    with misbehaving.running() as server:
        for kind, names in THINGS.items():
            for name in names:
                whole = always(reply(body(f"/{kind}/{name}"), Content_Type="application/json"))
                server.on(f"/{kind}/{name}", after(1, whole, first=busy(503)))
        yield server


@pytest.fixture
def home(tmp_path: Path, source: MisbehavingServer) -> Iterator[Home]:
    made = Home(tmp_path / "home")
    shutil.copytree(ROOT / "config", made.folder / "config", ignore=shutil.ignore_patterns("scrapers"))
    shutil.copy(ROOT / "dagster.yaml", made.folder)
    (made.folder / "inventory").mkdir()
    mortal.write_contract(made.folder, THINGS)
    mortal.write_catalogue(made.folder, source.url, attempts=3)
    (made.folder / "scraper_config.yaml").replace(made.folder / "config" / "scraper_config.yaml")
    settings = made.folder / "config" / "autonomous_config.yaml"
    change(settings, HURRIED)
    change(settings, ports())
    for kind, names in THINGS.items():
        (made.folder / "lake" / kind).mkdir(parents=True)
        for name in names:
            (made.folder / "lake" / kind / f"{name}.json").write_bytes(body(f"/{kind}/{name}"))
    yield made
    if made.processes():
        made.adce("stop")
    service = made.folder / ".adce" / "service"
    if (place := place_of(service)) != service:
        shutil.rmtree(place)


def ports() -> dict[str, dict[str, int]]:
    """Find ports that are free, all at the same time."""
    with ExitStack() as stack:
        found = [stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(2)]
    return {"service": {"web_port": found[0]}, "health": {"port": found[1]}}


def wait_until(holds: Callable[[], object], home: Home) -> None:
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until, home.logs()
        time.sleep(0.5)


def test_what_somebody_deletes_is_collected_and_closed_by_itself_and_no_process_is_left(
    home: Home, source: MisbehavingServer
) -> None:
    home.adce("start")
    lost = home.folder / "lake" / LOST
    lost.unlink()
    home.tell("others")
    wait_until(lost.exists, home)
    wait_until(lambda: home.tasks() == 0, home)
    wait_until(home.is_well, home)
    assert lost.read_bytes() == body(f"/{LOST.removesuffix('.json')}")
    assert dict(source.asked) == {f"/{LOST.removesuffix('.json')}": 2}
    status = home.adce("status")
    assert {one["component"]: one["health"] for one in status["components"]}.items() >= RUN.items()
    assert (status["running"], status["tasks"], status["last_cycle_hours"] < 1) == (True, 0, True)
    assert home.adce("stop")["was_running"]
    assert home.processes() == {}
    with instance_of(home.folder) as instance:
        assert instance.get_latest_materialization_event(dg.AssetKey(["some", "others"]))  # as the marker told
        batches = [run for run in instance.get_runs() if BATCH_TAG in run.tags]
    assert [run.asset_selection for run in batches] == [{dg.AssetKey(["some", "things"])}]
