"""One installation: its settings, contract, lake and state, opened together and handed to every step of the loop.

The command line and the Dagster assets both begin here, so that they see the same lake and write the same files.
"""

import re
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from string import Formatter
from typing import TYPE_CHECKING
from urllib.parse import unquote

from adce_assets.contract.loading import Contract, load_contract
from adce_assets.contract.templates import Template
from adce_assets.errors import ConfigurationError
from adce_assets.lake.store import LakeStore, open_store
from adce_assets.loop.state import State
from adce_assets.settings import Settings

if TYPE_CHECKING:
    from adce_assets.ledger.book import Ledger

OWN_PREFIX = "_adce/"
"""What the loop itself writes into the bucket: markers, receipts, staged objects. Never part of the lake's data."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Project:
    """What a step of the loop works on."""

    settings: Settings
    contract: Contract
    lake: LakeStore
    state: State
    _opened: "list[Ledger]" = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def ledger(self) -> "Ledger":
        """The ledger of this installation, opened when it is first asked for, and closed with the project."""
        from adce_assets.ledger.book import open_ledger

        if not self._opened:
            ledger = open_ledger(self.settings.database_url)
            self._opened.append(ledger)
            weakref.finalize(self, ledger.dispose)
        return self._opened[0]

    @property
    def clock(self) -> Callable[[], datetime]:
        """The clock that every step of this installation goes by (UTC)."""
        return self.settings.clock

    @property
    def outside_the_lake(self) -> tuple[str, ...]:
        """Prefixes of the bucket that are not part of the lake's data, each ending in ``/``."""
        prefixes = (OWN_PREFIX, self.settings.reconciliation.s3.inventory_prefix, _below(self.lake, self.state.store))
        return tuple(prefix for prefix in prefixes if prefix)


def open_project(settings: Settings, contract: Contract | None = None) -> Project:
    """Open the lake and the state that the settings name; the contract is loaded unless it is handed in.

    Raises:
        ConfigurationError: the state is the lake itself, or it or the inventory reports lie where the contract has
            data: what is left out as no part of the lake would hide it.
    """
    encryption = settings.reconciliation.s3.encrypted
    project = Project(
        settings=settings,
        contract=contract or load_contract(settings.contract_path),
        lake=open_store(settings.lake_url, encryption=encryption),
        state=State(open_store(settings.state_url, make=True, encryption=encryption)),
    )
    if project.state.store.url == project.lake.url:
        raise ConfigurationError(
            f"`{project.lake.url}` is the lake, and the loop's own files cannot lie among its data",
            where="ADCE_STATE",
            hint="set ADCE_STATE to a folder or prefix of its own, which may lie below the lake",
        )
    _refuse_to_hide(project.contract, "s3.inventory_prefix", settings.reconciliation.s3.inventory_prefix)
    own = _below(project.lake, project.state.store)
    if own is not None:
        _refuse_to_hide(project.contract, "ADCE_STATE", own)
    return project


def _below(lake: LakeStore, store: LakeStore) -> str | None:
    """Return the prefix of the lake's keys under which another store lies, or None when it lies elsewhere."""
    if not store.url.startswith(f"{lake.url}/"):
        return None
    inside = store.url.removeprefix(f"{lake.url}/")
    return f"{unquote(inside) if store.url.startswith('file:') else inside}/"


def _refuse_to_hide(contract: Contract, setting: str, prefix: str) -> None:
    """Raise ConfigurationError when a data set of the contract has keys below a prefix that is left out."""
    for data_set in contract.data_sets.values():
        for template in data_set.templates:
            if _writes_below(template, prefix):
                raise ConfigurationError(
                    f"`{prefix}` would hide data: {data_set.name} lies there, as `{template.text}`",
                    where=setting,
                    valid="a prefix below which the contract has no data",
                    hint="give it a folder of its own, such as `inventory-reports/` or `inventory/`",
                )


def _writes_below(template: Template, prefix: str) -> bool:
    """Tell whether a key of the template can begin with the prefix; no value of a field holds a ``/``."""
    folders, parts = prefix.rstrip("/").split("/"), template.text.split("/")
    return len(parts) > len(folders) and all(
        re.fullmatch(_expression(part, template), folder, re.ASCII)
        for part, folder in zip(parts, folders, strict=False)
    )


def _expression(part: str, template: Template) -> str:
    """Write the pattern of what one part of a template's path writes."""
    pieces = Formatter().parse(part)
    return "".join(re.escape(text) + (f"(?:{template.patterns[name]})" if name else "") for text, name, _, _ in pieces)
