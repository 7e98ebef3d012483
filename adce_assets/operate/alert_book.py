"""A URL in, a book of alerts out: what stands, what was noted, who wants silence, and which messages are on their way.

The tables and what their rows say are here. What follows from them is decided in `alerts`. One process writes at a
time; no message is sent while somebody writes.
"""

from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError

from adce_assets.databases import Purpose, SqlDatabase
from adce_assets.dims.history_tables import Moment
from adce_assets.errors import AlertError
from adce_assets.operate.alert_decisions import taken_back
from adce_assets.operate.alert_records import Alert, Delivery, Message, Name, Silence, name_of
from adce_assets.operate.causes import Cause, Severity

FORM = 1
"""The form of the tables; another one is refused."""
PURPOSE = Purpose("the book of alerts", "adce alerts", AlertError)
SENDING = timedelta(minutes=5)
"""How long who sends a message has for it; then it is taken for lost with its process, and somebody else sends it."""

metadata = sa.MetaData()
_MESSAGE = TypeAdapter(Message)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _moments(*names: str) -> list[sa.Column[datetime]]:
    return [sa.Column(name, Moment) for name in names]


def _cause() -> list[sa.Column[Any]]:
    return [*_texts("code", "subject", "severity", "what", "hint", "page"), *_moments("since")]


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True)


form = sa.Table("alert_form", metadata, sa.Column("form", sa.Integer, primary_key=True))
alerts = sa.Table(
    "alert_alerts",
    metadata,
    _id(),
    *_cause(),
    *_texts("seen_by"),
    *_moments("seen_at", "looked_at", "opened_at", "gone_at", "told_at", "cleared_at"),
    sa.Column("told_as", sa.Text),
    sa.Index("alert_alerts_by_end", "cleared_at"),
)
notes = sa.Table("alert_notes", metadata, *_cause(), sa.PrimaryKeyConstraint("code", "subject"))
silences = sa.Table(
    "alert_silences",
    metadata,
    *_texts("code", "subject", "by", "note"),
    *_moments("until"),
    sa.PrimaryKeyConstraint("code", "subject"),
)
deliveries = sa.Table(
    "alert_deliveries",
    metadata,
    _id(),
    *_texts("channel", "message", "error"),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("given_up", sa.Boolean, nullable=False),
    *_moments("at", "next_at", "tried_at", "delivered_at"),
    sa.Index("alert_deliveries_by_end", "channel", "delivered_at", "given_up"),
)
_WAITING = sa.and_(deliveries.c.delivered_at.is_(None), sa.not_(deliveries.c.given_up))


class Book(SqlDatabase):
    """Where it is kept; nothing is touched before it is first used. AlertError says what is wrong with it."""

    def __init__(self, url: str) -> None:
        super().__init__(url, PURPOSE)

    @contextmanager
    def read(self) -> Generator["Page"]:  # pyrefly: ignore[bad-override] # nobody handles it as any other database
        """Lend the book as it is now."""
        with super().read() as connection:
            yield Page(connection)

    @contextmanager
    def write(self) -> Generator["Page"]:
        """Lend the book to who alone may write: all that is done in the block, or nothing."""
        with self._writable() as connection:
            self._lock(connection)
            yield Page(connection)

    def _make(self) -> None:
        """Make the tables unless they are there; processes that start together wait for each other."""
        with self._engine.connect() as connection:
            found = _form(connection)
        if found is None:
            with self._making() as writing:
                metadata.create_all(writing)
                found = _form(writing)
                if found is None:
                    writing.execute(sa.insert(form).values(form=FORM))
        if found not in {None, FORM}:
            what = f"the book of alerts was written in form {found}"
            raise AlertError(what, where=self.url, valid=f"form {FORM}", hint="update ADCE")


@contextmanager
def opened(url: str) -> Generator[Book]:
    """Lend the book that a URL leads to."""
    book = Book(url)
    try:
        yield book
    finally:
        book.dispose()


