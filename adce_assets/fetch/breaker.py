"""How a host's last answers went in, whether it may be asked at all out.

A host that accepts connections and never sends a byte is not slow, and nothing is known of its data: the way to it is
blocked, as data centres' addresses are by some hosts. Asking on would fill every run with waiting. After a few such
silences in a row the host is asked once in a quarter of an hour; the first byte opens it again.
"""

from dataclasses import dataclass, replace

SILENCES = 3
"""Silences in a row after which the way counts as blocked."""
PROBE_EVERY_MS = 15 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is known of a host's silence.

    Attributes:
        silences: In a row, up to now.
        since_ms: When the first of them was noted.
        next_probe_ms: When one request may try again; None while the host may be asked as often as its budget allows.
    """

    silences: int = 0
    since_ms: int = 0
    next_probe_ms: int | None = None


WELL = Breaker()
"""Nothing is held against the host."""


def silent(breaker: Breaker, now_ms: int) -> Breaker:
    """Note that the host took a request and never answered."""
    silences = breaker.silences + 1
    opened = silences >= SILENCES
    return Breaker(
        silences=silences,
        since_ms=breaker.since_ms or now_ms,
        next_probe_ms=now_ms + PROBE_EVERY_MS if opened else None,
    )


def blocked_ms(breaker: Breaker, now_ms: int) -> int:
    """Milliseconds until the host may be tried; 0 when it may be asked, or when a probe is due."""
    if breaker.next_probe_ms is None:
        return 0
    return min(max(0, breaker.next_probe_ms - now_ms), PROBE_EVERY_MS)


def asked(breaker: Breaker, now_ms: int) -> Breaker:
    """Note a request; where it is the probe, nobody else makes one for a quarter of an hour."""
    if breaker.next_probe_ms is None:
        return breaker
    return replace(breaker, next_probe_ms=now_ms + PROBE_EVERY_MS)


def set_back(breaker: Breaker, milliseconds: int) -> Breaker:
    """Take the times along with a clock that was set back."""
    probe = breaker.next_probe_ms
    return replace(
        breaker,
        since_ms=breaker.since_ms - milliseconds,
        next_probe_ms=None if probe is None else probe - milliseconds,
    )
