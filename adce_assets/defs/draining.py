"""Signals in, a wish to stop out: the first one lets runs finish what is under way, the second ends them at once.

Dagster ends a run that is cancelled, or takes too long, by the same signal that a keyboard sends. What drains is known
to `scrapers`; here only who asks for it.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from adce_assets.scrapers.stopping import Stop, current_stop, never

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAID = b"stopping: what is under way is finished, the rest is given back; a second signal stops at once\n"
STDERR = 2


@contextmanager
def draining(seconds: float, also: Callable[[], bool] = never) -> Iterator[Stop]:
    """Let the first signal within the block set the flag of a `Stop`; the next one does what it would have done before.

    Where several runs are stopped together (`current_stop`), it is their flag that is set.

    Args:
        seconds: After so long the run begins nothing new by itself.
        also: Tells when else it begins nothing new.
    """
    shared = current_stop.get()
    stop = shared.within(seconds, also) if shared else Stop(threading.Event(), seconds, also)
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def as_before(number: int) -> None:
        _handle(before)
        signal.raise_signal(number)

    with _signals(stop, as_before):
        yield stop


@contextmanager
def stopping_all(stop: Stop) -> Iterator[None]:
    """Let the first signal within the block, and within every run in it, set one flag.

    Raises:
        KeyboardInterrupt: there was a second one.
    """

    def interrupt(_number: int) -> None:
        raise KeyboardInterrupt

    token = current_stop.set(stop)
    try:
        with _signals(stop, interrupt):
            yield
    finally:
        current_stop.reset(token)


@contextmanager
def _signals(stop: Stop, again: Callable[[int], None]) -> Iterator[None]:
    """Set the flag at the first signal, and call ``again`` at the next; only a main thread is told of signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def told(number: int, _frame: FrameType | None) -> None:
        if stop.flag.is_set():
            again(number)
        else:
            stop.flag.set()
            os.write(STDERR, SAID)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    _handle(dict.fromkeys(SIGNALS, told))
    try:
        yield
    finally:
        _handle(before)


def _handle(handlers: Mapping[signal.Signals, Any]) -> None:
    """Put handlers in place, as `signal.getsignal` gives them."""
    for number, handler in handlers.items():
        signal.signal(number, handler)
