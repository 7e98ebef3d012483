"""What is wrong in, alerts out: a sensor that looks again and again, and one that hears of each run that fails.

What is wrong is judged in `operate.watching`, who is told of it in `operate.alerts`. What only an event tells, that a
run has failed or a check that stops a run, is noted when it happens, and struck out when Dagster's records say that the
same has worked since.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import dagster as dg
from dagster._core.definitions.assets.job.asset_job import IMPLICIT_ASSET_JOB_NAME
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from adce_assets.autonomous import AutonomousConfig
from adce_assets.defs.health import Records
from adce_assets.defs.jobs import NO_LAKE
from adce_assets.defs.resources import ProjectResource
from adce_assets.defs.sensors import SCRAPER_TAG
from adce_assets.operate.causes import Cause, Severity
from adce_assets.settings import now

RUN_FAILED, CHECK_FAILED = "run_failed", "check_failed"
SCRAPER, ASSET = "scraper ", "asset "
"""What the subject of a run begins with that has no job of its own: it collects with a scraper, or makes assets."""
LONGEST_ERROR = 300
MOST_ASKED = 10
"""Runs that are looked at, the one that began last first; one without a beginning may stand before it."""


def alert_sensors(config: AutonomousConfig) -> list[dg.SensorDefinition]:
    """Make both sensors."""
    records = Records(Path(), timedelta(hours=config.health.window_hours))

    @dg.sensor(
        name="alert_sensor",
        minimum_interval_seconds=config.health.interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="What is wrong is looked for, and told to the channels of `alerts` once for each cause.",
    )
    def alert_sensor(context: dg.SensorEvaluationContext, project: ProjectResource) -> dg.SkipReason:
        return _look(context, project, records)

    @dg.run_failure_sensor(
        name="run_failure_sensor",
        minimum_interval_seconds=config.health.interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="A run that has failed is noted for the alerts, with the check that stopped it if one did.",
    )
    def run_failure_sensor(context: dg.RunFailureSensorContext, project: ProjectResource) -> None:
        from adce_assets.operate.alerts import note

        settings = project.settings()
        for cause in failures(context):
            note(settings, cause, now())

    return [alert_sensor, run_failure_sensor]


def _look(context: dg.SensorEvaluationContext, project: ProjectResource, records: Records) -> dg.SkipReason:
    from adce_assets.operate.alerts import tend
    from adce_assets.operate.doctor import Installation
    from adce_assets.operate.outside import Seen
    from adce_assets.operate.service import FOLDER, Service
    from adce_assets.operate.watching import found_by

    installation = Installation(project.settings)
    settings = installation.settings
    if settings.configured_lake is None:
        return dg.SkipReason(NO_LAKE)
    stands = Service(settings.work_folder / FOLDER).known()
    found = found_by(Seen(installation, records.seen(context.instance, now()), settings.clock(), stands))
    tended = tend(settings, found, settings.clock(), is_over=partial(_is_over, context))
    for error in tended.failed:
        context.log.warning("an alert did not arrive: %s", error)
    return dg.SkipReason(
        f"{len(found)} cause(s) found, {len(tended.standing)} alert(s) open, {len(tended.news)} to tell, "
        f"{tended.delivered} message(s) delivered, {len(tended.failed)} not"
    )


def _is_over(context: dg.SensorEvaluationContext, noted: Cause) -> bool:
    """Tell whether what was noted has worked since; where Dagster cannot say so, it stands."""
    try:
        return has_worked(context.instance, noted)
    except Exception:
        context.log.exception("nobody knows whether `%s` has worked since", noted.subject)
        return False


def failures(context: dg.RunFailureSensorContext) -> Iterator[Cause]:
    """Say what a failed run is a cause for: the checks that stopped it, or else the run itself."""
    run = context.dagster_run
    record = context.instance.get_run_record_by_id(run.run_id)
    at = _moment(record.end_time) if record and record.end_time else now()
    short, page = run.run_id[:8], f"/runs/{run.run_id}"
    stopped = list(_stopping(context.instance, run.run_id))
    for check in stopped:
        hint = "the check says in the UI what it found; it is over when the check passes"
        yield Cause(CHECK_FAILED, check, Severity.CRITICAL, f"{check} has stopped run {short}", hint, at, page)
    if not stopped:
        subject = subject_of(run, _unmade(context))
        hint = "the run says in the UI where; it is over when a later one succeeds"
        what = f"run {short} of {subject} has failed: {_error(context)}"
        yield Cause(RUN_FAILED, subject, Severity.WARNING, what, hint, at, page)


def subject_of(run: dg.DagsterRun, unmade: Sequence[str]) -> str:
    """Name what a run does, as other runs that do the same: a job, a scraper's collecting, or an asset by itself.

    Args:
        run: A run that has failed.
        unmade: The assets that it did not make, first of all the one that has failed.
    """
    if SCRAPER_TAG in run.tags:
        return f"{SCRAPER}{run.tags[SCRAPER_TAG]}"
    if run.job_name != IMPLICIT_ASSET_JOB_NAME:
        return run.job_name
    return f"{ASSET}{unmade[0] if unmade else min(_names(run.asset_selection or ()), default='')}"


def has_worked(instance: dg.DagsterInstance, noted: Cause) -> bool:
    """Tell whether Dagster's records say that what had failed has worked since.

    A run that was under way already when another one failed says nothing of it.
    """
    since = noted.since or now()
    if noted.code == CHECK_FAILED:
        asset, _, name = noted.subject.rpartition(":")
        key = dg.AssetCheckKey(dg.AssetKey.from_user_string(asset), name)
        record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key]).get(key)
        return record is not None and record.status is AssetCheckExecutionRecordStatus.SUCCEEDED
    if noted.subject.startswith(ASSET):
        event = instance.get_latest_materialization_event(dg.AssetKey.from_user_string(noted.subject[len(ASSET) :]))
        return event is not None and _moment(event.timestamp) > since
    is_scraper, well = noted.subject.startswith(SCRAPER), [dg.DagsterRunStatus.SUCCESS]
    tags = {SCRAPER_TAG: noted.subject[len(SCRAPER) :]} if is_scraper else None
    job = None if is_scraper else noted.subject
    ended_since = dg.RunsFilter(job_name=job, tags=tags, statuses=well, updated_after=since)
    newest = instance.get_run_records(ended_since, limit=MOST_ASKED, order_by="start_time")
    return any(one.start_time is not None and _moment(one.start_time) > since for one in newest)


def _unmade(context: dg.RunFailureSensorContext) -> list[str]:
    """Name the assets that a run was to make and did not, those of a step that has failed first."""
    run, failed = context.dagster_run.run_id, {event.step_key for event in context.get_step_failure_events()}
    planned = _steps(context.instance, run, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    made = _steps(context.instance, run, dg.DagsterEventType.ASSET_MATERIALIZATION)
    return sorted(planned.keys() - made, key=lambda name: (planned[name] not in failed, name))


def _steps(instance: dg.DagsterInstance, run: str, of: dg.DagsterEventType) -> dict[str, str | None]:
    """Return the assets that events of a run are about, each with its step."""
    told = [entry.dagster_event for entry in instance.all_logs(run, of_type=of)]
    return {one.asset_key.to_user_string(): one.step_key for one in told if one and one.asset_key}


def _names(keys: Iterable[dg.AssetKey]) -> Iterator[str]:
    return (key.to_user_string() for key in keys)


def _stopping(instance: dg.DagsterInstance, run: str) -> Iterator[str]:
    """Name the checks that fail a run: `asset:check`."""
    for entry in instance.all_logs(run, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        told = entry.dagster_event.event_specific_data if entry.dagster_event else None
        if isinstance(told, dg.AssetCheckEvaluation) and told.blocking and not told.passed:
            yield f"{told.asset_key.to_user_string()}:{told.check_name}"


def _error(context: dg.RunFailureSensorContext) -> str:
    """Say in a line what the first step that failed says, or else the run."""
    steps = context.get_step_failure_events()
    failed = steps[0].step_failure_data if steps else None
    error = failed.error.cause or failed.error if failed and failed.error else None
    text = error.message if error else context.failure_event.message or "it does not say why"
    return " ".join(text.split())[:LONGEST_ERROR]


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
