"""Limits that note what they are told."""

from pathlib import Path

from adce_assets.fetch.hosts import Host
from adce_assets.fetch.limits import Answered, Lane, Limits
from adce_assets_tests.misbehaving import Clock


class Notebook(Limits):
    """Notes how requests went, in whose lane they were asked for, and who was closed."""

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path, clock_ms=clock.milliseconds, sleep=clock.sleep)
        self.told: list[Answered] = []
        self.lanes: list[Lane] = []
        self.delays: list[float | None] = []
        self.closures: list[tuple[float, str]] = []

    def acquire(self, name: str, host: Host, *, lane: Lane = Lane.FRESH, crawl_delay_s: float | None = None) -> float:
        self.lanes.append(lane)
        self.delays.append(crawl_delay_s)
        return super().acquire(name, host, lane=lane, crawl_delay_s=crawl_delay_s)

    def answered(self, name: str, host: Host, how: Answered) -> None:
        self.told.append(how)
        super().answered(name, host, how)

    def close_host(self, name: str, host: Host, seconds: float, why: str) -> None:
        self.closures.append((seconds, why))
        super().close_host(name, host, seconds, why)
