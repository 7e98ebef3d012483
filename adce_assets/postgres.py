"""The URL of a PostgreSQL in, what may be told of it and what must not be out; anything else is no such URL.

What machines share - limits, ledger, warehouse - is named by such a URL. What is kept there is not known here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

SCHEMES = frozenset({"postgres", "postgresql", "postgresql+psycopg2"})
VALID = "postgresql://user:password@host:port/database"
HINT = "percent-encode what is no letter or digit of the user and the password: `@` is %40, `/` is %2F"
SECRET_PARAMETERS = frozenset({"password", "sslpassword"})

TYPES: Mapping[int, str] = {
    16: "BOOLEAN",
    20: "BIGINT",
    21: "BIGINT",
    23: "BIGINT",
    700: "DOUBLE",
    701: "DOUBLE",
    1082: "DATE",
    1114: "TIMESTAMP",
    1184: "TIMESTAMP WITH TIME ZONE",
    1700: "DECIMAL(38,0)",
}
"""What PostgreSQL's types are in DuckDB, by their numbers in pg_type.dat; every other one is text."""
REAL, NUMERIC = 700, 1700
"""Of these the type alone is not enough: a REAL is to be widened where it lies, and a NUMERIC has a scale."""

COPY_NULL = r"\N"
COPY_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
"""How COPY reads what is not there, and what would end a field or a row."""

_URL = re.compile(
    r"(?P<scheme>[a-z0-9+]+)://"
    r"((?P<user>[^\s:@/?#\[\]]*)(:(?P<password>[^\s@/?#\[\]]*))?@)?"
    r"(?P<place>(\[[0-9A-Fa-f:.%]*\]|[\w.%-]*)(:\d{1,5})?(,(\[[0-9A-Fa-f:.%]*\]|[\w.%-]*)(:\d{1,5})?)*"
    r"(/[^\s:@/?#]*)?)(\?(?P<query>[^\s@#]*))?",
    re.ASCII,
)
"""Stricter than the database's own reading, which tells pieces of a password that holds an ``@`` or ``/``."""
_NO_ENCODING = re.compile("%(?![0-9A-Fa-f]{2})|%00")


@dataclass(frozen=True, slots=True)
class PostgresUrl:
    """A URL that was understood.

    Attributes:
        url: As libpq reads it.
        shown: What may be told of it: hosts and database.
        secrets: What must not be: the passwords, as they are written and as they are meant.
    """

    url: str
    shown: str
    secrets: tuple[str, ...]

    def without_secrets(self, text: str) -> str:
        """Take the passwords out of what is said, by a database for one."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def read(url: str) -> PostgresUrl | None:
    """Take a URL apart; None if it is of something else, or not written as it should be."""
    parts = _URL.fullmatch(url)
    if parts is None or parts["scheme"] not in SCHEMES or _NO_ENCODING.search(url):
        return None
    own = f"postgresql{url.removeprefix(parts['scheme'])}"
    return PostgresUrl(own, f"postgresql://{parts['place']}", tuple(_secrets(parts)))


def _secrets(parts: re.Match[str]) -> Iterator[str]:
    given = dict(parse_qsl(parts["query"] or ""))
    for secret in (parts["password"], *(given.get(name) for name in SECRET_PARAMETERS)):
        yield from {text for text in (secret, unquote(secret or "")) if text}
