"""What a file holds in tables, columns and rows in, their number out, or which declared ones are missing.

Every kind of file but JSON is looked at through a `View`; the demands are then the same for all of them.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from adce_assets.errors import DamagedDocumentError, DriftError, EmptyAnswerError, WrongEntityError
from adce_assets.fetch.notices import shown
from adce_assets.fetch.requirements import ELEMENT, Requirements, filled, spellings

SOMEWHERE = frozenset({"title", "text"})
"""Places of an id that hold more than the id."""
SHOWN = 3


class Part(Protocol):
    """A table, a member, a column, a text: something that stands at a place."""

    @property
    def name(self) -> str:
        """How the file calls it."""
        ...

    def columns(self) -> Sequence[str]:
        """Name its columns."""
        ...

    def rows(self) -> int:
        """Count its rows; 0 means empty."""
        ...


class View(Protocol):
    """A file, as the demands see it."""

    def find(self, spelling: str) -> Sequence[Part]:
        """List what stands at the place that is spelled so, a glob."""
        ...

    def told(self, id_path: str) -> Sequence[str]:
        """List the different values at the place of the id."""
        ...


def count(view: View, requirements: Requirements, entity: Mapping[str, str]) -> int | None:
    """Hold a file against the requirements and count its records; None where nothing is counted."""
    _is_about_the_entity(view, requirements, entity)
    for place in (*requirements.must_have, *requirements.may_be_empty):
        parts = _at(view, place, entity)
        if place in requirements.must_have and not any(part.rows() for part in parts):
            kind = EmptyAnswerError if place == requirements.records else DriftError
            raise kind("required, but empty", where=f"`{place}`")
    for place, due in requirements.columns.items():
        for part in _at(view, place, entity):
            missing = absent(due, part.columns())
            if missing:
                raise DriftError(f"without the columns {shown(missing[:5])}", where=f"`{part.name}`")
    return None if requirements.records is None else _rows(view, requirements, requirements.records, entity)


def added(view: View, requirements: Requirements, entity: Mapping[str, str]) -> Iterator[str]:
    """Name columns beside the known ones, of the parts that the known ones stand in."""
    names_at: dict[str, set[str]] = {}
    for known in requirements.known:
        place, _, name = known.rpartition(".")
        names_at.setdefault(place or "*", set()).add(name)
    for place, names in names_at.items():
        for part in (part for spelling in spellings(place, entity) for part in view.find(spelling)):
            yield from (f"added: `{part.name}.{name}`" for name in sorted(set(part.columns()) - names - {""}))


def _rows(view: View, requirements: Requirements, place: str, entity: Mapping[str, str]) -> int:
    """Count the records; elements that are records themselves may be none where what frames them is there."""
    frames = {*requirements.must_have, *requirements.may_be_empty} - {place}
    elements = all(ELEMENT.fullmatch(spelling) for spelling in spellings(place, entity))
    if elements and frames and not any(view.find(spelling) for spelling in spellings(place, entity)):
        return 0
    return sum(part.rows() for part in _at(view, place, entity))


def absent(due: Sequence[str], present: Collection[str]) -> list[str]:
    """List the names that are due and there in none of their spellings."""
    return [name for name in due if not any(spelling in present for spelling in name.split("|"))]


def _at(view: View, place: str, entity: Mapping[str, str]) -> Sequence[Part]:
    """List what stands at a place: of its spellings the first that is there counts."""
    for spelling in spellings(place, entity):
        if parts := view.find(spelling):
            return parts
    raise DriftError("required, but not there", where=f"`{place}`")


def _is_about_the_entity(view: View, requirements: Requirements, entity: Mapping[str, str]) -> None:
    if requirements.id_path is None or requirements.id_is is None:
        return
    due, told = filled(requirements.id_is, entity), view.told(requirements.id_path)
    if not due:
        raise DamagedDocumentError("nothing to look for", where=f"`{requirements.id_is}`")
    if requirements.id_path in SOMEWHERE:
        right = any(re.search(rf"(?<!\w){re.escape(due)}(?!\w)", text) for text in told)
    else:
        right = [text.rstrip("/") for text in told] == [due.rstrip("/")]
    if not right and (told or not requirements.id_may_lack):
        about = f"it is about {shown(told[:SHOWN])}, not" if told else "it does not say that it is about"
        raise WrongEntityError(f"{about} `{due}`", where=f"`{requirements.id_path}`")
