"""Anything that a document or a database answers in, a value of a metric out, or the reason why it is none."""

import math
from datetime import date, time
from decimal import Decimal
from typing import TypeGuard

from adce_assets.dims.metrics import Value
from adce_assets.errors import MetricError, printable

LONGEST = 200
"""Letters of a text that is a value."""
LARGEST = 2**63
"""Every integer that a history can keep is smaller, without its sign."""
VALID = f"a number, a day, or a text of one line with up to {LONGEST} letters"


def value_of(found: object, where: str) -> Value:
    """Return a value: an integer stays one, a decimal number is one if it has no point, a day is its ISO text.

    Raises:
        MetricError: there is none, or it is neither a number nor a short text.
    """
    if isinstance(found, date | time):
        return found.isoformat()
    if isinstance(found, Decimal) and found.is_finite():
        found = int(found) if found.as_tuple().exponent == 0 else float(found)
    if _is_value(found):
        return found
    raise MetricError(f"{_described(found)} was found", where=where, valid=VALID)


def _is_value(found: object) -> TypeGuard[Value]:
    if isinstance(found, str):
        return len(found) <= LONGEST and found.isprintable()
    if isinstance(found, bool):
        return False
    if isinstance(found, int):
        return -LARGEST <= found < LARGEST
    return isinstance(found, float) and math.isfinite(found)


def _described(found: object) -> str:
    """Say what was found, which may be very long, or not printable."""
    if found is None:
        return "nothing"
    if isinstance(found, bool | float | Decimal):
        return f"`{str(found).lower()}`"
    if isinstance(found, str):
        return f"a text of {len(found)} letters, `{printable(found[:20])}...`,"
    if isinstance(found, int):
        return f"a number of {found.bit_length()} bits"
    if isinstance(found, list | tuple | dict):
        return f"a {type(found).__name__} of {len(found)}"
    return f"a {type(found).__name__}"
