"""What a look sees in, causes out: a function for each thing that may be wrong.

A rule says nothing where all is as it should be. It need not catch anything: an error of ADCE's says what is wrong, and
becomes the rule's cause in `watching`, where the rules stand in their order.
"""

import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from adce_assets.errors import printable
from adce_assets.fetch.limits import HostState, standings
from adce_assets.ledger.transitions import Event
from adce_assets.loop import approvals, heads
from adce_assets.loop.state import CANARY, GAPS, INVENTORY, QUEUE
from adce_assets.operate import machine
from adce_assets.operate.causes import Cause, Severity
from adce_assets.operate.doctor import GIB, PROBE, existing
from adce_assets.operate.halting import HINT as RESUME
from adce_assets.operate.halting import halted as halt_of
from adce_assets.operate.outside import Seen
from adce_assets.operate.service import SUPERVISOR_NAME, Health
from adce_assets.operate.state_forms import FORMS, moment_of

CRITICAL, WARNING = Severity.CRITICAL, Severity.WARNING
Causes = Iterator[Cause]

START = "`adce start` starts it, `adce logs --component daemon` tells why it has ended"
RUNS, DAEMONS = "/runs", "/deployment/daemons"
CYCLE, FLIGHT = "reconciliation_schedule", "canary_schedule"
ASKED = (Event.PROMOTED, Event.FAILED, Event.TOMBSTONED, Event.DEAD_LETTERED)
"""How an attempt on a key may end."""
NAMED = 5
"""Cells that a cause names; all are counted."""


def settings(seen: Seen) -> Causes:
    """Load the settings, which raises where they are faulty."""
    _ = seen.limits
    yield from ()


def contract(seen: Seen) -> Causes:
    """Load the contract, which raises where it is faulty."""
    _ = seen.installation.contract
    yield from ()


def disk(seen: Seen) -> Causes:
    """Look how much room there is where this machine keeps budgets, ledger and logs."""
    folder = existing(seen.installation.settings.work_folder)
    free, limits = shutil.disk_usage(folder).free / GIB, seen.limits
    if free < limits.disk_warning_gib:
        severity = CRITICAL if free < limits.disk_critical_gib else WARNING
        what = f"{free:,.2f} GiB free at {folder}; wanted: {limits.disk_warning_gib:g}"
        yield Cause("disk", "", severity, what, "make room, or move ADCE_HOME to a larger disk")


def short_of_resources(seen: Seen) -> Causes:
    """Say why this machine starts no run; that it is busy for a while is no cause."""
    settings = seen.installation.settings
    limits = settings.autonomous.resources.model_copy(update={"load_per_cpu": None})
    if short := machine.short_for_a_start(limits, machine.look(settings.work_folder)):
        hint = "make room, or see `resources` in config/autonomous_config.yaml"
        yield Cause("short_of_resources", "", CRITICAL, f"no run is started: {short}", hint)


def installation(seen: Seen) -> Causes:
    """Open what the settings name, which raises where that cannot be."""
    _ = seen.installation.project
    yield from ()


def database(seen: Seen) -> Causes:
    """Ask the ledger's database for its last entry, which raises where it does not answer."""
    seen.installation.project.ledger.head()
    yield from ()


def lake(seen: Seen) -> Causes:
    """Ask the lake for one object, which raises where it does not answer."""
    seen.installation.project.lake.glance(PROBE)
    yield from ()


def state(seen: Seen) -> Causes:
    """Ask for one of the loop's own files, which raises where it does not answer."""
    if seen.silence:
        raise seen.silence
    yield from ()


def files(seen: Seen) -> Causes:
    """Name the files of the loop that are of another form than it writes them."""
    for name in FORMS:
        if fault := seen.fault(name):
            hint = "`adce reconcile` writes it anew; else restore it from a copy (docs/recover.md)"
            yield Cause("files", name, CRITICAL, printable(f"`{name}.json` cannot be read: {fault}"), hint)


def dagster(seen: Seen) -> Causes:
    """Say why nobody knows how Dagster stands."""
    if seen.outside.fault:
        hint = "`adce doctor` says what is wrong with DAGSTER_HOME or its database"
        yield Cause("dagster", "", CRITICAL, f"Dagster's records cannot be read: {seen.outside.fault}", hint)


