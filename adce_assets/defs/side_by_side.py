"""Batches in, a process for each out, some at a time; all of them stop together, and none outlives who started it.

Only the starting process hears the keyboard, and says to the others how to end: a flag that all of them see lets them
finish what is under way, a signal ends them at once. What a batch is, and how it is run, is not known here.
"""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import active_children, get_context, parent_process
from typing import TYPE_CHECKING, TypeVar

from adce_assets.loop.dispatch import Batch
from adce_assets.scrapers.stopping import Stop, current_stop

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

EndT = TypeVar("EndT")

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
    with ProcessPoolExecutor(at_once, mp_context=spawn, initializer=_begin, initargs=(shared,)) as pool:
        try:
            yield from _all(pool, next_of, run, stop)
        except BaseException:
            for child in active_children():
                child.terminate()
            raise


def _all(
    pool: ProcessPoolExecutor,
    next_of: Callable[[list[Batch], set[str]], list[Batch]],
    run: Callable[[Batch], EndT],
    stop: Stop,
) -> Iterator[tuple[Batch, Callable[[], EndT]]]:
    running: dict[Future[EndT], Batch] = {}
    started: set[str] = set()
    while True:
        for batch in [] if stop() else next_of(list(running.values()), started):
            running[pool.submit(_run_here, run, batch, stop.seconds_left)] = batch
            started.add(batch.id)
        if not running:
            return
        ended, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in ended:
            yield running.pop(future), future.result


def _run_here(run: Callable[[Batch], EndT], batch: Batch, seconds: float | None) -> EndT:
    stop = current_stop.get()
    if stop is not None:
        current_stop.set(Stop(stop.flag, seconds))
    with _BUSY:
        return run(batch)


def _begin(shared: "Event") -> None:
    """Leave the keyboard to the parent, and listen to what it says."""
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
