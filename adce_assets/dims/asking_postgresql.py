"""A query in, its first two rows out, from a PostgreSQL that sees to it that the query only reads.

The transaction is read-only before the query is known, and after its first question PostgreSQL lets nobody change
that. The query itself is opened as a cursor by PL/pgSQL, which takes one statement that has rows and nothing that ends
a transaction. All of it is over after its time, whether the server answers or not, and never committed.
"""

import select
import time
from contextlib import closing
from typing import Any

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ

from adce_assets.errors import MetricError, printable
from adce_assets.postgres import PostgresUrl

LONGEST = 4_000
"""Bytes of a row that are fetched: values are short."""
SHOWN = 300
BEGIN = """
BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SET LOCAL statement_timeout = {milliseconds};
SET LOCAL lock_timeout = {milliseconds};
SET LOCAL timezone = 'UTC'
"""
ASK = "SELECT set_config('adce.query', %s, true)"
OPEN = f"""
DO $adce$
DECLARE answer refcursor := 'adce_answer'; one record;
BEGIN
  OPEN answer SCROLL FOR EXECUTE current_setting('adce.query');
  FOR place IN 1..2 LOOP
    FETCH answer INTO one;
    EXIT WHEN NOT FOUND;
    IF octet_length(one::text) > {LONGEST} THEN
      RAISE EXCEPTION 'a row of the answer has more than {LONGEST} bytes';
    END IF;
  END LOOP;
  MOVE ABSOLUTE 0 FROM answer;
END $adce$
"""
FETCH = "FETCH FORWARD 2 FROM adce_answer"


def rows(database: PostgresUrl, query: str, seconds: float) -> list[tuple[Any, ...]]:
    """Ask a query.

    Raises:
        MetricError: PostgreSQL cannot be reached, refuses the query, or does not answer in time.
    """
    until = time.monotonic() + seconds
    try:
        with closing(psycopg2.connect(database.url, async_=True, application_name="adce metrics")) as connection:
            _wait(connection, database, until)
            cursor = connection.cursor()
            begin = BEGIN.format(milliseconds=max(1, int(seconds * 1000)))
            for statement, given in ((begin, None), (ASK, (query,)), (OPEN, None), (FETCH, None)):
                cursor.execute(statement, given)
                _wait(connection, database, until)
            return cursor.fetchall()
    except psycopg2.Error as error:
        text = printable(database.without_secrets(str(error)).strip())[:SHOWN]
        raise MetricError(f"the database refuses: {text}", where=database.shown) from None
    except ValueError as error:  # a NUL in the query
        raise MetricError(f"the query cannot be asked: {error}", where=database.shown) from error


def _wait(connection: Any, database: PostgresUrl, until: float) -> None:
    """Wait until the server has done what it was asked; MetricError when the time is over."""
    while (state := connection.poll()) != POLL_OK:
        left = until - time.monotonic()
        waiting = select.poll()
        waiting.register(connection.fileno(), select.POLLIN if state == POLL_READ else select.POLLOUT)
        if left <= 0 or not waiting.poll(left * 1000):
            raise MetricError("the database has not answered in time", where=database.shown)
