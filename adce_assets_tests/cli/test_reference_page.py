"""The reference is made of the code: it is as new as that, and leaves nothing out."""

import re
import runpy
import shlex
from pathlib import Path

import pytest
import yaml

from adce_assets.cli.health import command as health
from adce_assets.contract.loading import load_contract
from adce_assets.scrapers.catalogue import load_catalogue
from adce_assets_tests.cli.conftest import ROOT
from adce_assets_tests.cli.test_documentation import runnable

DOCS = ROOT / "docs"
PAGES = ("install", "first_lake", "add_source", "add_scraper", "operate", "recover")


def test_the_reference_is_as_new_as_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(DOCS / "reference.py"), run_name="__main__")
    fresh = "run `python docs/reference.py > docs/reference.md`"
    assert capsys.readouterr().out == (DOCS / "reference.md").read_text("utf-8"), fresh


def typed(page: str) -> set[str]:
    """The commands of `adce` that a page shows in a block, as far as their options."""
    blocks = re.findall(r"^(?: {4}|)(adce [^\n#|&>]+)", (DOCS / f"{page}.md").read_text("utf-8"), flags=re.MULTILINE)
    return {line.strip() for line in blocks if not line.startswith("adce --")}


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_a_page_shows_can_be_typed(page: str) -> None:
    known = {"health": health} | runnable()
    for line in typed(page):
        words = shlex.split(line)[1:]
        name = next(name for name in (" ".join(words[:length]) for length in (3, 2, 1)) if name in known)
        command, rest = known[name], words[len(name.split()) :]
        command.make_context(name, rest, resilient_parsing=False).close()


@pytest.mark.parametrize("page", PAGES)
def test_every_page_and_part_that_a_page_leads_to_is_there(page: str) -> None:
    text = (DOCS / f"{page}.md").read_text("utf-8")
    parts = {
        re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-")
        for head in re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    }
    for link in re.findall(r"\]\(([^):]+)\)", text):
        assert link.removeprefix("#") in parts if link.startswith("#") else (DOCS / link).exists(), link


def test_what_the_pages_show_of_a_contract_and_a_scraper_is_valid(tmp_path: Path) -> None:
    contract, entries = (yaml.safe_load("\n".join(shown(page))) for page in ("add_source", "add_scraper"))
    contract |= {"version": 1, "leagues": {"years": {"first_season": "2015-16", "season_starts": 1}}}
    (tmp_path / "config").mkdir()
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "stations.csv").write_text("station,first_season,last_season\nENGM,2015-16,\n")
    (tmp_path / "contract.yaml").write_text(yaml.safe_dump(contract))
    (tmp_path / "config" / "scrapers.yaml").write_text(yaml.safe_dump(entries | {"contact": "https://example.org"}))
    data_sets = load_contract(tmp_path / "contract.yaml").data_sets
    scrapers = load_catalogue(tmp_path / "config" / "scrapers.yaml").scrapers
    assert data_sets["weather/days"].declared.scraper in scrapers
    assert data_sets.keys() >= {name for entry in scrapers.values() for name in entry.yields}


def shown(page: str) -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```", (DOCS / f"{page}.md").read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
