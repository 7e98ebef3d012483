"""`adce alerts`: what people are told of, what they were told, what did not arrive, and who wants silence."""

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from adce_assets.cli import options
from adce_assets.cli.approve import by_option, note_option
from adce_assets.cli.main import ERROR
from adce_assets.cli.output import Column, talk, write_json, write_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adce_assets.operate.alert_records import Alert, Delivery, Silence
    from adce_assets.settings import Settings

ALERTS = (
    Column("is", "state"),
    Column("severity", "severity"),
    Column("code", "code"),
    Column("subject", "subject"),
    Column("since", "since"),
    Column("told", "told_at"),
    Column("cleared", "cleared_at"),
)
DELIVERIES = (
    Column("channel", "channel"),
    Column("is", "state"),
    Column("written", "at"),
    Column("tries", "attempts", numeric=True),
    Column("next", "next_at"),
    Column("alerts", "alerts", numeric=True),
)
TRIED = (Column("channel", "channel"), Column("kind", "kind"), Column("is", "state"))
MOST_OVER = 50
"""Alerts and messages that are over, and are shown at most."""
UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Until(click.ParamType):
    """A moment, as an ISO time (UTC where it does not say) or as a duration from now such as `90m`, `8h` or `3d`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime | timedelta:
        """Read it."""
        if found := re.fullmatch(r"(\d{1,5})([mhd])", value, re.ASCII):
            return timedelta(**{UNITS[found[2]]: int(found[1])})
        try:
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"`{value}` is no time; valid: such as 2025-01-15T12:00, 90m, 8h or 3d", param, ctx)


@click.group()
def command() -> None:
    """See what people are told of when something is wrong, and try the ways on which they are told."""


@command.command("list", epilog="Example: `adce alerts list --all` shows what is over, too.")
@click.option("--all", "everything", is_flag=True, help="Also alerts that are over, and messages that arrived.")
@options.as_json
def list_command(*, everything: bool, as_json: bool) -> None:
    """Show the alerts that stand, messages that have not arrived, and who wants silence; nothing is looked for."""
    from adce_assets.operate.alert_book import opened
    from adce_assets.settings import load_settings

    settings = load_settings()
    with opened(settings.alerts_url) as book, book.read() as page:
        alerts = [*page.standing().values(), *(page.cleared(MOST_OVER) if everything else [])]
        messages = page.sent(MOST_OVER) if everything else page.on_their_way()
        silences = page.silences(settings.clock())
    told = {
        "schema": 1,
        "alerts": [_alert(one) for one in alerts],
        "messages": [_delivery(one) for one in messages],
        "silences": [_silence(one) for one in silences],
        "channels": [channel.name for channel in settings.autonomous.alerts.channels],
    }
    if as_json:
        write_json(told)
    else:
        _show(told)


@command.command("test", epilog="Example: `adce alerts test --channel team` after its secret was set.")
@click.option("--channel", "name", metavar="NAME", help="This channel alone.")
@options.as_json
@click.pass_context
def test_command(ctx: click.Context, name: str | None, *, as_json: bool) -> None:
    """Send a message to every channel now, whatever its hours are, and say what came of it.

    \b
    Exit codes: 0 it arrived everywhere; 1 it did not, or there is no channel.
    """  # noqa: D301 - click wants the character itself before text that it shall not fill
    from adce_assets.settings import load_settings

    rows = list(_tried(load_settings(), name))
    if as_json:
        write_json({"schema": 1, "channels": rows})
    else:
        write_table(TRIED, rows, note="error")
    if any(row["error"] for row in rows):
        ctx.exit(ERROR)


@command.command("silence", epilog="Example: `adce alerts silence source_failing --until 8h --by Ann --note 'known'`.")
@click.argument("code")
@click.option("--subject", default="", metavar="TEXT", help="Of this subject alone, such as a host.")
@click.option("--until", type=Until(), metavar="TIME", help="An ISO time, or a duration such as 90m, 8h or 3d.")
@click.option("--end", is_flag=True, help="End the silence now.")
@by_option
@note_option
@options.as_json
def silence_command(
    code: str, subject: str, until: datetime | timedelta | None, by: str, note: str, *, end: bool, as_json: bool
) -> None:
    """Tell nobody of a code for a while; what still stands then is told then."""
    from adce_assets.errors import printable
    from adce_assets.operate.alert_records import Silence
    from adce_assets.settings import load_settings

    if (until is None) is not end:
        raise click.UsageError("say either --until or --end")
    settings = load_settings()
    now = settings.clock()
    moment = now + until if isinstance(until, timedelta) else until or now
    code, subject, by, note = map(printable, (code, subject, by, note))
    wanted = Silence(code, subject, moment, by, note)
    stands = _ended(settings, wanted) if end else _silenced(settings, wanted, now)
    if as_json:
        write_json({"schema": 1, "ended": end, "stands": stands, **_silence(wanted)})
        return
    told = "is told again" if end else f"is told to nobody before {_iso(moment)}"
    talk(f"`{code}` {told}{'' if stands else '; nothing of it stands now'}")


@command.command("dismiss", epilog="Example: `adce alerts dismiss run_failed old_job --by Ann --note 'it is gone'`.")
@click.argument("code")
@click.argument("subject")
@by_option
@note_option
@options.as_json
def dismiss_command(code: str, subject: str, by: str, note: str, *, as_json: bool) -> None:
    """Strike out a failed run or check that will never work again, such as one of a job that is gone."""
    from adce_assets.errors import AlertError
    from adce_assets.operate.alert_book import opened
    from adce_assets.settings import load_settings

    with opened(load_settings().alerts_url) as book, book.write() as page:
        valid = ", ".join(f"{one.code} `{one.subject}`" for one in page.noted())
        if not page.strike([(code, subject)]):
            hint = "only what was noted can be struck out; `adce alerts silence` holds back the rest"
            raise AlertError(f"nobody has noted {code} `{subject}`", valid=valid, hint=hint)
    if as_json:
        write_json({"schema": 1, "code": code, "subject": subject, "by": by, "note": note})
        return
    talk(f"{code} `{subject}` is struck out; who was told of it is told that it is over")


def _silenced(settings: "Settings", wanted: "Silence", now: datetime) -> bool:
    """Keep a silence; say whether anything stands that it is about."""
    from adce_assets.errors import AlertError
    from adce_assets.operate.alert_book import opened
    from adce_assets.operate.alerts import KNOWN

    if wanted.code not in KNOWN:
        raise AlertError(f"no cause has the code `{wanted.code}`", valid=", ".join(KNOWN))
    if wanted.until <= now:
        raise AlertError(f"{wanted.until.isoformat()} is over", where="--until", valid="a time to come")
    with opened(settings.alerts_url) as book, book.write() as page:
        page.silence(wanted)
        return any(wanted.covers(one.cause) for one in page.standing().values())


def _ended(settings: "Settings", unwanted: "Silence") -> bool:
    """End a silence; say whether anything stands that it was about."""
    from adce_assets.errors import AlertError
    from adce_assets.operate.alert_book import opened

    with opened(settings.alerts_url) as book, book.write() as page:
        if not page.speak(unwanted.code, unwanted.subject):
            raise AlertError(f"nobody wants silence of `{unwanted.code}`", hint="`adce alerts list` shows who does")
        return any(unwanted.covers(one.cause) for one in page.standing().values())


def _tried(settings: "Settings", name: str | None) -> "Iterator[dict[str, str]]":
    """Send a test to the channels, one after the other."""
    import uuid

    from adce_assets.errors import AdceError, AlertError
    from adce_assets.operate.alert_records import Kind, Message, News
    from adce_assets.operate.causes import Cause, Severity
    from adce_assets.operate.sending import send
    from adce_assets.settings import now

    every = settings.autonomous.alerts.channels
    chosen = [channel for channel in every if name in {None, channel.name}]
    if not chosen:
        what = f"there is no channel `{name}`" if name else "there are no channels: nobody is told of anything"
        hint = "`alerts.channels` in config/autonomous_config.yaml: docs/alerts.md"
        raise AlertError(what, valid=", ".join(channel.name for channel in every), hint=hint)
    cause = Cause("test", "", Severity.WARNING, "this is a test: alerts of ADCE arrive here", "nothing is to be done")
    for channel in chosen:
        message = Message(uuid.uuid4().hex, now(), (News(Kind.TEST, cause, now()),))
        try:
            error = send(channel, message, settings.secrets)
        except AdceError as refused:
            error = " ".join(str(refused).split())
        yield {"channel": channel.name, "kind": channel.kind, "state": "failed" if error else "sent", "error": error}


def _show(told: dict[str, Any]) -> None:
    if told["alerts"]:
        write_table(ALERTS, told["alerts"], note="what")
    else:
        talk("no alert stands")
    if told["messages"]:
        write_table(DELIVERIES, told["messages"], note="error")
    for one in told["silences"]:
        of = f"{one['code']} {one['subject']}".strip()
        talk(f"silent until {one['until']}: {of} ({one['by']}: {one['note']})")
    if not told["channels"]:
        talk("there are no channels: nobody is told (`alerts.channels` in config/autonomous_config.yaml)")


def _alert(one: "Alert") -> dict[str, Any]:
    cause, state = one.cause, "open" if one.opened_at else "waiting"
    return {
        "state": "cleared" if one.cleared_at else "clearing" if one.opened_at and one.gone_at else state,
        "severity": str(one.severity),
        "code": cause.code,
        "subject": cause.subject,
        "what": cause.what,
        "hint": cause.hint,
        "since": _iso(cause.since or one.seen_at),
        "told_at": _iso(one.told_at) if one.told_at and one.told_as else None,
        "cleared_at": one.cleared_at and _iso(one.cleared_at),
        "machine": one.seen_by,
    }


def _delivery(one: "Delivery") -> dict[str, Any]:
    is_over = one.delivered_at is not None or one.given_up
    return {
        "channel": one.channel,
        "state": "given up" if one.given_up else "delivered" if one.delivered_at else "waiting",
        "at": _iso(one.message.at),
        "attempts": one.attempts,
        "next_at": None if is_over else _iso(one.next_at),
        "alerts": len(one.message.news),
        "error": one.error,
        "id": one.message.id,
    }


def _silence(one: "Silence") -> dict[str, Any]:
    shown = {name: getattr(one, name) for name in ("code", "subject", "by", "note")}
    return {**shown, "until": _iso(one.until)}


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
