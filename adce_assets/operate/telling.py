"""What a look saw in, documents for people and machines out: health, and how the loop stands."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from adce_assets.loop.state import GAPS, INVENTORY, QUEUE
from adce_assets.loop.windows import maintenance
from adce_assets.operate.causes import Cause
from adce_assets.operate.outside import Seen
from adce_assets.operate.service import Health, Stand
from adce_assets.operate.watching import is_well

SCHEMA = 1
Document = dict[str, Any]


def health(found: Sequence[Cause], at: datetime) -> Document:
    """Say whether it is well, and each cause with the next step."""
    return {"schema": SCHEMA, "at": _text(at), "well": is_well(found), "causes": [cause_of(one) for one in found]}


def status(seen: Seen, found: Sequence[Cause]) -> Document:
    """Say how the components stand, when the loop last came around, what is queued, and what is wrong.

    What cannot be read is None: a cause says why.
    """
    queue, gaps, inventory = (seen.sound(name) for name in (QUEUE, GAPS, INVENTORY))
    config = seen.config
    last = seen.outside.last_cycle
    hours = None if last is None else round((seen.outside.at - last).total_seconds() / 3600, 2)
    return {
        **health(found, seen.outside.at),
        "running": bool(seen.stands) and all(stand.health is Health.RUNNING for stand in seen.stands),
        "components": [row(stand) for stand in seen.stands],
        "last_cycle": _text(last),
        "last_cycle_hours": hours,
        "inventory_as_of": inventory.get("as_of"),
        "objects": inventory.get("objects"),
        "tasks": queue.get("total_tasks"),
        "by_priority": queue.get("by_priority", {}),
        "open_keys": gaps.get("total_keys"),
        "dry_run": config.dry_run if config else None,
        "test_mode": config.test_mode.enabled if config else None,
        "resting": maintenance(config, seen.now) if config else None,
    }


def cause_of(cause: Cause) -> Document:
    """Write a cause in plain values."""
    return {
        "code": cause.code,
        "subject": cause.subject,
        "severity": str(cause.severity),
        "what": cause.what,
        "hint": cause.hint,
        "since": _text(cause.since),
        "page": cause.page,
    }


def row(stand: Stand) -> Document:
    """Say how a component stands, in plain values."""
    return {
        "component": stand.name,
        "health": str(stand.health),
        "since": _text(stand.since),
        "pid": stand.pid,
        "said": stand.said,
    }


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
