"""When a document came and what it says of its own time in, a refusal of yesterday's out.

Caches on the way hand out old answers with status 200: the document's own time and the headers ``Date`` and ``Age``
tell them. Which day a document is about is another question, the echo of its id.
"""

import re
from datetime import UTC, datetime, timedelta

from adce_assets.errors import DriftError, WrongEntityError
from adce_assets.fetch.answers import http_date
from adce_assets.fetch.audit_json import found
from adce_assets.fetch.requirements import Arrival, Requirements

AHEAD = timedelta(days=1)
"""How far in the future a clock or a zone may put a document."""
WHOLE_DAY = timedelta(hours=36)
"""After its beginning in UTC, a day is over everywhere on earth."""
MILLISECONDS_FROM = 10**11
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_S = 2**33


def refuse_stale(document: object, requirements: Requirements, arrival: Arrival | None) -> None:
    """Refuse a document that is older than it may be; `document` is None where only headers can tell.

    Raises:
        WrongEntityError: it is of an earlier time, or of the future.
        DriftError: it does not tell its time any more.
    """
    if requirements.longest_age_s is None or arrival is None:
        return
    longest = timedelta(seconds=requirements.longest_age_s)
    told = _told(document, requirements.fresh_path) if requirements.fresh_path else {}
    told |= _by_headers(arrival)
    if not told:
        raise DriftError("it does not tell how old it is", where="the headers `Date` and `Age`")
    for where, moment in told.items():
        if arrival.at - moment > longest:
            raise WrongEntityError(
                f"a copy of {moment:%Y-%m-%d %H:%M} UTC", where=where, valid=f"not older than {longest}"
            )
        if moment - arrival.at > AHEAD + WHOLE_DAY:
            raise WrongEntityError(f"of the future: {moment:%Y-%m-%d %H:%M} UTC", where=where)


def moment_of(value: object) -> datetime | None:
    """Read a time: ISO 8601, YYYYMMDD, seconds or milliseconds since 1970, or as in mail; a day counts to its end."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value / 1000 if abs(value) >= MILLISECONDS_FROM else value
        return EPOCH + timedelta(seconds=seconds) if 0 <= seconds < LATEST_S else None
    return _written(value.strip()) if isinstance(value, str) else None


def _written(text: str) -> datetime | None:
    if re.fullmatch(r"\d{4}-?\d\d-?\d\d", text, re.ASCII):
        start = _parsed(text)
        return start + WHOLE_DAY if start else None
    if re.fullmatch(r"\d{10}|\d{13}", text, re.ASCII):
        return moment_of(int(text))
    return _parsed(text) or http_date(text)


def _parsed(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _told(document: object, path: str) -> dict[str, datetime]:
    moments = [moment_of(value) for value in found(document, path)]
    if not moments or None in moments:
        raise DriftError("it does not tell of when it is", where=f"`{path}`")
    return {f"`{path}`": min(moment for moment in moments if moment)}


def _by_headers(arrival: Arrival) -> dict[str, datetime]:
    told = {"the header `Date`": http_date(arrival.headers.get("date", ""))}
    age = arrival.headers.get("age", "").strip()
    if re.fullmatch(r"\d{1,9}", age, re.ASCII):
        told["the header `Age`"] = arrival.at - timedelta(seconds=int(age))
    return {where: moment for where, moment in told.items() if moment}
