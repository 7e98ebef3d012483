"""The objects of a season in, their records staged in the warehouse out: one reader, parsers, writers.

The reader (a thread) fetches objects from the lake; parsers (processes, each minded by a thread) make records of them;
writers (threads) stage them. An object whose parser is killed is given to a new one. A run that is killed is started
again with the same id, or given up for one with another: both end with the same rows, none of them twice. Of an entity
and season one load goes on at a time. What is published of what is staged is decided in `publishing`.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from adce_assets.errors import ObjectNotFoundError, WarehouseError
from adce_assets.lake.store import LakeStore, StoredObject
from adce_assets.progress import Progress, silent
from adce_assets.warehouse import staged, tables
from adce_assets.warehouse.database import Warehouse
from adce_assets.warehouse.entities import Entity
from adce_assets.warehouse.fetching import fetched
from adce_assets.warehouse.handover import Handover, StoppedError
from adce_assets.warehouse.parser import Parsed, Parser, ParserDiedError, told, unreadable
from adce_assets.warehouse.paths import MAX_BYTES
from adce_assets.warehouse.staged import Begun, Counts, Finished, Run

PROCESSES, WRITERS = 4, 2
TRIES = 3
"""Processes that may die of one object before the load is given up."""
TOGETHER = 50
"""Objects that are staged in one transaction at most: as many as are there."""
READER = "reader"
"""The worker of objects that no parser is given: those that are gone, or too large."""
STAGE = "stage"


@dataclass(frozen=True, slots=True)
class _Job:
    source: str
    key: str
    etag: str
    body: bytes
    again: bool


def stage(
    lake: LakeStore,
    entity: Entity,
    season: str,
    keys: Mapping[str, Sequence[str]],
    warehouse: Warehouse,
    *,
    run_id: str,
    clock: Callable[[], datetime],
    processes: int = PROCESSES,
    writers: int = WRITERS,
    progress: Progress = silent,
) -> None:
    """Stage the records of a season; what became of them stands in the tables of the load.

    Args:
        lake: Where the documents are.
        entity: What a record is.
        season: The season's label.
        keys: The objects of the season by source; a source without an object has no records (any more).
        warehouse: Where they are staged.
        run_id: Names the run; one that was interrupted goes on under the same.
        clock: Tells the time.
        processes: Parsers.
        writers: Threads that write.
        progress: Told how many objects are done.

    Raises:
        ConfigurationError: the entity is not read in one of the sources.
        LakeError: the lake could not be read.
        WarehouseError: the warehouse could not be written, or an object kills every process that parses it.
    """
    for source in keys:
        entity.reading_of(source)
    run = Run(run_id, entity, season)
    tables.prepare(warehouse, entity)
    wanted = sorted({(source, key) for source, of_source in keys.items() for key in of_source})
    with warehouse.hold(f"stage {entity.name} {season}"):
        begun = staged.begin(warehouse, run, keys, clock())
        line = _Line(lake, warehouse, run, begun, clock, progress, len(wanted), processes)
        line.work(wanted, writers)
        staged.finish(warehouse, run, begun.earlier + line.counts, clock())


class _Line:
    """The threads of a load, and what they hand to each other; the first that fails stops all."""

    def __init__(
        self,
        lake: LakeStore,
        warehouse: Warehouse,
        run: Run,
        begun: Begun,
        clock: Callable[[], datetime],
        progress: Progress,
        total: int,
        processes: int,
    ) -> None:
        self.counts = Counts()
        self._lake, self._warehouse, self._run, self._begun = lake, warehouse, run, begun
        self._clock, self._progress, self._total = clock, progress, total
        self._parsers = range(1, processes + 1)
        self._lock, self._done = threading.Lock(), 0
        self._failure: BaseException | None = None
        self._jobs: Handover[_Job] = Handover(2 * processes)
        self._finished: Handover[Finished] = Handover(TOGETHER)

    def work(self, wanted: Sequence[tuple[str, str]], writers: int) -> None:
        """Stage all objects; raise what stopped it."""
        reading = [self._thread(lambda: self._read(wanted))]
        parsing = [self._thread(lambda name=f"parser-{number}": self._mind(name)) for number in self._parsers]
        writing = [self._thread(self._write) for _ in range(writers)]
        try:
            _join(reading)
            self._jobs.close()
            _join(parsing)
            self._finished.close()
            _join(writing)
        finally:
            self._stop(None)
            _join((*reading, *parsing, *writing))
        if self._failure is not None:
            raise self._failure

    def _thread(self, part: Callable[[], None]) -> threading.Thread:
        def safely() -> None:
            try:
                part()
            except StoppedError:
                return
            except BaseException as error:  # noqa: BLE001 - raised again where the load was asked for
                self._stop(error)

        thread = threading.Thread(target=safely, daemon=True)
        thread.start()
        return thread

    def _stop(self, failure: BaseException | None) -> None:
        with self._lock:
            self._failure = self._failure or failure
        self._jobs.stop()
        self._finished.stop()

    def _read(self, wanted: Sequence[tuple[str, str]]) -> None:
        """Fetch what is not done yet, in order."""
        for source, key in wanted:
            there = self._lake.head(key)
            done = self._begun.done.get(key)
            if there is not None and done == there.etag:
                self._note(Counts(), 1)
            elif there is None or there.size > MAX_BYTES:
                reason = "the lake does not hold the object" if there is None else f"the object has {there.size} bytes"
                self._give_up(source, key, reason, again=done is not None)
            else:
                self._fetch(source, there, again=done is not None)

    def _fetch(self, source: str, there: StoredObject, *, again: bool) -> None:
        try:
            version, body = fetched(self._lake, there, most=MAX_BYTES)
        except ObjectNotFoundError:
            self._give_up(source, there.key, "the lake does not hold the object", again=again)
            return
        self._jobs.put(_Job(source, there.key, version.etag, body, again))

    def _give_up(self, source: str, key: str, reason: str, *, again: bool) -> None:
        self._finished.put(Finished(source, key, "", READER, 1, told(unreadable(reason)), again))

    def _mind(self, worker: str) -> None:
        """Hand documents to a process of a worker, and start another one when it dies."""
        with _Minder(self._warehouse, self._run, worker, self._begun.attempts.get(worker, 0), self._clock) as minder:
            while jobs := self._jobs.take():
                job = jobs[0]
                parsed = minder.parse(job)
                done = Finished(job.source, job.key, job.etag, worker, minder.attempt, parsed, job.again)
                self._finished.put(done)

    def _write(self) -> None:
        while finished := self._finished.take(TOGETHER):
            self._note(staged.write(self._warehouse, self._run, finished, self._clock()), len(finished))

    def _note(self, counts: Counts, objects: int) -> None:
        with self._lock:
            self.counts += counts
            self._done += objects
            self._progress(STAGE, self._done, self._total)


class _Minder:
    """A worker: one process after another, of which each is an attempt with a number of its own."""

    def __init__(
        self, warehouse: Warehouse, run: Run, worker: str, attempts: int, clock: Callable[[], datetime]
    ) -> None:
        self.attempt = attempts
        self._warehouse, self._run, self._worker, self._clock = warehouse, run, worker, clock
        self._parser: Parser | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._parser is not None:
            self._end(self._parser.end())

    def parse(self, job: _Job) -> Parsed:
        """Have a document parsed, by as many processes as it takes, within reason."""
        how = ""
        for parser in self._parsers():
            try:
                return parser.parse(job.source, job.body)
            except ParserDiedError as error:
                how = error.how
                self._end(how)
        hint = "look at the document, and at the memory of the machine; then run it again, it goes on where it stopped"
        raise WarehouseError(f"{TRIES} parsers died of it, the last {how}", where=job.key, hint=hint)

    def _parsers(self) -> Iterator[Parser]:
        for _ in range(TRIES):
            if self._parser is None:
                self._parser = Parser(self._run.entity)
                self.attempt += 1
                pid = self._parser.pid
                staged.note_start(self._warehouse, self._run, self._worker, self.attempt, pid, self._clock())
            yield self._parser

    def _end(self, how: str) -> None:
        self._parser = None
        staged.note_end(self._warehouse, self._run, self._worker, self.attempt, how, self._clock())


def _join(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.join()