@dataclass(frozen=True, slots=True)
class Page:
    """The book, for as long as somebody reads or writes in it."""

    connection: sa.Connection

    def standing(self) -> dict[Name, Alert]:
        """Return the alerts that are not cleared, also those that have not stood for long enough yet."""
        asked = sa.select(alerts).where(alerts.c.cleared_at.is_(None)).order_by(alerts.c.id)
        found = [_alert(row) for row in self.connection.execute(asked)]
        return {name_of(one.cause): one for one in found}

    def cleared(self, most: int) -> list[Alert]:
        """Return the alerts that were cleared last."""
        asked = sa.select(alerts).where(alerts.c.cleared_at.is_not(None))
        newest = asked.order_by(alerts.c.cleared_at.desc(), alerts.c.id.desc()).limit(most)
        return [_alert(row) for row in self.connection.execute(newest)]

    def keep(self, kept: Iterable[Alert]) -> None:
        """Write alerts, new ones and those that have a row."""
        for one in kept:
            row = _row(one.cause) | {
                "seen_by": one.seen_by,
                "seen_at": one.seen_at,
                "looked_at": one.looked_at,
                "opened_at": one.opened_at,
                "gone_at": one.gone_at,
                "told_at": one.told_at,
                "told_as": one.told_as and str(one.told_as),
                "cleared_at": one.cleared_at,
            }
            if one.number:
                self.connection.execute(sa.update(alerts).where(alerts.c.id == one.number).values(**row))
            else:
                self.connection.execute(sa.insert(alerts).values(**row))

    def drop(self, dropped: Iterable[Alert]) -> None:
        """Forget alerts: nobody was ever told of them, or another book keeps them."""
        numbers = [one.number for one in dropped]
        self.connection.execute(sa.delete(alerts).where(alerts.c.id.in_(numbers)))

    def noted(self) -> list[Cause]:
        """Return the causes that somebody has noted and nobody has struck out."""
        return [_cause_of(row) for row in self.connection.execute(sa.select(notes).order_by(notes.c.since))]

    def note(self, cause: Cause) -> None:
        """Note a cause, in the place of what was noted under its name."""
        self.strike([name_of(cause)])
        self.connection.execute(sa.insert(notes).values(**_row(cause)))

    def strike(self, names: Iterable[Name]) -> int:
        """Strike out what was noted under these names; return how many notes that were."""
        asked = (sa.delete(notes).where(notes.c.code == code, notes.c.subject == subject) for code, subject in names)
        return sum(self.connection.execute(one).rowcount for one in asked)

    def strike_same(self, struck: Iterable[Cause]) -> None:
        """Strike out notes, but for those that were noted anew since they were read."""
        now = {name_of(one): one for one in self.noted()}
        self.strike(name_of(one) for one in struck if now.get(name_of(one)) == one)

    def silences(self, now: datetime) -> list[Silence]:
        """Return who wants silence now."""
        found = self.connection.execute(sa.select(silences).where(silences.c.until > now).order_by(silences.c.until))
        return [Silence(row.code, row.subject, row.until, row.by, row.note) for row in found]

    def silence(self, wanted: Silence) -> None:
        """Keep a silence, in the place of one of the same code and subject."""
        self.speak(wanted.code, wanted.subject)
        row = {name: getattr(wanted, name) for name in ("code", "subject", "until", "by", "note")}
        self.connection.execute(sa.insert(silences).values(**row))

    def speak(self, code: str, subject: str) -> bool:
        """End a silence; say whether there was one."""
        asked = sa.delete(silences).where(silences.c.code == code, silences.c.subject == subject)
        return bool(self.connection.execute(asked).rowcount)

    def send(self, channel: str, message: Message) -> None:
        """Put a message on its way."""
        row = {"channel": channel, "message": _MESSAGE.dump_json(message).decode(), "at": message.at}
        rest = {"error": "", "attempts": 0, "given_up": False, "next_at": message.at}
        self.connection.execute(sa.insert(deliveries).values(**row, **rest))

    def claim(self, channel: str, now: datetime) -> Delivery | None:
        """Take the oldest message of a channel that did not arrive yet; None for none, or before its time.

        Nobody else gets it before `SENDING` is over.
        """
        oldest = sa.select(deliveries).where(deliveries.c.channel == channel, _WAITING).order_by(deliveries.c.id)
        row = self.connection.execute(oldest.limit(1)).one_or_none()
        if row is None or row.next_at > now:
            return None
        claimed = {"attempts": row.attempts + 1, "tried_at": now, "next_at": now + SENDING}
        self._change(row.id, **claimed)
        return _delivery(row, **claimed)

    def arrived(self, sent: Delivery, now: datetime, remark: str) -> None:
        """Keep that a message has arrived, and for whom it has not."""
        self._change(sent.number, delivered_at=now, error=remark)

    def failed(self, sent: Delivery, error: str, next_at: datetime | None) -> None:
        """Keep why a message did not arrive, and when it is sent again: None for never."""
        when = {"given_up": True} if next_at is None else {"next_at": next_at}
        self._change(sent.number, error=error, **when)
        if next_at is None:
            rows = self.connection.execute(sa.select(deliveries))
            cleared = self._cleared_at(sent.message.at)
            self.keep(taken_back(sent.message, self.standing(), cleared, [_delivery(row) for row in rows]))

    def _cleared_at(self, at: datetime) -> list[Alert]:
        return [_alert(row) for row in self.connection.execute(sa.select(alerts).where(alerts.c.cleared_at == at))]

    def written_of(self, names: Collection[Name]) -> list[sa.Row[Any]]:
        """Return the rows of the messages that tell of one of these, whatever became of them."""
        rows = self.connection.execute(sa.select(deliveries).order_by(deliveries.c.id)).all() if names else []
        return [row for row in rows if any(name_of(one.cause) in names for one in _delivery(row).message.news)]

    def take_over(self, rows: Iterable[sa.Row[Any]]) -> None:
        """Write messages of another book, unless that was done before."""
        for row in rows:
            same = sa.select(deliveries.c.id).where(
                deliveries.c.channel == row.channel, deliveries.c.message == row.message
            )
            if self.connection.execute(same.limit(1)).first() is None:
                values = {name: value for name, value in row._asdict().items() if name != "id"}
                self.connection.execute(sa.insert(deliveries).values(**values))

    def hand_over(self, rows: Iterable[sa.Row[Any]]) -> None:
        """Forget messages that another book has taken over."""
        self.connection.execute(sa.delete(deliveries).where(deliveries.c.id.in_([row.id for row in rows])))

    def on_their_way(self) -> list[Delivery]:
        """Return the messages that did not arrive yet, the oldest first."""
        asked = sa.select(deliveries).where(_WAITING).order_by(deliveries.c.id)
        return [_delivery(row) for row in self.connection.execute(asked)]

    def sent(self, most: int) -> list[Delivery]:
        """Return the messages that were written last, whatever became of them."""
        asked = sa.select(deliveries).order_by(deliveries.c.id.desc()).limit(most)
        return [_delivery(row) for row in self.connection.execute(asked)]

    def last_try(self, channel: str) -> Delivery | None:
        """Return the message of a channel that was sent last, whether it arrived or not, and is not being sent now."""
        is_over = sa.or_(deliveries.c.delivered_at.is_not(None), deliveries.c.error != "")
        asked = sa.select(deliveries).where(deliveries.c.channel == channel, is_over)
        row = self.connection.execute(asked.order_by(deliveries.c.tried_at.desc(), deliveries.c.id.desc()).limit(1))
        found = row.one_or_none()
        return None if found is None else _delivery(found)

    def tidy(self, before: datetime) -> None:
        """Forget what was over before a moment, and messages that were written before it, whatever became of them."""
        self.connection.execute(sa.delete(alerts).where(alerts.c.cleared_at < before))
        self.connection.execute(sa.delete(notes).where(notes.c.since < before))
        self.connection.execute(sa.delete(silences).where(silences.c.until < before))
        self.connection.execute(sa.delete(deliveries).where(deliveries.c.at < before))

    def _change(self, number: int, **values: object) -> None:
        self.connection.execute(sa.update(deliveries).where(deliveries.c.id == number).values(**values))


