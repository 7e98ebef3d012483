"""A month of hours: a drift is told when it was planted and at no other time, and nothing is kept too long."""

import random
from datetime import timedelta
from typing import TYPE_CHECKING

from adce_assets.dims import approvals, events, snapshots
from adce_assets.dims.metrics import Status

if TYPE_CHECKING:
    from adce_assets_tests.dims.conftest import Site

DAYS, HOURS = 31, 31 * 24
JUMPS = {100: (1.07, Status.MINOR), 250: (0.8, Status.MODERATE), 251: (1.4, Status.MAJOR), 600: (1.2, Status.MODERATE)}
"""The hours in which the size jumps by a factor, and what that is called; it is accepted at once."""
LOST = {*range(300, 306), 700}
"""The hours in which the lines cannot be counted."""
HELD = range(400, 420)
"""The hours from the jump of the objects, which are critical, to its acceptance."""


def test_a_month_of_hours(small_site: "Site"):
    site, noise = small_site, random.Random(7)
    size, told, begun = 1000.0, [], site.now
    for hour in range(HOURS):
        size *= JUMPS.get(hour, (noise.uniform(0.97, 1.03), None))[0]
        objects = (1000 if hour < HELD.start else 1300) + noise.randint(-9, 9)
        site.say(size=size, objects=objects, lines=None if hour in LOST else 40)
        found = site.verdicts(trigger="hourly")
        told += [(hour, name, one.status) for name, one in found.items() if one.status is not Status.OK]
        if hour == HELD.stop - 1:
            (waiting,) = approvals.pending(site.place)
            approvals.decide(site.place, waiting.id, accept=True, by="bob", note="a new season")
        if hour % 24 == 23:
            snapshots.take(site.place, site.now.date())
            ran = [_commit(site, seconds) for seconds in (0, 30, 29, 1)]
            assert ran == [True, False, False, True]
            site.after(minutes=-1)
        site.after(hours=1)

    new = [(0, name, Status.NEW) for name in found]
    jumps = [(hour, "lake.size", status) for hour, (_, status) in JUMPS.items()]
    lost = [(hour, "code.lines", Status.ERROR) for hour in LOST]
    held = [(hour, "lake.objects", Status.MAJOR) for hour in HELD]
    assert sorted(told) == sorted([*new, *jumps, *lost, *held])

    history, kept = site.place.history, site.now - timedelta(days=10, hours=1)
    assert min(run.started_at for run in history.runs(9999)) >= kept
    assert len(history.series("lake.size", begun)) == 10 * 24
    assert len(history.events(9999)) == 21
    assert [one.state for one in history.approvals()] == ["accepted"]
    assert history.snapshot_days() == [(begun + timedelta(days=day)).date() for day in (29, 30, 31)]
    assert len(list(site.project.state.store.list("historical/"))) == 3


def _commit(site: "Site", seconds: int) -> bool:
    """Commit some seconds after what happened before, and say whether that was acted on."""
    site.after(seconds=seconds)
    return events.happened(site.place, "git_post_commit", "main", by="git").ran
