"""`adce plan`: what would be collected, of whom and at which price; as a file that can be applied."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import options
from adce_assets.cli.output import Column, talk, write_json, write_table

if TYPE_CHECKING:
    from adce_assets.loop.forecast import Tally
    from adce_assets.loop.plans import Left, Plan, Unavailable
    from adce_assets.loop.project import Project

CHANGES = 2
"""The exit code of a plan that has something to do."""

GROUPS = (
    Column("priority", "priority"),
    Column("source", "source"),
    Column("tasks", "tasks", numeric=True),
    Column("collect", "collect", numeric=True),
    Column("refresh", "refresh", numeric=True),
    Column("refused", "refused", numeric=True),
    Column("last probe", "last_probe", numeric=True),
    Column("left", "left", numeric=True),
    Column("requests", "requests", numeric=True),
    Column("MB", "megabytes", numeric=True),
)
HOSTS = (
    Column("host", "host"),
    Column("requests", "requests", numeric=True),
    Column("of", "keys", numeric=True),
    Column("a second", "per_second", numeric=True),
    Column("waiting", "waiting", numeric=True),
    Column("succeeded", "succeeded", numeric=True),
    Column("failed", "failed", numeric=True),
    Column("P50", "p50"),
    Column("P90", "p90"),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What the ledger knows that matters to a plan.

    Attributes:
        tallies: How keys ended of late, by data set.
        buried: How many keys have a tombstone, by source.
        probed: The keys that get one if the source has nothing for them once more.
    """

    tallies: Mapping[str, "Tally"]
    buried: Counter[str]
    probed: frozenset[str]


@click.command(epilog="Example: `adce plan -o plan.json` writes a plan that `adce apply plan.json` carries out.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the plan there."
)
@options.gap_filters
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most so many tasks, the most urgent first.")
@options.as_json
@click.pass_context
def command(
    ctx: click.Context,
    output: Path | None,
    limit: int | None,
    source: str | None,
    season: str | None,
    priority: str | None,
    *,
    as_json: bool,
) -> None:
    """Say what the queue would collect, refresh and leave, and what that takes; nothing is asked and nothing started.

    Exits with 0 when there is nothing to do, and with 2 when there is. Times are of a simulation from the limits of the
    hosts, what waits for them, and the success that the ledger has measured.
    """
    from adce_assets.loop import plans
    from adce_assets.loop.project import open_project
    from adce_assets.loop.state import QUEUE
    from adce_assets.settings import load_settings

    project = open_project(load_settings())
    queue = project.state.read_json(QUEUE)
    options.refuse_unknown(project.state, source=source, season=season)
    about = {"source": source, "season": season, "priority": priority}
    chosen = {name: value for name, value in about.items() if value}
    plan = _plan(project, queue, chosen, limit)
    if output is not None:
        plans.write(plan, output)
    if as_json:
        write_json(_without_keys(plan))
    else:
        _write(plan)
        talk(f"written to {output}" if output else "nothing was written; `-o FILE` keeps it for `adce apply`")
    if plan.tasks:
        ctx.exit(CHANGES)


def _plan(project: "Project", queue: Mapping[str, Any], chosen: Mapping[str, str], limit: int | None) -> "Plan":
    """Put the plan together from what the loop has written, the catalogue, the limits and the ledger."""
    from adce_assets.cli import costing
    from adce_assets.loop import plans
    from adce_assets.loop.state import INVENTORY
    from adce_assets.loop.tasks import task_keys
    from adce_assets.scrapers.catalogue import load_catalogue

    now, settings, about = project.clock(), project.settings, _about(project, queue, chosen)
    catalogue = load_catalogue(settings.scraper_config_path).with_base_urls(settings.host_urls)
    entries, inventory = options.chosen(queue["tasks"], **chosen), project.state.read_json(INVENTORY)
    tasks = plans.planned_tasks(entries[:limit], task_keys(project.state, [task["id"] for task in entries[:limit]]))
    left = tuple(_left(options.chosen(queue["left_out"], **chosen), entries[limit or len(entries) :]))
    measured = _measured(project, now)
    priced = costing.price(project.contract, catalogue, tasks, measured.tallies, now)
    told = costing.duration(settings, catalogue, priced, now)
    told_of = {"requests": priced.by_group, "refused": priced.refused, "probed": measured.probed}
    values = {
        "groups": plans.groups(tasks, left, sizes=plans.mean_bytes(inventory, project.contract), **told_of),
        "unavailable": tuple(_unavailable(project, measured.buried, chosen.get("source"))),
        "left": left,
        "hosts": told.hosts,
        "p50_s": told.p50_s,
        "p90_s": told.p90_s,
        "cost": plans.cost(tasks, inventory["objects"], on_s3=project.lake.url.startswith("s3://")),
        "tasks": tasks,
    }
    return plans.Plan.model_validate(about | values).sealed()


