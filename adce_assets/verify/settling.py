"""Failed checks in, those out of which it is too early to say that they failed.

A document that was written a minute ago may be read by one step and not yet by another. Such a difference is looked at
again before it is called wrong. If anything of what differs is older than its settling time, the check has failed.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from adce_assets.verify.checks import Check, State, in_state, with_state


def settle(checks: Iterable[Check], now: datetime, within: timedelta) -> list[Check]:
    """Call a failure `SETTLING` if all that differs is younger than its settling time.

    A moment further ahead than that is no moment to rely on: a clock is wrong, and nothing would ever settle.
    """
    return [_settled(one, now, within) for one in checks]


def _settled(one: Check, now: datetime, within: timedelta) -> Check:
    if one.state is not State.FAILED or one.since is None:
        return one
    return with_state(one, State.SETTLING) if -within < now - one.since < within else one


def settles_at(checks: Iterable[Check], within: timedelta) -> datetime | None:
    """Say when the last of what is settling will be old enough to be called wrong; None if nothing is."""
    moments = [one.since + within for one in in_state(checks, State.SETTLING) if one.since is not None]
    return max(moments, default=None)
