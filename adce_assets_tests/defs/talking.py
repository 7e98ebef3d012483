"""What a process of its own runs in `test_talking_processes`: it says how far it is, and waits until it was heard."""

import time
from pathlib import Path

from adce_assets.loop.dispatch import Batch
from adce_assets.progress import Tally, current_telling


def talk(batch: Batch) -> str:
    """Tell how far the batch is; the folder where an answer appears stands in its reason."""
    telling, heard = current_telling.get(), Path(batch.reason) / batch.id
    if telling is None:
        return "nobody listens"
    telling(f"run of {batch.id}", batch.scraper, Tally(2, 1, batch.keys))
    ends = time.monotonic() + 60
    while not heard.exists() and time.monotonic() < ends:
        time.sleep(0.01)
    return "heard" if heard.exists() else "not heard"
