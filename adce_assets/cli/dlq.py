"""`adce dlq`: the keys that nobody tries to collect any more, why, and how they are tried again."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from adce_assets.cli import options
from adce_assets.cli.installation import opened_ledger
from adce_assets.cli.output import Column, talk, with_data_set, write_json, write_table

if TYPE_CHECKING:
    from adce_assets.ledger.book import Ledger
    from adce_assets.ledger.chain import Entry
    from adce_assets.ledger.keys import KeyState

CommandT = TypeVar("CommandT", bound=Callable[..., None])

LETTERS = (
    Column("key", "key"),
    Column("data set", "data_set"),
    Column("season", "season"),
    Column("class", "class"),
    Column("failures", "failures", numeric=True),
    Column("since", "since"),
)
EVENTS = (Column("at", "at"), Column("event", "event"), Column("run", "run"), Column("task", "task"))


def _filters(command: CommandT) -> CommandT:
    """Add the options that choose dead letters."""
    failure = click.option("--class", "failure", metavar="NAME", help="Only this class of failure, such as refused.")
    return options.source(options.data_type(options.season(failure(command))))


@click.group()
def command() -> None:
    """See and try again the keys that nobody tries to collect any more.

    A key is a dead letter when its failure is permanent, or has come back too often in a row (`retries` in
    `config/reconciliation_config.yaml`).
    """


@command.command("list", epilog="Example: `adce dlq list --class drift` shows documents whose structure has changed.")
@_filters
@options.as_json
def list_(source: str | None, data_type: str | None, season: str | None, failure: str | None, *, as_json: bool) -> None:
    """List the dead letters, the oldest first, with the class of their failure."""
    with opened_ledger() as ledger:
        letters = _letters(ledger, source, data_type, season, failure)
    if as_json:
        write_json({"schema": 1, "total": len(letters), "dead_letters": letters})
    elif letters:
        write_table(LETTERS, with_data_set(letters), note="what")
    else:
        talk("no such dead letters")


@command.command("show", epilog="Example: `adce dlq show boards/2024-01-05.json` shows every try and what came of it.")
@click.argument("key")
@options.as_json
def show(key: str, *, as_json: bool) -> None:
    """Show one dead letter with its evidence: what happened to it, from the beginning."""
    with opened_ledger() as ledger:
        letter = _told(_the_letter(ledger, key))
        events = [_event(entry) for entry in ledger.entries(key)]
    if as_json:
        write_json({"schema": 1, **letter, "events": events})
        return
    talk(f"{letter['key']}: `{letter['class']}` after {letter['failures']} failure(s), since {letter['since']}")
    write_table(EVENTS, events, note="what")


@command.command("replay", epilog="Example: `adce dlq replay --source espn --class drift` after the entry was mended.")
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--all", "every", is_flag=True, help="All dead letters.")
@click.option("--note", default="", metavar="TEXT", help="Why, for the ledger.")
@_filters
@options.as_json
def replay(
    keys: tuple[str, ...],
    source: str | None,
    data_type: str | None,
    season: str | None,
    failure: str | None,
    *,
    every: bool,
    note: str,
    as_json: bool,
) -> None:
    """Open dead letters again: these keys, those of a choice, or all; the next reconciliation plans them."""
    chosen = (source, data_type, season, failure)
    if bool(keys) + any(chosen) + every != 1:
        raise click.UsageError("name keys, or choose by source, data type, season or class, or say --all")
    with opened_ledger() as ledger:
        letters = [_told(_the_letter(ledger, key)) for key in keys] or _letters(ledger, *chosen)
        opened = _reopened(ledger, letters, note)
    if as_json:
        write_json({"schema": 1, "opened": len(opened), "keys": opened})
    else:
        talk(f"{len(opened):,} key(s) open again; the next reconciliation plans them")


def _reopened(ledger: "Ledger", letters: Sequence[dict[str, Any]], note: str) -> list[str]:
    """Open the keys of dead letters again; return those that were still dead."""
    from adce_assets.ledger.keys import Transition
    from adce_assets.ledger.transitions import Event
    from adce_assets.settings import load_settings

    now, detail = load_settings().clock(), {"why": note or "a person asked for it", "by": "adce dlq replay"}
    said = [
        Transition(one["key"], Event.REOPENED, one["source"], one["data_type"], one["season"], at=now, detail=detail)
        for one in letters
    ]
    refused = {entry.transition.key for entry in ledger.append(said).refused}
    return [one["key"] for one in letters if one["key"] not in refused]


def _letters(
    ledger: "Ledger", source: str | None, data_type: str | None, season: str | None, failure: str | None
) -> list[dict[str, Any]]:
    from adce_assets.ledger.transitions import State

    told = [_told(state) for state in ledger.states(states=[State.DEAD_LETTERED])]
    wanted = options.chosen(told, **{"source": source, "data_type": data_type, "season": season, "class": failure})
    return sorted((dict(row) for row in wanted), key=lambda row: (row["since"], row["key"]))


def _the_letter(ledger: "Ledger", key: str) -> "KeyState":
    """Find a dead letter; AdceError, with how the key stands, where it is none."""
    from adce_assets.errors import AdceError, printable
    from adce_assets.ledger.transitions import State

    state = ledger.state(key)
    if state is None or state.state is not State.DEAD_LETTERED:
        stands = "nothing is known of it" if state is None else f"it is {state.state}"
        raise AdceError(
            f"`{printable(key)}` is no dead letter: {stands}",
            where="dlq",
            hint="`adce dlq list` names them, `adce why KEY` says what a key waits for",
        )
    return state


def _told(state: "KeyState") -> dict[str, Any]:
    from adce_assets.errors import printable

    return {
        "key": state.key,
        "source": state.source,
        "data_type": state.data_type,
        "season": state.season,
        "class": state.detail.get("class"),
        "what": printable(str(state.detail.get("what") or state.detail.get("why") or "")),
        "failures": state.failures,
        "since": state.since.isoformat(timespec="seconds"),
        "run": state.run,
    }


def _event(entry: "Entry") -> dict[str, Any]:
    from adce_assets.errors import printable

    told = [f"{name}: {value}" for name, value in entry.detail.items() if value is not None]
    return {
        "at": entry.at.isoformat(timespec="seconds"),
        "event": entry.event.value,
        "run": entry.run,
        "task": entry.task,
        "what": printable("; ".join(told)),
        "detail": dict(entry.detail),
    }
