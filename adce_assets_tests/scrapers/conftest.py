"""A small catalogue over a local server to order, and a lake for what is collected from it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from adce_assets.fetch.client import Client
from adce_assets.fetch.limits import Limits
from adce_assets.lake.store import LakeStore, open_store
from adce_assets.scrapers.catalogue import load_catalogue
from adce_assets.scrapers.collect import collect
from adce_assets.scrapers.entries import ScraperEntry
from adce_assets.scrapers.interface import Wanted
from adce_assets.scrapers.reports import CollectReport, DataSetReport
from adce_assets_tests.scrapers.every_scraper import NOTHING, Answer, Asked, Source

NOON = datetime(2024, 12, 10, 12, tzinfo=UTC)


@dataclass
class SmallSource:
    """One scraper over one server, asked for keys of one data set."""

    folder: Path
    lake: LakeStore
    source: Source
    clients: list[tuple[Client, Limits]] = field(default_factory=list)
    asked: Asked = field(default_factory=Asked)
    now: datetime = NOON

    def entry(self, **entry: Any) -> ScraperEntry:
        """Make a scraper of the data set ``some/things``, over the server."""
        yields = entry.pop("yields", {"some/things": {"requirements": {"must_have": ["a"]}}})
        whole = {"kind": "json_api", "host": "here", "path": "/{thing}", **entry, "yields": yields}
        host = {"base_url": self.source.url, "requests_per_second": 1000, "burst": 1000, "allow_private": True}
        document = {
            "contact": "https://example.org/contact",
            "hosts": {"here": host | {"attempts": 2, "robots": {"ignored_because": "a test"}}},
            "scrapers": {"one": whole},
        }
        path = self.folder / "scraper_config.yaml"
        path.write_text(yaml.safe_dump(document))
        catalogue = load_catalogue(path)
        limits = Limits(self.folder / f"limits{len(self.clients)}.sqlite")
        self.clients.append((Client(catalogue.hosts, limits, agent="adce/0", now=lambda: self.now), limits))
        return catalogue.scrapers["one"]

    def wanted(self, name: str = "x", *, window: Any = None, data_type: str = "things", **entity: str) -> Wanted:
        """Want the key of a thing."""
        return Wanted(f"{data_type}/{name}", "some", data_type, "2024-25", {"thing": name, **entity}, None, window)

    def collect(self, entry: ScraperEntry, answer: Answer | None, *asked: Wanted, **how: Any) -> CollectReport:
        """Collect keys through the newest entry while the server answers so, or from the ``client`` that is given."""
        self.asked = self.source.now_answers(answer or (lambda *_: NOTHING))
        client, _ = self.clients[-1]
        return collect(
            entry,
            asked,
            client=how.pop("client", client),
            store=self.lake,
            run_id=f"run{len(self.clients)}",
            clock=lambda: self.now,
            **how,
        )

    def one(self, answer: Answer, *asked: Wanted, **entry: Any) -> DataSetReport:
        """Collect keys through a fresh entry, and return what came of its data set."""
        return self.collect(self.entry(**entry), answer, *asked).data_sets["some/things"]

    def data(self) -> Mapping[str, bytes]:
        """Say what lies in the lake."""
        keys = [found.key for found in self.lake.list() if not found.key.startswith("_adce/")]
        return {key: self.lake.get(key) for key in keys}


@pytest.fixture
def small_source(tmp_path: Path) -> Iterator[SmallSource]:
    (tmp_path / "lake").mkdir()
    with Source().running() as running:
        small = SmallSource(tmp_path, open_store((tmp_path / "lake").as_uri()), running)
        yield small
        for client, limits in small.clients:
            client.close()
            limits.dispose()
