"""Batches in, a process for each out, some at a time; all of them stop together, and none outlives who started it.

Only the starting process hears the keyboard, and says to the others how to end: a flag that all of them see lets them
finish what is under way, a signal ends them at once. They tell it how far they are, and it draws that of all together.
What a batch is, and how it is run, is not known here.
"""

import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import closing, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import active_children, get_context, parent_process
from typing import TYPE_CHECKING, TypeVar

from adce_assets.loop.dispatch import Batch
from adce_assets.progress import COLLECT, Tally, current_progress, current_telling
from adce_assets.scrapers.stopping import Stop, current_stop

if TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Event

EndT = TypeVar("EndT")

Told = tuple[str, str, str, Tally]
"""What a process tells: the batch it runs, the run, the host, and how far its keys are."""

LOOK_S = 0.5
"""How often what the processes tell is looked at."""

_TELLING: ContextVar["Queue[Told] | None"] = ContextVar("_TELLING", default=None)
"""What this process tells the one that started it."""
_BUSY = threading.Lock()
"""Held while this process runs a batch."""


def side_by_side(
    next_of: Callable[[list[Batch], set[str]], list[Batch]],
    run: Callable[[Batch], EndT],
    *,
    at_once: int,
    stop: Stop,
) -> Iterator[tuple[Batch, Callable[[], EndT]]]:
    """Run batches, each in a process of its own, and give each with what tells how it ended.

    Args:
        next_of: Says which batches to start, told those that run and the ids of all that were started.
        run: Runs a batch; it can be sent to another process.
        at_once: How many run at the same time.
        stop: Says when nothing more is started.
    """
    spawn = get_context("spawn")
    shared = spawn.Event()
    threading.Thread(target=_mirror, args=(stop.flag.wait, shared.set), daemon=True).start()
    with (
        closing(spawn.Queue()) as told,
        ProcessPoolExecutor(at_once, mp_context=spawn, initializer=_begin, initargs=(shared, told)) as pool,
    ):
        try:
            yield from _all(pool, next_of, run, stop, _Hearing(told))
        except BaseException:
            for child in active_children():
                child.terminate()
            raise


def _all(
    pool: ProcessPoolExecutor,
    next_of: Callable[[list[Batch], set[str]], list[Batch]],
    run: Callable[[Batch], EndT],
    stop: Stop,
    hearing: "_Hearing",
) -> Iterator[tuple[Batch, Callable[[], EndT]]]:
    running: dict[Future[EndT], Batch] = {}
    started: set[str] = set()
    while True:
        for batch in [] if stop() else next_of(list(running.values()), started):
            running[pool.submit(_run_here, run, batch, stop.seconds_left)] = batch
            started.add(batch.id)
        if not running:
            return
        ended: set[Future[EndT]] = set()
        hearing.tell_of(running.values())
        while not ended:
            ended, _ = wait(running, timeout=LOOK_S, return_when=FIRST_COMPLETED)
            hearing.tell_of(running.values())
        for future in ended:
            yield running.pop(future), future.result


@dataclass(slots=True)
class _Hearing:
    """Hears what the processes tell, and passes it on to whoever draws progress here."""

    told: "Queue[Told]"
    done: dict[str, int] = field(default_factory=dict)

    def tell_of(self, batches: Iterable[Batch]) -> None:
        """Take what there is to hear, and tell how much of these batches is done."""
        telling = current_telling.get()
        for batch, run, host, tally in self._heard():
            self.done[batch] = tally.done
            if telling is not None:
                telling(run, host, tally)
        current_progress.get()(COLLECT, sum(self.done.get(batch.id, 0) for batch in batches), None)

    def _heard(self) -> Iterator[Told]:
        with suppress(queue.Empty):
            while True:
                yield self.told.get_nowait()


def _run_here(run: Callable[[Batch], EndT], batch: Batch, seconds: float | None) -> EndT:
    stop = current_stop.get()
    if stop is not None:
        current_stop.set(Stop(stop.flag, seconds))
    telling = _TELLING.get()
    if telling is not None:
        current_telling.set(partial(_tell, telling, batch.id))
    with _BUSY:
        return run(batch)


def _tell(telling: "Queue[Told]", batch: str, run: str, host: str, tally: Tally) -> None:
    telling.put((batch, run, host, tally))


def _begin(shared: "Event", told: "Queue[Told]") -> None:
    """Leave the keyboard to the parent, and listen to what it says."""
    told.cancel_join_thread()  # nobody waits for a process that has something left to tell
    _TELLING.set(told)
    os.setpgrp()
    flag = threading.Event()
    current_stop.set(Stop(flag))
    threading.Thread(target=_mirror, args=(shared.wait, flag.set), daemon=True).start()
    threading.Thread(target=_end_with_parent, args=(flag,), daemon=True).start()


def _mirror(wait_for_it: Callable[[], object], tell: Callable[[], object]) -> None:
    """Pass on that a flag was set: a handler of signals may set one of this process alone."""
    wait_for_it()
    tell()


def _end_with_parent(flag: threading.Event) -> None:
    """Finish what is under way when the parent is gone, and end."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        flag.set()
        with _BUSY:
            os._exit(1)
