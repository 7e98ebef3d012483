"""An installation in, one look at it after the other out, each as a whole: what a server answers from.

A look is taken off the way of requests, by one thread, so that any number of them costs the loop nothing.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Event
from typing import TYPE_CHECKING, Any

from adce_assets.errors import AdceError
from adce_assets.loop.state import QUEUE
from adce_assets.operate import telling, watching
from adce_assets.operate.causes import Cause
from adce_assets.operate.outside import Outside, Seen
from adce_assets.operate.renewing import Renewed
from adce_assets.operate.samples import exposed
from adce_assets.operate.service import Service

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

logger = logging.getLogger(__name__)

NEEDED = ("state", "database")
"""The codes of what does not answer without which nobody asks what was measured: it would be waited for once more."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look has found; it is never changed.

    Attributes:
        began: When, in seconds of a clock of which only differences count.
        causes: What is wrong, the worst first.
        health: Of them, as JSON.
        status: How the loop stands, as JSON; empty where a fault of ADCE keeps it from being told.
        tasks: The tasks of the queue, in their order; None where there is no queue.
        metrics: All samples, by the type of content; empty where a fault of ADCE keeps them from being told.
    """

    began: float
    causes: tuple[Cause, ...]
    health: bytes
    status: bytes = b""
    tasks: tuple[Mapping[str, Any], ...] | None = None
    metrics: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def is_well(self) -> bool:
        """Whether the loop does its work."""
        return watching.is_well(self.causes)


class Looks:
    """Looks at an installation again and again.

    Args:
        installation: What is looked at, as it stands at each look.
        ask: Says what Dagster's records say.
        service: The supervisor, which knows how components stand.
        heard: Called with the causes of each look, such as to send alerts.
    """

    def __init__(
        self,
        installation: Renewed,
        ask: Callable[[], Outside],
        service: Service,
        heard: Callable[[Sequence[Cause]], None] = lambda _: None,
    ) -> None:
        self._installation, self._ask, self._service, self._heard = installation, ask, service, heard
        self.latest: Look | None = None

    def go_on(self, every_s: float, stop: Event) -> None:
        """Look until it is to stop; whatever goes wrong, the next look is taken, and an old one shows its age."""
        while True:
            try:
                self._heard(self.look().causes)
            except Exception:
                logger.exception("a look at the installation has failed; another is taken in %g s", every_s)
            if stop.wait(every_s):
                return

    def look(self) -> Look:
        """Look once; it is the latest one from then on, with what is wrong whether or not the rest can be told."""
        began = time.monotonic()
        moment = self._installation.settings().clock()
        seen = Seen(self._installation(), self._ask(), moment, self._service.known())
        found = watching.found_by(seen)
        look = Look(began, tuple(found), _json(telling.health(found, seen.outside.at)))
        try:
            status = telling.status(seen, found)
            look = replace(look, status=_json(status), tasks=_tasks(seen))
            look = replace(look, metrics=self._exposed(seen, status))
        except Exception:
            logger.exception("how the loop stands cannot be told; what is wrong is")
        self.latest = look
        return look

    def _exposed(self, seen: Seen, status: Mapping[str, Any]) -> Mapping[str, bytes]:
        try:
            is_silent = any(one["code"] in NEEDED for one in status["causes"])
            return exposed(status, seen.outside, None if is_silent else self._measured(seen))
        except Exception:
            logger.exception("what was measured of the data cannot be told; the rest is")
            return exposed(status, seen.outside, None)

    def _measured(self, seen: Seen) -> "Collector | None":
        """Read what was measured of the data last; where that cannot be known, a cause or `adce doctor` says why."""
        from adce_assets.dims.outputs.prometheus import collector
        from adce_assets.dims.place import open_place
        from adce_assets.dims.telling import tell

        with suppress(AdceError):
            if not seen.installation.settings.metrics_config_path.is_file():
                return None
            with open_place(seen.installation.project) as place:
                return collector(tell(place, days=1))
        return None


def _tasks(seen: Seen) -> tuple[Mapping[str, Any], ...] | None:
    queue = seen.sound(QUEUE)
    return tuple(queue["tasks"]) if queue else None


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, allow_nan=False).encode()
