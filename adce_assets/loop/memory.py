"""What was known of the lake at the last look, kept in the state: written down here, and recalled for the next.

The summary of the inventory says of which stretches it was known when, and its rows lie in tables beside it. What is
damaged or does not go together is forgotten, as far as it is newer than the report or listing below it.
"""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adce_assets.errors import LakeError
from adce_assets.lake import listing
from adce_assets.lake.report_manifest import ReportFile, ReportManifest
from adce_assets.lake.store import OBJECT_SCHEMA
from adce_assets.loop import ranges
from adce_assets.loop.holdings import Holdings, Report
from adce_assets.loop.project import Project
from adce_assets.loop.state import ESTIMATES, INVENTORY, KEY_HINTS, MATCHED, NEWER, SCHEDULE, UNMATCHED, State

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

MOST_HINTS = 10_000
"""Keys that are remembered to say where the others are."""
HINT_COLUMNS = ("key", "of")
SEALED = (INVENTORY, SCHEDULE, ESTIMATES, UNMATCHED, MATCHED)
VOLATILE = ("as_of", "ranges", "requests", "looked", "relisted")
"""What is new in every look, even if nothing else is."""


@dataclass(frozen=True, slots=True)
class Last:
    """The last inventory: what it said, and what it knew of the lake."""

    document: Mapping[str, Any]
    holdings: Holdings


def last(project: Project) -> Last | None:
    """Recall the last inventory of this lake, None where there is none that can be built upon."""
    try:
        document = project.state.read_json(INVENTORY)
    except LakeError:
        return None
    if document.get("of") != identity(project):
        return None
    newer = project.state.recall(NEWER, OBJECT_SCHEMA.names)
    try:
        known = _recalled(document, newer)
        if isinstance(known.base, Report) or document["tables"][INVENTORY] == seals(project.state)[INVENTORY]:
            return Last(document, known)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        logger.warning("forgotten, and made anew: %s/%s.json: %r", project.state.store.url, INVENTORY, error)
        return None
    logger.warning("forgotten, and made anew: %s/%s.parquet: of another look", project.state.store.url, INVENTORY)
    return None


def identity(project: Project) -> dict[str, Any]:
    """Say of which lake an inventory is: its URL, the server that has it, and the prefixes that are looked at."""
    return {"lake": project.lake.url, "server": project.lake.server(), "prefixes": _prefixes(project)}


def seals(state: State) -> dict[str, str]:
    """Name the versions of the tables that are only true together with the summary of the inventory."""
    found = {name: state.store.head(f"{name}.parquet") for name in SEALED}
    return {name: table.etag for name, table in found.items() if table is not None}


def remember(project: Project, holdings: Holdings) -> tuple[dict[str, Any], bool]:
    """Keep what is known of the lake for the next look.

    Returns:
        What the summary says of it, and whether the rows beside it are others than before.
    """
    state, base = project.state, holdings.base
    is_other = state.write_table(NEWER, holdings.newer)
    if not isinstance(base, Report | Path):
        is_other |= state.write_table(INVENTORY, base)
        remember_hints(project, base.select(["key"]), holdings)
    told: dict[str, Any] = {"kind": "listing"}
    if isinstance(base, Report):
        told = {"kind": "report", **asdict(base.manifest), "created_at": base.manifest.created_at.isoformat()}
    return {
        "as_of": holdings.as_of.isoformat(),
        "ranges": ranges.written(holdings.known),
        "requests": holdings.requests,
        "lake": project.lake.url,
        "of": identity(project),
        "contract": project.contract.digest,
        "base": told,
        "looked": ranges.written(holdings.looked),
        "relisted": ranges.written(holdings.relisted),
        "written": sorted(holdings.written),
        "newer": _digest(holdings.newer),
    }, is_other


def _recalled(document: Mapping[str, Any], newer: "pa.Table | None") -> Holdings:
    """Recall what the summary says was known; of what is newer than the base only if its rows are those meant."""
    base: Report | Path = Path()
    if document["base"]["kind"] == "report":
        fields = {name: value for name, value in document["base"].items() if name != "kind"}
        files = tuple(ReportFile(**file) for file in fields.pop("files"))
        created = datetime.fromisoformat(fields.pop("created_at"))
        columns = tuple(fields.pop("columns"))
        manifest = ReportManifest(**fields, created_at=created, columns=columns, files=files)
        base = Report(manifest, ())
    looked = ranges.read(document["looked"])
    if newer is None or _digest(newer) != document.get("newer"):
        return Holdings(base, looked)
    return Holdings(base, looked, ranges.read(document["relisted"]), newer, frozenset(document["written"]))


def _digest(newer: "pa.Table") -> str:
    """Sum up what is newer than the base: a summary and rows that are not of one look must not be taken together."""
    told = hashlib.sha256()
    for name in ("key", "etag"):
        told.update(repr(newer[name].to_pylist()).encode())
    for name in ("size", "last_modified"):
        told.update(newer[name].cast("int64").to_numpy().tobytes())
    return told.hexdigest()


def remember_hints(project: Project, keys: "pa.Table", holdings: Holdings) -> None:
    """Keep some of the keys of a base, in order, to say where the others are."""
    import pyarrow as pa

    step = max(listing.HINT_EVERY, keys.num_rows // MOST_HINTS) if not isinstance(holdings.base, Report) else 1
    chosen = keys["key"].take(pa.array(range(step - 1, keys.num_rows, step), pa.int64()))
    of = pa.array([_base_id(holdings)] * len(chosen), pa.string())
    project.state.write_table(KEY_HINTS, pa.table({"key": chosen, "of": of}))


def hints(project: Project, holdings: Holdings) -> list[str] | None:
    """Recall where the keys of a base are; None where nobody has looked."""
    table = project.state.recall(KEY_HINTS, HINT_COLUMNS)
    if table is None or set(table["of"].to_pylist()) - {_base_id(holdings)}:
        return None
    return table["key"].to_pylist()


def _base_id(holdings: Holdings) -> str:
    base = holdings.base
    return base.manifest.checksum if isinstance(base, Report) else "listing"


def _prefixes(project: Project) -> list[str]:
    return sorted(project.settings.reconciliation.s3.prefixes)
