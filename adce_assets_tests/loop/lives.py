"""A small lake that lives: days pass, runs claim keys and collect them, or do not, and the loop goes round."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from adce_assets.configuration import ReconciliationConfig
from adce_assets.contract.loading import load_contract
from adce_assets.ledger.chain import moment_text
from adce_assets.ledger.keys import Transition
from adce_assets.ledger.leases import Wish
from adce_assets.ledger.receipts import Receipt, write_receipts
from adce_assets.ledger.transitions import Event
from adce_assets.loop import bookkeeping, closure, coverage, gaps, inventory, tasks, tombstones
from adce_assets.loop.modes import Mode
from adce_assets.loop.project import Project
from adce_assets.loop.state import COVERAGE, GAP_KEYS

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

CONTRACT = """
version: 1
leagues:
  nba: {first_season: 2021-22, season_starts: 10}
sources:
  espn:
    description: games
    league: nba
    data_types:
      boards:
        description: the games of a day
        for_each: [date]
        from_date: FROM
        grace_hours: 0
        templates: ['boards/{date}.json', 'old/{date}.json']
        scraper: espn
"""
CELL = ("espn", "boards", "2023-24")
NOON = datetime(2024, 1, 10, 12, tzinfo=UTC)
BODY = b'{"games": [1, 2, 3]}' * 20


def day(number: int) -> str:
    """Name the key of a day of January."""
    return f"boards/2024-01-{number:02d}.json"


@dataclass
class Life:
    """An installation that lacks a board for each day since ``first``; its clock is moved by hand."""

    project: Project
    clock: list[datetime]

    @classmethod
    def begin(cls, workshop: "Workshop", *, first: str = "2024-01-05", **config: Any) -> "Life":
        clock = [NOON]
        project = workshop.project(CONTRACT.replace("FROM", first), now=lambda: clock[0])
        changed = ReconciliationConfig.model_validate(config)
        return cls(replace(project, settings=replace(project.settings, reconciliation=changed)), clock)

    @property
    def now(self) -> datetime:
        return self.clock[0]

    def wait(self, **span: float) -> "Life":
        self.clock[0] += timedelta(**span)
        return self

    def look(self, mode: Mode = "list") -> dict[str, Any]:
        """Go round as far as the queue; nothing is written down."""
        inventory.take(self.project, mode=mode, accept_loss=True)
        tombstones.write(self.project, run="look")
        coverage.analyse(self.project)
        gaps.find(self.project)
        return tasks.plan(self.project, ["espn"]).document

    def cycle(self, mode: Mode = "list") -> dict[str, Any]:
        """Go round once; return the queue."""
        queue = self.look(mode)
        self.recorded = bookkeeping.record(self.project, run="loop")
        self.closed = closure.close(self.project, self.recorded.left, run="loop")
        return queue

    def states(self) -> dict[str, str]:
        return {state.key: state.state.value for state in self.project.ledger.states()}

    def history(self, key: str) -> list[str]:
        return [entry.event.value for entry in self.project.ledger.entries(key)]

    def why(self, key: str) -> Any:
        return self.project.ledger.entries(key)[-1].detail.get("why")

    def claim(self, keys: Sequence[str], *, run: str = "run", minutes: float = 10) -> list[str]:
        wishes = [Wish(key, *CELL, task="task") for key in keys]
        until = self.now + timedelta(minutes=minutes)
        return self.project.ledger.claim(wishes, run=run, until=until, now=self.now)

    def tell(self, keys: Sequence[str], *events: Event, **detail: Any) -> None:
        """Let a run that holds keys say what it did; details of time are told as they stand in the ledger."""
        told = {name: moment_text(value) if isinstance(value, datetime) else value for name, value in detail.items()}
        said = [Transition(key, event, *CELL, at=self.now, run="run", detail=told) for key in keys for event in events]
        assert not self.project.ledger.append(said).refused

    def promote(self, key: str, body: bytes | None = BODY, **told: Any) -> None:
        """Collect a key; ``body`` is what really comes to lie there, ``told`` what the run says of it."""
        assert self.claim([key]) == [key]
        etag = None if body is None else self.project.lake.put(key, body)
        self.tell([key], Event.FETCHED, Event.STAGED, Event.AUDITED)
        self.tell([key], Event.PROMOTED, **({"etag": etag, "size": len(body or b""), "sha256": None} | told))

    def receipt(self, key: str) -> None:
        """Write the receipt of a key that a run has collected."""
        facts = {
            "bytes": len(BODY),
            "sha256": "0" * 64,
            "records": None,
            "task": "",
            "run": "run",
            "attempt": 1,
            "url": "",
        }
        told = Receipt(key=key, fetched_at=self.now, promoted_at=self.now, **facts)
        source, data_type, season = CELL
        write_receipts(self.project.lake, "run", source=source, data_type=data_type, season=season, receipts=[told])

    def absent(self, keys: Sequence[str], **detail: Any) -> None:
        """Let a run find that the source has nothing for keys."""
        assert set(self.claim(keys)) == set(keys)
        self.tell(keys, Event.FAILED, **({"class": "absent", "probes": 1, "next_at": None} | detail))

    def bury(self, keys: Sequence[str], *, days: float) -> None:
        """Let a run find for the last time that the source has nothing."""
        self.absent(keys, probes=3)
        until = self.now + timedelta(days=days)
        self.tell(keys, Event.TOMBSTONED, why="the source was asked 3 times, and has nothing", until=until)

    def lose(self, key: str) -> None:
        """Take an object out of the lake behind everybody's back."""
        (self.project.settings.home / "lake" / key).unlink()

    def ask_from(self, first: str) -> None:
        """Let the contract ask only for days since another one."""
        path = self.project.settings.contract_path
        path.write_text(CONTRACT.replace("FROM", first))
        self.project = replace(self.project, contract=load_contract(path))

    def covered(self) -> dict[str, tuple[str, str]]:
        rows = self.project.state.read_table(COVERAGE).to_pylist()
        return {row["key"]: (row["state"], row["reason"]) for row in rows if row["key"]}

    def held(self) -> list[tuple[str, str | None]]:
        """List the open keys in the order of the table, with what holds each."""
        return [(row["key"], row["held"]) for row in self.project.state.read_table(GAP_KEYS).to_pylist()]
