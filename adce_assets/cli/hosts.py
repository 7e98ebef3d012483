"""`adce hosts`: how every host stands with us now: its budget, its jail, its breaker, its rate, its robots.txt."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import options
from adce_assets.cli.output import Column, talk, write_json, write_table

if TYPE_CHECKING:
    from adce_assets.fetch.hosts import Host
    from adce_assets.fetch.limits import HostState

COLUMNS = (
    Column("host", "host"),
    Column("budget", "budget"),
    Column("state", "state"),
    Column("until", "until"),
    Column("rate/s", "rate", numeric=True),
    Column("of", "ceiling", numeric=True),
    Column("burst", "burst", numeric=True),
    Column("fresh 24 h", "used_fresh", numeric=True),
    Column("history 24 h", "used_history", numeric=True),
    Column("used %", "used_pct", numeric=True),
    Column("waiting", "waiting_all", numeric=True),
    Column("robots", "robots_read"),
)
DAY_S = 24 * 3600


@click.command(epilog="Example: `adce hosts` says which hosts are closed, until when and why.")
@options.as_json
def command(*, as_json: bool) -> None:
    """Show each host's budget, jail, breaker, rate and robots.txt, as all processes that share the limits have left it.

    Budgets, and what was used and waits of them, are of all the hosts that share one.
    """
    from adce_assets.fetch.limits import standings
    from adce_assets.scrapers.catalogue import load_catalogue
    from adce_assets.settings import load_settings

    settings = load_settings()
    hosts = load_catalogue(settings.scraper_config_path).with_base_urls(settings.host_urls).hosts
    told = [_told(state, hosts[name]) for name, state in standings(settings.limits_place, hosts).items()]
    if as_json:
        write_json({"schema": 1, "hosts": told})
        return
    write_table(COLUMNS, [_row(host) for host in told])
    for line in (line for host in told for line in _words(host)):
        talk(line)


def _told(state: "HostState", host: "Host") -> dict[str, Any]:
    """Put what is known of a host in the form of `--json`."""
    used = sum(state.used.values())
    return {
        "host": state.name,
        "base_url": host.base_url,
        "state": "blocked" if state.blocked_since else "closed" if state.closed_until else "open",
        "budget": {
            "name": state.budget,
            "burst": state.burst,
            "used_24h": {lane.value: count for lane, count in state.used.items()},
            "used_24h_pct": round(100 * used / (state.ceiling * DAY_S), 2),
            "waiting": {lane.value: count for lane, count in state.waiting.items()},
            "history": {"share": host.history_share, "floor": host.history_floor},
        },
        "rate": {"per_second": state.rate, "ceiling": state.ceiling, "floor": state.floor},
        "jail": state.closed_until
        and {"until": _iso(state.closed_until), "why": state.closed_why, "absurd_wish_s": state.closed_asked_s},
        "breaker": state.blocked_since
        and {"since": _iso(state.blocked_since), "next_probe": state.next_probe and _iso(state.next_probe)},
        "robots": {
            "honoured": host.robots == "honour",
            "ignored_because": None if host.robots == "honour" else host.robots.ignored_because,
            "crawl_delay_s": state.crawl_delay_s,
        },
    }


def _row(host: dict[str, Any]) -> dict[str, Any]:
    budget, rate, closed, blocked = host["budget"], host["rate"], host["jail"], host["breaker"]
    return {
        "host": host["host"],
        "budget": budget["name"],
        "state": host["state"],
        "until": (blocked and blocked["next_probe"]) or (closed and closed["until"]),
        "rate": rate["per_second"],
        "ceiling": rate["ceiling"],
        "burst": budget["burst"],
        "used_fresh": budget["used_24h"]["fresh"],
        "used_history": budget["used_24h"]["history"],
        "used_pct": budget["used_24h_pct"],
        "waiting_all": sum(budget["waiting"].values()),
        "robots_read": "honoured" if host["robots"]["honoured"] else "ignored",
    }


def _words(host: dict[str, Any]) -> Iterator[str]:
    """Say what is wrong with a host, and what becomes of it."""
    name, closed, blocked, rate = host["host"], host["jail"], host["breaker"], host["rate"]
    if blocked:
        yield (
            f"`{name}`: blocked egress: since {blocked['since']} it accepts connections and never answers. This is no "
            f"slow host and no missing data: something holds this machine's requests back. One request tries again at "
            f"{blocked['next_probe']}"
        )
    if closed:
        absurd = closed["absurd_wish_s"]
        wish = f"; it asked for {absurd:,.0f} s, which was cut to a day" if absurd else ""
        yield f"`{name}`: nobody asks before {closed['until']}: {closed['why']}{wish}"
    if rate["per_second"] < rate["ceiling"]:
        yield f"`{name}`: errors have lowered its rate to {rate['per_second']:.3g} of {rate['ceiling']:g} a second"


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
