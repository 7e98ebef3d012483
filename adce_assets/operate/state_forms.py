"""A file of the loop in, what is wrong with its form out: as far as it is told, and judged by, to people and monitors.

The loop writes these files itself. One that a person has changed, or another release has written, must neither hide
what else is wrong nor be taken for a loop without work.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, NonNegativeInt, StringConstraints, ValidationError

from adce_assets.errors import printable
from adce_assets.loop.state import GAPS, INVENTORY, QUEUE


def _there_is(moment: str) -> str:
    """Refuse a moment that is written like one and is none, such as the 30th of February."""
    datetime.fromisoformat(moment)
    return moment


Moment = Annotated[
    str,
    StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?$"),
    AfterValidator(_there_is),
]


class _Cell(BaseModel):
    source: str
    season: str
    priority: str


class _Gap(_Cell):
    data_type: str
    detected_at: Moment


class _Queue(BaseModel):
    total_tasks: NonNegativeInt
    by_priority: dict[str, NonNegativeInt]
    tasks: list[_Cell]


class _Gaps(BaseModel):
    total_keys: NonNegativeInt
    gaps: list[_Gap]


class _Lost(BaseModel):
    source: str
    before: NonNegativeInt
    now: NonNegativeInt


class _Inventory(BaseModel):
    as_of: Moment
    objects: NonNegativeInt
    vanished: list[_Lost] | None = None


FORMS: Mapping[str, type[BaseModel]] = {QUEUE: _Queue, INVENTORY: _Inventory, GAPS: _Gaps}


def fault_of(name: str, document: Mapping[str, Any]) -> str:
    """Say which member is not as it should be; empty where all are."""
    try:
        FORMS[name].model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return printable(f"`{'.'.join(map(str, first['loc']))}` is not as it should be: {first['msg']}")
    return ""


def moment_of(text: object) -> datetime:
    """Read a moment of a file; one without a zone is UTC, as all are that the loop writes. ValueError: it is none."""
    found = datetime.fromisoformat(str(text))
    return found.replace(tzinfo=found.tzinfo or UTC)
