"""What rules of health look at: an installation, what only Dagster knows of it, and a moment.

Dagster is not known to this room: whoever knows it hands in what its records say, or why they cannot be asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from adce_assets.autonomous import AutonomousConfig, Health
from adce_assets.errors import AdceError
from adce_assets.loop.state import QUEUE, State
from adce_assets.loop.windows import LONGEST, end_of, time_at_work
from adce_assets.operate.doctor import Installation
from adce_assets.operate.service import Stand
from adce_assets.operate.state_forms import fault_of


@dataclass(frozen=True, slots=True)
class Outside:
    """What Dagster's records say of the loop; all times are UTC.

    Attributes:
        at: When they were asked, by the clock of this machine: ages of what they tell are counted from here.
        fault: Why they could not be asked; nothing else is known then.
        beats: The daemons without which nothing is started, and when each was last heard of: None for never.
        last_cycle: When the last reconciliation began that came to its end; None if none ever did.
        on_since: When schedules were switched on, by name.
        off: Sensors and schedules of the loop that somebody has switched off.
        off_beside: The same of what is not the loop itself: alerts, the canary, the warehouse.
        missed: Looks that did not take place of late, by the name of the sensor or schedule.
        ended: Runs that ended of late.
        failed: Those of them that failed.
        pools: What is wrong with pools, by name; that of their settings has an empty one.
    """

    at: datetime
    fault: str = ""
    beats: Mapping[str, datetime | None] = field(default_factory=dict)
    last_cycle: datetime | None = None
    on_since: Mapping[str, datetime] = field(default_factory=dict)
    off: tuple[str, ...] = ()
    off_beside: tuple[str, ...] = ()
    missed: Mapping[str, int] = field(default_factory=dict)
    ended: int = 0
    failed: int = 0
    pools: Mapping[str, str] = field(default_factory=dict)


class Seen:
    """What a look at an installation sees: each file of the loop is read once, when the first rule asks for it."""

    def __init__(
        self, installation: Installation, outside: Outside, now: datetime, stands: Sequence[Stand] = ()
    ) -> None:
        """Begin to look, at a moment (UTC) of the installation's clock; ``stands`` are of a supervisor that runs."""
        self.installation, self.outside, self.now, self.stands = installation, outside, now, stands
        self._read: dict[str, dict[str, Any] | None] = {}
        self._faults: dict[str, str] = {}

    @cached_property
    def limits(self) -> Health:
        """From when on something is a cause."""
        return self.installation.settings.autonomous.health

    @property
    def config(self) -> AutonomousConfig | None:
        """How the loop is configured; None where that is faulty, which a cause says."""
        try:
            return self.installation.settings.autonomous
        except AdceError:
            return None

    @property
    def state(self) -> State:
        """The loop's files."""
        return self.installation.project.state

    @cached_property
    def silence(self) -> AdceError | None:
        """Why the store of the loop's files does not answer; asked once, so that a look ends though it is silent."""
        try:
            self.state.store.glance(f"{QUEUE}.json")
        except AdceError as error:
            return error
        return None

    def file(self, name: str) -> dict[str, Any] | None:
        """Read a file of the loop; None where it was not made yet, LakeError where it cannot be read."""
        if self.silence:
            raise self.silence
        if name not in self._read:
            is_there = self.state.store.head(f"{name}.json") is not None
            self._read[name] = self.state.read_json(name) if is_there else None
        return self._read[name]

    def fault(self, name: str) -> str:
        """Say what is wrong with a file of the loop; empty where it is sound, or was not made yet."""
        if name not in self._faults:
            try:
                document = self.file(name)
                self._faults[name] = fault_of(name, document) if document else ""
            except AdceError as error:
                self._faults[name] = error.what
        return self._faults[name]

    def sound(self, name: str) -> Mapping[str, Any]:
        """Return a file of the loop as it is where it is sound; empty where it is not, or was not made yet."""
        return {} if self.fault(name) else self.file(name) or {}

    def is_excused(self, since: datetime | None, most: timedelta, patience: timedelta | None = None) -> bool:
        """Tell whether something is late because the loop rests for maintenance, or has begun again lately.

        Windows that come often, or never end, are no excuse for ever: after two such times at work it is late.

        Args:
            since: When it was last done; None: nobody knows.
            most: How long it may take until it is done again.
            patience: How long it may take after a window; None: as long.
        """
        config = self.installation.settings.autonomous
        longer = (patience or most) / timedelta(minutes=1)
        rests = any(
            end_of(one.model_copy(update={"minutes": one.minutes + longer}), self.now) for one in config.maintenance
        )
        if since is None or not rests:
            return rests
        return self.now - since <= LONGEST + 2 * most and time_at_work(config, since, self.now) <= 2 * most

    def is_new(self, schedule: str, patience: timedelta) -> bool:
        """Tell whether a schedule is on for so short that nothing of it can be expected yet."""
        since = self.outside.on_since.get(schedule)
        return since is not None and self.outside.at - since <= patience
