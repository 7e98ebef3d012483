"""`adce settings`: what the loop holds to now: what keeps it back, when it rests, and what it collects by the clock."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import options
from adce_assets.cli.output import Column, talk, write_json, write_table

if TYPE_CHECKING:
    from datetime import datetime

    from adce_assets.loop.scrapes import Plan
    from adce_assets.loop.windows import Work
    from adce_assets.settings import Settings

    ByClock = Sequence[tuple[Plan, Sequence[Work]]]

COLUMNS = (
    Column("what", "what"),
    Column("name", "name"),
    Column("cron (UTC)", "cron"),
    Column("open until", "open_until"),
    Column("next", "next"),
    Column("of", "about"),
)


@click.command(epilog="Example: `adce settings` after a change of the configuration, before `adce restart`.")
@options.as_json
def command(*, as_json: bool) -> None:
    """Show what keeps the loop back now, when it rests, and what it collects by the clock.

    It is what the files and the environment say now; what runs was told it when it was started. `--json` has every
    setting that is in force.

    \b
    Exit codes: 0 also where something keeps it back; 1 a file is faulty.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    from adce_assets.settings import load_settings

    settings = load_settings()
    by_clock = collected(settings)
    told = {
        "schema": 1,
        "held_back": list(_held_back(settings, by_clock)),
        "calendar": list(_calendar(settings, by_clock)),
    }
    if as_json:
        config = settings.autonomous.model_dump(mode="json")
        write_json(told | {"autonomous": config, "reconciliation": settings.reconciliation.model_dump(mode="json")})
        return
    write_table(COLUMNS, told["calendar"])
    for line in told["held_back"] or ["no setting keeps the loop back"]:
        talk(line)


def _held_back(settings: "Settings", by_clock: "ByClock") -> Iterator[str]:
    from adce_assets.loop.windows import maintenance
    from adce_assets.operate import machine

    config = settings.autonomous
    if config.dry_run:
        yield "dry run: no collecting is started by itself"
    if config.test_mode.enabled:
        yield f"test mode: {config.test_mode.tasks_a_day} task(s) a day, and no scheduled scrapes"
    short = machine.short_for_a_start(config.resources, machine.look(settings.work_folder))
    yield from filter(None, (maintenance(config, settings.clock()), short, _without_a_lake_or_halted(settings)))
    yield from _never(settings, by_clock)


def _never(settings: "Settings", by_clock: "ByClock") -> Iterator[str]:
    """Name what always falls into windows."""
    from adce_assets.loop.windows import never_begins

    config, now = settings.autonomous, settings.clock()
    said = "{} never begins: each of its next moments (`{}`) lies in {}"
    crons = {"the reconciliation": config.intervals.reconcile_cron, "the canary": config.canary.cron}
    crons |= {f"`{plan.scrape.name}`": plan.scrape.cron for plan, _ in by_clock}
    always = {name for name, cron in crons.items() if never_begins(config, cron, now)}
    yield from (said.format(name, crons[name], "a window of maintenance") for name in crons if name in always)
    for plan, works in by_clock:
        name, cron = f"`{plan.scrape.name}`", plan.scrape.cron
        if name not in always and works and all(never_begins(config, cron, now, work) for work in works):
            yield said.format(name, cron, "a pause that is about it, or in a window of maintenance")


def _without_a_lake_or_halted(settings: "Settings") -> str:
    from adce_assets.cli.installation import state
    from adce_assets.errors import AdceError
    from adce_assets.operate.halting import HINT, halted

    if settings.configured_lake is None:
        return "there is no lake: nothing begins by itself"
    try:
        halt = halted(state())
    except AdceError as error:
        return f"whether the loop is halted cannot be told: {error}"
    return f"{halt}; {HINT}" if halt else ""


def collected(settings: "Settings") -> "ByClock":
    """Say what is collected by the clock, each with what a pause may be about: the works of its scrapers.

    Raises:
        ConfigurationError: contract, scrapers, pauses or scheduled scrapes are faulty.
    """
    from adce_assets.contract.loading import load_contract
    from adce_assets.defs.data_sets import scrapers_of
    from adce_assets.defs.paces import paces
    from adce_assets.loop.scrapes import check_pauses, plans
    from adce_assets.loop.windows import Work
    from adce_assets.scrapers.catalogue import load_catalogue

    path = settings.scraper_config_path
    contract, catalogue = load_contract(settings.contract_path), load_catalogue(path)
    check_pauses(settings, contract, catalogue.hosts)
    found = plans(settings, contract, scrapers_of(contract, catalogue, path))
    asked = [(plan, paces(catalogue, plan.scrapers).values()) for plan in found]
    return [(plan, [Work(one.host, frozenset({plan.scrape.source})) for one in hosts]) for plan, hosts in asked]


def _calendar(settings: "Settings", by_clock: "ByClock") -> Iterator[dict[str, Any]]:
    """Lay out what comes again and again, each with when it comes next."""
    from adce_assets.loop.windows import rests_until

    now, config = settings.clock(), settings.autonomous
    yield _row("reconciliation", "", config.intervals.reconcile_cron, now, "")
    for window in config.maintenance:
        yield _row("maintenance", window.name, window.cron, now, "all of the loop", rests_until(window, now))
    for pause in config.pauses:
        of = ", ".join((*pause.hosts, *pause.sources, *pause.priorities))
        yield _row("pause", pause.name, pause.cron, now, of, rests_until(pause, now))
    for plan, _ in by_clock:
        yield _row("scrape", plan.scrape.name, plan.scrape.cron, now, plan.why_not or _about(plan))


def _row(
    what: str, name: str, cron: str, now: "datetime", about: str, open_until: "datetime | None" = None
) -> dict[str, Any]:
    from adce_assets.loop.cron import next_moment

    following = next_moment(cron, now).isoformat()
    until = open_until.isoformat() if open_until else None
    return {"what": what, "name": name, "cron": cron, "open_until": until, "next": following, "about": about}


def _about(plan: "Plan") -> str:
    data_sets = sum(len(group) for group in plan.scrapers.values())
    return f"{plan.scrape.source}, {plan.scrape.season} season: {data_sets} data set(s), {len(plan.scrapers)} run(s)"
