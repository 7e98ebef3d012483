"""What stands in `config/autonomous_config.yaml`: the loop when nobody watches.

What a key does is told in the file itself, beside its value; what the values of a section share stands in
`configuration`.
"""

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from adce_assets.configuration import MOST_DAYS, Configured, Count, Hours, Interval, Number, Seconds, Share, check_cron

Port = Annotated[int, Field(ge=1, le=65_535)]


class Completions(Configured):
    """How completions of scrapers become one reconciliation."""

    quiet_seconds: Seconds = 60.0
    longest_wait_seconds: Seconds = 300.0
    markers_per_tick: Number = 200


class RunsPerPriority(Configured):
    """How many runs of each priority there are at once; None: as many as there are places."""

    critical: Number | None = None
    high: Number | None = None
    medium: Number | None = None
    low: Number | None = None


class Dispatch(Configured):
    """How tasks become runs."""

    max_concurrent_scrapers: Number = 4
    max_concurrent: RunsPerPriority = RunsPerPriority()
    kept_for_critical: Count = 1
    low_one_of: Number = 10
    max_tasks_per_batch: Number = 10
    max_orchestrator_runtime_minutes: Annotated[float, Field(gt=0, le=1_440 * MOST_DAYS)] = 90.0


class Approvals(Configured):
    """What waits for a person's approval, and how far the world may have moved under a plan that was approved."""

    max_new_tasks: Number = 1_000
    max_new_share: Share = 0.1
    margin: Share = 0.1
    tolerance: Share = 0.05


class Canary(Configured):
    """How the loop's own health is tried: when a canary is sent, how long it may take, and how long none may come."""

    cron: Annotated[str, AfterValidator(check_cron)] = "20 5 * * *"
    limit_minutes: Annotated[float, Field(gt=0, le=1_440)] = 15.0
    silent_hours: Annotated[Hours, Field(ge=0.02)] = 30.0


class Loads(Configured):
    """How seasons are loaded into the warehouse when nobody asks for it: whether, and how often at most."""

    automatic: bool = True
    at_most_every_minutes: Annotated[int, Field(ge=1, le=10_080)] = 60


class Intervals(Configured):
    """How often the sensors look, in seconds, and how fresh the loop's own assets must be, in hours."""

    inventory_report_seconds: Interval = 300
    completion_seconds: Interval = 30
    task_queue_seconds: Interval = 30
    reconcile_cron: Annotated[str, AfterValidator(check_cron)] = "0 * * * *"
    fresh_within_hours: Annotated[Hours, Field(ge=0.02)] = 3.0  # Dagster knows no freshness of less than a minute


class Serving(Configured):
    """Where the service of an installation listens, on this machine alone: its web pages, and its own code server."""

    web_port: Port = 3000
    code_port: Port = 4266

    @model_validator(mode="after")
    def _differ(self) -> "Serving":
        if self.web_port == self.code_port:
            message = "`web_port` and `code_port` are two ports"
            raise ValueError(message)
        return self


class AutonomousConfig(Configured):
    """`config/autonomous_config.yaml`: the loop when nobody watches."""

    intervals: Intervals = Intervals()
    completions: Completions = Completions()
    dispatch: Dispatch = Dispatch()
    approvals: Approvals = Approvals()
    canary: Canary = Canary()
    service: Serving = Serving()
    warehouse: Loads = Loads()
