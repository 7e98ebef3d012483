"""`adce why KEY`: how a key stands, what it waits for, its score, and when something can happen next."""

from collections.abc import Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import options
from adce_assets.cli.output import Column, talk, write_json, write_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from adce_assets.fetch.limits import HostState
    from adce_assets.loop.dispatch import Batch
    from adce_assets.loop.dossier import Asked
    from adce_assets.loop.known import Instance, Place
    from adce_assets.loop.priority import Score
    from adce_assets.loop.project import Project
    from adce_assets.loop.why import Why
    from adce_assets.scrapers.catalogue import Catalogue

SHOWN = 12
"""Entries of the history that are shown to a person; `adce prove` shows all."""
WAITS = (Column("waits for", "what"), Column("until", "until"))
HISTORY = (Column("at", "at"), Column("event", "event"), Column("run", "run"), Column("task", "task"))
TERMS = (Column("term of the score", "name"), Column("points", "points", numeric=True))


@click.command(epilog="Example: `adce why nba/box/0022400001.json` says why a document is not there yet.")
@click.argument("key")
@options.as_json
def command(key: str, *, as_json: bool) -> None:
    """Say how a key stands, what it waits for, and when something can happen next.

    The ledger, the last reconciliation, the lake, the limits of its host and, where DAGSTER_HOME names one, the
    instance of Dagster are asked; nothing is changed.
    """
    from adce_assets.loop.dossier import gather
    from adce_assets.loop.project import open_project
    from adce_assets.loop.why import explain
    from adce_assets.settings import load_settings

    project = open_project(load_settings())
    with _others(project) as asked:
        why = explain(gather(project, key, asked))
    if as_json:
        write_json(_document(why))
    else:
        _show(_document(why), why)


@contextmanager
def _others(project: "Project") -> "Iterator[Asked]":
    """Lend whom to ask of hosts, batches and runs."""
    from adce_assets.fetch.limits import Limits
    from adce_assets.loop.dossier import Asked
    from adce_assets.scrapers.catalogue import load_catalogue
    from adce_assets.settings import dagster_home

    is_run = dagster_home() is not None
    catalogue = load_catalogue(project.settings.scraper_config_path).with_base_urls(project.settings.host_urls)
    limits = Limits(project.settings.limits_place)
    entries = catalogue.scrapers

    def host(scraper: str) -> "HostState | None":
        name = entries[scraper].host if scraper in entries else ""
        return limits.states({name: catalogue.hosts[name]})[0] if name else None

    def instance(batch: "Batch") -> "Instance | None":
        if not is_run:
            return None
        from adce_assets.defs.instance import look

        return look(entries[batch.scraper].host, batch)

    try:
        yield Asked(partial(_batches, project, catalogue), host, instance, is_run)
    finally:
        limits.dispose()


def _batches(project: "Project", catalogue: "Catalogue", queue: Mapping[str, Any]) -> "list[Batch]":
    from adce_assets.defs.paces import paces
    from adce_assets.loop.dispatch import cut

    size = project.settings.autonomous.dispatch.max_tasks_per_batch
    return cut(queue, size, {}, paces(catalogue, catalogue.scrapers))


def _document(why: "Why") -> dict[str, Any]:
    known, place = why.known, why.known.place
    return {
        "schema": 1,
        "key": known.key,
        "data_set": "/".join(known.cell[:2]) or None,
        "season": known.cell[2] or None if known.cell else None,
        "state": known.state.value,
        "since": known.standing and _iso(known.standing.since),
        "says": why.says,
        "coverage": {
            "state": known.expectation.state,
            "reason": known.expectation.reason,
            "due_at": _iso(known.expectation.due_at),
            "as_of": _iso(known.expectation.as_of),
        },
        "object": known.here or None,
        "waits": [{"what": wait.what, "says": wait.says, "until": _iso(wait.until)} for wait in why.waits],
        "next_at": _iso(why.next_at),
        "scraper": known.scraper or None,
        "gap": place and _gap(place),
        "task": {"id": place.task, "position": place.position, "of": place.of} if place and place.task else None,
        "score": known.score and _terms(known.score),
        "entries": len(why.history),
        "history": [dict(line) for line in why.history],
    }


def _gap(place: "Place") -> dict[str, Any]:
    detected_at = _iso(place.detected_at)
    return {"id": place.gap_id, "priority": place.priority, "detected_at": detected_at, "reason": place.reason}


def _terms(score: "Score") -> dict[str, Any]:
    """Lay out a score with all that it is made of."""
    return {
        "total": score.total,
        "base": score.base,
        "parts": {name: round(points, 4) for name, points in score.parts.items()},
        "source_multiplier": score.multiplier,
        "value": round(score.value, 4),
        "chance": round(score.chance, 4),
        "cost": score.cost,
        "size": round(score.size, 4),
        "age": round(score.age, 4),
        "formula": "base + value x chance / cost + size + age",
    }


def _show(told: Mapping[str, Any], why: "Why") -> None:
    from adce_assets.errors import printable

    name = f" ({told['data_set']} {told['season'] or ''})".replace(" )", ")") if told["data_set"] else ""
    talk(f"`{printable(told['key'])}`{name}: {told['state']}: {printable(told['says'])}")
    if told["gap"]:
        talk(f"gap {told['gap']['id']}: {told['gap']['reason']}")
    if told["task"]:
        talk(f"task {told['task']['id']}: {told['task']['position']} of {told['task']['of']} in the queue")
    if told["waits"]:
        write_table(WAITS, [{**wait, "says": printable(wait["says"])} for wait in told["waits"]], note="says")
    if told["score"]:
        write_table(TERMS, _lines(told["score"]))
    if told["history"]:
        rows = [{name: printable(text) for name, text in line.items()} for line in told["history"][-SHOWN:]]
        write_table(HISTORY, rows, note="detail")
    if told["entries"] > SHOWN:
        talk(f"the last {SHOWN} of {told['entries']} entries; `adce prove` shows all")
    talk(_next(why))


def _lines(score: dict[str, Any]) -> list[dict[str, Any]]:
    """List the terms of a score, the parts of its value among them."""
    names = ("base", *score["parts"], "source_multiplier", "value", "chance", "cost", "size", "age", "total")
    shown = score | score["parts"]
    return [{"name": f"  {name}" if name in score["parts"] else name, "points": float(shown[name])} for name in names]


def _next(why: "Why") -> str:
    if why.next_at is not None:
        return f"next: {_iso(why.next_at)}, at the earliest" if len(why.waits) > 1 else f"next: {_iso(why.next_at)}"
    return "next: nobody knows when" if why.waits else "nothing is to be done for it"


def _iso(moment: "datetime | None") -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
