"""The ways to know a lake, by the names that the command line, the configuration and the inventory give them.

``list`` walks through it; ``aws`` takes the newest report and what is newer; ``cache`` takes the last inventory, if it
is young enough; ``auto`` the cheapest of these that is. A new way is one more entry of `MODES`. ``sample`` only says
how much there is: no gap is ever made from it.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from adce_assets.errors import LakeError
from adce_assets.lake import listing, report
from adce_assets.lake.report_manifest import ReportFile, ReportManifest
from adce_assets.lake.store import OBJECT_SCHEMA, KeyRange
from adce_assets.loop import own_writes, questions, ranges
from adce_assets.loop.holdings import Holdings, Report, with_listing, with_receipts
from adce_assets.loop.project import Project
from adce_assets.loop.ranges import Known
from adce_assets.loop.state import COVERAGE, INVENTORY, KEY_HINTS, NEWER, SAMPLE
from adce_assets.progress import Progress

if TYPE_CHECKING:
    import pyarrow as pa
    from ibis.backends.duckdb import Backend

Mode = Literal["auto", "aws", "list", "cache", "sample"]
REPORT_REQUESTS = 4
"""LIST requests that finding the newest report and the newest receipts takes, at most."""
MOST_HINTS = 10_000
"""Keys that are remembered to say where the others are."""
HINT_COLUMNS = ("key", "of")


@dataclass(frozen=True, slots=True)
class Last:
    """The last inventory: what it said, and what it knew of the lake."""

    document: Mapping[str, Any]
    holdings: Holdings


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
    manifest = _newest(look.project) if wanted in {"aws", "auto"} else None
    if wanted == "auto":
        wanted = _cheapest(look, manifest)
    if wanted == "aws" and manifest is None and scanning.fallback_to_sample:
        return "sample", None
    return wanted, MODES[wanted](look, manifest)


def last(project: Project) -> Last | None:
    """Recall the last inventory of this lake, None where there is none that can be built upon."""
    try:
        document = project.state.read_json(INVENTORY)
    except LakeError:
        return None
    if document.get("lake") != project.lake.url or document.get("prefixes") != _prefixes(project):
        return None
    newer = project.state.recall(NEWER, OBJECT_SCHEMA.names)
    return None if newer is None else Last(document, _recalled(document, newer))


def remember(look: Look, holdings: Holdings, backend: "Backend") -> dict[str, Any]:
    """Keep what is known of the lake for the next look; return what the summary says of it."""
    state, base = look.project.state, holdings.base
    if not isinstance(base, Report | Path):
        state.write_table(INVENTORY, base)
        _remember_hints(look.project, base.select(["key"]), holdings)
    elif isinstance(base, Report) and _hints(look.project, holdings) is None:
        count = sum(file.size for file in base.manifest.files) // 40  # bytes a row, more or less
        share = min(1.0, MOST_HINTS / max(count, 1))
        sampled = holdings.in_base(look.project, backend).select("key").sample(share, method="row", seed=1)
        _remember_hints(look.project, sampled.order_by("key").to_pyarrow(), holdings)
    state.write_table(NEWER, holdings.newer)
    told = {"kind": "listing"}
    if isinstance(base, Report):
        told = {"kind": "report", **asdict(base.manifest), "created_at": base.manifest.created_at.isoformat()}
    return {
        "as_of": holdings.as_of.isoformat(),
        "ranges": ranges.written(holdings.known),
        "requests": holdings.requests,
        "lake": look.project.lake.url,
        "contract": look.project.contract.digest,
        "prefixes": _prefixes(look.project),
        "base": told,
        "looked": ranges.written(holdings.looked),
        "relisted": ranges.written(holdings.relisted),
        "written": sorted(holdings.written),
    }


def sample(look: Look) -> dict[str, Any]:
    """Estimate how much the lake holds, and write `inventory_sample.json`; the last inventory stays in force."""
    from adce_assets.lake import sampling

    project, scanning = look.project, look.project.settings.reconciliation.s3
    hints = None if look.last is None else _hints(project, look.last.holdings)
    found = sampling.estimate(
        project.lake, rate=scanning.sample_rate, seed=SEED, hints=hints or (), exclude=project.outside_the_lake
    )
    moment = look.now.isoformat()
    document = {"mode": "sample", "generated_at": moment, "as_of": moment, "lake": project.lake.url, **asdict(found)}
    project.state.write_json(SAMPLE, document)
    return {"schema": 1, **document}


SEED = 1
"""A sample of the same lake with the same settings is the same sample."""
VOLATILE = ("as_of", "ranges", "requests", "looked", "relisted")
"""What is new in every look, even if nothing else is."""


def _cheapest(look: Look, manifest: ReportManifest | None) -> str:
    """Choose the way that costs the fewest requests of those that are young enough."""
    scanning = look.project.settings.reconciliation.s3
    if look.last and look.now - look.last.holdings.as_of <= timedelta(hours=scanning.cache_ttl_hours):
        return "cache"
    young = manifest is not None and look.now - manifest.created_at <= timedelta(hours=scanning.max_age_hours)
    pages = look.last.document["objects"] // questions.PAGE + 1 if look.last else None
    cheap = pages is not None and pages <= REPORT_REQUESTS + scanning.delta_requests
    return "aws" if young and not cheap else "list"


def _listed(look: Look, _manifest: ReportManifest | None) -> Holdings:
    """List the lake as it is; what is written while the listing runs may be missing, so its as-of is its start."""
    project, scanning = look.project, look.project.settings.reconciliation.s3
    stretches = [ranges.below(prefix) for prefix in sorted(scanning.prefixes)] or [ranges.WHOLE]
    hints = None if look.last is None else _hints(project, look.last.holdings)
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
    """Take the newest complete report, whose as-of is the start of AWS's own scan, and list what matters since."""
    project = look.project
    scanning = project.settings.reconciliation.s3
    if manifest is None:
        raise LakeError(
            "there is no complete AWS Inventory report",
            where=f"{project.lake.url}/{scanning.inventory_prefix}",
            hint="the first report takes up to 48 hours; until then use `adce reconcile --mode list`",
        )
    stretches = [ranges.below(prefix) for prefix in sorted(scanning.prefixes)] or [ranges.WHOLE]
    looked = tuple(Known(stretch, manifest.created_at) for stretch in stretches)
    fresh = Holdings(_fetched(look, manifest), looked, requests=REPORT_REQUESTS - 1)
    return _with_questions(look, _with_own_writes(look, _still_newer(look, fresh)))


