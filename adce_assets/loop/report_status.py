"""The lake and the last inventory in, one document out: which report there is, how old it is, when the next is due.

Nothing is changed and no report is read beyond its manifest. A damaged report is told beside the inventory that is
still in force, never instead of it.
"""

from datetime import UTC, datetime
from typing import Any

from adce_assets.configuration import Scanning
from adce_assets.errors import LakeError, ReportError
from adce_assets.lake import report_schedule
from adce_assets.lake.report_manifest import ReportManifest
from adce_assets.lake.report_schedule import INTERVALS, Frequency
from adce_assets.lake.store import LakeStore
from adce_assets.loop.modes import newest_of
from adce_assets.loop.state import HINT, INVENTORY, State


def look(lake: LakeStore, state: State, scanning: Scanning, now: datetime) -> dict[str, Any]:
    """Look at the reports in the lake, the bucket's configuration and the last inventory.

    Returns:
        ``report`` and ``inventory``, each None with its ``..._fault`` saying why where there is none; ``schedule`` with
        its ``frequency``, where that is known from, and whether AWS's configuration is ``enabled`` (None: not known);
        ``next_report``, None where that cannot be told; and ``late``, None where there is no report. Ages are in hours,
        times in UTC.

    Raises:
        LakeError: the lake cannot be listed.
    """
    manifest, report_fault = _newest(lake, scanning)
    inventory, inventory_fault = _inventory(lake, state, now)
    schedule = _schedule(lake, scanning, manifest)
    frequency = schedule["frequency"]
    return {
        "at": now.isoformat(),
        "report": manifest and _described(manifest, inventory, now),
        "report_fault": report_fault,
        "schedule": schedule,
        "next_report": _next(manifest, frequency)
        if manifest and frequency and schedule["enabled"] is not False
        else None,
        "late": manifest and report_schedule.is_late(manifest.created_at, now, frequency),
        "inventory": inventory,
        "inventory_fault": inventory_fault,
    }


def _newest(lake: LakeStore, scanning: Scanning) -> tuple[ReportManifest | None, str | None]:
    try:
        manifest = newest_of(lake, scanning)
    except ReportError as error:
        return None, str(error)
    return manifest, None if manifest else f"there is no complete report below {lake.url}/{scanning.inventory_prefix}"


def _described(manifest: ReportManifest, inventory: dict[str, Any] | None, now: datetime) -> dict[str, Any]:
    created = manifest.created_at.isoformat()
    return {
        "id": manifest.config_id,
        "source_bucket": manifest.source_bucket,
        "format": manifest.file_format,
        "created_at": created,
        "age_hours": _hours(now, manifest.created_at),
        "files": len(manifest.files),
        "bytes": sum(file.size for file in manifest.files),
        "prefix": manifest.prefix,
        "in_force": inventory is not None and inventory["report"] == manifest.checksum,
        "older_than_listing": inventory is not None and _is_listed_since(inventory, manifest),
    }


def _is_listed_since(inventory: dict[str, Any], manifest: ReportManifest) -> bool:
    """Say whether the last inventory is a listing that is newer than the report, for then the report is not read."""
    return inventory["base"] == "listing" and datetime.fromisoformat(inventory["as_of"]) > manifest.created_at


def _inventory(lake: LakeStore, state: State, now: datetime) -> tuple[dict[str, Any] | None, str | None]:
    """Read what the last inventory says of itself.

    That there is none yet, that it is damaged or of another lake is part of the answer.
    """
    where = f"{state.store.url}/{INVENTORY}.json"
    try:
        document = state.read_json(INVENTORY)
        as_of = _moment(document.get("as_of"), where)
    except LakeError as error:
        return None, str(error)
    if document.get("lake") != lake.url:
        told = LakeError(f"it is of {document.get('lake')}, there is none of {lake.url}", where=where, hint=HINT)
        return None, str(told)
    base = document.get("base") or {}
    return {
        "mode": document.get("mode"),
        "as_of": as_of.isoformat(),
        "age_hours": _hours(now, as_of),
        "objects": document.get("objects"),
        "base": base.get("kind"),
        "report": base.get("checksum"),
        "vanished": document.get("vanished") or [],
    }, None


def _moment(text: object, where: str) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise LakeError(f"its as-of `{text}` is not a time", where=where, hint=HINT) from error
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def _schedule(lake: LakeStore, scanning: Scanning, manifest: ReportManifest | None) -> dict[str, Any]:
    """Say how often AWS writes a report: as the bucket's configuration says, else as the last two reports tell."""
    configured = _configured(lake, scanning, manifest)
    if configured is not None:
        named: Any = configured.get("Schedule", {}).get("Frequency", "")
        enabled, frequency = bool(configured.get("IsEnabled")), named.lower()
        if frequency in INTERVALS:
            return {"frequency": frequency, "known_from": "configuration", "enabled": enabled}
    starts = report_schedule.starts_beside(lake, manifest.prefix) if manifest else ()
    told = report_schedule.frequency_of(starts)
    return {"frequency": told, "known_from": "reports" if told else None, "enabled": None}


def _configured(lake: LakeStore, scanning: Scanning, manifest: ReportManifest | None) -> dict[str, Any] | None:
    """Read the bucket's configuration, or None where there is none or nobody may read it."""
    if not lake.url.startswith("s3://"):
        return None
    from adce_assets.lake.s3_inventory import Configurations, default_id

    name = manifest.config_id if manifest else scanning.inventory_id or default_id(lake.url)
    try:
        return Configurations(lake.url).get(name)
    except LakeError:
        return None


def _next(manifest: ReportManifest, frequency: Frequency) -> dict[str, str]:
    due = report_schedule.due(manifest.created_at, frequency)
    return {"begins_at": due.begins_at.isoformat(), "delivered_by": due.delivered_by.isoformat()}


def _hours(now: datetime, then: datetime) -> float:
    return round((now - then).total_seconds() / 3600, 2)
