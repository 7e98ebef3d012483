"""Verdicts in, asset checks out. What is checked, and why, stands in `loop/checks.py`.

The checks of a step are results of its own asset, which costs no step of their own. Whether the open season of a data
set is fresh is a check of that data set: a freshness policy of Dagster's would turn green when somebody fetches 1998.
The coverage asset reports it where it has changed, a few in a run, because each event is paid for.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from adce_assets.contract.loading import Contract
from adce_assets.defs.resources import ProjectResource
from adce_assets.loop.checks import CHECKS, Check, Document, Facts, Verdict, open_cells, open_season_is_fresh
from adce_assets.loop.project import Project
from adce_assets.loop.state import COVERAGE

FRESH = "open_season_is_fresh"
MOST_REPORTED = 10
"""Changed verdicts that one run reports; the next run goes on with the rest."""


def specs_of(step: str) -> list[dg.AssetCheckSpec]:
    """Declare the checks of a step."""
    return [
        dg.AssetCheckSpec(check.name, asset=check.step, description=check.question, blocking=check.stops)
        for check in CHECKS
        if check.step == step
    ]


def judged(step: str, project: Project, document: Document, before: Document) -> list[dg.AssetCheckResult]:
    """Ask the checks of a step about what it wrote, ``before`` being what the step before it wrote."""
    facts = Facts(document, before, project.settings.reconciliation, project.clock())
    return [_result(check, check.judge(facts)) for check in CHECKS if check.step == step]


def fresh_check(contract: Contract) -> dg.AssetChecksDefinition:
    """Make the check of every data set that has an open season, which a person may also run by hand."""
    specs = [
        dg.AssetCheckSpec(
            FRESH,
            asset=[data_set.source, data_set.data_type],
            description="Is enough of what is due in the season that is still open present and fresh?",
        )
        for data_set in contract.data_sets.values()
        if data_set.has_seasons
    ]

    @dg.multi_asset_check(specs=specs, can_subset=True, name="open_seasons")
    def open_seasons(context: dg.AssetCheckExecutionContext, project: ProjectResource) -> Iterator[dg.AssetCheckResult]:
        cells = open_cells(project.open(contract).state.read_json(COVERAGE))
        for key in sorted(context.selected_asset_check_keys):
            yield dg.AssetCheckResult(**_told(key, _fresh(cells, key)))

    return open_seasons


def report_open_seasons(instance: dg.DagsterInstance, contract: Contract, document: Document) -> int:
    """Record the verdicts on open seasons that differ from what Dagster shows, failures first; return how many."""
    cells = open_cells(document)
    keys = [
        dg.AssetCheckKey(dg.AssetKey([data_set.source, data_set.data_type]), FRESH)
        for data_set in contract.data_sets.values()
        if data_set.name in cells
    ]
    shown = _shown(instance, keys)
    verdicts = [(key, _fresh(cells, key)) for key in keys]
    news = [(key, verdict) for key, verdict in verdicts if shown.get(key) != verdict.passed]
    news.sort(key=lambda entry: entry[1].passed)
    for key, verdict in news[:MOST_REPORTED]:
        instance.report_runless_asset_event(dg.AssetCheckEvaluation(**_told(key, verdict)))
    return len(news[:MOST_REPORTED])


def _told(key: dg.AssetCheckKey, verdict: Verdict) -> dict[str, Any]:
    """Say a verdict as Dagster wants it, whether a run judged or a step reports; a season that lags is a warning."""
    return {
        "asset_key": key.asset_key,
        "check_name": key.name,
        "passed": verdict.passed,
        "severity": dg.AssetCheckSeverity.WARN,
        "description": verdict.description,
        "metadata": verdict.numbers,
    }


def _shown(instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey]) -> dict[dg.AssetCheckKey, bool]:
    """Ask once for the last verdict on every key; one that is under way counts as none."""
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    ended = {"SUCCEEDED": True, "FAILED": False}
    return {key: ended[record.status.value] for key, record in records.items() if record.status.value in ended}


def _fresh(cells: dict[str, Document], key: dg.AssetCheckKey) -> Verdict:
    cell = cells.get("/".join(key.asset_key.path))
    return open_season_is_fresh(cell) if cell else Verdict(passed=True, description="nothing is due yet")


def _result(check: Check, verdict: Verdict) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=check.name,
        passed=verdict.passed,
        severity=dg.AssetCheckSeverity.ERROR if check.is_fault else dg.AssetCheckSeverity.WARN,
        description=verdict.description,
        metadata=verdict.numbers,
    )
