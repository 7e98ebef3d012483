"""The ways to know a lake, by the names that the command line, the configuration and the inventory give them.

``list`` walks through it; ``aws`` takes the newest report and what is newer; ``cache`` takes the last inventory, if it
is young enough; ``auto`` the cheapest of these that is. A new way is one more entry of `MODES`. ``sample`` only says
how much there is: no gap is ever made from it.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from adce_assets.configuration import Scanning
from adce_assets.errors import LakeError, ReportError
from adce_assets.lake import listing, report
from adce_assets.lake.report_manifest import ReportManifest
from adce_assets.lake.store import KeyRange, LakeStore
from adce_assets.loop import memory, own_writes, questions, ranges
from adce_assets.loop.holdings import MAY_MISS, Holdings, Report, with_listing, with_receipts
from adce_assets.loop.memory import Last
from adce_assets.loop.project import Project
from adce_assets.loop.ranges import Known
from adce_assets.loop.records import OPEN_STATES
from adce_assets.loop.state import COVERAGE, INVENTORY, SAMPLE
from adce_assets.progress import Progress
from adce_assets.tables import engine

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

Mode = Literal["auto", "aws", "list", "cache", "sample"]


@dataclass(frozen=True, slots=True)
class Look:
    """A look at the lake that is about to be taken: by which installation, when (UTC), and after which other."""

    project: Project
    now: datetime
    last: Last | None
    progress: Progress


def know(look: Look, mode: Mode | None) -> tuple[str, Holdings | None]:
    """Get to know the lake in the way that is asked for, else as configured.

    Returns:
        The way that was taken, and what is known; None where it is to be sampled.

    Raises:
        LakeError: It cannot be known in this way: a listing failed, a report is damaged or not there yet, the last
            inventory is too old.
    """
    scanning = look.project.settings.reconciliation.s3
    wanted = mode or ("aws" if scanning.use_aws_inventory else "list")
    if wanted == "sample":
        return wanted, None
    if wanted == "auto" and _is_young(look):
        wanted = "cache"
    if wanted not in {"aws", "auto"}:
        return wanted, MODES[wanted](look, None)
    manifest, asked = _looked_up(look, must=wanted == "aws")
    if wanted == "auto":
        wanted = _cheapest(look, manifest)
    if wanted == "aws" and manifest is None and scanning.fallback_to_sample:
        return "sample", None
    known = MODES[wanted](look, manifest)
    return wanted, replace(known, requests=known.requests + asked)


@contextmanager
def in_force(look: Look) -> Iterator[None]:
    """Add to whatever says that the lake could not be known which inventory is in force all the same."""
    try:
        yield
    except LakeError as error:
        if look.last is None:
            raise
        as_of = look.last.holdings.as_of
        age = (look.now - as_of) / timedelta(hours=1)
        stays = f"the inventory of {as_of:%Y-%m-%dT%H:%MZ}, {age:.0f} h old, stays in force"
        hint = "; ".join(part for part in (error.hint, stays) if part)
        raise type(error)(error.what, where=error.where, valid=error.valid, hint=hint) from error


def sample(look: Look) -> dict[str, Any]:
    """Estimate how much the lake holds, and write `inventory_sample.json`; the last inventory stays in force."""
    from adce_assets.lake import sampling

    project, scanning = look.project, look.project.settings.reconciliation.s3
    hints = None if look.last is None else memory.hints(project, look.last.holdings)
    found = sampling.estimate(
        project.lake, rate=scanning.sample_rate, seed=SEED, hints=hints or (), exclude=project.outside_the_lake
    )
    moment = look.now.isoformat()
    document = {"mode": "sample", "generated_at": moment, "as_of": moment, "lake": project.lake.url, **asdict(found)}
    project.state.write_json(SAMPLE, document)
    return {"schema": 1, **document}


SEED = 1
"""A sample of the same lake with the same settings is the same sample."""


def _is_young(look: Look) -> bool:
    """Tell whether the last inventory may be taken again."""
    limit = timedelta(hours=look.project.settings.reconciliation.s3.cache_ttl_hours)
    return look.last is not None and look.now - look.last.holdings.as_of <= limit


def _cheapest(look: Look, manifest: ReportManifest | None) -> str:
    """Choose between a report that is young enough, with what is newer, and a listing: what costs fewer requests."""
    scanning = look.project.settings.reconciliation.s3
    young = manifest is not None and look.now - _as_of(manifest) <= timedelta(hours=scanning.max_age_hours)
    pages = look.last.document["objects"] // questions.PAGE + 1 if look.last else None
    cheap = pages is not None and pages <= scanning.delta_requests
    return "aws" if young and not cheap else "list"


def _listed(look: Look, _manifest: ReportManifest | None) -> Holdings:
    """List the lake as it is; what is written while the listing runs may be missing, so its as-of is its start."""
    project, scanning = look.project, look.project.settings.reconciliation.s3
    stretches = _stretches(project)
    hints = None if look.last is None else memory.hints(project, look.last.holdings)
    listed = listing.take(
        project.lake,
        ranges=stretches,
        exclude=project.outside_the_lake,
        workers=scanning.parallel_workers,
        hints=hints or (),
        on_progress=lambda done: look.progress("listing", done, None),
    )
    looked = tuple(Known(stretch, look.now) for stretch in stretches)
    return _with_own_writes(look, Holdings(listed.objects, looked, requests=listed.requests))


def _reported(look: Look, manifest: ReportManifest | None) -> Holdings:
    """Take the newest complete report, true as of shortly before AWS began to look, and list what matters since."""
    project = look.project
    scanning = project.settings.reconciliation.s3
    if manifest is None:
        raise LakeError(
            "there is no complete AWS Inventory report",
            where=f"{project.lake.url}/{scanning.inventory_prefix}",
            hint="the first report takes up to 48 hours; until then use `adce reconcile --mode list`",
        )
    base = _listed_since(look, manifest)
    if base is None:
        looked = tuple(Known(stretch, _as_of(manifest)) for stretch in _stretches(project))
        base = Holdings(_fetched(look, manifest), looked)
    return _with_questions(look, _with_own_writes(look, _still_newer(look, base)))


def _as_of(manifest: ReportManifest) -> datetime:
    """Return the moment up to which a report speaks: what was written just before AWS began may be missing in it."""
    return manifest.created_at - MAY_MISS


def _listed_since(look: Look, manifest: ReportManifest) -> Holdings | None:
    """Recall the last full listing, if that was later than the report: what is known already is not forgotten."""
    if look.last is None or not isinstance(look.last.holdings.base, Path):
        return None
    if look.last.holdings.as_of <= _as_of(manifest):
        return None
    try:
        with look.project.state.local(INVENTORY):
            return Holdings(look.last.holdings.base, look.last.holdings.looked)
    except LakeError:
        return None


def _stretches(project: Project) -> list[KeyRange]:
    """Return the stretches that are the lake: all of it, unless only some prefixes are looked at.

    Schedules are looked at all the same: without them nobody knows what to expect below the others.
    """
    wanted = project.settings.reconciliation.s3.prefixes
    contract = project.contract
    of_schedules = {
        template.prefix
        for schedule in contract.schedules.values()
        for document in schedule.documents
        for template in contract.data_sets[document.data_set].templates
    }
    prefixes = sorted({*wanted, *of_schedules}) if wanted else []
    apart = [one for one in prefixes if not any(one != other and one.startswith(other) for other in prefixes)]
    return [ranges.below(prefix) for prefix in apart] or [ranges.WHOLE]


def _cached(look: Look, _manifest: ReportManifest | None) -> Holdings:
    """Take the last inventory again, if it is young enough, and what the loop wrote since."""
    if look.last is None:
        raise LakeError(
            f"there is no inventory of {look.project.lake.url} to use again",
            where=look.project.state.store.url,
            hint="take one with `--mode list` or `--mode aws`",
        )
    if not _is_young(look):
        age = (look.now - look.last.holdings.as_of) / timedelta(hours=1)
        limit = look.project.settings.reconciliation.s3.cache_ttl_hours
        raise LakeError(
            f"the last inventory is {age:.1f} h old; `s3.cache_ttl_hours` allows {limit:g}",
            where=look.project.state.store.url,
            hint="`--mode auto` takes a new one when the last is too old",
        )
    holdings = look.last.holdings
    if isinstance(holdings.base, Report):
        holdings = replace(holdings, base=_fetched(look, holdings.base.manifest))
    return _with_own_writes(look, holdings)


MODES: Mapping[str, Callable[[Look, ReportManifest | None], Holdings]] = {
    "list": _listed,
    "aws": _reported,
    "cache": _cached,
}
"""The ways to know a lake whole."""


def newest_report(project: Project) -> ReportManifest | None:
    """Find the newest complete report of the installation's lake, as `newest_of` does."""
    return newest_of(project.lake, project.settings.reconciliation.s3)


