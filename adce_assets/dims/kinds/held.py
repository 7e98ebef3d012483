"""The inventory that is in force in, the objects of the lake out: as relations, read once for a look.

Nothing is listed. The rows of a listing lie in the state; those of an AWS report are fetched once, and kept on this
machine in a folder of the metrics' own, because a reconciliation clears away the copies that it no longer needs.
"""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adce_assets.dims.world import Reading, World
from adce_assets.errors import LakeError, MetricError
from adce_assets.loop.state import COVERAGE, GAPS, INVENTORY

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from ibis.backends.duckdb import Backend

    from adce_assets.lake.store import KeyRange
    from adce_assets.loop.holdings import Holdings, Report
    from adce_assets.loop.project import Project

ROWS = 50_000
"""Keys that are read by the templates of the contract at once."""
PLACED = ("key", "size", "last_modified", "kind", "source", "data_type", "season")
"""The columns of `placed`: of an object, and what the contract calls it (null where it calls it nothing)."""
FOLDER = "reports_of_metrics"
PATIENCE_S = 600
"""How long one process waits until another has fetched a report and measured what it wanted."""
HINT = "run `adce reconcile`"


def inventory(world: World, read: Reading) -> Mapping[str, Any]:
    """Return the summary of the inventory in force.

    Raises:
        LakeError: there is none, or it is damaged.
        MetricError: it is of another lake, or only a sample, whose numbers are guesses.
    """
    return read.once("inventory", lambda _: _inventory(world.project))


def objects(world: World, read: Reading) -> "ir.Table":
    """Express the objects of the lake, with the columns of `OBJECT_SCHEMA`; open as long as the look.

    Raises:
        LakeError: the inventory, or the report that it is of, cannot be read.
        MetricError: as of `inventory`; or what lies beside the summary is not of the same inventory.
    """
    return read.once("objects", lambda opened: _objects(world, read, opened))


def placed(world: World, read: Reading) -> "ir.Table":
    """Express the objects with what the contract calls them: the columns of `PLACED`.

    Raises:
        LakeError, MetricError: as of `objects`; or the contract has changed since the inventory was taken.
    """
    return read.once("placed", lambda opened: _placed(world, read, opened))


def backend(world: World, read: Reading) -> "Backend":
    """Lend the table engine of the look: always that of this machine, for what is asked of it is little."""
    from adce_assets.tables import engine

    limits = world.project.settings.reconciliation.engine
    within = {"memory_limit": limits.memory_limit, "threads": limits.threads}
    return read.once("engine", lambda opened: opened.enter_context(engine(**within)))


def coverage(world: World, read: Reading) -> Mapping[str, Any]:
    """Return the summary of the coverage.

    Raises:
        LakeError: coverage has not been analysed yet, or its summary is damaged.
        MetricError: the contract has changed since.
    """
    told = read.once(COVERAGE, lambda _: world.project.state.read_json(COVERAGE))
    refuse_other_contract(world, told)
    return told


def gaps(world: World, read: Reading) -> Mapping[str, Any]:
    """Return the summary of the gaps; LakeError where none have been looked for yet, or it is damaged."""
    return read.once(GAPS, lambda _: world.project.state.read_json(GAPS))


def refuse_unseen(told: Mapping[str, Any], prefixes: Iterable[str]) -> None:
    """Raise MetricError where nobody has looked at all keys that begin with one of the prefixes."""
    from adce_assets.loop import ranges

    seen = [entry.range for entry in ranges.read(told["ranges"])]
    for prefix in prefixes:
        if not _covers(seen, ranges.below(prefix)):
            raise MetricError(
                f"the inventory has not looked at all of `{prefix}*`: a total would be a guess",
                where=INVENTORY,
                hint="see `s3.prefixes` in config/reconciliation_config.yaml, or measure what lies below these",
            )


def computed(world: World, read: Reading, asked: "ir.Table") -> list[dict[str, Any]]:
    """Compute rows in the engine of the look; LakeError for what it cannot do."""
    import duckdb

    try:
        return backend(world, read).to_pyarrow(asked).to_pylist()
    except duckdb.Error as error:
        raise LakeError(
            f"the table engine cannot go on: {str(error).partition(chr(10))[0]}", where=INVENTORY
        ) from error


def refuse_other_contract(world: World, told: Mapping[str, Any]) -> None:
    """Raise MetricError for what was made with another contract, and so says nothing of the cells of this one."""
    if told["contract"] != world.project.contract.digest:
        raise MetricError("the contract has changed since the inventory was taken", where=INVENTORY, hint=HINT)


def _inventory(project: "Project") -> Mapping[str, Any]:
    from adce_assets.loop import memory

    told = project.state.read_json(INVENTORY)
    where = f"{project.state.store.url}/{INVENTORY}.json"
    if told.get("mode") == "sample":
        raise MetricError("the lake was only sampled: its numbers are guesses", where=where, hint=HINT)
    if told.get("of") != memory.identity(project):
        raise MetricError("the inventory is of another lake", where=where, hint=HINT)
    return told


