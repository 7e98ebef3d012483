"""The steps of the loop as assets: inventory, coverage, gaps, queue, each after the one before.

An asset calls its step and tells what the step wrote; what a step does is decided in ``loop/``. Each step reads and
writes files of the state, so that the command line and these assets are one and the same loop.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from importlib.metadata import version
from typing import Any

import dagster as dg
from pydantic import Field

from adce_assets.contract.loading import Contract
from adce_assets.defs import metadata
from adce_assets.defs.checks import judged, report_open_seasons, specs_of
from adce_assets.defs.halting import LEDGER, halt
from adce_assets.defs.resources import ProjectResource
from adce_assets.errors import AdceError
from adce_assets.loop.project import Project
from adce_assets.loop.state import GAPS
from adce_assets.progress import current_progress
from adce_assets.scrapers.catalogue import Catalogue
from adce_assets.settings import Settings

logger = logging.getLogger(__name__)

GROUP = "loop"
REPORT = "aws_inventory_report"
STEPS = ("lake_inventory", "coverage_analysis", "detected_gaps", "task_queue")
"""The assets of the loop, in their order. People's sensors and scripts rely on these names."""
POOL = "reconciliation"
"""One reconciliation at a time: two would write the same files."""


class Mode(Enum):
    """Where an inventory comes from; run configuration names the members."""

    configured = "configured"
    auto = "auto"
    aws = "aws"
    list = "list"
    cache = "cache"
    sample = "sample"


class InventoryConfig(dg.Config):
    """How the inventory is taken."""

    mode: Mode = Field(
        default=Mode.configured,
        description="`list` lists the lake, `aws` takes the newest AWS Inventory report and what is newer, `cache` the "
        "last inventory, `auto` the cheapest of these that is young enough; `sample` only estimates how much there is; "
        "`configured` does what `config/reconciliation_config.yaml` says.",
    )
    accept_loss: bool = Field(
        default=False, description="Take objects that have vanished for gone, so that they become gaps."
    )


@dataclass(frozen=True, slots=True)
class LoopAssets:
    """Makes the assets of the loop, for a contract and the configured scrapers."""

    contract: Contract
    catalogue: Catalogue
    settings: Settings

    def all(self, data_sets: Iterable[dg.AssetKey]) -> list[dg.AssetsDefinition | dg.AssetSpec]:
        """Make the report, which AWS writes, and the four steps; the inventory is of all data sets."""
        report = dg.AssetSpec(
            REPORT,
            group_name=GROUP,
            kinds={"aws", "s3"},
            description="The newest complete report of AWS Inventory. AWS writes it; a sensor notices it.",
        )
        return [report, self._inventory([REPORT, *data_sets]), self._coverage(), self._gaps(), self._queue()]

    def _inventory(self, upstream: list[Any]) -> dg.AssetsDefinition:
        @dg.asset(
            **self._common("lake_inventory"),
            deps=upstream,
            description="Every object of the lake, what its key says it is, and the moment for which that is true.",
        )
        def lake_inventory(config: InventoryConfig, project: ProjectResource) -> dg.MaterializeResult:
            from adce_assets.loop.inventory import take

            opened = project.open(self.contract)
            mode = None if config.mode is Mode.configured else config.mode.value
            document = take(opened, mode=mode, accept_loss=config.accept_loss, progress=current_progress.get()).document
            return _told("lake_inventory", opened, document, metadata.of_inventory(document))

        return lake_inventory

    def _coverage(self) -> dg.AssetsDefinition:
        @dg.asset(
            **self._common("coverage_analysis"),
            deps=["lake_inventory"],
            description="The state of every expected key, summed up by source, data type and season.",
        )
        def coverage_analysis(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
            from adce_assets.loop.reconciling import analyse

            opened = project.open(self.contract)
            document = analyse(opened, run=context.run.run_id, progress=current_progress.get())
            report_open_seasons(context.instance, self.contract, document)
            return _told("coverage_analysis", opened, document, metadata.of_coverage(document))

        return coverage_analysis

    def _gaps(self) -> dg.AssetsDefinition:
        @dg.asset(
            **self._common("detected_gaps"),
            deps=["coverage_analysis"],
            description="What is missing, stale or damaged, by cell, with one priority and a reason in words.",
        )
        def detected_gaps(project: ProjectResource) -> dg.MaterializeResult:
            from adce_assets.loop.reconciling import find

            opened = project.open(self.contract)
            document = find(opened)
            return _told("detected_gaps", opened, document, metadata.of_gaps(document))

        return detected_gaps

    def _queue(self) -> dg.AssetsDefinition:
        @dg.asset(
            **self._common("task_queue"),
            deps=["detected_gaps"],
            description="The tasks that close the gaps, the most urgent first, and what was left out and why.",
        )
        def task_queue(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
            from adce_assets.loop.reconciling import book, queue, unless_it_is_out
            from adce_assets.scrapers.planning import requests_per_key

            opened, known = project.open(self.contract), self.catalogue.scrapers
            costs = {name: requests_per_key(entry) for name, entry in known.items()}
            document, gaps = queue(opened, known.keys(), costs=costs), opened.state.read_json(GAPS)
            kept = unless_it_is_out(lambda: book(opened, run=context.run.run_id), None)
            described = metadata.of_queue(document) | _life(opened, self.catalogue, document, gaps)
            described |= metadata.of_ledger(kept) if kept else {}
            if kept and kept.lost:
                halt(opened, LEDGER, kept.lost, context.run.run_id)
            lost = kept.lost if kept else "the ledger cannot be used, and nobody knows what it holds"
            return _told("task_queue", opened, {**document, "ledger_lost": lost}, described, gaps)

        return task_queue

    def _common(self, step: str) -> dict[str, Any]:
        fresh = timedelta(hours=self.settings.autonomous.intervals.fresh_within_hours)
        return {
            "name": step,
            "group_name": GROUP,
            "owners": ["team:adce"],
            "kinds": {"duckdb", "parquet"},
            "code_version": version("adce"),
            "pool": POOL,
            "freshness_policy": dg.FreshnessPolicy.time_window(fail_window=fresh),
            "check_specs": specs_of(step),
        }


def _life(
    project: Project, catalogue: Catalogue, queue: Mapping[str, Any], gaps: Mapping[str, Any]
) -> metadata.Metadata:
    """Tell how the keys stand and what is forecast of them; where one of these cannot be told, the other is."""
    from adce_assets.defs.forecasting import followed
    from adce_assets.loop import statistics
    from adce_assets.loop.reconciling import unless_it_is_out

    told = unless_it_is_out(lambda: metadata.of_life(statistics.read(project, gaps)), {})
    try:
        return told | metadata.of_forecasts(followed(project, catalogue, queue))
    except AdceError as error:
        logger.warning("reconciled without a forecast: %s", error)
        return told


def _told(
    step: str,
    project: Project,
    document: dict[str, Any],
    described: metadata.Metadata,
    before: dict[str, Any] | None = None,
) -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata=described, check_results=judged(step, project, document, before or {}))