def halted(seen: Seen) -> Causes:
    """Say why the loop has halted itself."""
    found = halt_of(seen.state)
    if found is not None:
        yield Cause("halted", printable(found.reason), CRITICAL, str(found), RESUME, found.at)


def loop_stopped(seen: Seen) -> Causes:
    """Look when the daemons were last heard of, without which nothing is started."""
    patience = timedelta(minutes=seen.limits.daemon_silent_minutes)
    silent = {name: at for name, at in seen.outside.beats.items() if at is None or seen.outside.at - at > patience}
    if silent:
        last = min((at for at in silent.values() if at), default=None)
        names = ", ".join(sorted(silent))
        what = f"not heard of since {_clock(last)}: {names}" if last else f"has never run here: {names}"
        yield Cause("loop_stopped", "", CRITICAL, what, START, last, DAEMONS)


def component_down(seen: Seen) -> Causes:
    """Name the components that were stopped, or that do not come up; without its pages alone the loop goes on.

    Where their supervisor is gone or says nothing, nobody starts them again, and nobody knows how they stand.
    """
    for stand in seen.stands:
        if stand.name == SUPERVISOR_NAME:
            what = f"the supervisor of the components: {printable(stand.said)}"
            hint = "`adce stop` ends what it left, `adce start` starts all of them; `adce logs --component supervisor`"
            yield Cause("component_down", stand.name, CRITICAL, what, hint, is_blind=True)
        elif stand.health not in {Health.RUNNING, Health.STARTING}:
            severity = WARNING if stand.name == "web" else CRITICAL
            what = f"the component `{stand.name}` is {stand.health}: {printable(stand.said)}"
            hint = f"`adce logs --component {stand.name}` tells why; `adce restart` starts all of them"
            yield Cause("component_down", stand.name, severity, what, hint)


def switched_off(seen: Seen) -> Causes:
    """Name what watches for the loop and was switched off."""
    hint = "switch it on (Automation, in the UI)"
    for severity, names in ((CRITICAL, seen.outside.off), (WARNING, seen.outside.off_beside)):
        for name in names:
            yield Cause("switched_off", name, severity, f"`{name}` is switched off", hint, None, "/automation")


def cycle_late(seen: Seen) -> Causes:
    """Hold the last reconciliation that came to its end against how often there should be one."""
    most, last = timedelta(minutes=seen.limits.cycle_late_minutes), seen.outside.last_cycle
    hint = (
        f"`adce logs --component daemon`, and the runs of the job in the UI; `adce reconcile` does it by hand. {START}"
    )
    page = "/locations/adce_assets/jobs/reconciliation_job/runs"
    since = last or seen.outside.on_since.get(CYCLE)
    if seen.is_excused(since and since + (seen.now - seen.outside.at), most):
        return
    if last is None and not seen.is_new(CYCLE, most):
        yield Cause("cycle_late", "", CRITICAL, "no reconciliation has ever come to its end", hint, None, page)
    if last is not None and seen.outside.at - last > most:
        what = f"the last reconciliation that ended well began {_ago(seen.outside.at, last)} ago; wanted: {_span(most)}"
        yield Cause("cycle_late", "", CRITICAL, what, hint, last + most, page)


def inventory_old(seen: Seen) -> Causes:
    """Hold the moment for which the inventory is true against how old it may be; without a cycle there is none yet."""
    document, most = seen.file(INVENTORY), timedelta(hours=seen.limits.inventory_old_hours)
    if document is None:
        return
    as_of = moment_of(document["as_of"])
    after_a_rest = timedelta(minutes=seen.limits.cycle_late_minutes)
    if seen.now - as_of > most and not seen.is_excused(as_of, most, after_a_rest):
        what = f"the inventory is of {_ago(seen.now, as_of)} ago; wanted: {_span(most)}"
        hint = "`adce inventory status` says what there is, `adce reconcile` takes another"
        yield Cause("inventory_old", "", CRITICAL, what, hint, as_of + most, "/assets/lake_inventory")


