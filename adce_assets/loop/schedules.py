"""Schedule documents of the lake in, events out: the schedule of record as the lake has it.

Each document is read once and remembered under its key and etag, so that a reconciliation reads only what is new. A
document that cannot be read is a damaged object, said as a verdict; it never hides what the other documents say.
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from adce_assets.contract.loading import Contract
from adce_assets.contract.models import ScheduleDocuments
from adce_assets.contract.schedule import Document, Game, GameStatus, ScheduledGame, merge, parse
from adce_assets.errors import ObjectNotFoundError, VerifyError
from adce_assets.lake.store import LakeStore
from adce_assets.loop.project import Project
from adce_assets.loop.state import SCHEDULE_DOCUMENTS
from adce_assets.progress import Progress

if TYPE_CHECKING:
    import pyarrow as pa

MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
GAME_FIELDS = tuple(field.name for field in fields(Game))


@dataclass(frozen=True, slots=True)
class Reading:
    """One schedule document as it was read: its games, or the fault that keeps it from being read."""

    schedule: str
    key: str
    etag: str
    last_modified: datetime
    fault: str | None
    games: list[Game]


def refresh(project: Project, objects: "pa.Table", progress: Progress) -> list[Reading]:
    """Read the schedule documents among ``objects`` that are new, keep the others, and remember all of them."""
    remembered = {(entry.schedule, entry.key, entry.etag): entry for entry in _remembered(project)}
    wanted = list(_wanted(project, objects))
    fresh = [entry for entry in wanted if (entry[0], entry[2]["key"], entry[2]["etag"]) not in remembered]
    readings = {
        key: remembered[key]
        for key in ((name, row["key"], row["etag"]) for name, _, row in wanted)
        if key in remembered
    }
    with ThreadPoolExecutor(project.settings.reconciliation.s3.read_workers) as pool:
        bodies = pool.map(lambda entry: _body(project.lake, entry[2]), fresh)
        for done, ((name, declared, row), body) in enumerate(zip(fresh, bodies, strict=True), start=1):
            if body is not None:
                readings[name, row["key"], row["etag"]] = _read(project.contract, name, declared, row, body)
            progress("schedules", done, len(fresh))
    ordered = [readings[key] for key in sorted(readings)]
    project.state.write_table(SCHEDULE_DOCUMENTS, _table(ordered))
    return ordered


def games(project: Project, readings: list[Reading]) -> dict[str, list[ScheduledGame]]:
    """Merge what the documents say into the games of each schedule."""
    documents: dict[str, list[Document]] = {name: [] for name in project.contract.schedules}
    for reading in readings:
        if reading.fault is None and reading.schedule in documents:
            documents[reading.schedule].append(Document(reading.key, reading.last_modified, reading.games))
    schedules = project.contract.schedules
    return {name: merge(found, unique_by=schedules[name].unique_by) for name, found in documents.items()}


def _wanted(project: Project, objects: "pa.Table") -> Iterator[tuple[str, ScheduleDocuments, dict[str, Any]]]:
    """Find the objects that hold schedules, by the templates of the data sets that the contract names."""
    import pyarrow.compute as pc

    for name, schedule in project.contract.schedules.items():
        for declared in schedule.documents:
            for template in project.contract.data_sets[declared.data_set].templates:
                near = objects.filter(pc.starts_with(objects["key"], template.prefix)) if template.prefix else objects
                for row in near.to_pylist():
                    if template.read(row["key"]) is not None:
                        yield name, declared, row


def _body(lake: LakeStore, row: dict[str, Any]) -> bytes | None:
    """Read a document; None when it has gone since it was listed, empty when it is too large to be one."""
    if row["size"] > MAX_DOCUMENT_BYTES:
        return b""
    try:
        return lake.get(row["key"])
    except ObjectNotFoundError:
        return None


def _read(contract: Contract, name: str, declared: ScheduleDocuments, row: dict[str, Any], body: bytes) -> Reading:
    """Read a document; an id that is none of the schedule's would become a key that nothing reads back."""
    found: list[Game] = []
    fault = None
    pattern = contract.ids[contract.schedules[name].id].pattern
    try:
        found = parse(declared.format, body)
    except VerifyError as error:
        fault = f"not readable as {declared.format}: {error.what}"
    strange = [game.game_id for game in found if re.fullmatch(pattern, game.game_id, re.ASCII) is None]
    if strange:
        found, fault = [], f"names the event {strange[0]!r}, whose id is not one of `{contract.schedules[name].id}`"
    return Reading(name, row["key"], row["etag"], row["last_modified"], fault, found)


def _table(readings: list[Reading]) -> "pa.Table":
    """Lay readings out as one row a game, and one without a game for a document that holds none."""
    import pyarrow as pa

    text, moment = pa.string(), pa.timestamp("us", tz="UTC")
    kinds = {"season_start": pa.int32(), "date": pa.date32(), "starts_at": moment}
    schema = pa.schema(
        [
            *((name, text) for name in ("schedule", "key", "etag")),
            ("last_modified", moment),
            ("fault", text),
            *((name, kinds.get(name, text)) for name in GAME_FIELDS),
        ]
    )
    rows = []
    for reading in readings:
        shared = {name: getattr(reading, name) for name in ("schedule", "key", "etag", "last_modified", "fault")}
        rows += [shared | {name: getattr(game, name) for name in GAME_FIELDS} for game in reading.games] or [shared]
    return pa.Table.from_pylist(rows, schema=schema)


def _remembered(project: Project) -> list[Reading]:
    if not project.state.has(SCHEDULE_DOCUMENTS):
        return []
    readings: dict[tuple[str, str], Reading] = {}
    for row in project.state.read_table(SCHEDULE_DOCUMENTS).to_pylist():
        shared = [row[name] for name in ("schedule", "key", "etag", "last_modified", "fault")]
        reading = readings.setdefault((row["schedule"], row["key"]), Reading(*shared, games=[]))
        if row["game_id"] is not None:
            values = {name: row[name] for name in GAME_FIELDS} | {"status": GameStatus(row["status"])}
            reading.games.append(Game(**values))
    return list(readings.values())
