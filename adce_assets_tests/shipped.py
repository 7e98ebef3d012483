"""The contract and the catalogue that ship with the project, read once for all tests of a process."""

from pathlib import Path

from adce_assets.contract.loading import load_contract
from adce_assets.scrapers.catalogue import load_catalogue

ROOT = Path(__file__).resolve().parents[1]
CONTRACT = load_contract(ROOT / "inventory" / "data_inventory.yaml")
CATALOGUE = load_catalogue(ROOT / "config" / "scraper_config.yaml")
