"""A folder in, the demo's world out: the home, the lake in it, and the local servers that stand for the real ones."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from adce_assets.contract.loading import Contract, load_contract
from adce_assets.demo import building
from adce_assets.demo.holes import NOW, REPORTED_AT, Spot, calendar, spots, troubles
from adce_assets.demo.home import Home, LakeKind, make_home
from adce_assets.demo.report_writer import write_report
from adce_assets.demo.s3_server import BUCKET, LocalS3
from adce_assets.demo.season import as_of
from adce_assets.demo.source import LocalSource
from adce_assets.lake.store import LakeStore, StoredObject, open_store
from adce_assets.loop.state import State
from adce_assets.scrapers.catalogue import load_catalogue
from adce_assets.settings import load_settings


@dataclass(frozen=True, slots=True)
class Plan:
    """What was built, and what is wrong with it."""

    contract: Contract
    state: State
    spoiled: list[Spot]
    objects: int
    games: int
    doubled: int


def build(folder: Path, kind: LakeKind) -> tuple[Home, Plan]:
    """Make a home, the lake with its holes, and the AWS Inventory report of it."""
    home, shown = make_home(folder, kind), calendar()
    spoiled = spots(shown)
    settings = load_settings({"ADCE_HOME": str(home.folder)})
    contract, catalogue = load_contract(settings.contract_path), load_catalogue(settings.scraper_config_path)
    number = building.write(home.lake, building.objects(contract, catalogue, shown, spoiled))
    store = open_store(home.lake.as_uri())
    write_report(
        store,
        list(_as_reported(store, kind)),
        prefix=settings.reconciliation.s3.inventory_prefix,
        bucket=BUCKET,
        config_id="whole-lake",
        created_at=REPORTED_AT,
    )
    return home, Plan(
        contract=contract,
        state=State(open_store(settings.state_url)),
        spoiled=spoiled,
        objects=number,
        games=sum(map(len, shown.values())),
        doubled=building.doubled(shown, spoiled),
    )


@contextmanager
def opened(home: Home) -> Iterator[dict[str, str]]:
    """Start what stands for the source, and for S3 if need be; lend the environment that leads to them."""
    shown = calendar()
    games = [as_of(game, NOW) for on_day in shown.values() for game in on_day]
    with ExitStack() as servers:
        source = servers.enter_context(LocalSource(games, seed=building.SEED, troubles=troubles(shown)))
        if home.kind == "s3":
            server = servers.enter_context(LocalS3(home.lake))
            yield home.environment(lake_url=f"s3://{BUCKET}", source_url=source.url) | server.environment
        else:
            yield home.environment(lake_url=home.lake.as_uri(), source_url=source.url)


def _as_reported(store: LakeStore, kind: LakeKind) -> Iterator[StoredObject]:
    """Describe the objects as the lake will: S3's ETag is the MD5 of an object, a folder's is its own."""
    root = Path(unquote(urlsplit(store.url).path))
    for found in store.list():
        if kind == "s3":
            body = (root / found.key).read_bytes()
            yield replace(found, etag=hashlib.md5(body, usedforsecurity=False).hexdigest())
        else:
            yield found
