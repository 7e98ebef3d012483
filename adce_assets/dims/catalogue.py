"""`inventory/config.yaml` and the contract in, the catalogue of metrics out. Adding a metric is one entry of that file.

What can be measured, and with which parameters, belongs to `kinds/`; here is what each metric is called, how much it
may move, when it is measured anew, and which of them an event refreshes. Metrics that every source or data type has
are written once, as a template, and made for each of the contract. Profiles switch groups of metrics on and off.
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from adce_assets.configuration import Configured, check_cron
from adce_assets.contract.loading import Contract
from adce_assets.dims.accepted import METADATA
from adce_assets.dims.kinds.registry import Parameters
from adce_assets.dims.metrics import Name, Nature, Thresholds
from adce_assets.dims.templates import name_months, write_out
from adce_assets.documents import Document, read, validate
from adce_assets.errors import ConfigurationError, Fault


def check_months(months: tuple[int, ...]) -> tuple[int, ...]:
    """Return the months of a season; raise ValueError for none, or for one that stands there twice."""
    if not months or len({*months}) < len(months):
        message = "must name months by their numbers, 1 to 12, each once"
        raise ValueError(message)
    return months


def check_line(text: str) -> str:
    """Return what is shown in one line; raise ValueError for what cannot be."""
    if not text.isprintable():
        message = "must be one line of printable text"
        raise ValueError(message)
    return text


Cron = Annotated[str, AfterValidator(check_cron)]
Line = Annotated[str, Field(min_length=1), AfterValidator(check_line)]
Month = Annotated[int, Field(ge=1, le=12, strict=True)]
Months = Annotated[tuple[Month, ...], AfterValidator(check_months)]
Percent = Annotated[float, Field(gt=0, le=1_000_000)]
Pattern = Annotated[str, Field(pattern=r"^[a-z0-9_.*?\[\]!-]{1,170}$")]
"""Of ids and categories, as `fnmatch` reads it."""


class Entry(Configured):
    """A metric as it stands in the file, below its category and its name."""

    measure: Parameters
    unit: Annotated[Line, Field(max_length=24)]
    nature: Nature
    critical: bool = False
    thresholds: Thresholds = Thresholds()
    approve_from: Percent = Field(default_factory=lambda found: found["thresholds"].moderate)
    ttl_minutes: Annotated[int, Field(ge=0, le=525_600, strict=True)] = 1_440
    season_months: Months | None = None
    profile: Name | None = None
    description: Annotated[Line, Field(max_length=300)]


class Metric(Entry):
    """A named number of the system: what is measured, and what is thought of it when it moves.

    ``approve_from`` is the drift in percent from which on a critical metric waits for a person. ``season_months`` are
    the months in which the metric usually moves; None for all of them.
    """

    category: Name
    name: Name

    @property
    def id(self) -> str:
        """The name by which everybody else calls the metric: ``category.name``."""
        return f"{self.category}.{self.name}"


class Event(Configured):
    """What happened, and the metrics that are measured anew then: patterns over ids or whole categories."""

    refresh: Annotated[tuple[Pattern, ...], Field(min_length=1)]
    cooldown_seconds: Annotated[int, Field(ge=0, le=86_400)] = 60
    update: bool = True


class Retention(Configured):
    """For how many days measurements, runs and events are kept, and how many daily snapshots."""

    days: Annotated[int, Field(ge=1, le=36_500)] = 365
    snapshots: Annotated[int, Field(ge=1, le=36_500)] = 90


class Schedules(Configured):
    """When everything is verified, when the day's snapshot is taken, and when an event happens by the clock (UTC)."""

    hourly: Cron = "5 * * * *"
    snapshot: Cron = "50 23 * * *"
    events: Mapping[Name, Cron] = {}


class Catalogue(Configured):
    """Every metric that is switched on, in the order of the file, and what is to be done with them."""

    metrics: Mapping[str, Metric] = {}
    off: Mapping[str, str] = {}
    """The metrics that are switched off, and the profile that would switch them on."""
    events: Mapping[str, Event] = {}
    project: str = "."
    """The folder to which the paths of files, documents and git are relative; itself relative to the home."""
    retention: Retention = Retention()
    schedules: Schedules = Schedules()

    def select(self, categories: Iterable[str] = (), ids: Iterable[str] = ()) -> tuple[Metric, ...]:
        """Return the metrics of the categories and those with the ids; all of them if neither is given.

        Raises:
            ConfigurationError: there is no such category or metric, or it is switched off.
        """
        groups, single = set(categories), set(ids)
        for name in sorted(groups):
            self._known(name, "category", {id_.partition(".")[0]: id_ for id_ in (*self.off, *self.metrics)})
        for name in sorted(single):
            self._known(name, "metric", {id_: id_ for id_ in (*self.off, *self.metrics)})
        everything = not groups and not single
        return tuple(
            metric for metric in self.metrics.values() if everything or metric.category in groups or metric.id in single
        )

    def of_event(self, name: str) -> tuple[Metric, ...]:
        """Return the metrics that an event refreshes; ConfigurationError for an event that is not configured."""
        if name not in self.events:
            raise _unknown("event", name, self.events, "`events` of inventory/config.yaml names them")
        patterns = self.events[name].refresh
        return tuple(metric for metric in self.metrics.values() if _matches(metric.id, patterns))

    def _known(self, name: str, what: str, valid: Mapping[str, str]) -> None:
        """Refuse a name that stands nowhere, or of which everything is switched off."""
        if name not in valid:
            raise _unknown(what, name, valid, "`adce dims list` lists them")
        profile = self.off.get(valid[name])
        if profile is not None:
            raise ConfigurationError(
                f"the {what} `{name}` is switched off",
                hint=f"switch its profile on: `profiles: {{{profile}: on}}` in inventory/config.yaml",
            )