def vanished(seen: Seen) -> Causes:
    """Say of which sources objects have vanished, which a person has to look at."""
    document = seen.file(INVENTORY)
    for lost in document.get("vanished") or () if document else ():
        name = printable(str(lost["source"]))
        of = f"`{name}`" if name else "the lake"
        what = f"objects of {of} have vanished: there were {lost['before']:,}, and are {lost['now']:,}"
        hint = "find out why; `adce reconcile --accept-loss` takes them for gaps"
        yield Cause("vanished", name, CRITICAL, what, hint, None, "/assets/lake_inventory")


def ledger_broken(seen: Seen) -> Causes:
    """See whether the ledger still holds its own last entry, and the one that was kept elsewhere; each is one row."""
    ledger = seen.installation.project.ledger
    last, hint = ledger.head(), "`adce ledger verify` says what was changed; then restore the database"
    if not ledger.holds(last):
        yield Cause("ledger_broken", "", CRITICAL, f"the ledger has lost entry {last}, its last one", hint)
        return
    kept = heads.last(seen.state, ledger.url)
    if kept is not None and not ledger.holds(kept):
        what = f"the ledger does not hold entry {kept} any more, which was its last one"
        yield Cause("ledger_broken", "", CRITICAL, what, hint)


def canary(seen: Seen) -> Causes:
    """See what came of the last canary, and how long ago it was sent."""
    document, most = seen.file(CANARY), timedelta(hours=seen.installation.settings.autonomous.canary.silent_hours)
    page, hint = "/assets/canary", "`adce canary` sends one, and says what is wrong"
    if document is None:
        on = seen.outside.on_since.get(FLIGHT)
        if on and not seen.is_new(FLIGHT, most) and not seen.is_excused(on, most):
            yield Cause("canary_late", "", CRITICAL, "no canary was ever sent", hint, None, page)
        return
    sent = moment_of(document["sent_at"])
    if not document["alive"]:
        yield Cause("canary_failed", "", CRITICAL, printable(str(document["says"])), hint, sent, page)
    if seen.now - sent > most and not seen.is_excused(sent, most):
        what = f"the last canary was sent {_ago(seen.now, sent)} ago; wanted: {_span(most)}"
        yield Cause("canary_late", "", CRITICAL, what, hint, sent + most, page)


def pools(seen: Seen) -> Causes:
    """Name the pools that let nobody in any more, or will not."""
    for name, what in seen.outside.pools.items():
        hint = "copy the project's dagster.yaml into DAGSTER_HOME; free the places (Deployment, Concurrency, in the UI)"
        yield Cause("pools", name, CRITICAL, what, hint, None, "/deployment/concurrency")


def sources(seen: Seen) -> Causes:
    """Say which hosts leave us out, and which are asked at their lowest rate because they fail."""
    installation = seen.installation
    for name, host in standings(installation.settings.limits_place, installation.catalogue.hosts).items():
        cause = _of_host(name, host)
        if cause is not None:
            yield cause


def critical_gap_late(seen: Seen) -> Causes:
    """Say of which sources CRITICAL gaps are open for too long."""
    document, hours = seen.file(GAPS), seen.limits.critical_max_age_hours
    late: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for gap in document["gaps"] if document else ():
        if gap["priority"] == "critical" and seen.now - moment_of(gap["detected_at"]) > timedelta(hours=hours):
            late[gap["source"]].append(gap)
    for source, gaps in late.items():
        since = min(moment_of(gap["detected_at"]) for gap in gaps)
        what = f"{len(gaps):,} CRITICAL gap(s) of `{source}` are open for more than {hours:g} h: {_cells(gaps)}"
        hint = f"`adce gaps --priority critical --source {source}`, then `adce why KEY`"
        yield Cause("critical_gap_late", source, CRITICAL, what, hint, since, "/assets/detected_gaps")


