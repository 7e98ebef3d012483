"""Wanted keys in, the end of each out, as it comes: what a run does at the same time, and in which order.

Requests are made in as many threads as the host allows. What they bring is staged, audited and promoted in threads of
its own, so that no request waits for the lake. Of both only a few are under way at a time: a run of any size takes the
same memory, and the same room in its folder.
"""

import importlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from adce_assets.contract.seasons import WHOLE_HISTORY, Season
from adce_assets.errors import FetchError, GoneError, LostError, TransientFetchError
from adce_assets.lake.store import LakeStore
from adce_assets.scrapers.entries import ScraperEntry
from adce_assets.scrapers.interface import Collected, Failed, Kind, Outcome, Request, Wanted
from adce_assets.scrapers.promoting import Settled, settle

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
        run_id: Names the run in staged objects.
        clock: The time (UTC).
        folder: Where large bodies lie until they are in the lake.
        at_once: How many requests are made at the same time; with one, nothing is done side by side.
        hurry: Called when the run is interrupted, so that requests which wait for their turn give up.
    """

    scraper: ScraperEntry
    client: Any
    store: LakeStore
    run_id: str
    clock: Callable[[], datetime]
    folder: Path
    at_once: int
    hurry: Callable[[], None]
    fetching: set[Future[list[Outcome]]] = field(default_factory=set)
    settling: set[Future[list[Settled]]] = field(default_factory=set)
    ready: deque[Settled] = field(default_factory=deque)

    def through(self, asked: Sequence[Wanted], now: datetime) -> Iterator[Settled]:
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
        for future in self.settling:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.ready += future.result()
        self.settling.clear()
        yield from self._given()

    def _in_turn(self, kind: Kind, planned: Iterator[Request | Failed]) -> Iterator[Settled]:
        for step in planned:
            if isinstance(step, Failed):
                yield step
            else:
                yield from self._settled(kind.answer(self.scraper, step, self.client, self.folder))

    def _side_by_side(self, kind: Kind, planned: Iterator[Request | Failed]) -> Iterator[Settled]:
        fetchers = ThreadPoolExecutor(self.at_once, thread_name_prefix="fetch")
        settlers = ThreadPoolExecutor(SETTLERS, thread_name_prefix="settle")
        try:
            for step in planned:
                if isinstance(step, Failed):
                    yield step
                    continue
                self.fetching.add(fetchers.submit(self._answers, kind, step))
                while len(self.fetching) + len(self.settling) >= self.at_once * AHEAD:
                    yield from self._moved_on(settlers)
            while self.fetching or self.settling:
                yield from self._moved_on(settlers)
        except BaseException:
            self.hurry()
            raise
        finally:
            fetchers.shutdown(wait=True, cancel_futures=True)
            settlers.shutdown(wait=True, cancel_futures=True)

    def _moved_on(self, settlers: ThreadPoolExecutor) -> Iterator[Settled]:
        """Wait until something is finished, hand on what was fetched, and give what is settled."""
        under_way: list[Future[Any]] = [*self.fetching, *self.settling]
        wait(under_way, return_when=FIRST_COMPLETED)
        for fetched in [future for future in self.fetching if future.done()]:
            outcomes = fetched.result()
            self.fetching.remove(fetched)
            self.settling.add(settlers.submit(lambda given: list(self._settled(given)), outcomes))
        for settled in [future for future in self.settling if future.done()]:
            self.ready += settled.result()
            self.settling.remove(settled)
        yield from self._given()

    def _given(self) -> Iterator[Settled]:
        """Give what is ready; whatever interrupts that, nothing is given twice or not at all."""
        while self.ready:
            yield self.ready.popleft()

    def _answers(self, kind: Kind, request: Request) -> list[Outcome]:
        return list(kind.answer(self.scraper, request, self.client, self.folder))

    def _settled(self, outcomes: Iterable[Outcome]) -> Iterator[Settled]:
        """Settle the outcomes of one request, and leave nothing of it in the folder."""
        files: set[Path] = set()
        try:
            for outcome in outcomes:
                if isinstance(outcome, Collected) and isinstance(outcome.body, Path):
                    files.add(outcome.body)
                yield settle(self.store, outcome, run_id=self.run_id, clock=self.clock)
        finally:
            for file in files:
                if file.is_relative_to(self.folder):
                    file.unlink(missing_ok=True)


def refusal(scraper: ScraperEntry, one: Wanted, now: datetime) -> FetchError | None:
    """Say why nobody need be asked for a key, or None."""
    successor, hint = "", ""
    if scraper.superseded_by:
        successor = f"; `{scraper.superseded_by}` has what it had"
        hint = f"let the contract name `{scraper.superseded_by}` as the scraper"
    if scraper.is_retired(now.date()):
        return GoneError(f"the source ended on {scraper.valid_until}{successor}", hint=hint)
    if one.season != WHOLE_HISTORY and Season.parse(one.season) not in scraper.season_range:
        what = f"the source has the seasons {scraper.seasons}, not {one.season}{successor}"
        return GoneError(what, hint=hint)
    return _out_of_time(one.window, now) if one.window else None


def _out_of_time(window: tuple[datetime, datetime], now: datetime) -> FetchError | None:
    """Say that a day of which only the present can be had is over, or has not begun."""
    begins, ends = window
    if now >= ends:
        return LostError(
            f"only the present can be had, and this was to be taken before {ends:%Y-%m-%d %H:%M} UTC",
            hint="the day is lost: no later run can take it",
        )
    return TransientFetchError(f"it can be had from {begins:%Y-%m-%d %H:%M} UTC on") if now < begins else None
