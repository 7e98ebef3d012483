"""Names and roles in, secrets out once; and of a secret that somebody shows, whose it is.

A secret is 256 random bits, of which only a SHA-256 is kept: there is nothing to guess such a secret from, so that a
salt or a slow hash, which are for passwords that people think of, would only slow down each request. What a holder may
do is asked by who lets him do it.
"""

import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from adce_assets.errors import AccessError, printable
from adce_assets.ledger.chain import moment_text
from adce_assets.operate import access_database as kept
from adce_assets.operate.access_database import AccessDatabase
from adce_assets.operate.remembered import Remembered

log = logging.getLogger(__name__)

PREFIX = "adce_"
"""What each secret begins with, so that one that lies where it should not is found by it."""
BYTES = 32
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
LONGEST = 200
"""Letters of what is looked at at all when somebody shows a secret."""


class Role(StrEnum):
    """What a holder may do: a viewer sees, an operator starts, stops, applies and approves as well."""

    VIEWER = "viewer"
    OPERATOR = "operator"

    def allows(self, wanted: "Role") -> bool:
        """Tell whether this role may do what needs another one."""
        return self is Role.OPERATOR or wanted is Role.VIEWER


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has shown a secret: the name of its token, and its role."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token beside the hash of its secret; ``revoked_at`` (UTC) is None as long as it is good."""

    name: str
    role: Role
    issued_at: datetime
    issued_by: str
    rotated_at: datetime | None
    revoked_at: datetime | None


@dataclass(slots=True)
class Tokens:
    """The tokens of an installation. Safe between processes and between threads.

    Attributes:
        database: Where they are kept.
        clock: The time (UTC).
        monotonic: Seconds, of which only differences count.
    """

    database: AccessDatabase
    clock: Callable[[], datetime]
    monotonic: Callable[[], float] = time.monotonic
    _good: Remembered[tuple[tuple[bytes, Holder], ...]] = field(init=False)

    def __post_init__(self) -> None:
        """Know nothing yet."""
        self._good = Remembered(self._read, self.monotonic)

    def issue(self, name: str, role: Role, by: str) -> str:
        """Make a token, and return its secret, which nobody can find out again.

        Raises:
            AccessError: there is one of this name that was not revoked, or the name cannot be one.
        """
        _check(name)
        secret, now = _secret(), moment_text(self.clock())
        row = {"role": str(role), "hash": _digest(secret), "issued_at": now, "issued_by": printable(by)[:LONGEST]}
        with self.database.write() as (connection, _):
            there = connection.execute(sa.select(kept.tokens).where(kept.tokens.c.name == name)).one_or_none()
            if there is not None and there.revoked_at is None:
                hint = f"`adce token rotate {name}` gives it another secret"
                raise AccessError(f"there is a token `{name}` already", where="token", hint=hint)
            connection.execute(sa.delete(kept.tokens).where(kept.tokens.c.name == name))
            connection.execute(sa.insert(kept.tokens).values(name=name, **row))
        self._good.forget()
        return secret

    def rotate(self, name: str) -> str:
        """Give a token another secret, and return it; the old one is good no more.

        Raises:
            AccessError: there is no such token, or it was revoked.
        """
        secret = _secret()
        self._change(name, hash=_digest(secret), rotated_at=moment_text(self.clock()))
        return secret

    def revoke(self, name: str) -> None:
        """Let a token be good no more.

        Raises:
            AccessError: there is no such token, or it was revoked before.
        """
        self._change(name, hash="", revoked_at=moment_text(self.clock()))

    def is_read(self) -> bool:
        """Tell whether `holder` answers from what was read a moment ago."""
        return not self._good.is_due()

    def holder(self, secret: str) -> Holder | None:
        """Say whose secret it is; None if it is nobody's. How long that takes says nothing of any secret.

        Raises:
            AccessError: the tokens cannot be read, and were not lately.
        """
        shown = hashlib.sha256(secret[:LONGEST].encode(errors="replace")).digest()
        found = None
        for digest, holder in self._good():
            if hmac.compare_digest(digest, shown):
                found = holder
        return found

    def list(self) -> list[Token]:
        """List all tokens by name, those that were revoked too.

        Raises:
            AccessError: the tokens cannot be read.
        """
        with self.database.read() as connection:
            return [_token(row) for row in connection.execute(sa.select(kept.tokens).order_by(kept.tokens.c.name))]

    def were_issued(self) -> bool:
        """Tell whether there is a token, good or revoked.

        Raises:
            AccessError: the tokens cannot be read.
        """
        with self.database.read() as connection:
            return connection.execute(sa.select(kept.tokens.c.name).limit(1)).first() is not None

    def _change(self, name: str, **values: str) -> None:
        asked = sa.update(kept.tokens).where(kept.tokens.c.name == name, kept.tokens.c.revoked_at.is_(None))
        with self.database.write() as (connection, _):
            changed = connection.execute(asked.values(**values)).rowcount
        self._good.forget()
        if not changed:
            what = f"there is no token `{printable(name)[:60]}` that is good"
            raise AccessError(what, where="token", hint="`adce token list` names them")

    def _read(self) -> tuple[tuple[bytes, Holder], ...]:
        """Read the digests of all tokens that are good, and whose they are."""
        asked = sa.select(kept.tokens).where(kept.tokens.c.revoked_at.is_(None))
        with self.database.read() as connection:
            rows = connection.execute(asked).all()
        return tuple(known for row in rows if (known := _known(row)) is not None)


def _secret() -> str:
    return PREFIX + secrets.token_urlsafe(BYTES)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _check(name: str) -> None:
    if not NAME.fullmatch(name):
        valid = "up to 64 letters, digits, `.`, `_` and `-`, the first a letter or digit"
        raise AccessError(f"`{printable(name)[:60]}` cannot be the name of a token", where="token", valid=valid)


def _known(row: "sa.Row[tuple[str, ...]]") -> tuple[bytes, Holder] | None:
    """Read the digest of a token, and whose it is; one that somebody has spoilt opens nothing, and hinders no other."""
    try:
        return bytes.fromhex(row.hash), Holder(row.name, Role(row.role))
    except (TypeError, ValueError):
        log.warning("the token `%s` is not as it was written, and opens nothing", printable(str(row.name))[:60])
        return None


def _token(row: "sa.Row[tuple[str, ...]]") -> Token:
    try:
        moments = [moment and datetime.fromisoformat(moment) for moment in (row.rotated_at, row.revoked_at)]
        return Token(row.name, Role(row.role), datetime.fromisoformat(row.issued_at), row.issued_by, *moments)
    except (TypeError, ValueError) as error:
        what = f"the token `{printable(str(row.name))[:60]}` is not as it was written: somebody has changed it"
        hint = "`adce token revoke` and `issue` make it anew; `adce audit list` says who has issued tokens"
        raise AccessError(what, where="token", hint=hint) from error
