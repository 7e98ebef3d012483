"""An installation in, what is wrong with it out. An examination is added by one function and one line of a tuple.

Each looks by trying, where that is possible: rights by using them, a database by asking it. What only Dagster knows of
is examined where Dagster is known.
"""

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from adce_assets.contract.loading import Contract, load_contract
from adce_assets.dims.catalogue import load_metrics
from adce_assets.dims.history import open_history
from adce_assets.errors import ConditionFailedError, LakeError
from adce_assets.fetch.limits import standings
from adce_assets.lake.store import LakeStore, StoredObject
from adce_assets.ledger.book import open_ledger
from adce_assets.loop import report_status
from adce_assets.loop.project import Project, open_project
from adce_assets.operate.causes import Cause, Severity
from adce_assets.operate.findings import Finding, Said, Standing, ok, skipped, warning, wrong
from adce_assets.scrapers.catalogue import Catalogue, load_catalogue
from adce_assets.settings import Settings

if TYPE_CHECKING:
    from adce_assets.fetch.hosts import Host

LOOP, DAEMONS = "loop", "daemons"
"""The names of the findings that are causes, and of the examination of who starts what."""
LEAST_PYTHON = (3, 11)
OWN = "_adce/"
PROBE = f"{OWN}doctor/probe"
"""The object by which the right to write is tried: written over each time, never removed."""
GIB = 1 << 30
LEAST_DISK, ENOUGH_DISK = GIB // 4, 2 * GIB
"""Free bytes below which something will fail soon, and below which somebody should know."""
MOST_SKEW, GREAT_SKEW = timedelta(seconds=30), timedelta(minutes=5)
"""From when on the clocks of lake and machine are too far apart; S3 refuses requests of another time than its own."""


class Installation:
    """What is examined: the settings, and what they lead to, each opened when it is first asked for."""

    def __init__(self, load: Callable[[], Settings]) -> None:
        """Begin with nothing; ``load`` reads the settings."""
        self._load = load

    @cached_property
    def settings(self) -> Settings:
        """The environment and the files of configuration; ConfigurationError says every fault."""
        return self._load()

    @cached_property
    def contract(self) -> Contract:
        """The contract; ContractError says every fault."""
        return load_contract(self.settings.contract_path)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The scrapers and hosts; ConfigurationError says every fault."""
        return load_catalogue(self.settings.scraper_config_path).with_base_urls(self.settings.host_urls)

    @cached_property
    def project(self) -> Project:
        """Lake and state, opened."""
        return open_project(self.settings, self.contract)


def examinations(installation: Installation) -> Iterator[tuple[str, Callable[[], Said]]]:
    """Name what can be examined without Dagster, in the order in which one thing needs the other."""
    for name, examine in EXAMINATIONS:
        yield name, partial(examine, installation)


def of_causes(causes: Iterable[Cause], found: Sequence[Finding]) -> Iterator[Finding]:
    """Tell the causes that health finds as findings, but for those that an examination has told already.

    Args:
        causes: What `watching` finds.
        found: What the examinations have found before.
    """
    for cause in (cause for cause in causes if not _is_told(cause, found)):
        standing = Standing.WRONG if cause.severity is Severity.CRITICAL else Standing.WARNING
        yield Finding(LOOP, standing, f"{cause.code}: {cause.what}", cause.hint)


def _is_told(cause: Cause, found: Iterable[Finding]) -> bool:
    """Tell whether the examination of the same matter found it, and found it as bad.

    That no daemon has ever run is a warning, of a home where nothing was started yet: all that is late is no more.
    """
    one = next((one for one in found if one.name == TOLD_BY.get(cause.code)), None)
    if one is None or cause.subject not in one.what:
        return False
    is_no_worse = cause.severity is Severity.WARNING or one.name == DAEMONS
    return one.standing is Standing.WRONG or (one.standing is Standing.WARNING and is_no_worse)


def python(_: Installation) -> Said:
    """Look at the interpreter."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < LEAST_PYTHON:
        return wrong(f"Python {version}", f"install Python {'.'.join(map(str, LEAST_PYTHON))} or newer")
    return ok(f"Python {version}")


def settings(installation: Installation) -> Said:
    """Load the settings."""
    return ok(f"the home is {installation.settings.home}")


