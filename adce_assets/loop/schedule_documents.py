"""Objects in, schedule documents out: which objects of the lake hold schedules, and which games each of them shows.

Here documents are found, read, and laid out to be remembered. What the games of all of them together make is the
business of `schedules`.
"""

import functools
import operator
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import accumulate
from operator import attrgetter
from string import Formatter
from typing import TYPE_CHECKING, NamedTuple

from adce_assets.contract.loading import Contract
from adce_assets.contract.schedule import Game, parse
from adce_assets.contract.templates import Template
from adce_assets.errors import ObjectNotFoundError, VerifyError
from adce_assets.lake.store import OBJECT_SCHEMA, LakeStore
from adce_assets.loop.project import Project
from adce_assets.progress import Progress

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
AT_A_TIME = 20
"""Documents that a worker is handed at once."""
GAME_FIELDS = tuple(field.name for field in fields(Game))


class Version(NamedTuple):
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


VERSION_FIELDS = Version._fields


@dataclass(frozen=True, slots=True)
class Reading:
    """One schedule document as it was read: its games, or the fault that keeps it from being read."""

    version: Version
    fault: str | None
    games: list[Game]


def find(contract: Contract, objects: "ir.Table") -> "pa.Table":
    """List the objects that hold schedules, in the order of their keys."""
    places = {template.text: template for _, _, template in templates(contract)}.values()
    if not places:
        return OBJECT_SCHEMA.empty_table()
    near = objects.select(*OBJECT_SCHEMA.names)
    prefixes = [template.prefix for template in places]
    if all(prefixes):  # where the least and the greatest key of a part of a file are known, the engine leaves parts out
        near = near.filter(near.key >= min(prefixes), near.key < _after(max(prefixes)))
    written = [_writes(template, near.key) for template in places]
    return near.filter(functools.reduce(operator.or_, written)).order_by("key").to_pyarrow()


def templates(contract: Contract) -> Iterator[tuple[str, str, Template]]:
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


def read(project: Project, versions: list[tuple[Version, int]], progress: Progress) -> list[Reading]:
    """Read documents of these sizes in bytes; those that have gone since they were listed are left out."""
    readings: list[Reading] = []
    parts = [versions[start : start + AT_A_TIME] for start in range(0, len(versions), AT_A_TIME)]
    done = 0
    with ThreadPoolExecutor(project.settings.reconciliation.s3.read_workers) as pool:
        for found in pool.map(lambda part: [_read(project.lake, *entry) for entry in part], parts):
            readings += [reading for reading in found if reading is not None]
            done += len(found)
            progress("schedules", done, len(versions))
    return readings


def wanted(contract: Contract, documents: "pa.Table") -> Iterator[tuple[Version, int]]:
    """Say how each document is read, by each schedule that reads it, with its size."""
    rows = documents.to_pylist()
    for name, form, template in templates(contract):
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


def table(readings: list[Reading]) -> "pa.Table":
    """Lay readings out as one row a document."""
    import pyarrow as pa

    columns = schema()
    games = [game for reading in readings for game in reading.games]
    fields_of_game = columns.field("games").type.value_type
    told = [pa.array(map(attrgetter(field.name), games), field.type, size=len(games)) for field in fields_of_game]
    starts = [0, *accumulate(len(reading.games) for reading in readings)]
    lists = pa.ListArray.from_arrays(
        pa.array(starts, pa.int32()), pa.StructArray.from_arrays(told, fields=list(fields_of_game))
    )
    versions = [
        pa.array([getattr(reading.version, name) for reading in readings], columns.field(name).type)
        for name in VERSION_FIELDS
    ]
    faults = pa.array([reading.fault for reading in readings], pa.string())
    return pa.Table.from_arrays([*versions, faults, lists], schema=columns)


def schema() -> "pa.Schema":
    """Name and type what is remembered of a document, times in UTC."""
    import pyarrow as pa

    text, moment = pa.string(), pa.timestamp("us", tz="UTC")
    kinds = {"last_modified": moment, "season_start": pa.int32(), "date": pa.date32(), "starts_at": moment}
    game = pa.struct([(name, kinds.get(name, text)) for name in GAME_FIELDS])
    columns = [(name, kinds.get(name, text)) for name in (*VERSION_FIELDS, "fault")]
    return pa.schema([*columns, ("games", pa.list_(game))])