def _cached(look: Look, _manifest: ReportManifest | None) -> Holdings:
    """Take the last inventory again, if it is young enough."""
    limit = look.project.settings.reconciliation.s3.cache_ttl_hours
    if look.last is None:
        raise LakeError(
            f"there is no inventory of {look.project.lake.url} to use again",
            where=look.project.state.store.url,
            hint="take one with `--mode list` or `--mode aws`",
        )
    age = (look.now - look.last.holdings.as_of) / timedelta(hours=1)
    if age > limit:
        raise LakeError(
            f"the last inventory is {age:.1f} h old; `s3.cache_ttl_hours` allows {limit:g}",
            where=look.project.state.store.url,
            hint="`--mode auto` takes a new one when the last is too old",
        )
    holdings = look.last.holdings
    if not isinstance(holdings.base, Report):
        return holdings
    return replace(holdings, base=_fetched(look, holdings.base.manifest))


MODES: Mapping[str, Callable[[Look, ReportManifest | None], Holdings]] = {
    "list": _listed,
    "aws": _reported,
    "cache": _cached,
}
"""The ways to know a lake whole."""


def _newest(project: Project) -> ReportManifest | None:
    scanning = project.settings.reconciliation.s3
    return report.newest(project.lake, prefix=scanning.inventory_prefix, config_id=scanning.inventory_id)


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
    receipts, requests = own_writes.since(look.project, holdings.as_of)
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
    project = look.project
    budget = project.settings.reconciliation.s3.delta_requests
    open_keys = _open_keys(project, look.now) if budget else None
    if open_keys is None or not open_keys.num_rows:
        return holdings
    density = questions.Density.of(_hints(project, holdings), look.last.document["objects"] if look.last else 0)
    stretches = questions.ranges(project.contract, open_keys, density, budget)
    if not stretches:
        return holdings
    listed = listing.take(project.lake, ranges=stretches, exclude=project.outside_the_lake)
    newer = with_listing(holdings, stretches, listed.objects, look.now)
    return replace(newer, requests=holdings.requests + listed.requests)


