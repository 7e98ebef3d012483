"""The entities of `config/reconcile/` in, one asset of the warehouse for each out, checked where it is materialised.

A partition is a season. It is loaded when its data sets have been updated (`warehouse_sensor` looks now and then, and
that is how often a season is loaded at most), or when somebody asks for `warehouse_job`. Its run loads the documents
that the lake has, asks all checks and publishes the season, or leaves the final table as it was and fails, if an error
was found and the entity's file says that it blocks. Where it is too early to say, the run ends, so that other seasons
are loaded meanwhile, and `settling_sensor` asks for another one when it no longer is.
What is asked stands in `verify`; here is how Dagster shows it: a check for each type, and the worst rows beside it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from adce_assets.autonomous import Loads
from adce_assets.contract.loading import Contract, DataSet
from adce_assets.defs.acting import note_run
from adce_assets.defs.data_sets import PartitionSets, key_of
from adce_assets.defs.jobs import PRIORITY_TAG, WAREHOUSE, warehouse_job
from adce_assets.defs.jobs import WAREHOUSE_GROUP as GROUP
from adce_assets.defs.metadata import SHOWN, Metadata, table
from adce_assets.defs.resources import ProjectResource
from adce_assets.settings import Settings, now

if TYPE_CHECKING:
    from adce_assets.warehouse.entities import Entity

POOL = "warehouse"
"""The pool of all loads: a DuckDB file belongs to one process at a time."""
TYPES: Mapping[str, tuple[str, str]] = {
    "COUNT": ("counts_balance", "Is every record of every document accounted for, by every worker and at every step?"),
    "HASH": ("rows_are_the_same", "Are the rows of the documents, of staging and of the final table the same?"),
    "AMOUNT_TOTAL": ("amounts_sum_up", "Do the totals of the amounts agree within their tolerances?"),
    "BUSINESS_RULE": ("rules_hold", "Do the rows say of each other what they must?"),
}
"""The check of an asset that stands for all checks of a type, with what it asks."""
SETTLING, SETTLES_AT = "adce/settling", "adce/settles_at/"
"""The tags of a run that was too early: that it was, and for each entity, whose name follows, until when."""
PARTITION = "dagster/partition"
FORGOTTEN = timedelta(days=1)
"""A season that settled so long ago is not asked for any more: whoever was away that long looks for himself."""
PRIORITY = "-10"
"""A season that is loaded by itself lets all collecting go before it."""
COLUMNS = ("check", "row", "how", "column", "expected", "actual")


def asset_key(name: str) -> dg.AssetKey:
    """Name the asset of an entity."""
    return dg.AssetKey([GROUP, name])


def warehouse_definitions(contract: Contract, partitions: PartitionSets, settings: Settings) -> dg.Definitions:
    """Make everything of the warehouse; without declared entities there is nothing.

    Args:
        contract: What the lake holds.
        partitions: The seasons of its sources.
        settings: The installation's: whether a season is loaded by itself, and where entities are declared.

    Raises:
        ConfigurationError: the file of an entity is faulty.
    """
    loads = settings.autonomous.warehouse
    assets = warehouse_assets(contract, partitions, settings.home / "config" / "reconcile", loads)
    if not assets:
        return dg.Definitions()
    sensors = [warehouse_sensor(loads), settling_sensor()] if loads.automatic else []
    return dg.Definitions(assets=assets, jobs=[warehouse_job()], sensors=sensors)


def warehouse_assets(
    contract: Contract, partitions: PartitionSets, folder: Path, loads: Loads
) -> list[dg.AssetsDefinition]:
    """Make the assets of all entities that are read from a data set of the contract.

    Args:
        contract: What the lake holds.
        partitions: The seasons of its sources. All entities have those of all, so that one job loads a season.
        folder: Where the entities are declared; without it there is no warehouse.
        loads: Whether a season is loaded by itself.

    Raises:
        ConfigurationError: the file of an entity is faulty.
    """
    if not folder.is_dir():
        return []
    from adce_assets.warehouse.entities import check_data_sets, load_entities

    entities = load_entities(folder)
    check_data_sets(entities.values(), contract.data_sets)
    read = {name: _data_sets(contract, entity) for name, entity in entities.items()}
    loaded = {name: data_sets for name, data_sets in read.items() if data_sets}
    seasons = _seasons([data_set for data_sets in loaded.values() for data_set in data_sets], partitions)
    specs = {name: _spec(contract, entities[name], loaded, partitions, seasons) for name in loaded}
    condition = when_updated() if loads.automatic else None
    return [
        _asset(contract, entities[name], spec.replace_attributes(automation_condition=condition))
        for name, spec in specs.items()
    ]


def warehouse_sensor(loads: Loads) -> dg.AutomationConditionSensorDefinition:
    """Make the sensor that asks for the seasons whose data sets were updated since they were last loaded.

    It looks no more often than a season may be loaded: what is updated in between becomes one run.
    """
    return dg.AutomationConditionSensorDefinition(
        "warehouse_sensor",
        target=dg.AssetSelection.groups(GROUP),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=loads.at_most_every_minutes * 60,
        run_tags={PRIORITY_TAG: PRIORITY},
        emit_backfills=False,
        description="Seasons whose data sets were updated are loaded, counted and checked anew.",
    )


def settling_sensor() -> dg.SensorDefinition:
    """Make the sensor that asks for the seasons that were settling when they were loaded, and no longer are."""

    @dg.sensor(
        name="warehouse_settling_sensor",
        job_name=WAREHOUSE,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Seasons of which it was too early to say whether they reconcile are loaded again.",
    )
    def look(context: dg.SensorEvaluationContext, project: ProjectResource) -> list[dg.RunRequest]:
        waiting = dg.RunsFilter(tags={SETTLING: "true"}, created_after=now() - FORGOTTEN)
        at = project.settings().clock()
        return [request for run in context.instance.get_runs(waiting) for request in _settled(run, at)]

    return look


def _settled(run: dg.DagsterRun, at: datetime) -> Iterator[dg.RunRequest]:
    """Ask again for each entity of a run that is no longer settling, once."""
    for tag, settles_at in run.tags.items():
        if tag.startswith(SETTLES_AT) and datetime.fromisoformat(settles_at) <= at:
            name = tag.removeprefix(SETTLES_AT)
            yield dg.RunRequest(
                f"{run.run_id} {name}",
                partition_key=run.tags[PARTITION],
                asset_selection=[asset_key(name)],
                tags={PRIORITY_TAG: PRIORITY},
            )


def when_updated() -> "dg.AutomationCondition[Any]":
    """Say when a season is to be loaded: once for all updates of its data sets since it last was, or was asked for.

    Nothing follows from what was there when this began: history is loaded by `warehouse_job`. Another entity's season
    that was published is no reason: what both are read from is one, and then they share a run.
    """
    updated = dg.AutomationCondition.any_deps_updated().ignore(dg.AssetSelection.groups(GROUP))
    return updated.since_last_handled() & ~dg.AutomationCondition.in_progress()


def _data_sets(contract: Contract, entity: "Entity") -> list[DataSet]:
    """List the data sets that an entity is read from, as far as the contract has them."""
    names = [name for reading in entity.readings for name in reading.data_sets]
    found = [contract.data_sets[name] for name in names if name in contract.data_sets]
    return [data_set for data_set in found if data_set.has_seasons]


def _seasons(data_sets: Iterable[DataSet], partitions: PartitionSets) -> dg.StaticPartitionsDefinition:
    found = {season for data_set in data_sets for season in _keys(partitions[data_set.source, data_set.league])}
    return dg.StaticPartitionsDefinition(sorted(found))


def _keys(partitions: dg.PartitionsDefinition) -> Sequence[str]:
    return partitions.get_partition_keys()


def _asset(contract: Contract, entity: "Entity", spec: dg.AssetSpec) -> dg.AssetsDefinition:
    blocking = entity.checks.blocking
    checks = [
        dg.AssetCheckSpec(name, asset=spec.key, description=asks, blocking=blocking) for name, asks in TYPES.values()
    ]

    @dg.multi_asset(name=f"{GROUP}_{entity.name}", specs=[spec], check_specs=checks, pool=POOL)
    def load_season(
        context: dg.AssetExecutionContext, project: ProjectResource
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        note_run(project.settings(), "load", f"{entity.name} {context.partition_key}", context.run)
        told = reconciled(contract, project, entity.name, context.partition_key, context.run.run_id)
        if told["outcome"] == "settling" and not told["published"]:
            tags = {SETTLING: "true", f"{SETTLES_AT}{entity.name}": told["run"]["settles_at"]}
            context.instance.add_run_tags(context.run.run_id, tags)
        results = list(check_results(told, spec.key))
        if not told["published"]:
            yield from results
            raise dg.Failure(
                f"{entity.name} {context.partition_key} is not published: {told['says']}",
                metadata=of_report(told),
                allow_retries=False,
            )
        yield dg.MaterializeResult(asset_key=spec.key, metadata=of_report(told), check_results=results)

    return load_season


def _spec(
    contract: Contract,
    entity: "Entity",
    loaded: Mapping[str, Sequence[DataSet]],
    partitions: PartitionSets,
    own: dg.StaticPartitionsDefinition,
) -> dg.AssetSpec:
    data_sets = loaded[entity.name]
    above = [(key_of(data_set), partitions[data_set.source, data_set.league]) for data_set in data_sets]
    above += [(asset_key(name), own) for name in sorted(entity.checks.referred - {entity.name}) if name in loaded]
    columns = [dg.TableColumn(name, column.type, column.description or None) for name, column in entity.columns.items()]
    return dg.AssetSpec(
        asset_key(entity.name),
        description=entity.description,
        group_name=GROUP,
        owners=sorted({owner for data_set in data_sets for owner in contract.sources[data_set.source].owners}),
        kinds={"table"},
        deps=[dg.AssetDep(key, partition_mapping=_by_season(seasons, own)) for key, seasons in above],
        metadata={
            "dagster/column_schema": dg.TableSchema(columns),
            "key": ", ".join(("SOURCE", "SEASON", *entity.key)),
            "blocking": entity.checks.blocking,
            "rules": ", ".join(rule.name for rule in entity.checks.rules),
        },
        partitions_def=own,
    )


def _by_season(above: dg.PartitionsDefinition, own: dg.PartitionsDefinition) -> dg.StaticPartitionMapping:
    """Say that a season comes of the same season, where both have it."""
    known = set(_keys(own))
    return dg.StaticPartitionMapping({season: season for season in _keys(above) if season in known})


def reconciled(
    contract: Contract, project: ProjectResource, entity: str, season: str, run_id: str
) -> Mapping[str, Any]:
    """Load, check and publish a season; return its report."""
    from adce_assets.loop.season_keys import keys_of
    from adce_assets.verify.run import open_place, reconcile

    installation = project.open(contract)
    with open_place(installation.settings, installation.lake, installation.state.store) as place:
        declared = place.entity(entity)
        return reconcile(place, entity, season, lambda: keys_of(installation, declared, season), run_id=run_id)


def check_results(told: Mapping[str, Any], key: dg.AssetKey) -> Iterator[dg.AssetCheckResult]:
    """Sum up the checks of each type. A type of which nothing was asked holds only if something was asked at all.

    Each says of which season it is: to Dagster the check is the asset's, and the last season's word is what it shows.
    """
    for kind, (name, _) in TYPES.items():
        numbers = told["by_type"][kind]
        checks = [one for one in told["checks"] if one["type"] == kind]
        wrong = [one for one in checks if one["state"] != "passed"]
        said = [f"{one['id']}: {one['message']}" for one in wrong[:SHOWN]]
        failed = any(one["state"] == "failed" and one["severity"] == "error" for one in wrong) or not told["checks"]
        yield dg.AssetCheckResult(
            check_name=name,
            asset_key=key,
            passed=not wrong and bool(told["checks"]),
            severity=dg.AssetCheckSeverity.ERROR if failed else dg.AssetCheckSeverity.WARN,
            description=f"{told['season']}: {'; '.join(said) or told['says']}",
            metadata={
                "season": told["season"],
                **{part: numbers[part] for part in ("checks", "passed", "settling", "failed")},
                **table("worst_rows", list(_worst(wrong)), COLUMNS, of=sum(one["offenders"] for one in wrong)),
                **table("not_held", wrong, ("id", "expected", "actual", "discrepancy", "message")),
            },
        )


def of_report(told: Mapping[str, Any]) -> Metadata:
    """Describe a season that was loaded: its numbers, which are plotted, and the rows that differ."""
    wrong = [one for one in told["checks"] if one["state"] != "passed"]
    workers = told["run"]["workers"]
    totals = {name: number for name, number in told["totals"].items() if name != "success_rate_pct"}
    names = ("objects", "read", "processed", "errored", "deduplicated", "staged", "rejected")
    sums = {name: sum(worker[name] for worker in workers) for name in names}
    return {
        "dagster/partition_row_count": sums["staged"],
        **sums,
        **totals,
        "success_rate_pct": told["totals"]["success_rate_pct"],
        "outcome": told["outcome"],
        "says": told["says"],
        "published": told["published"],
        **told["run"]["merged"],
        "report_digest": told["digest"],
        "audit_head": told["run"]["audit"],
        "run": told["run"]["id"],
        **table("worst_rows", list(_worst(wrong)), COLUMNS, of=sum(one["offenders"] for one in wrong)),
        **table("workers", workers, ("worker", "started", *names)),
    }


def _worst(checks: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Lay out the rows that differ, errors first."""
    ordered = sorted(checks, key=lambda one: (one["severity"], one["id"]))
    rows = ((one, row) for one in ordered for row in one["rows"])
    for one, row in islice(rows, SHOWN):
        values = {name: row[name] for name in ("column", "expected", "actual")}
        yield {"check": one["id"], "row": row["key"], "how": row["kind"], **values}