def error_rate(seen: Seen) -> Causes:
    """Hold how many attempts on keys failed of late, and how many runs, against how many may."""
    hours = seen.limits.window_hours
    counted = seen.installation.project.ledger.tally(ASKED, seen.now - timedelta(hours=hours))
    ended = sum(counted.values())
    failed = sum(count for (event, *_), count in counted.items() if event is Event.FAILED)
    for subject, bad, of in (("attempts", failed, ended), ("runs", seen.outside.failed, seen.outside.ended)):
        if of >= seen.limits.error_rate_least and bad > seen.limits.error_rate * of:
            most = seen.limits.error_rate
            what = f"{bad:,} of {of:,} {subject} failed in {hours:g} h ({bad / of:.0%}); allowed: {most:.0%}"
            yield Cause(
                "error_rate", subject, WARNING, what, "`adce dlq list` and `adce hosts` say of what", None, RUNS
            )


def approval_waiting(seen: Seen) -> Causes:
    """Say what waits for a person: work that is more than the loop starts by itself."""
    queue = seen.file(QUEUE)
    held = approvals.look(seen.installation.project, queue) if queue else None
    if held is not None and (held.decision is None or held.decision.accepted):
        what = f"{held.new_tasks:,} new tasks wait for an approval: {held.why}"
        yield Cause(
            "approval_waiting", held.id, WARNING, what, f"`adce approve show {held.id}`", None, "/assets/task_queue"
        )


def metric_waiting(seen: Seen) -> Causes:
    """Say which moves of critical metrics wait for a person."""
    from adce_assets.dims.history import open_history
    from adce_assets.dims.history_records import ApprovalState

    if not seen.installation.settings.metrics_config_path.is_file():
        return
    history = open_history(seen.installation.settings.metrics_url)
    try:
        waiting = history.approvals(ApprovalState.PENDING)
    finally:
        history.dispose()
    for one in waiting:
        what = f"`{one.metric}` has moved from {one.old} to {one.new}, and somebody has to decide"
        hint = f"`adce dims approve show {one.id}`"
        yield Cause("metric_waiting", f"metric-{one.id}", WARNING, printable(what), hint, one.asked_at)


def alerts(seen: Seen) -> Causes:
    """Say which alerts do not arrive, and what was noted for them that nobody can look for, such as a failed run."""
    from adce_assets.operate.alert_book import opened
    from adce_assets.operate.alert_troubles import of_channels

    settings = seen.installation.settings
    with opened(settings.alerts_url) as book, book.read() as page:
        yield from [*of_channels(page, settings.autonomous.alerts), *page.noted()]


def missed_ticks(seen: Seen) -> Causes:
    """Name who has not looked when it should have."""
    for name, count in seen.outside.missed.items():
        if count > seen.limits.missed_ticks:
            what = f"`{name}` has missed {count:,} looks in {seen.limits.window_hours:g} h"
            hint = "`adce logs --component daemon`: it did not run, or has more to do than it can"
            yield Cause("missed_ticks", name, WARNING, what, hint, None, "/automation")


def _of_host(name: str, host: HostState) -> Cause | None:
    if host.blocked_since:
        what = f"`{name}` accepts connections since {_clock(host.blocked_since)} and never answers"
        hint = "something holds this machine's requests back: ask from another network if it goes on; `adce hosts`"
        return Cause("source_blocked", name, WARNING, what, hint, host.blocked_since)
    if host.closed_until:
        what = f"nobody asks `{name}` before {_clock(host.closed_until)}: {printable(host.closed_why or 'it said so')}"
        return Cause("source_failing", name, WARNING, what, "`adce hosts` says how it stands; a later run asks again")
    if host.floor < host.ceiling and host.rate <= host.floor:
        what = f"`{name}` fails so often that it is asked {host.rate:.3g} times a second, its least"
        return Cause("source_failing", name, WARNING, what, "`adce hosts`, and `adce dlq list` for what it says")
    return None


def _cells(gaps: Sequence[Mapping[str, Any]]) -> str:
    names = [f"{gap['data_type']} {gap['season']}" for gap in gaps[:NAMED]]
    more = f" and {len(gaps) - NAMED:,} more" if len(gaps) > NAMED else ""
    return ", ".join(names) + more


def _ago(now: datetime, then: datetime) -> str:
    return _span(now - then)


def _span(time: timedelta) -> str:
    minutes = time / timedelta(minutes=1)
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"  # noqa: PLR2004 - two hours


def _clock(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC" if time else "ever"