def _open_keys(project: Project, now: datetime) -> "pa.Table | None":
    """Recall which keys were absent at the last analysis and are due by now, and of which that was not known."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = ("source", "data_type", "season", "key", "event_at", "due_at", "state")
    table = project.state.recall(COVERAGE, columns)
    if table is None:
        return None
    absent = pc.is_in(table["state"], pa.array(["missing", "unknown", "not_due"]))
    due = pc.less_equal(table["due_at"], pa.scalar(now, table["due_at"].type))
    table = table.filter(pc.and_(pc.and_(absent, pc.is_valid(table["key"])), due))
    known = [name in project.contract.data_sets for name in _names(table)]
    table = table.filter(pa.array(known, pa.bool_()))
    return table.append_column("is_unknown", pc.not_equal(table["state"], "missing"))


def _names(table: "pa.Table") -> list[str]:
    pairs = zip(table["source"].to_pylist(), table["data_type"].to_pylist(), strict=True)
    return [f"{source}/{data_type}" for source, data_type in pairs]


def _recalled(document: Mapping[str, Any], newer: "pa.Table") -> Holdings:
    base: Report | Path = Path()
    if document["base"]["kind"] == "report":
        fields = {name: value for name, value in document["base"].items() if name != "kind"}
        files = tuple(ReportFile(**file) for file in fields.pop("files"))
        created = datetime.fromisoformat(fields.pop("created_at"))
        columns = tuple(fields.pop("columns"))
        manifest = ReportManifest(**fields, created_at=created, columns=columns, files=files)
        base = Report(manifest, ())
    return Holdings(
        base,
        ranges.read(document["looked"]),
        ranges.read(document["relisted"]),
        newer,
        frozenset(document["written"]),
    )


def _remember_hints(project: Project, keys: "pa.Table", holdings: Holdings) -> None:
    import pyarrow as pa

    step = max(listing.HINT_EVERY, keys.num_rows // MOST_HINTS) if not isinstance(holdings.base, Report) else 1
    chosen = keys["key"].take(pa.array(range(step - 1, keys.num_rows, step), pa.int64()))
    of = pa.array([_base_id(holdings)] * len(chosen), pa.string())
    project.state.write_table(KEY_HINTS, pa.table({"key": chosen, "of": of}))


def _hints(project: Project, holdings: Holdings) -> list[str] | None:
    """Recall where the keys of a base are; None where nobody has looked."""
    table = project.state.recall(KEY_HINTS, HINT_COLUMNS)
    if table is None or set(table["of"].to_pylist()) - {_base_id(holdings)}:
        return None
    return table["key"].to_pylist()


def _base_id(holdings: Holdings) -> str:
    base = holdings.base
    return base.manifest.checksum if isinstance(base, Report) else "listing"


def _within(rows: "pa.Table", stretch: KeyRange) -> "pa.Table":
    import pyarrow as pa

    return rows.filter(pa.array([ranges.contains(stretch, key) for key in rows["key"].to_pylist()], pa.bool_()))


def _prefixes(project: Project) -> list[str]:
    return sorted(project.settings.reconciliation.s3.prefixes)