def _about(project: "Project", queue: Mapping[str, Any], chosen: Mapping[str, str]) -> dict[str, Any]:
    """Say of which world a plan is; LakeError where the last look was at another."""
    from adce_assets.loop import approvals, memory, plans

    lake, held = memory.identity(project), approvals.look(project, queue)
    return {
        "schema": 1,
        "kind": "adce-plan",
        "made_at": project.clock(),
        "as_of": datetime.fromisoformat(queue["as_of"]),
        "digest": plans.digest(project),
        "contract": project.contract.digest,
        "lake": {name: tuple(value) if isinstance(value, list) else value for name, value in lake.items()},
        "chosen": dict(chosen),
        "held": "" if held is None else str(held)[: plans.LONGEST],
    }


def _measured(project: "Project", now: datetime) -> Measured:
    from adce_assets.ledger.transitions import CLAIMABLE, State
    from adce_assets.loop import forecast
    from adce_assets.loop.chances import LATELY

    ledger, quorum = project.ledger, project.settings.reconciliation.tombstones.quorum
    return Measured(
        forecast.tallies(ledger.tally(forecast.MEASURED, now - LATELY)),
        Counter(key.source for key in ledger.states(states={State.TOMBSTONED})),
        frozenset(key.key for key in ledger.states(states=CLAIMABLE) if key.probes >= quorum - 1),
    )


def _left(left_out: Sequence[Mapping[str, Any]], beyond: Sequence[Mapping[str, Any]]) -> Iterator["Left"]:
    """Say what is left: what no task covers, and the tasks beyond the limit."""
    from adce_assets.errors import printable
    from adce_assets.loop.plans import Left
    from adce_assets.loop.records import OPEN_STATES

    names = ("source", "data_type", "season", "priority")
    for entry in left_out:
        told = {name: entry[name] for name in names}
        yield Left(**told, keys=entry["keys"], reason=printable(entry["reason"]))
    for task in beyond:
        keys = sum(task[f"{state}_files"] for state in OPEN_STATES)
        yield Left(**{name: task[name] for name in names}, keys=keys, reason="beyond the limit of this plan")


def _unavailable(project: "Project", buried: Mapping[str, int], source: str | None) -> Iterator["Unavailable"]:
    """Say of each source how many of its keys cannot be had."""
    from adce_assets.loop.plans import Unavailable
    from adce_assets.loop.state import COVERAGE

    for row in options.chosen(project.state.read_json(COVERAGE)["sources"], source=source):
        tombstoned, unavailable = buried.get(row["source"], 0), row["unavailable"]
        if tombstoned or unavailable:
            yield Unavailable(source=row["source"], tombstoned=tombstoned, unavailable=unavailable)


def _without_keys(plan: "Plan") -> dict[str, Any]:
    """Tell all but the keys themselves: of those, how many each task has."""
    told = plan.model_dump(mode="json", by_alias=True)
    return told | {"tasks": [task | {"keys": len(task["keys"])} for task in told["tasks"]]}


def _write(plan: "Plan") -> None:
    """Write the plan for a person: tables as data, sums as talk."""
    if plan.groups:
        rows = [group.model_dump() for group in plan.groups]
        write_table(GROUPS, [row | {"megabytes": row["bytes"] and row["bytes"] / 1_000_000} for row in rows])
    if plan.hosts:
        rows = [work.model_dump() | {"p50": _time(work.p50_s), "p90": _time(work.p90_s)} for work in plan.hosts]
        write_table(HOSTS, rows)
    _talk_of_the_rest(plan)
    if not plan.tasks:
        talk(f"nothing to do as of {plan.as_of.isoformat()}")
        return
    cost = plan.cost
    talk(
        f"{len(plan.tasks):,} task(s), {plan.keys:,} key(s): half of the trials end within {_time(plan.p50_s)}, nine "
        f"of ten within {_time(plan.p90_s)}; storage {cost.usd:.4f} USD ({cost.puts:,} PUT, {cost.gets:,} GET, "
        f"{cost.heads:,} HEAD, {cost.lists:,} LIST); digest {plan.digest[:16]}"
    )


def _talk_of_the_rest(plan: "Plan") -> None:
    """Say what is not collected, what cannot be counted, and what waits."""
    for row in plan.unavailable:
        talk(f"{row.source}: {row.tombstoned:,} keys with a tombstone, {row.unavailable:,} cannot be had in all")
    for entry in plan.left:
        talk(f"left: {entry.keys:,} {entry.source}/{entry.data_type} {entry.season}: {entry.reason}")
    for work in plan.hosts:
        if work.in_pages:
            talk(f"{work.host}: answers come in pages, of which only the first is counted")
    if plan.held:
        talk(plan.held)


def _time(seconds: float | None) -> str:
    return "nobody knows when" if seconds is None else str(timedelta(seconds=round(seconds)))
