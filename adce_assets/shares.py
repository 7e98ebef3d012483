"""A part and a whole in, a percentage out that says 100 of nothing less than all."""


def percent(part: int, whole: int, digits: int | None) -> float:
    """Say how many of a hundred that is, rounded down: 100 is all of it and nothing less."""
    if digits is None:
        return 100 * part / whole
    return 100 * 10**digits * part // whole / 10**digits
