"""Something happened: the metrics that it may have moved are measured anew, once in a while per event and source.

Which metrics those are, and for how long the event then rests, is configuration. Since when it rests is known to the
database, so that processes which begin at the same moment agree who of them goes on.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from adce_assets.dims import accepted
from adce_assets.dims.place import Place
from adce_assets.dims.verification import Verification, verify
from adce_assets.errors import MetricError

MOST_SOURCE = 200
"""Characters of a source, which is a key in the database."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an event.

    Attributes:
        event: Its name.
        source: What it was told by, or of.
        ran: Whether it was acted on; otherwise it rests.
        until: Until when the event rests for this source (UTC).
        verification: What was found; None if it rests, or if it refreshes no metric that is switched on.
    """

    event: str
    source: str
    ran: bool
    until: datetime
    verification: Verification | None


def happened(place: Place, event: str, source: str, *, by: str) -> Outcome:
    """Measure the metrics of an event anew, unless it has just been acted on: then whoever verifies next does.

    A clock that stands tells of no rest: there each event is acted on.

    Raises:
        ConfigurationError: no such event is configured.
        MetricError: the source is empty, too long, or not printable.
        MetricError, HistoryError, LakeError: as `verify`; the event's entry then says why, and it rests all the same.
    """
    source = _source(source)
    chosen, declared = place.catalogue.of_event(event), place.catalogue.events[event]
    history, clock = place.history, place.project.clock
    at, cooldown = clock(), 0 if place.project.settings.clock_stands else declared.cooldown_seconds
    rest, number = timedelta(seconds=cooldown), history.begin_event(event, source, at, cooldown)
    if number is None:
        last = history.events(1, event=event, source=source)
        return Outcome(event, source, ran=False, until=(last[0].at if last else at) + rest, verification=None)
    found: Verification | None = None
    try:
        if chosen:
            found = verify(place, metrics=chosen, update=declared.update, fresh=True, by=by, trigger=event)
    except BaseException as error:  # whatever it was: nothing is under way any more
        history.end_event(number, at=clock(), error=str(error) or type(error).__name__)
        raise
    history.end_event(number, at=clock(), run_id=found.run_id if found else None)
    return Outcome(event, source, ran=True, until=at + rest, verification=found)


def _source(source: str) -> str:
    """Check what an event was told by, or of."""
    told = accepted.said("source", source)
    if len(told) > MOST_SOURCE:
        raise MetricError(f"has {len(told):,} characters", where="source", valid=f"at most {MOST_SOURCE}")
    return told