def disk(installation: Installation) -> Said:
    """Look how much room there is where this machine keeps budgets, ledger and spilled tables."""
    folder = existing(installation.settings.work_folder)
    free = shutil.disk_usage(folder).free
    said = f"{free / GIB:,.1f} GiB free at {folder}"
    hint = f"make room, or move ADCE_HOME to a larger disk: {ENOUGH_DISK // GIB} GiB are enough for large inventories"
    if free < LEAST_DISK:
        return wrong(said, hint)
    return warning(said, hint) if free < ENOUGH_DISK else ok(said)


def contract(installation: Installation) -> Said:
    """Load the contract."""
    found = installation.contract
    return ok(f"{len(found.sources)} sources, {len(found.data_sets)} data sets")


def scrapers(installation: Installation) -> Said:
    """Load the scrapers, and see whether each data set that names one has it."""
    catalogue, named = installation.catalogue, {}
    for data_set in installation.contract.data_sets.values():
        scraper = data_set.declared.scraper
        if scraper is not None and scraper not in catalogue.scrapers:
            named.setdefault(scraper, data_set.name)
    if named:
        scraper, data_set = min(named.items())
        return warning(
            f"{len(named)} scraper(s) that the contract names are not configured, such as `{scraper}` of `{data_set}`",
            "nothing collects these data sets: add an entry to config/scrapers/, or take the name out of the contract",
        )
    return ok(f"{len(catalogue.scrapers)} scrapers over {len(catalogue.hosts)} hosts")


def credentials(installation: Installation) -> Said:
    """See whether the secrets are there that hosts want to see."""
    wanted = {
        host.credential.secret: name
        for name, host in installation.catalogue.hosts.items()
        if host.credential is not None
    }
    lacking = sorted(secret for secret in wanted if not installation.settings.secrets(secret))
    if lacking:
        return warning(
            f"{len(lacking)} of {len(wanted)} secrets are not there: {', '.join(lacking)}",
            "set them in the environment, or drop the data sets that need them",
        )
    return ok(f"{len(wanted)} secrets are there") if wanted else skipped("no host wants one")


def hosts(installation: Installation) -> Said:
    """See how the hosts stand with us; nobody is asked."""
    known: dict[str, Host] = {**installation.catalogue.hosts}
    states = standings(installation.settings.limits_place, known).values()
    shut = [state.name for state in states if state.blocked_since or state.closed_until]
    if shut:
        return warning(f"{len(shut)} of {len(known)} hosts are left alone: {', '.join(sorted(shut))}", "`adce hosts`")
    return ok(f"{len(known)} hosts may be asked")


def ledger(installation: Installation) -> Said:
    """Ask the ledger for its last entry."""
    opened = open_ledger(installation.settings.database_url)
    try:
        return ok(f"{opened.head().seq:,} entries at {opened.url}")
    finally:
        opened.dispose()


def lake_reading(installation: Installation) -> Said:
    """List and read one object: what every run needs."""
    lake = installation.project.lake
    first = next((found for found in lake.list() if not found.key.startswith(OWN)), None)
    if first is None:
        return warning(
            f"{lake.url} is empty", "is it the right one? `ADCE_LAKE` names it; `adce plan` says what is missing"
        )
    lake.get(first.key, length=1)
    return ok(f"{lake.url} can be listed and read")


def lake_writing(installation: Installation) -> Said:
    """Write one small object, and see whether conditions are honoured: two writers must not both win."""
    lake = installation.project.lake
    _written(lake)
    for name, write in (
        ("If-None-Match", partial(lake.put_if_absent, PROBE, b"twice")),
        ("If-Match", partial(lake.put_if_match, PROBE, b"stale", "0" * 32)),
    ):
        try:
            write()
        except ConditionFailedError:
            continue
        return wrong(
            f"{lake.url} does not honour `{name}`: two writers of one key would both believe that they had won",
            "keep the lake in a store that does: AWS S3, or a server that passes the check",
        )
    return ok(f"{lake.url} can be written, on conditions too; {PROBE} stays")


def clock(installation: Installation) -> Said:
    """Hold the clock of this machine against that of the lake."""
    if installation.settings.clock_stands:
        return skipped("ADCE_AS_OF lets the clock stand")
    began = installation.settings.clock()
    probe = _written(installation.project.lake)
    ended = installation.settings.clock()
    # The lake's clock may tell whole seconds only; what it took to ask is nobody's skew.
    skew = max(began - probe.last_modified - timedelta(seconds=1), probe.last_modified - ended, timedelta(0))
    said = f"{skew.total_seconds():.0f} s between this machine and the lake"
    hint = "set the clock of this machine: `timedatectl set-ntp true`"
    if skew > GREAT_SKEW:
        return wrong(said, hint)
    return warning(said, hint) if skew > MOST_SKEW else ok(said)


