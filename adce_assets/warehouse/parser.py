"""Documents in, their records out, in a process of its own: what a hostile document does, it does to that.

`Parser` starts and asks the process; the end of the module is the process. It knows no secrets, and only JSON comes
out of it. It ends when the one who started it does: nobody writes to it any more.
"""

import json
import os
import resource
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from adce_assets.errors import VerifyError
from adce_assets.warehouse.entities import Entity
from adce_assets.warehouse.reading import Outcome, Refused, Row, read
from adce_assets.warehouse.values import plain

WALL_S = 300.0
"""How long a document may take."""
MEMORY = 3 * 1024**3
"""Bytes of address space the process may take."""
REASON = 500
"""Characters of a reason that are kept."""

_LENGTH = struct.Struct(">Q")


class ParserDiedError(Exception):
    """The process ended before it had answered; ``how`` says by what."""

    def __init__(self, how: str) -> None:
        self.how = how
        super().__init__(how)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What the process told of a document: its records as rows of plain values, and those that are none."""

    read: int
    rows: Sequence[Sequence[Any]]
    refused: Sequence[Refused]


class Parser:
    """A process that parses documents of one entity, one after another."""

    def __init__(self, entity: Entity) -> None:
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-m", "adce_assets.warehouse.parser"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self.pid = self._process.pid
        self._declared: bytes | None = entity.model_dump_json(exclude={"checks"}).encode()

    def parse(self, source: str, body: bytes) -> Parsed:
        """Have a document of a source parsed.

        Raises:
            ParserDiedError: the process ended, or took too long and was killed; this parser is of no use any more.
        """
        assert self._process.stdin is not None  # noqa: S101 - it was asked for pipes
        assert self._process.stdout is not None  # noqa: S101
        late = threading.Timer(WALL_S, self._process.kill)
        late.start()
        try:
            if self._declared is not None:
                _send(self._process.stdin, self._declared)
                self._declared = None
            _send(self._process.stdin, source.encode())
            _send(self._process.stdin, body)
            return understood(_receive(self._process.stdout))
        except (OSError, EOFError, ValueError) as error:
            raise ParserDiedError(self.end()) from error
        finally:
            late.cancel()

    def end(self) -> str:
        """End the process if it has not; return how it ended, in words."""
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()
        try:
            code = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        return "ended" if code == 0 else f"killed by signal {-code}" if code < 0 else f"failed with code {code}"


def _send(stream: IO[bytes], message: bytes) -> None:
    stream.write(_LENGTH.pack(len(message)))
    stream.write(message)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes:
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    return _exactly(stream, length)


def _exactly(stream: IO[bytes], length: int) -> bytes:
    message = stream.read(length)
    if len(message) < length:
        raise EOFError
    return message


def answer(entity: Entity, source: str, body: bytes) -> bytes:
    """Read a document, and write down what became of it, as it leaves the process."""
    outcome = told(_outcome(entity, source, body))
    refused = [[one.number, one.kind, one.reason[:REASON]] for one in outcome.refused]
    return json.dumps({"read": outcome.read, "rows": outcome.rows, "refused": refused}).encode()


def understood(answer: bytes) -> Parsed:
    """Take an answer apart; ValueError for what is none."""
    told = json.loads(answer)
    return Parsed(told["read"], told["rows"], [Refused(*refused) for refused in told["refused"]])


def _outcome(entity: Entity, source: str, body: bytes) -> Outcome:
    try:
        return read(entity, entity.reading_of(source), body)
    except VerifyError as error:
        reason = f"the document cannot be read: {error.what}"
    except MemoryError:
        reason = "the document cannot be read: it takes too much memory"
    except Exception as error:  # noqa: BLE001 - a document that is wrong in a new way must not end the load of all others
        reason = f"the document cannot be read: {type(error).__name__}: {error}"
    return unreadable(reason)


def unreadable(reason: str) -> Outcome:
    """Say of a document that it cannot be had or read: that counts as one record, errored, with the number 0."""
    return Outcome(1, (), (Refused(0, "errored", reason),))


def told(outcome: Outcome) -> Parsed:
    """Write an outcome as it travels."""
    return Parsed(outcome.read, [_travelling(row) for row in outcome.rows], outcome.refused)


def _travelling(row: Row) -> list[Any]:
    return [row.number, *map(plain, row.values)]


def _asked(stream: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """Receive documents, each with its source, until nobody sends any."""
    while True:
        try:
            source = _receive(stream).decode()
            yield source, _receive(stream)
        except (EOFError, struct.error):
            return


def _main() -> None:
    """Be the process that parses."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    entity = Entity.model_validate_json(_receive(sys.stdin.buffer))
    for source, body in _asked(sys.stdin.buffer):
        _send(sys.stdout.buffer, answer(entity, source, body))


if __name__ == "__main__":
    _main()
