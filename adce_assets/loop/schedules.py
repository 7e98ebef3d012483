"""Schedule documents of the lake in, events out: the schedule of record as the lake has it.

What the documents say is made into tables once. As long as the lake holds the same versions of them and the contract
reads them alike, the tables are recalled, and no document, game or event is touched. Otherwise only the documents that
are new are read, and only the games that they, or those that have gone, show are merged again. A document that cannot
be read is a damaged object, said as a fault; it never hides what the other documents say.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from adce_assets.contract.events import event_schema, events_table, scheduled, season_of_game
from adce_assets.contract.loading import Contract
from adce_assets.contract.schedule import Document, Game, GameStatus, ScheduledGame, merge, played
from adce_assets.loop import schedule_documents
from adce_assets.loop.project import Project
from adce_assets.loop.schedule_documents import GAME_FIELDS, VERSION_FIELDS
from adce_assets.loop.state import SCHEDULE, SCHEDULE_DOCUMENTS, SCHEDULE_IDS
from adce_assets.progress import Progress

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

ID_FIELDS = ("schedule", "game_id", "season")
FORM = 1
"""The form of what is remembered; what another form remembers is made anew."""
MADE_OF, SAYS = b"adce.made_of", b"adce.says"
"""Where a table says which documents and which contract it was made of, and what stands in no row of it."""

IDENTITY = ("key", "etag", "last_modified")
Identity = tuple[str, str, datetime]
"""Key, ETag and time of writing: what tells one version of an object from another."""


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
    documents = schedule_documents.find(project.contract, objects)
    made_of = _digest(project.contract, documents)
    last = _recalled(project)
    if last is not None and _made_of(last.events) == made_of:
        return last
    return _remade(project, documents, made_of, last, progress)


def _digest(contract: Contract, documents: "pa.Table") -> str:
    """Sum up what of the contract decides about how games are read, and which documents there are."""
    declared = [
        (name, schedule, contract.ids[schedule.id], contract.leagues[schedule.league])
        for name, schedule in contract.schedules.items()
    ]
    read_by = [
        (name, form, template.text, template.patterns)
        for name, form, template in schedule_documents.templates(contract)
    ]
    there = hashlib.sha256()
    for name in ("key", "etag"):
        there.update(repr(documents[name].to_pylist()).encode())
    for name in ("last_modified", "size"):
        there.update(documents[name].cast("int64").to_numpy().tobytes())
    return f"{hashlib.sha256(repr((FORM, declared, read_by)).encode()).hexdigest()} {there.hexdigest()}"


def _made_of(table: "pa.Table") -> str:
    return (table.schema.metadata or {}).get(MADE_OF, b"").decode()


def _recalled(project: Project) -> Schedules | None:
    """Recall what the last run made, if it is still there."""
    others = project.state.recall(SCHEDULE_IDS, ID_FIELDS)
    events = project.state.recall(SCHEDULE, (*event_schema().names, "event"))
    if others is None or events is None or not _made_of(events) or _made_of(events) != _made_of(others):
        return None
    said = json.loads(events.schema.metadata[SAYS])
    faults = {(key, etag, datetime.fromisoformat(written)): fault for key, etag, written, fault in said["faults"]}
    return Schedules(events, others, said["documents"], faults)


def _remade(
    project: Project, documents: "pa.Table", made_of: str, last: Schedules | None, progress: Progress
) -> Schedules:
    """Read what is new, make the tables of all that the documents say, and remember them."""
    import pyarrow as pa

    contract, state = project.contract, project.state
    remembered = state.recall(SCHEDULE_DOCUMENTS, schedule_documents.schema().names)
    before = schedule_documents.schema().empty_table() if remembered is None else remembered
    wanted = dict(schedule_documents.wanted(contract, documents))
    known = {version: row for row, version in enumerate(_rows(before, VERSION_FIELDS))}
    fresh = [(version, size) for version, size in wanted.items() if version not in known]
    new = schedule_documents.table(schedule_documents.read(project, fresh, progress))
    kept, gone = (
        before.take(pa.array([row for version, row in known.items() if (version in wanted) is there], pa.int64()))
        for there in (True, False)
    )
    now = pa.concat_tables([kept, new]).sort_by([(name, "ascending") for name in VERSION_FIELDS]).combine_chunks()
    state.write_table(SCHEDULE_DOCUMENTS, now.replace_schema_metadata({MADE_OF: made_of}))
    if last is not None and not (_made_of(last.events) == _made_of(before) and _alike(_made_of(before), made_of)):
        last = None
    made = _made(contract, now, last, pa.concat_tables([gone, new]))
    faults = [(key, etag, written.isoformat(), fault) for (key, etag, written), fault in made.faults.items()]
    about = {MADE_OF: made_of, SAYS: json.dumps({"documents": made.documents, "faults": faults})}
    state.write_table(SCHEDULE_IDS, made.other_ids.replace_schema_metadata({MADE_OF: made_of}))
    state.write_table(SCHEDULE, made.events.replace_schema_metadata(about))
    return made


def _alike(made_of: str, other: str) -> bool:
    """Tell whether two digests are of the same contract."""
    return made_of.partition(" ")[0] == other.partition(" ")[0]


def _made(contract: Contract, documents: "pa.Table", last: Schedules | None, changed: "pa.Table") -> Schedules:
    """Make the tables of what documents say, from the last ones where there are any: then ``changed`` is what changed.

    Whatever the last tables were, the same documents give the same tables.
    """
    import pyarrow as pa

    events: list[pa.Table] = []
    others: list[pa.Table] = []
    for name, schedule in contract.schedules.items():
        shown = _sightings(documents, name)
        if last is None:
            found = _merged(contract, name, shown)
        else:
            ids = _touched(shown, _sightings(changed, name), schedule.unique_by)
            merged = _merged(contract, name, shown.filter(_among(shown["game_id"], ids)))
            found = tuple(
                pa.concat_tables([_others(table, name, ids), part])
                for table, part in zip((last.events.drop_columns("event"), last.other_ids), merged, strict=True)
            )
        events.append(found[0].sort_by([("season", "ascending"), ("day", "ascending"), ("game_id", "ascending")]))
        others.append(found[1].sort_by("game_id"))
    numbered = pa.concat_tables([event_schema().empty_table(), *events])
    numbers = pa.array(range(numbered.num_rows), pa.int32())
    counts = Counter(documents["schedule"].to_pylist())
    return Schedules(
        events=numbered.append_column("event", numbers),
        other_ids=pa.concat_tables([_ids_table([]), *others]),
        documents={name: counts[name] for name in contract.schedules},
        faults=_faults(documents),
    )


def _sightings(documents: "pa.Table", schedule: str) -> "pa.Table":
    """List what the documents of a schedule show, one row a game of a document: the fields of both."""
    import pyarrow as pa
    import pyarrow.compute as pc

    its = documents.filter(pc.equal(documents["schedule"], schedule)).combine_chunks()
    games = pa.Table.from_struct_array(pc.list_flatten(its["games"]))
    shown_in = its.select(["key", "last_modified"]).take(pc.list_parent_indices(its["games"]))
    for name in shown_in.column_names:
        games = games.append_column(name, shown_in[name])
    return games


def _touched(shown: "pa.Table", changed: "pa.Table", unique_by: Sequence[str]) -> "pa.Array":
    """List the ids that changed documents bear upon: those they show, and all that may be events of the same games."""
    import pyarrow as pa
    import pyarrow.compute as pc

    everywhere = pa.concat_tables([shown, changed])
    ids = pc.unique(changed["game_id"])
    event = _event_name(everywhere, unique_by) if unique_by else None
    while event is not None:
        named = event.filter(_among(everywhere["game_id"], ids))
        wider = pc.unique(everywhere["game_id"].filter(_among(event, pc.drop_null(pc.unique(named)))))
        wider = pc.unique(pa.chunked_array([ids, wider]))
        if len(wider) == len(ids):
            break
        ids = wider
    return ids


def _event_name(games: "pa.Table", unique_by: Sequence[str]) -> "pa.ChunkedArray":
    """Write down the fields that no two events share; null where one of them is not known."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = [games[name].cast(pa.string()) for name in unique_by]
    texts = [pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text) for text in texts]
    return pc.binary_join_element_wise(*texts, "/")


