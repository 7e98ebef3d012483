"""Schedule documents of the lake in, events out: the schedule of record as the lake has it.

What the documents say is made into tables once. As long as the lake holds the same versions of them and the contract
reads them alike, the tables are recalled, and no document, game or event is touched; otherwise only what is new is
read. A document that cannot be read is a damaged object, said as a fault; it never hides what the other documents say.
"""

import functools
import hashlib
import json
import operator
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from string import Formatter
from typing import TYPE_CHECKING

from adce_assets.contract.events import Event, event_schema, events_table, scheduled, season_of_game
from adce_assets.contract.loading import Contract
from adce_assets.contract.schedule import Document, Game, GameStatus, ScheduledGame, merge, parse, played
from adce_assets.contract.templates import Template
from adce_assets.errors import ObjectNotFoundError, VerifyError
from adce_assets.lake.store import OBJECT_SCHEMA, LakeStore
from adce_assets.loop.project import Project
from adce_assets.loop.state import SCHEDULE, SCHEDULE_DOCUMENTS, SCHEDULE_IDS
from adce_assets.progress import Progress

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
GAME_FIELDS = tuple(field.name for field in fields(Game))
ID_FIELDS = ("schedule", "game_id", "season")
FORM = 1
"""The form of what is remembered; what another form remembers is made anew."""
MADE_OF, SAYS = b"adce.made_of", b"adce.says"
"""Where a table says which documents and which contract it was made of, and what stands in no row of it."""

Identity = tuple[str, str, datetime]
"""Key, ETag and time of writing: what tells one version of an object from another."""


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


@dataclass(frozen=True, slots=True)
class Schedules:
    """What the schedules of record say, and which documents say it.

    ``events`` has the columns of `event_schema` and ``event``, the number of the row (int32); ``other_ids`` the columns
    of `ID_FIELDS`: ids that are no event's, of games that were not played or by which an event is known too.
    ``documents`` counts by schedule those that could be read and those that could not.
    """

    events: "pa.Table"
    other_ids: "pa.Table"
    documents: Mapping[str, int]
    faults: Mapping[Identity, str]

    def known_ids(self) -> "pa.Table":
        """Give the season of every id that the documents show: the columns of `ID_FIELDS`."""
        import pyarrow as pa

        return pa.concat_tables([self.events.select(ID_FIELDS), self.other_ids])

    def counts(self) -> dict[str, Counter[tuple[str, str]]]:
        """Count the events of each schedule by season and season type."""
        names = ["schedule", "season", "season_type"]
        counts: dict[str, Counter[tuple[str, str]]] = {name: Counter() for name in self.documents}
        for group in self.events.group_by(names).aggregate([([], "count_all")]).to_pylist():
            counts[group["schedule"]][group["season"], group["season_type"]] = group["count_all"]
        return counts


def refresh(project: Project, objects: "ir.Table", progress: Progress) -> Schedules:
    """Read the schedule documents among ``objects`` that are new, and remember what all of them say.

    ``objects`` has the columns of `OBJECT_SCHEMA`. The tables in the state are written only when they change.
    """
    documents = _documents(project.contract, objects)
    made_of = _digest(project.contract, documents)
    recalled = _recalled(project, made_of)
    return recalled or _make(project, _read_all(project, documents, progress), made_of)


def _documents(contract: Contract, objects: "ir.Table") -> "pa.Table":
    """List the objects that hold schedules, in the order of their keys."""
    templates = {template.text: template for _, _, template in _templates(contract)}.values()
    if not templates:
        return OBJECT_SCHEMA.empty_table()
    wanted = objects.select(*OBJECT_SCHEMA.names)
    prefixes = [template.prefix for template in templates]
    if all(prefixes):  # where the least and the greatest key of a part of a file are known, the engine leaves parts out
        wanted = wanted.filter(wanted.key >= min(prefixes), wanted.key < _after(max(prefixes)))
    written = [_writes(template, wanted.key) for template in templates]
    return wanted.filter(functools.reduce(operator.or_, written)).order_by("key").to_pyarrow()


def _templates(contract: Contract) -> Iterator[tuple[str, str, Template]]:
    """Yield each template of schedule documents, with the name of its schedule and the format of its documents."""
    for name, schedule in contract.schedules.items():
        for declared in schedule.documents:
            for template in contract.data_sets[declared.data_set].templates:
                yield name, declared.format, template


def _writes(template: Template, key: "ir.StringColumn") -> "ir.BooleanValue":
    """Tell of keys whether the template can have written them; that a field stands twice alike is not asked."""
    pieces = Formatter().parse(template.text)
    pattern = "".join(
        re.escape(text) + (f"(?:{template.patterns[name]})" if name else "") for text, name, _, _ in pieces
    )
    alike = key.re_search(f"^(?:{pattern})$")
    return (key >= template.prefix) & (key < _after(template.prefix)) & alike if template.prefix else alike


