"""What a run has staged in, the season in the final table out: merged at once, or left as it was.

The merge is one transaction over whole sets: rows of the run's sources that are staged are there afterwards and say
what was staged, rows that are not staged are gone. Whoever has to agree is asked inside it.
"""

from collections.abc import Callable
from datetime import datetime

from adce_assets.errors import NotPublishedError
from adce_assets.warehouse import staged, tables
from adce_assets.warehouse.database import Connection, Warehouse, listed, quoted
from adce_assets.warehouse.entities import Entity
from adce_assets.warehouse.staged import EARLIER, OF_RUN, Run, placeholders
from adce_assets.warehouse.values import plain

READY = ("staged", "refused", "published")
"""Outcomes of a run that may be published, again if need be: the merge of what is merged changes nothing."""


def publish(
    warehouse: Warehouse,
    entity: Entity,
    season: str,
    run_id: str,
    *,
    clock: Callable[[], datetime],
    verify: Callable[[Connection], None],
) -> None:
    """Merge what a run has staged into the final table, if ``verify`` lets it.

    Args:
        warehouse: Where it is staged.
        entity: What a record is.
        season: The season's label.
        run_id: The run; it must have been staged to its end.
        clock: Tells the time.
        verify: Asked after the merge and before its end; what it raises undoes all.

    Raises:
        NotPublishedError: the run is not staged, its rows are gone, or ``verify`` says so; nothing has changed.
        WarehouseError: the warehouse could not be written; nothing has changed.
    """
    run = Run(run_id, entity, season)
    try:
        with warehouse.transaction(alone=True) as connection:
            _check(connection, run)
            connection.ready(tables.staging(entity), entity.name)
            _merge(connection, run)
            verify(connection)
            _note(connection, run, clock())
    except NotPublishedError:
        _note_refused(warehouse, run)
        raise


def _check(connection: Connection, run: Run) -> None:
    found = connection.rows(f"SELECT outcome, staged FROM load_runs WHERE {OF_RUN}", run.ids)
    outcome = found[0][0] if found else "unknown"
    if outcome not in READY:
        hint = "stage it to its end first"
        raise NotPublishedError(f"the run is {outcome}", where=run.where, valid=", ".join(READY), hint=hint)
    asked = f"SELECT COUNT(*) FROM {quoted(tables.staging(run.entity))} WHERE run_id = ? AND season = ?"
    there = connection.rows(asked, (run.run_id, run.season))[0][0]
    if found[0][1] and not there:
        hint = "a later run of the season has cleared them: start a new run"
        raise NotPublishedError("its staged rows are gone", where=run.where, hint=hint)


def _merge(connection: Connection, run: Run) -> None:
    """Bring the final table to what is staged, in statements over sets; a row that has changed is another row."""
    final, staging = quoted(run.entity.name), quoted(tables.staging(run.entity))
    of_run, ids = "s.run_id = ? AND s.season = ?", (run.run_id, run.season)
    key = ["source", "season", *run.entity.key]
    same_key = " AND ".join(f"f.{quoted(name)} = s.{quoted(name)}" for name in key)
    columns = listed([*run.entity.columns, "source", "season"])
    there = f"EXISTS (SELECT 1 FROM {staging} s WHERE {of_run} AND {same_key})"
    of_both, differs = f"{staging} s WHERE {of_run} AND {same_key}", tables.distinct(run.entity, "f", "s")
    connection.execute(f"DELETE FROM {final} AS f USING {of_both} AND {differs}", ids)
    connection.execute(f"UPDATE {final} AS f SET last_run_id = s.run_id FROM {of_both}", ids)
    connection.execute(
        f"INSERT INTO {final} ({columns}, last_run_id) SELECT {columns}, run_id FROM {staging} s"
        f" WHERE {of_run} AND NOT EXISTS (SELECT 1 FROM {final} f WHERE {same_key})",
        ids,
    )
    sources = staged.sources(connection, run)
    cell, of_cell = f"f.season = ? AND f.source IN ({placeholders(sources)})", (run.season, *sources)
    connection.execute(f"DELETE FROM {final} AS f WHERE {cell} AND NOT {there}", (*of_cell, *ids))


def _note(connection: Connection, run: Run, at: datetime) -> None:
    """Write down that the run is published; clear what earlier runs of the season have staged."""
    connection.execute(
        f"UPDATE load_runs SET outcome = 'published', finished = ? WHERE {OF_RUN}", (plain(at), *run.ids)
    )
    staged.clear(connection, run, "TRUE")
    connection.execute(
        f"UPDATE load_workers SET outcome = 'lost', ended = ? WHERE outcome = 'working' AND entity = ? AND season = ?"
        f" AND run_id IN (SELECT run_id FROM load_runs WHERE {EARLIER})",
        (plain(at), run.entity.name, run.season, *run.earlier),
    )
    connection.execute(
        f"UPDATE load_runs SET outcome = 'superseded' WHERE outcome <> 'published' AND {EARLIER}", run.earlier
    )


def _note_refused(warehouse: Warehouse, run: Run) -> None:
    """Write down that the run was not published, if it could have been."""
    with warehouse.transaction() as connection:
        refused = f"UPDATE load_runs SET outcome = 'refused' WHERE {OF_RUN} AND outcome = 'staged'"
        connection.execute(refused, run.ids)
