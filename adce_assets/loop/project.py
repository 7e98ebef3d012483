"""One installation: its settings, contract, lake and state, opened together and handed to every step of the loop.

The command line and the Dagster assets both begin here, so that they see the same lake and write the same files.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from adce_assets.contract.loading import Contract, load_contract
from adce_assets.lake.store import LakeStore, open_store
from adce_assets.loop.state import State
from adce_assets.settings import Settings

OWN_PREFIX = "_adce/"
"""What the loop itself writes into the bucket: markers, receipts, staged objects. Never part of the lake's data."""


@dataclass(frozen=True, slots=True)
class Project:
    """What a step of the loop works on."""

    settings: Settings
    contract: Contract
    lake: LakeStore
    state: State

    @property
    def clock(self) -> Callable[[], datetime]:
        """The clock that every step of this installation goes by (UTC)."""
        return self.settings.clock

    @property
    def outside_the_lake(self) -> tuple[str, ...]:
        """Prefixes of the bucket that are not part of the lake's data."""
        return (OWN_PREFIX, self.settings.reconciliation.s3.inventory_prefix)


def open_project(settings: Settings, contract: Contract | None = None) -> Project:
    """Open the lake and the state that the settings name; the contract is loaded unless it is handed in."""
    return Project(
        settings=settings,
        contract=contract or load_contract(settings.contract_path),
        lake=open_store(settings.lake_url),
        state=State(open_store(settings.state_url, make=True)),
    )