def _among(values: "pa.ChunkedArray", wanted: "pa.Array") -> "pa.ChunkedArray":
    import pyarrow.compute as pc

    return pc.is_in(values, value_set=wanted, skip_nulls=True)


def _others(table: "pa.Table", schedule: str, ids: "pa.Array") -> "pa.Table":
    """Keep the rows of a schedule that are not of these ids."""
    import pyarrow.compute as pc

    its = table.filter(pc.equal(table["schedule"], schedule))
    return its.filter(pc.invert(_among(its["game_id"], ids)))


def _merged(contract: Contract, schedule: str, shown: "pa.Table") -> tuple["pa.Table", "pa.Table"]:
    """Merge what documents show into events and other ids."""
    rows = zip(_rows(shown, ("key", "last_modified")), _games(shown), strict=True)
    documents = [
        Document(key, written, [game for _, game in games])
        for (key, written), games in groupby(rows, key=itemgetter(0))
    ]
    games = merge(documents, unique_by=contract.schedules[schedule].unique_by)
    return events_table(scheduled(contract, schedule, games)), _ids_table(_other_ids(contract, schedule, games))


def _games(shown: "pa.Table") -> Iterator[Game]:
    statuses = {status.value: status for status in GameStatus}
    for game_id, season, kind, day, starts_at, status, home, away in _rows(shown, GAME_FIELDS):
        yield Game(game_id, season, kind, day, starts_at, statuses[status], home, away)


def _rows(table: "pa.Table", names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(table[name].to_pylist() for name in names), strict=True)


def _other_ids(contract: Contract, schedule: str, games: list[ScheduledGame]) -> Iterator[tuple[str, str, str]]:
    for game in games:
        ids = game.also_known_as if played(game) else (game.game_id, *game.also_known_as)
        if ids:
            season = season_of_game(contract, schedule, game).label
            yield from ((schedule, game_id, season) for game_id in ids)


def _ids_table(rows: Iterable[tuple[str, str, str]]) -> "pa.Table":
    import pyarrow as pa

    columns = zip(*rows, strict=True)
    found = dict(zip(ID_FIELDS, columns, strict=False))
    return pa.table({name: pa.array(found.get(name, ()), pa.string()) for name in ID_FIELDS})


def _faults(documents: "pa.Table") -> dict[Identity, str]:
    import pyarrow.compute as pc

    faulty = documents.filter(pc.is_valid(documents["fault"]))
    return {(key, etag, written): fault for key, etag, written, fault in _rows(faulty, (*IDENTITY, "fault"))}
