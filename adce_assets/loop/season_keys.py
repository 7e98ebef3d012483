"""An installation and a season of an entity in, the objects that it is loaded from out.

What a season is made of are the keys that the contract and the schedule of record expect of it and that the lake has
when it is asked; that they all are there is coverage's matter, and what becomes of them is `verify`'s.
"""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Any

from adce_assets.contract.expected import beginnings, cells, places
from adce_assets.errors import ConfigurationError, printable
from adce_assets.loop.project import Project
from adce_assets.loop.records import CELL
from adce_assets.loop.state import ESTIMATES, SCHEDULE
from adce_assets.tables import engine
from adce_assets.warehouse.entities import Entity, check_data_sets


def keys_of(project: Project, entity: Entity, season: str) -> dict[str, list[str]]:
    """List the objects of a season by source, in order; of one that lies at several places the first that ADCE knows.

    Sources that the contract does not have, or not in this season, are left out, and so are those without an object:
    what is in the warehouse of them stays, for a lake that lost all of a season is no reason to forget it.

    Raises:
        ConfigurationError: the entity is read from what the contract has under another name, or has no such season.
        LakeError: there is no schedule yet, or the lake cannot be asked.
    """
    check_data_sets([entity], project.contract.data_sets)
    rows = dict(enumerate(cells(project.contract, project.clock())))
    _check_season(season, {row["season"] for row in rows.values()})
    found: dict[str, list[str]] = {}
    for reading in entity.readings:
        cells_read = {(*name.split("/"), season) for name in reading.data_sets}
        of_cell = {at: row for at, row in rows.items() if tuple(row[name] for name in CELL) in cells_read}
        if of_cell and (there := _there(project, of_cell)):
            found[reading.source] = there
    return found


def _check_season(season: str, known: Collection[str]) -> None:
    if season not in known:
        near = get_close_matches(season, sorted(known), n=1) or sorted(known)[-1:]
        raise ConfigurationError(f"the contract has no season `{printable(season[:90])}`", valid=", ".join(near))


def _there(project: Project, rows: dict[int, dict[str, Any]]) -> list[str]:
    held = {found.key for prefix in _outermost(beginnings(rows).values()) for found in project.lake.list(prefix)}
    first: dict[str, tuple[int, str]] = {}
    for place in _places(project, rows):
        if place["place"] in held:
            lies = (place["rank"], place["place"])
            first[place["key"]] = min(first.get(place["key"], lies), lies)
    return sorted(key for _, key in first.values())


def _outermost(prefixes: Iterable[str]) -> list[str]:
    """Leave out what lies below another one."""
    kept: list[str] = []
    for prefix in sorted(set(prefixes)):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return kept


def _places(project: Project, rows: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    """Make every place where an object of the cells may lie."""
    import ibis

    now, limits = project.clock(), project.settings.reconciliation.engine
    with (
        project.state.local(SCHEDULE) as scheduled,
        project.state.local(ESTIMATES) as estimated,
        engine(**limits.model_dump()) as backend,
    ):
        events = [backend.read_parquet(path) for path in (scheduled, estimated)]
        both = events[0].union(events[1].select(*events[0].columns))
        table = places(project.contract, rows, both, now)
        known = table.filter(table.place.notnull())
        key = ibis.ifelse(known["rank"] == 0, known.place, known["key"])
        return known.select("place", "rank", key=key).to_pyarrow().to_pylist()
