"""A report that cannot be read, as a person sees it: what is wrong, and which inventory is in force all the same."""

from typing import TYPE_CHECKING

from adce_assets.lake.store import open_store
from adce_assets_tests.lake.damages import DAMAGES

if TYPE_CHECKING:
    from adce_assets_tests.cli.conftest import Installation


def test_a_refused_report_shows_the_age_of_the_inventory_in_force(installation: "Installation"):
    assert installation.adce("reconcile").exit_code == 0
    before = installation.json("coverage")
    damage = next(damage for damage in DAMAGES if damage.name == "CSV: a part is missing")
    damage.write(open_store(installation.lake.as_uri()), "2024-12-06T01-00Z")
    refused = installation.adce("reconcile", "--mode", "aws", ADCE_AS_OF="2024-12-06T19:00:00+00:00")
    assert refused.exit_code == 1
    assert "is missing" in refused.stderr
    assert "the inventory of 2024-12-05T12:00Z, 31 h old, stays in force" in refused.stderr
    assert installation.json("coverage") == before