def _form(connection: sa.Connection) -> int | None:
    """Return the form of the tables; None if they are not there. It is written last."""
    there = sa.inspect(connection).has_table(form.name)
    return connection.execute(sa.select(form.c.form)).scalar() if there else None


def _row(cause: Cause) -> dict[str, Any]:
    return {
        "code": cause.code,
        "subject": cause.subject,
        "severity": str(cause.severity),
        "what": cause.what,
        "hint": cause.hint,
        "page": cause.page,
        "since": cause.since,
    }


def _cause_of(row: sa.Row[Any]) -> Cause:
    return Cause(row.code, row.subject, Severity(row.severity), row.what, row.hint, row.since, row.page)


def _alert(row: sa.Row[Any]) -> Alert:
    return Alert(
        cause=_cause_of(row),
        seen_at=row.seen_at,
        looked_at=row.looked_at,
        seen_by=row.seen_by,
        opened_at=row.opened_at,
        gone_at=row.gone_at,
        told_at=row.told_at,
        told_as=row.told_as and Severity(row.told_as),
        cleared_at=row.cleared_at,
        number=row.id,
    )


def _delivery(row: sa.Row[Any], **changed: Any) -> Delivery:
    names = ("channel", "attempts", "next_at", "tried_at", "error", "delivered_at", "given_up")
    values = {name: getattr(row, name) for name in names} | changed
    try:
        message = _MESSAGE.validate_json(row.message)
    except ValidationError as error:
        hint = "take the row out of `alert_deliveries`"
        raise AlertError(f"message {row.id} cannot be read", where="the book of alerts", hint=hint) from error
    return Delivery(number=row.id, message=message, **values)