def inventory(installation: Installation) -> Said:
    """Look how old the last inventory is, and whether the reports of AWS come as they should."""
    settings, project = installation.settings, installation.project
    scanning = settings.reconciliation.s3
    told = report_status.look(project.lake, project.state, scanning, settings.clock())
    if told["inventory"] is None:
        return warning(told["inventory_fault"], "`adce reconcile`")
    age = told["inventory"]["age_hours"]
    if told["late"]:
        return warning(
            f"the newest report of AWS is late: of {told['report']['created_at']}", "`adce inventory status`"
        )
    if scanning.use_aws_inventory and told["report"] is None:
        return warning(told["report_fault"], "`adce inventory setup`")
    most = settings.autonomous.intervals.fresh_within_hours
    if age > most:
        return warning(f"the last inventory is {age:.1f} h old; wanted: {most} h", "`adce reconcile`, or `adce start`")
    return ok(f"the last inventory is {age:.1f} h old")


def metrics(installation: Installation) -> Said:
    """Load what is measured: a fault of it leaves the loop without its numbers."""
    path = installation.settings.metrics_config_path
    if not path.is_file():
        return skipped(f"no metrics are configured: there is no {path}")
    found = load_metrics(path, installation.contract)
    return ok(f"{len(found.metrics)} metrics, {len(found.off)} more are switched off")


def history(installation: Installation) -> Said:
    """Ask the database of the metrics' history for its last run."""
    if not installation.settings.metrics_config_path.is_file():
        return skipped("no metrics are configured")
    url = installation.settings.metrics_url
    opened = open_history(url)
    try:
        last = opened.runs(1)
    finally:
        opened.dispose()
    return ok(f"last measured at {last[0].ended_at:%Y-%m-%d %H:%M} UTC" if last else "nothing was measured yet")


def _written(lake: LakeStore) -> StoredObject:
    """Write the probe, and say how the lake has it. A folder that is not there is not made: it may not be mounted."""
    lake.head(PROBE)
    lake.put(PROBE, b"written by `adce doctor`")
    found = lake.head(PROBE)
    if found is None:
        raise LakeError("what was just written is not there", where=f"{lake.url}/{PROBE}")
    return found


def existing(folder: Path) -> Path:
    """Name the folder, or the nearest one above it that is there already."""
    return next(place for place in (folder, *folder.parents) if place.is_dir())


EXAMINATIONS = (
    ("python", python),
    ("settings", settings),
    ("disk", disk),
    ("contract", contract),
    ("scrapers", scrapers),
    ("credentials", credentials),
    ("hosts", hosts),
    ("ledger", ledger),
    ("lake_reading", lake_reading),
    ("lake_writing", lake_writing),
    ("clock", clock),
    ("inventory", inventory),
    ("metrics", metrics),
    ("history", history),
)
"""Every examination of this room, by name."""
NEEDS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("disk", "contract", "ledger", "history"), ("settings",)),
    **dict.fromkeys(("credentials", "hosts"), ("settings", "scrapers")),
    **dict.fromkeys(("scrapers", "lake_reading", "metrics"), ("settings", "contract")),
    **dict.fromkeys(("lake_writing", "clock", "inventory"), ("settings", "contract", "lake_reading")),
    "data_sets": ("settings", "contract", "scrapers"),
    **dict.fromkeys(("pools", DAEMONS), ("dagster",)),
}
"""What an examination can say nothing without; those of Dagster too."""
TOLD_BY: Mapping[str, str] = {
    **{name: name for name in ("settings", "contract", "disk", "dagster", "pools")},
    **dict.fromkeys(("installation", "lake"), "lake_reading"),
    **dict.fromkeys(("state", "files", "inventory_old"), "inventory"),
    **dict.fromkeys(("source_failing", "source_blocked"), "hosts"),
    **dict.fromkeys(("loop_stopped", "switched_off", "cycle_late", "canary_late", "missed_ticks"), DAEMONS),
    "database": "ledger",
}
"""Which examination looks at what a cause is about: with it found wrong, or late for it, the cause is no news."""