def _after(prefix: str) -> str:
    """Return the least text above all that begin with a prefix, which a template writes: ASCII, and not empty."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def _digest(contract: Contract, documents: "pa.Table") -> str:
    """Sum up which documents there are, and what of the contract decides about how their games are read."""
    declared = [
        (name, schedule, contract.ids[schedule.id], contract.leagues[schedule.league])
        for name, schedule in contract.schedules.items()
    ]
    read_by = [(name, form, template.text, template.patterns) for name, form, template in _templates(contract)]
    found = hashlib.sha256(repr((FORM, declared, read_by)).encode())
    for name in ("key", "etag"):
        found.update(repr(documents[name].to_pylist()).encode())
    for name in ("last_modified", "size"):
        found.update(documents[name].cast("int64").to_numpy().tobytes())
    return found.hexdigest()


def _recalled(project: Project, made_of: str) -> Schedules | None:
    """Recall what was made of the same documents under the same contract, if it is still there."""
    import pyarrow.compute as pc

    others = project.state.recall(SCHEDULE_IDS, ID_FIELDS)
    events = project.state.recall(SCHEDULE, (*event_schema().names, "event"))
    if others is None or events is None:
        return None
    about = events.schema.metadata or {}
    if not about.get(MADE_OF) == (others.schema.metadata or {}).get(MADE_OF) == made_of.encode():
        return None
    said = json.loads(about[SAYS])
    faults = {(key, etag, datetime.fromisoformat(written)): fault for key, etag, written, fault in said["faults"]}
    return Schedules(events.filter(pc.equal(events["basis"], "schedule")), others, said["documents"], faults)


def _make(project: Project, readings: list[Reading], made_of: str) -> Schedules:
    """Make the tables of what the documents say, and remember them."""
    import pyarrow as pa

    contract = project.contract
    events: list[Event] = []
    others: list[tuple[str, str, str]] = []
    for name, games in _games(contract, readings).items():
        events += scheduled(contract, name, games)
        others += _other_ids(contract, name, games)
    documents = Counter(reading.version.schedule for reading in readings)
    made = Schedules(
        events=events_table(events).append_column("event", pa.array(range(len(events)), pa.int32())),
        other_ids=pa.table(
            {name: pa.array(map(itemgetter(at), others), pa.string()) for at, name in enumerate(ID_FIELDS)}
        ),
        documents={name: documents[name] for name in contract.schedules},
        faults={_identity(reading.version): reading.fault for reading in readings if reading.fault is not None},
    )
    faults = [(key, etag, written.isoformat(), fault) for (key, etag, written), fault in made.faults.items()]
    about = {MADE_OF: made_of, SAYS: json.dumps({"documents": made.documents, "faults": faults})}
    project.state.write_table(SCHEDULE_IDS, made.other_ids.replace_schema_metadata({MADE_OF: made_of}))
    made = replace(made, events=made.events.replace_schema_metadata(about))
    project.state.write_table(SCHEDULE, made.events)
    return made


def _games(contract: Contract, readings: list[Reading]) -> dict[str, list[ScheduledGame]]:
    """Merge what the documents say into the games of each schedule."""
    documents: dict[str, list[Document]] = {name: [] for name in contract.schedules}
    for reading in readings:
        version = reading.version
        if reading.fault is None:
            documents[version.schedule].append(Document(version.key, version.last_modified, reading.games))
    schedules = contract.schedules
    return {name: merge(found, unique_by=schedules[name].unique_by) for name, found in documents.items()}


def _other_ids(contract: Contract, schedule: str, games: list[ScheduledGame]) -> Iterator[tuple[str, str, str]]:
    for game in games:
        ids = game.also_known_as if played(game) else (game.game_id, *game.also_known_as)
        if ids:
            season = season_of_game(contract, schedule, game).label
            yield from ((schedule, game_id, season) for game_id in ids)


def _identity(version: Version) -> Identity:
    return version.key, version.etag, version.last_modified


def _read_all(project: Project, documents: "pa.Table", progress: Progress) -> list[Reading]:
    """Read the documents that are new, keep the others, and remember all of them."""
    recalled = _remembered(project)
    remembered = {reading.version: reading for reading in recalled or ()}
    wanted = dict(_wanted(project.contract, documents))
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


def _wanted(contract: Contract, documents: "pa.Table") -> Iterator[tuple[Version, int]]:
    """Say how each document is read, by each schedule that reads it, with its size."""
    rows = documents.to_pylist()
    for name, form, template in _templates(contract):
        id_pattern = contract.ids[contract.schedules[name].id].pattern
        for row in rows:
            if row["key"].startswith(template.prefix) and template.read(row["key"]) is not None:
                yield Version(name, row["key"], row["etag"], row["last_modified"], form, id_pattern), row["size"]


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
