"""What rules of health look at: an installation, what only Dagster knows of it, and a moment.

Dagster is not known to this room: whoever knows it hands in what its records say, or why they cannot be asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from adce_assets.autonomous import Health
from adce_assets.loop.state import State
from adce_assets.loop.windows import end_of
from adce_assets.operate.doctor import Installation
from adce_assets.operate.service import Stand


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

    @cached_property
    def limits(self) -> Health:
        """From when on something is a cause."""
        return self.installation.settings.autonomous.health

    @property
    def state(self) -> State:
        """The loop's files."""
        return self.installation.project.state

    def file(self, name: str) -> dict[str, Any] | None:
        """Read a file of the loop; None where it was not made yet, LakeError where it cannot be read."""
        if name not in self._read:
            is_there = self.state.store.head(f"{name}.json") is not None
            self._read[name] = self.state.read_json(name) if is_there else None
        return self._read[name]

    def is_excused(self, patience: timedelta) -> bool:
        """Tell whether the loop rests for maintenance, or has begun again for less than this."""
        windows = self.installation.settings.autonomous.maintenance
        longer = patience / timedelta(minutes=1)
        return any(
            end_of(one.model_copy(update={"minutes": one.minutes + longer}), self.now) is not None for one in windows
        )

    def is_new(self, schedule: str, patience: timedelta) -> bool:
        """Tell whether a schedule is on for so short that nothing of it can be expected yet."""
        since = self.outside.on_since.get(schedule)
        return since is not None and self.outside.at - since <= patience
