"""What stands in `config/autonomous_config.yaml`: the loop when nobody watches.

What a key does is told in the file itself, beside its value; what the values of a section share stands in
`configuration`.
"""

from ipaddress import ip_address
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from adce_assets.configuration import MOST_DAYS, Configured, Count, Hours, Interval, Number, Seconds, Share, check_cron
from adce_assets.restraints import (
    MinutesPerPriority,
    Pause,
    Resources,
    Scrape,
    Trial,
    Window,
    check_names,
)

DAYTIME = r"^([01]\d|2[0-3]):[0-5]\d$"


def check_url(text: str) -> str:
    """Return the URL of a server; raise ValueError for any other, or for one that holds a user and a password."""
    parts = urlsplit(text)
    is_plain = text.isascii() and text.isprintable() and " " not in text
    if not is_plain or parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        message = "that is no URL of a server; valid: such as https://example.org/path, without a user or a password"
        raise ValueError(message)
    return text


def check_address(text: str) -> str:
    """Return an address of a machine's own to listen on; raise ValueError for what is none."""
    try:
        return str(ip_address(text))
    except ValueError as error:
        message = f"`{text}` is no address; valid: `127.0.0.1`, `::1`, `0.0.0.0` or another of this machine's own"
        raise ValueError(message) from error


Section = TypeVar("Section", bound=Configured)
Port = Annotated[int, Field(ge=1, le=65_535)]
SecretName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$", max_length=100)]
MAIL_HOST = r"^([A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$"
"""Names of no more than 63 letters each with dots between them, or an address of IPv6."""
MailAddress = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$", max_length=254)
]


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
    minutes_between: MinutesPerPriority = MinutesPerPriority()
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
    reconcile_cron: Annotated[str, AfterValidator(check_cron)] = "*/15 * * * *"
    fresh_within_hours: Annotated[Hours, Field(ge=0.02)] = 3.0  # Dagster knows no freshness of less than a minute


class Serving(Configured):
    """Where the service of an installation listens, on this machine alone: its web pages."""

    web_port: Port = 3000


class Health(Configured):
    """Where health is told, how often it is looked at, and from when on something is a cause for concern."""

    address: Annotated[str, AfterValidator(check_address)] = "127.0.0.1"
    port: Port = 8080
    interval_seconds: Interval = 60
    daemon_silent_minutes: Annotated[float, Field(gt=0, le=1_440)] = 5.0
    cycle_late_minutes: Annotated[float, Field(gt=0, le=1_440 * MOST_DAYS)] = 60.0
    inventory_old_hours: Hours = 6.0
    critical_max_age_hours: Hours = 24.0
    disk_warning_gib: Annotated[float, Field(ge=0, le=1_000_000)] = 2.0
    disk_critical_gib: Annotated[float, Field(ge=0, le=1_000_000)] = 0.25
    window_hours: Annotated[float, Field(gt=0, le=24 * 7)] = 6.0
    missed_ticks: Count = 10
    error_rate: Share = 0.25
    error_rate_least: Number = 20

    @model_validator(mode="after")
    def _warn_first(self) -> "Health":
        if self.disk_critical_gib > self.disk_warning_gib:
            message = "`disk_critical_gib` is more than `disk_warning_gib`: a warning comes first"
            raise ValueError(message)
        return self


