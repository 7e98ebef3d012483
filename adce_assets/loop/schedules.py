"""Schedule documents of the lake in, events out: the schedule of record as the lake has it.

Each version of a document is read once and remembered, so that a reconciliation reads only what is new; a contract that
reads it otherwise has it read again. A document that cannot be read is a damaged object, said as a verdict; it never
hides what the other documents say.
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

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


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """One version of a document, and how its schedule reads it: another of either is another document.

    Stores do not always name versions (an inventory report may lack the ETag), and a document that was written again
    with the same content confirms its games anew; so the time of writing counts too.
    """

    schedule: str
    key: str
    etag: str
    last_modified: datetime
    format: str
    id_pattern: str


VERSION_FIELDS = tuple(field.name for field in fields(Version))


@dataclass(frozen=True, slots=True)
class Reading:
    """One schedule document as it was read: its games, or the fault that keeps it from being read."""

    version: Version
    fault: str | None
    games: list[Game]


def refresh(project: Project, objects: "pa.Table", progress: Progress) -> list[Reading]:
    """Read the schedule documents among ``objects`` that are new, keep the others, and remember all of them."""
    recalled = _remembered(project)
    remembered = {reading.version: reading for reading in recalled or ()}
    wanted = dict(_wanted(project, objects))
    readings = {version: remembered[version] for version in wanted if version in remembered}
    fresh = [(version, size) for version, size in wanted.items() if version not in remembered]
    with ThreadPoolExecutor(project.settings.reconciliation.s3.read_workers) as pool:
        found = pool.map(lambda entry: _read(project.lake, *entry), fresh)
        for done, reading in enumerate(found, start=1):
            if reading is not None:
                readings[reading.version] = reading
            progress("schedules", done, len(fresh))
    ordered = [readings[version] for version in sorted(readings)]
    if recalled is None or readings.keys() != remembered.keys():
        project.state.write_table(SCHEDULE_DOCUMENTS, _table(ordered))
    return ordered


def games(project: Project, readings: list[Reading]) -> dict[str, list[ScheduledGame]]:
    """Merge what the documents say into the games of each schedule."""
    documents: dict[str, list[Document]] = {name: [] for name in project.contract.schedules}
    for reading in readings:
        version = reading.version
        if reading.fault is None and version.schedule in documents:
            documents[version.schedule].append(Document(version.key, version.last_modified, reading.games))
    schedules = project.contract.schedules
    return {name: merge(found, unique_by=schedules[name].unique_by) for name, found in documents.items()}


def _wanted(project: Project, objects: "pa.Table") -> Iterator[tuple[Version, int]]:
    """Find the objects that hold schedules, by the templates of the data sets that the contract names, with sizes."""
    import pyarrow.compute as pc

    contract = project.contract
    for name, schedule in contract.schedules.items():
        id_pattern = contract.ids[schedule.id].pattern
        for declared in schedule.documents:
            for template in contract.data_sets[declared.data_set].templates:
                near = objects.filter(pc.starts_with(objects["key"], template.prefix)) if template.prefix else objects
                for row in near.select(["key", "etag", "last_modified", "size"]).to_pylist():
                    if template.read(row["key"]) is not None:
                        size = row.pop("size")
                        yield Version(name, **row, format=declared.format, id_pattern=id_pattern), size


def _read(lake: LakeStore, version: Version, size: int) -> Reading | None:
    """Read a document; None when it has gone since it was listed."""
    if size > MAX_DOCUMENT_BYTES:
        return Reading(version, f"{size:,} bytes are too many for a schedule", [])
    try:
        found = parse(version.format, lake.get(version.key))
    except ObjectNotFoundError:
        return None
    except VerifyError as error:
        return Reading(version, f"not readable as {version.format}: {error.what}", [])
    strange = next((game for game in found if not re.fullmatch(version.id_pattern, game.game_id, re.ASCII)), None)
    if strange is not None:  # it would become a key that nothing reads back
        return Reading(version, f"names the event `{strange.game_id}`; valid ids: {version.id_pattern}", [])
    return Reading(version, None, found)


def _table(readings: list[Reading]) -> "pa.Table":
    """Lay readings out as one row a game, and one without a game for a document that holds none."""
    import pyarrow as pa

    text, moment = pa.string(), pa.timestamp("us", tz="UTC")
    kinds = {"last_modified": moment, "season_start": pa.int32(), "date": pa.date32(), "starts_at": moment}
    rows = [(reading, game) for reading in readings for game in reading.games or [None]]
    columns = {name: [getattr(reading.version, name) for reading, _ in rows] for name in VERSION_FIELDS}
    columns["fault"] = [reading.fault for reading, _ in rows]
    columns |= {name: [None if game is None else getattr(game, name) for _, game in rows] for name in GAME_FIELDS}
    return pa.table({name: pa.array(values, kinds.get(name, text)) for name, values in columns.items()})


def _remembered(project: Project) -> list[Reading] | None:
    """Recall the readings of earlier runs, None when nothing can be recalled: then all documents are read again."""
    table = project.state.recall(SCHEDULE_DOCUMENTS, (*VERSION_FIELDS, "fault", *GAME_FIELDS))
    if table is None:
        return None
    versions = zip(*(table[name].to_pylist() for name in (*VERSION_FIELDS, "fault")), strict=True)
    told = table.select(GAME_FIELDS).to_pylist()
    readings = []
    for (*version, fault), rows in groupby(zip(versions, told, strict=True), key=itemgetter(0)):
        games = [row | {"status": GameStatus(row["status"])} for _, row in rows if row["game_id"] is not None]
        readings.append(Reading(Version(*version), fault, [Game(**game) for game in games]))
    return readings
