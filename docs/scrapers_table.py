"""Print the table of all scrapers, made of the catalogue and of the cases that their contract tests run.

python docs/scrapers_table.py > docs/scrapers.md
"""

import importlib
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from adce_assets.fetch.hosts import Host
from adce_assets.scrapers.catalogue import Catalogue, load_catalogue
from adce_assets.scrapers.entries import ScraperEntry

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "adce_assets_tests" / "scrapers"
HEAD = """\
# Scrapers

One line each, made by `python docs/scrapers_table.py > docs/scrapers.md`. A scraper is one entry in `config/scrapers/`;
its limit is that of its host, which all scrapers of the host share. Tested: the number of cases in which a gap goes in,
a local server answers as the source does, and exactly the expected keys come out, audited and counted
(`adce_assets_tests/scrapers/test_every_scraper.py`); programs are tested by themselves. Where a source does not let
itself be asked, the last column says why: nobody asks it, and the contract expects nothing of it.
"""
COLUMNS = ("source", "scraper", "kind", "data types", "seasons", "limit", "tested", "unreachable")


def main() -> None:
    """Print the page."""
    catalogue = load_catalogue(ROOT / "config" / "scraper_config.yaml")
    rows = sorted(_rows(catalogue, _cases()))
    sources = {source for row in rows for source in row[0].split(", ")}
    print(HEAD)
    closed = sum(1 for row in rows if row[-1])
    hosts = len(catalogue.hosts)
    print(f"{len(rows)} scrapers of {len(sources)} sources on {hosts} hosts; {closed} of them are unreachable.\n")
    print(f"| {' | '.join(COLUMNS)} |")
    print(f"|{'---|' * len(COLUMNS)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def _rows(catalogue: Catalogue, cases: Counter[str]) -> Iterator[tuple[str, ...]]:
    for name, entry in catalogue.scrapers.items():
        sets = [data_set.partition("/") for data_set in entry.yields]
        sources = ", ".join(dict.fromkeys(source for source, _, _ in sets))
        types = ", ".join(f"`{data_type}`" for _, _, data_type in sets)
        limit = _limit(catalogue.hosts[entry.host], entry.host) if entry.host else "its own"
        tested = str(cases[name] or "-")
        yield sources, f"`{name}`", f"`{entry.kind}`", types, _seasons(entry), limit, tested, entry.unreachable or ""


def _seasons(entry: ScraperEntry) -> str:
    seasons = entry.seasons or ("today only" if entry.kind == "snapshot" else "all")
    successor = f", now `{entry.superseded_by}`" if entry.superseded_by else ""
    return f"{seasons} (ended {entry.valid_until}{successor})" if entry.valid_until else seasons


def _limit(host: Host, name: str) -> str:
    """Write a rate as a person says it."""
    rate, budget = host.requests_per_second, host.budget or name
    if rate >= 1:
        return f"{rate:g}/s, `{budget}`"
    per_minute = rate * 60
    return f"{per_minute:.3g}/min, `{budget}`" if per_minute >= 1 else f"{rate * 3600:.3g}/h, `{budget}`"


def _cases() -> Counter[str]:
    """Count the cases of each scraper."""
    sys.path.insert(0, str(ROOT))
    names = sorted(path.stem for path in CASES.glob("cases_*.py"))
    families = [importlib.import_module(f"adce_assets_tests.scrapers.{name}") for name in names]
    return Counter(name.partition("@")[0] for family in families for name in family.CASES)


if __name__ == "__main__":
    main()