class _File(Configured):
    """All that `config.yaml` may say once its templates and the names of its seasons are written out."""

    version: Literal[1]
    project: Line = "."
    profiles: Mapping[Name, bool] = {}
    retention: Retention = Retention()
    schedules: Schedules = Schedules()
    seasons: Mapping[Name, Months] = {}
    events: Mapping[Name, Event] = {}
    metrics: Mapping[Name, Mapping[Name, Entry]] = {}


def load_metrics(path: Path, contract: Contract) -> Catalogue:
    """Read the definitions of the metrics; those of templates are made for each source and data type of the contract.

    Raises:
        ConfigurationError: there is no such file, or it has faults: all of them are named, with their lines.
    """
    if not path.exists():
        raise ConfigurationError(
            "no metrics are configured", where=str(path), hint="copy the project's own inventory/config.yaml there"
        )
    document = read(path)
    _refuse(document, [*write_out(document, contract), *name_months(document)])
    declared = _validated(document)
    _refuse(document, _faults(declared, document))
    on = {None, *(name for name, is_on in declared.profiles.items() if is_on)}
    metrics = list(_metrics(declared))
    return Catalogue(
        metrics={metric.id: metric for metric in metrics if metric.profile in on},
        off={metric.id: metric.profile for metric in metrics if metric.profile and metric.profile not in on},
        events=declared.events,
        project=declared.project,
        retention=declared.retention,
        schedules=declared.schedules,
    )


def _validated(document: Document) -> _File:
    try:
        return validate(_File, document)
    except ConfigurationError as error:
        _refuse(document, error.faults)
        raise


def _metrics(declared: _File) -> Iterator[Metric]:
    for category, entries in declared.metrics.items():
        for name, entry in entries.items():
            yield Metric.model_construct(**dict(entry), category=category, name=name)


def _faults(declared: _File, document: Document) -> Iterator[Fault]:
    """Find what one part of the file says of another and cannot mean."""
    if METADATA in declared.metrics:
        yield document.fault(("metrics", METADATA), f"`{METADATA}` is no name: metrics.yaml has another use for it")
    for category, entries in declared.metrics.items():
        for name, entry in entries.items():
            if entry.profile is not None and entry.profile not in declared.profiles:
                path, message = ("metrics", category, name, "profile"), f"`{entry.profile}` is declared nowhere"
                yield document.fault(path, message, given=entry.profile, valid=declared.profiles)
    for event in declared.schedules.events.keys() - declared.events.keys():
        yield document.fault(
            ("schedules", "events", event), f"`{event}` is no event", given=event, valid=declared.events
        )
    yield from _faults_of_events(declared, document)


def _faults_of_events(declared: _File, document: Document) -> Iterator[Fault]:
    """Find patterns that mean no metric, of those that are switched off neither."""
    ids = [f"{category}.{name}" for category, entries in declared.metrics.items() for name in entries]
    for event, configured in declared.events.items():
        for position, pattern in enumerate(configured.refresh):
            if not any(_matches(id_, (pattern,)) for id_ in ids):
                near = get_close_matches(pattern, {*ids, *declared.metrics}, n=3, cutoff=0.5)
                path, message = ("events", event, "refresh", position), f"`{pattern}` is no metric"
                yield document.fault(path, message, given=pattern, valid=near or declared.metrics)


def _matches(metric: str, patterns: Iterable[str]) -> bool:
    """Tell whether one of the patterns means a metric, by its id or by its category."""
    category = metric.partition(".")[0]
    return any(fnmatchcase(metric, pattern) or fnmatchcase(category, pattern) for pattern in patterns)


def _refuse(document: Document, found: Iterable[Fault]) -> None:
    """Raise ConfigurationError for faults, if there are any: one of a template once, whatever it makes."""
    once = {(fault.file, fault.line, fault.message): fault for fault in reversed(list(found))}
    if once:
        faults = tuple(sorted(once.values(), key=lambda fault: (fault.file, fault.line)))
        raise ConfigurationError(f"{len(faults)} fault(s) in {document.file}", faults=faults)


def _unknown(what: str, name: str, valid: Iterable[str], told: str) -> ConfigurationError:
    names = sorted(valid)
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(f'`{one}`' for one in near)}?" if near else told
    return ConfigurationError(f"there is no {what} `{name}`", valid="" if near else ", ".join(names[:20]), hint=hint)
