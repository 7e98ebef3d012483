"""The completion markers of some cells before and after a call in, what the program itself says of the call out.

Only markers that came meanwhile count, and only those that can be believed; the others are a warning, and what a marker
says is never the last word: whether a key is there is looked up.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from adce_assets.errors import ObjectNotFoundError, VerifyError
from adce_assets.lake.store import LakeStore
from adce_assets.ledger.receipts import COMPLETIONS, Completion, read_completion
from adce_assets.ledger.records import MAX_BYTES

Cell = tuple[str, str, str]
"""Source, data type, season."""
Markers = Mapping[str, tuple[str, int]]
"""Version and size of markers, by key."""


@dataclass(frozen=True, slots=True)
class Said:
    """What markers say: which producers report a failure, which keys they name, and what is wrong with them."""

    failed: tuple[str, ...] = ()
    claimed: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()


def markers(store: LakeStore, cells: Iterable[Cell]) -> Markers:
    """List the markers of cells; LakeError if that cannot be done."""
    found = (marker for cell in sorted(set(cells)) for marker in store.list(f"{COMPLETIONS}{'/'.join(cell)}/"))
    return {marker.key: (marker.etag, marker.size) for marker in found}


def said_since(store: LakeStore, before: Markers, after: Markers) -> Said:
    """Read the markers that are new or changed."""
    read: list[Completion] = []
    warnings: list[str] = []
    for key, version in after.items():
        if before.get(key) == version:
            continue
        try:
            read.append(_read(store, key, version[1]))
        except (VerifyError, ObjectNotFoundError) as error:
            warnings.append(f"a completion marker that cannot be believed: {error.what} ({key})")
    failed = tuple(sorted({marker.producer for marker in read if marker.status == "failed"}))
    claimed = frozenset(key for marker in read if marker.status == "ok" for key in marker.keys or ())
    return Said(failed, claimed, tuple(warnings))


def _read(store: LakeStore, key: str, size: int) -> Completion:
    if size > MAX_BYTES:
        raise VerifyError(f"{size} bytes are more than a marker may have", where=key)
    return read_completion(key, store.get(key))