def newest_of(lake: LakeStore, scanning: Scanning) -> ReportManifest | None:
    """Find the newest complete report of a lake's own bucket; other buckets' may lie beside it.

    Raises:
        ReportError: It is damaged, or there are several configurations and none is named.
    """
    url = urlsplit(lake.url)
    bucket = url.netloc if url.scheme == "s3" else None
    return report.newest(lake, prefix=scanning.inventory_prefix, source_bucket=bucket, config_id=scanning.inventory_id)


def _looked_up(look: Look, *, must: bool) -> tuple[ReportManifest | None, int]:
    """Find the newest report, and count the LIST requests: one a level of folders whose name nobody knows.

    Without ``must``, a report that cannot be used is none.
    """
    project = look.project
    asked = 1 if project.settings.reconciliation.s3.inventory_id else 2
    if not project.lake.keys_per_request:
        asked = 0
    try:
        return newest_report(project), asked
    except ReportError as error:
        if must:
            raise
        logger.warning("no report can be used: %s", error)
        return None, asked


def _fetched(look: Look, manifest: ReportManifest) -> Report:
    """Have the data files of a report on this machine; those that are here already are not fetched again."""
    files = report.fetch(
        look.project.lake,
        manifest,
        look.project.settings.work_folder / "reports",
        on_progress=lambda done: look.progress("report", done, None),
    )
    return Report(manifest, files)