class Channel(Configured):
    """A way on which alerts go out; what is secret of it is named, and kept in the environment."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=60)]
    only_critical: bool = False


class SlackChannel(Channel):
    """An incoming webhook of Slack, or of a server that speaks as it does; its whole URL is a secret."""

    kind: Literal["slack"]
    secret: SecretName
    allow_private: bool = False


class WebhookChannel(Channel):
    """Any server that takes JSON; each message is signed with a secret."""

    kind: Literal["webhook"]
    url: Annotated[str, AfterValidator(check_url), Field(max_length=2_000)]
    secret: SecretName
    allow_private: bool = False


class EmailChannel(Channel):
    """A mail server, and who writes to whom through it; without a ``user`` nobody logs in."""

    kind: Literal["email"]
    host: Annotated[str, Field(pattern=MAIL_HOST, max_length=253)]
    port: Port = 587
    encryption: Literal["starttls", "tls", "none"] = "starttls"
    sender: MailAddress
    recipients: Annotated[tuple[MailAddress, ...], Field(min_length=1, max_length=50)]
    user: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$", max_length=200)] | None = None
    secret: SecretName | None = None

    @model_validator(mode="after")
    def _log_in_safely(self) -> "EmailChannel":
        if (self.user is None) != (self.secret is None):
            message = "`user` and `secret` go together: who logs in, and the name of the password"
            raise ValueError(message)
        if self.user is not None and self.encryption == "none":
            message = "a password would travel unencrypted with `encryption: none`; valid with it: `starttls` or `tls`"
            raise ValueError(message)
        return self


class SnsChannel(Channel):
    """A topic of AWS SNS, in the region and account that its name says."""

    kind: Literal["sns"]
    topic_arn: Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?$")]


AnyChannel = Annotated[SlackChannel | WebhookChannel | EmailChannel | SnsChannel, Field(discriminator="kind")]


class Quiet(Configured):
    """Hours of the day (UTC) in which nobody is told of what is not critical; they may go over midnight."""

    begins: Annotated[str, Field(pattern=DAYTIME)]
    ends: Annotated[str, Field(pattern=DAYTIME)]

    @model_validator(mode="after")
    def _ends(self) -> "Quiet":
        if self.begins == self.ends:
            message = "`begins` and `ends` are two times of the day"
            raise ValueError(message)
        return self


class Alerts(Configured):
    """Who is told of what is wrong, when, and how often."""

    channels: Annotated[tuple[AnyChannel, ...], Field(max_length=20)] = ()
    after_minutes: Annotated[float, Field(ge=0, le=1_440)] = 5.0
    repeat_hours: Hours | None = 24.0
    quiet: Quiet | None = None
    ui_url: Annotated[str, AfterValidator(check_url), Field(max_length=2_000)] | None = None
    attempts: Annotated[int, Field(ge=1, le=1_000)] = 24
    retry_seconds: Annotated[float, Field(gt=0, le=3_600)] = 60.0
    keep_days: Annotated[int, Field(ge=1, le=MOST_DAYS)] = 90

    @model_validator(mode="after")
    def _names_differ(self) -> "Alerts":
        names = [channel.name for channel in self.channels]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            message = f"two channels are called `{twice[0]}`"
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
    maintenance: Annotated[tuple[Window, ...], AfterValidator(check_names)] = ()
    pauses: Annotated[tuple[Pause, ...], AfterValidator(check_names)] = ()
    scheduled_scrapes: Annotated[tuple[Scrape, ...], AfterValidator(check_names)] = ()
    resources: Resources = Resources()
    dry_run: bool = False
    test_mode: Trial = Trial()
    alerts: Alerts = Alerts()
    health: Health = Health()

    @model_validator(mode="after")
    def _listen_apart(self) -> "AutonomousConfig":
        if self.health.port == self.service.web_port:
            message = "`health.port` and `service.web_port` are two ports"
            raise ValueError(message)
        return self

    def in_force(self, *, dry_run: bool = False, on_trial: bool = False) -> "AutonomousConfig":
        """Return what holds where the environment asks for a dry run or a trial, whatever the file says of it."""
        dry_run, on_trial = dry_run or self.dry_run, on_trial or self.test_mode.enabled
        found = _with(self, dry_run=dry_run, test_mode=_with(self.test_mode, enabled=on_trial))
        if dry_run:
            found = _with(found, warehouse=_with(found.warehouse, automatic=False))
        return _hurried(found) if on_trial else found


def _hurried(config: AutonomousConfig) -> AutonomousConfig:
    """Return settings with the intervals of a trial."""
    trial, seconds = config.test_mode, config.test_mode.look_seconds
    looks = dict.fromkeys(("inventory_report_seconds", "completion_seconds", "task_queue_seconds"), seconds)
    intervals = _with(config.intervals, **looks, reconcile_cron=trial.reconcile_cron)
    return _with(config, intervals=intervals, canary=_with(config.canary, cron=trial.canary_cron))


def _with(section: Section, **values: object) -> Section:
    return section.model_copy(update=values)
