"""Wanted keys in, the end of each out, as it comes: what a run does at the same time, and in which order.

Requests are made in as many threads as the host allows. What they bring is staged, audited and promoted in threads of
its own, so that no request waits for the lake. Of both only a few are under way at a time: a run of any size takes the
same memory, and the same room in its folder. A key under which a good object lies by now is not asked for: an earlier
run may have ended without a word.
"""

import importlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from adce_assets.contract.seasons import WHOLE_HISTORY, Season
from adce_assets.errors import FetchError, ForbiddenByRobotsError, GoneError
from adce_assets.lake.store import LakeStore
from adce_assets.scrapers.boundary import guarded
from adce_assets.scrapers.entries import ScraperEntry
from adce_assets.scrapers.interface import Collected, Failed, Kind, Outcome, Request, Wanted
from adce_assets.scrapers.promoting import Promoted, Settled, already_there, settle
from adce_assets.scrapers.stopping import never

AHEAD = 3
"""Requests that are under way in one way or the other, for each that is made."""
SETTLERS = 4
"""Threads that write into the lake: enough to wait for its storage side by side."""


@dataclass(slots=True)
class Work:
    """The keys of a run on their way to an end.

    Attributes:
        scraper: The entry of the catalogue that yields these keys.
        client: Whom its kind asks.
        store: The lake.
        run_id: Names the run in staged objects, receipts and markers.
        clock: The time (UTC).
        folder: Where large bodies lie until they are in the lake.
        at_once: How many requests are made at the same time; with one, nothing is done side by side.
        hurry: Called when the run is interrupted, so that requests which wait for their turn give up.
        stop: Asked before each request whether to begin it; what is under way comes to its own end.
    """

    scraper: ScraperEntry
    client: Any
    store: LakeStore
    run_id: str
    clock: Callable[[], datetime]
    folder: Path
    at_once: int
    hurry: Callable[[], None]
    stop: Callable[[], bool] = never
    fetching: set[Future[list[Outcome | Promoted]]] = field(default_factory=set)
    settling: set[Future[None]] = field(default_factory=set)
    ready: deque[Settled] = field(default_factory=deque)

    def through(self, asked: Sequence[Wanted], now: datetime) -> Generator[Settled]:
        """Bring every key to its end; nothing is asked for those that the entry says cannot be had."""
        kind = cast("Kind", importlib.import_module(f"adce_assets.scrapers.{self.scraper.kind}"))
        open_: list[Wanted] = []
        for one in asked:
            error = refusal(self.scraper, one, now)
            if error is None:
                open_.append(one)
            else:
                yield Failed(one, error, "")
        planned = kind.plan(self.scraper, open_, now)
        yield from self._in_turn(kind, planned) if self.at_once == 1 else self._side_by_side(kind, planned)

    def finished(self) -> Iterator[Settled]:
        """Give what was finished meanwhile when a run is interrupted, without beginning anything new."""
        yield from self._given()

    def _in_turn(self, kind: Kind, planned: Iterator[Request | Failed]) -> Iterator[Settled]:
        for step in planned:
            if isinstance(step, Failed):
                yield step
            elif self.stop():
                return
            else:
                yield from self._settled(self._brought(kind, step))

    def _side_by_side(self, kind: Kind, planned: Iterator[Request | Failed]) -> Iterator[Settled]:
        fetchers = ThreadPoolExecutor(self.at_once, thread_name_prefix="fetch")
        settlers = ThreadPoolExecutor(SETTLERS, thread_name_prefix="settle")
        try:
            for step in planned:
                if isinstance(step, Failed):
                    yield step
                    continue
                if self.stop():
                    break
                self.fetching.add(fetchers.submit(self._answers, kind, step))
                while len(self.fetching) + len(self.settling) >= self.at_once * AHEAD:
                    yield from self._moved_on(settlers)
            while self.fetching or self.settling:
                yield from self._moved_on(settlers)
        except BaseException:
            self.hurry()
            # An answer may take its time, and nobody will settle it: what is being written is all that is waited for.
            fetchers.shutdown(wait=False, cancel_futures=True)
            raise
        finally:
            settlers.shutdown(wait=True, cancel_futures=True)
            fetchers.shutdown(wait=False, cancel_futures=True)

    def _moved_on(self, settlers: ThreadPoolExecutor) -> Iterator[Settled]:
        """Wait until something is finished, hand on what was fetched, and give what is settled."""
        under_way: list[Future[Any]] = [*self.fetching, *self.settling]
        wait(under_way, return_when=FIRST_COMPLETED)
        for fetched in [future for future in self.fetching if future.done()]:
            outcomes = fetched.result()
            self.fetching.remove(fetched)
            self.settling.add(settlers.submit(self._settle, outcomes))
        for settled in [future for future in self.settling if future.done()]:
            settled.result()
            self.settling.remove(settled)
        yield from self._given()

    def _given(self) -> Iterator[Settled]:
        """Give what is ready; whatever interrupts that, nothing is given twice or not at all."""
        while self.ready:
            yield self.ready.popleft()

    def _answers(self, kind: Kind, request: Request) -> list[Outcome | Promoted]:
        """Answer a request, unless it is to begin no more."""
        return [] if self.stop() else list(self._brought(kind, request))

    def _brought(self, kind: Kind, request: Request) -> Iterator[Outcome | Promoted]:
        """Bring every key of a request to an end, or to what can be settled."""
        return guarded(request.wanted, self._looked_up_or_asked(kind, request))

    def _looked_up_or_asked(self, kind: Kind, request: Request) -> Iterator[Outcome | Promoted]:
        """Look into the lake, and ask for what is not there."""
        left = []
        for one in request.wanted:
            found = already_there(self.store, self.scraper, one, folder=self.folder, clock=self.clock)
            if found is None:
                left.append(one)
            else:
                yield found
        if left:
            asked = replace(request, wanted=tuple(left))
            yield from kind.answer(self.scraper, asked, self.client, self.folder)

    def _settle(self, outcomes: Iterable[Outcome | Promoted]) -> None:
        """Settle what was brought; each key is told as soon as it is settled, whatever becomes of the next."""
        for settled in self._settled(outcomes):
            self.ready.append(settled)

    def _settled(self, outcomes: Iterable[Outcome | Promoted]) -> Iterator[Settled]:
        """Settle the outcomes of one request, and leave nothing of it in the folder."""
        files: set[Path] = set()
        try:
            for outcome in outcomes:
                if isinstance(outcome, Collected) and isinstance(outcome.body, Path):
                    files.add(outcome.body)
                yield from guarded((outcome.wanted,), map(self._end_of, (outcome,)))
        finally:
            for file in files:
                if file.is_relative_to(self.folder):
                    file.unlink(missing_ok=True)

    def _end_of(self, outcome: Outcome | Promoted) -> Settled:
        return settle(self.store, outcome, run_id=self.run_id, clock=self.clock)


def refusal(scraper: ScraperEntry, one: Wanted, now: datetime) -> FetchError | None:
    """Say why nobody need be asked for a key, or None."""
    successor, hint = "", ""
    if scraper.superseded_by:
        successor = f"; `{scraper.superseded_by}` has what it had"
        hint = f"let the contract name `{scraper.superseded_by}` as the scraper"
    if scraper.is_retired(now.date()):
        return GoneError(f"the source ended on {scraper.valid_until}{successor}", hint=hint)
    if scraper.unreachable:
        return ForbiddenByRobotsError(f"the source does not let itself be asked for this: {scraper.unreachable}")
    if one.season != WHOLE_HISTORY and Season.parse(one.season) not in scraper.season_range:
        what = f"the source has the seasons {scraper.seasons}, not {one.season}{successor}"
        return GoneError(what, hint=hint)
    return one.out_of_time(now)