def _with_own_writes(look: Look, holdings: Holdings) -> Holdings:
    receipts, requests = own_writes.since(look.project, holdings.as_of - MAY_MISS)
    return replace(with_receipts(holdings, receipts), requests=holdings.requests + requests)


def _still_newer(look: Look, fresh: Holdings) -> Holdings:
    """Keep of the last inventory what was listed behind the new base."""
    if look.last is None:
        return fresh
    behind = [entry for entry in look.last.holdings.relisted if entry.as_of > fresh.as_of]
    for entry in behind:
        rows = _within(look.last.holdings.newer, entry.range)
        fresh = with_listing(fresh, [entry.range], rows, entry.as_of)
    return fresh


def _with_questions(look: Look, holdings: Holdings) -> Holdings:
    """List the stretches that matter, as far as the budget of requests reaches."""
    import pyarrow as pa

    project, scanning = look.project, look.project.settings.reconciliation.s3
    open_keys = _open_keys(project, look.now) if scanning.delta_requests else None
    if look.last is None or open_keys is None:
        return holdings
    if scanning.prefixes:
        is_looked_at = [ranges.as_of(holdings.looked, key) is not None for key in open_keys["key"].to_pylist()]
        open_keys = open_keys.filter(pa.array(is_looked_at, pa.bool_()))
    if not open_keys.num_rows:
        return holdings
    hints = memory.hints(project, holdings)
    if not hints and isinstance(holdings.base, Report):
        hints = _sampled_hints(look, holdings)
    density = questions.Density.of(hints, look.last.document["objects"])
    chosen = questions.ranges(project.contract, open_keys, density, scanning.delta_requests)
    stretches = ranges.clipped(chosen, holdings.looked)
    if not stretches:
        return holdings
    listed = listing.take(project.lake, ranges=stretches, exclude=project.outside_the_lake)
    newer = with_listing(holdings, stretches, listed.objects, look.now)
    return replace(newer, requests=holdings.requests + listed.requests)


def _sampled_hints(look: Look, holdings: Holdings) -> list[str]:
    """Choose some keys of a report, once for all looks that build on it."""
    limits = look.project.settings.reconciliation.engine
    objects = look.last.document["objects"] if look.last else memory.MOST_HINTS
    share = min(1.0, memory.MOST_HINTS / max(objects, 1))
    with engine(**limits.model_dump()) as backend:
        sampled = holdings.in_base(look.project, backend).select("key").sample(share, method="row", seed=SEED)
        keys = sampled.order_by("key").to_pyarrow()
    memory.remember_hints(look.project, keys, holdings)
    return keys["key"].to_pylist()


def _open_keys(project: Project, now: datetime) -> "pa.Table | None":
    """Recall which keys were open at the last analysis or became due since, and of which that was not known."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = ("source", "data_type", "season", "key", "event_at", "due_at", "state")
    table = project.state.recall(COVERAGE, columns)
    if table is None:
        return None
    is_open = pc.is_in(table["state"], pa.array([*OPEN_STATES, *NOT_KNOWN]))
    due = pc.less_equal(table["due_at"], pa.scalar(now, table["due_at"].type))
    table = table.filter(pc.and_(pc.and_(is_open, pc.is_valid(table["key"])), due))
    names = pc.binary_join_element_wise(table["source"], table["data_type"], "/")
    table = table.filter(pc.is_in(names, pa.array([*project.contract.data_sets])))
    return table.append_column("is_unknown", pc.is_in(table["state"], pa.array(NOT_KNOWN)))


NOT_KNOWN = ("unknown", "not_due")
"""States of keys of which nobody could say, once they were due, that they are missing."""


def _within(rows: "pa.Table", stretch: KeyRange) -> "pa.Table":
    import pyarrow as pa

    return rows.filter(pa.array([ranges.contains(stretch, key) for key in rows["key"].to_pylist()], pa.bool_()))
