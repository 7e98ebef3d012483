"""What comes of some keys in, the same out; and where an error ends it, a failure for each key without an end.

Sources send what nobody foresaw, and a key that fails never stops the others. An error that says that the lake cannot
be used, or the configuration, is none of a single key: it ends the run.
"""

import logging
import traceback
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from adce_assets.errors import AdceError, DamagedDocumentError, FetchError, VerifyError
from adce_assets.scrapers.interface import Failed, Wanted

log = logging.getLogger(__name__)


class OfKey(Protocol):
    """Whatever says which key it is about."""

    @property
    def wanted(self) -> Wanted:
        """The key."""
        ...


OutcomeT = TypeVar("OutcomeT", bound=OfKey)


def guarded(wanted: Sequence[Wanted], outcomes: Iterable[OutcomeT]) -> Iterator[OutcomeT | Failed]:
    """Give what comes of the wanted keys; what is raised instead is the failure of those of which nothing came.

    Raises:
        LakeError: the lake could not be read or written.
        ConfigurationError: nothing could be asked at all.
    """
    left = {one.key: one for one in wanted}
    try:
        for outcome in outcomes:
            left.pop(outcome.wanted.key, None)
            yield outcome
    except (FetchError, VerifyError) as error:
        yield from (Failed(one, error, error.where) for one in left.values())
    except AdceError:
        raise
    except Exception as error:  # noqa: BLE001 - the boundary of one key: what nobody foresaw must not end the others
        fault = _unforeseen(error, wanted)
        yield from (Failed(one, fault, "") for one in left.values())


def _unforeseen(error: Exception, wanted: Sequence[Wanted]) -> DamagedDocumentError:
    """Log where it happened; its text is left out, for it may hold whatever was sent or asked for."""
    kind = type(error).__name__
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("unforeseen at %s and %d other(s): %s\n%s", wanted[0].key, len(wanted) - 1, kind, frames)
    return DamagedDocumentError(f"an error that nobody foresaw: {kind}", hint="the run's log says where it happened")
