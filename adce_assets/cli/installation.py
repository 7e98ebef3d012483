"""The environment in, the loop's files and its ledger out: all that a command needs which only shows what is known."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adce_assets.ledger.book import Ledger
    from adce_assets.loop.state import State


def state() -> "State":
    """Open the files of the loop; the lake and the contract are not looked at, nor how the loop runs by itself."""
    from adce_assets.lake.store import open_store
    from adce_assets.loop.state import State
    from adce_assets.settings import reconciliation_of, state_url_of

    return State(open_store(state_url_of(), encryption=reconciliation_of().s3.encrypted))


@contextmanager
def opened_ledger() -> "Generator[Ledger]":
    """Open the ledger for the length of the block; neither the lake nor the contract is looked at."""
    from adce_assets.ledger.book import open_ledger
    from adce_assets.settings import load_settings

    opened = open_ledger(load_settings().database_url)
    try:
        yield opened
    finally:
        opened.dispose()