def _objects(world: World, read: Reading, opened: ExitStack) -> "ir.Table":
    from adce_assets.loop import memory

    told, project = inventory(world, read), world.project
    last = memory.last(project)
    if last is None or last.document != told:
        raise _torn(project)
    held = _at_hand(project, last.holdings, opened).held(project, backend(world, read))
    if held.count != told["objects"]:
        raise _torn(project)
    return held.objects


def _torn(project: "Project") -> MetricError:
    return MetricError(
        "the rows of the inventory are not those that its summary is of",
        where=f"{project.state.store.url}/{INVENTORY}",
        hint=f"a reconciliation may be under way; if it stays so, {HINT}",
    )


def _at_hand(project: "Project", holdings: "Holdings", opened: ExitStack) -> "Holdings":
    """Lend the rows of the base as files of this machine."""
    from adce_assets.loop.holdings import Report

    if isinstance(holdings.base, Report):
        return replace(holdings, base=_fetched(project, holdings.base, opened))
    return replace(holdings, base=opened.enter_context(project.state.local(INVENTORY)))


def _fetched(project: "Project", base: "Report", opened: ExitStack) -> "Report":
    """Have the files of a report: the loop's copies, or else fetched anew; nobody else does so during the look."""
    from filelock import FileLock, Timeout

    from adce_assets.lake import report

    work = project.settings.work_folder
    folder = work / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        opened.enter_context(FileLock(work / f"{FOLDER}.lock", timeout=PATIENCE_S))
    except (OSError, Timeout) as error:
        raise MetricError(f"the rows of the report cannot be kept: {error}", where=str(folder)) from error
    for copy in chain((work / "reports").glob("*.parquet"), (work / "reports").glob("*.orc")):
        with suppress(OSError):  # it is there already, is gone by now, or lies on another disk
            (folder / copy.name).hardlink_to(copy)
    return replace(base, files=report.fetch(project.lake, base.manifest, folder))


def _placed(world: World, read: Reading, opened: ExitStack) -> "ir.Table":
    """Name what the keys are, a piece of them at a time, in a file of the look."""
    import pyarrow.parquet as pq

    from adce_assets.lake.classify import Classifier
    from adce_assets.tables import write_parquet

    refuse_other_contract(world, inventory(world, read))
    rows = objects(world, read).select(*PLACED[:3])
    classifier = Classifier(world.project.contract, _seasons(world))
    folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="adce-metrics-")))
    write_parquet(backend(world, read), rows, folder / "rows.parquet")
    with (
        pq.ParquetFile(folder / "rows.parquet") as known,
        pq.ParquetWriter(folder / "placed.parquet", _schema(), compression="zstd") as file,
    ):
        for batch in known.iter_batches(batch_size=ROWS):
            file.write_table(_with_names(classifier, batch))
    return backend(world, read).read_parquet(folder / "placed.parquet")


def _schema() -> "pa.Schema":
    import pyarrow as pa

    from adce_assets.lake.store import OBJECT_SCHEMA

    kinds = [OBJECT_SCHEMA.field(name) for name in PLACED[:3]]
    return pa.schema([*kinds, *((name, pa.string()) for name in PLACED[3:])])


def _with_names(classifier: Any, batch: "pa.RecordBatch") -> "pa.Table":
    import pyarrow as pa

    told = classifier.place_all(batch["key"].to_pylist())
    columns = [*batch.columns, *(told[name] for name in PLACED[3:])]
    return pa.table(dict(zip(PLACED, columns, strict=True))).cast(_schema())


def _seasons(world: World) -> Mapping[str, Mapping[str, str]]:
    """Recall of which season every id is that a schedule of record knows."""
    from adce_assets.loop.schedules import ID_FIELDS
    from adce_assets.loop.state import SCHEDULE, SCHEDULE_IDS

    seasons: dict[str, dict[str, str]] = {name: {} for name in world.project.contract.schedules}
    for name in (SCHEDULE, SCHEDULE_IDS):
        table = world.project.state.read_table(name).select(list(ID_FIELDS))
        for schedule, game_id, season in zip(*(column.to_pylist() for column in table.columns), strict=True):
            seasons.get(schedule, {})[game_id] = season
    return seasons


def _covers(seen: "Sequence[KeyRange]", wanted: "KeyRange") -> bool:
    """Tell whether disjoint stretches in key order have all of another one between them."""
    reached = wanted.after
    for stretch in seen:
        if stretch.after > reached:
            return False
        if stretch.until is None:
            return True
        reached = max(reached, stretch.until)
        if wanted.until is not None and reached >= wanted.until:
            return True
    return False
