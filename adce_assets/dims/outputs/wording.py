"""Values, drifts and times in, the words for them out: the same in every form that people read."""

from datetime import datetime

from adce_assets.dims.metrics import Value


def amount(value: Value | None, unit: str) -> str:
    """Write a value with its unit, in groups of three digits, and of a fraction what is worth reading; "" for none."""
    if value is None:
        return ""
    return f"{_number(value)} {unit}".rstrip()


def _number(value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.3g}"


def percent(drift: float | None) -> str:
    """Write a drift; nothing where there was nothing to compare."""
    return "" if drift is None else f"{drift:,.1f} %"


def moment(at: datetime) -> str:
    """Write a moment, in UTC, to the minute."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
