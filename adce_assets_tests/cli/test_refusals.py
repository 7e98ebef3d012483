"""What the loop refuses to build upon, as a person sees it: a damaged report, a sample."""

from typing import TYPE_CHECKING

from adce_assets.lake.store import open_store
from adce_assets_tests.lake.damages import DAMAGES

if TYPE_CHECKING:
    from adce_assets_tests.cli.conftest import Installation


def test_a_refused_report_shows_the_age_of_the_inventory_in_force(gaps_known: "Installation"):
    before = gaps_known.json("coverage")
    damage = next(damage for damage in DAMAGES if damage.name == "CSV: a part is missing")
    damage.write(open_store(gaps_known.lake.as_uri()), "2024-12-06T01-00Z")
    refused = gaps_known.adce("reconcile", "--mode", "aws", ADCE_AS_OF="2024-12-06T19:00:00+00:00")
    assert refused.exit_code == 1
    assert "is missing" in refused.stderr
    assert "the inventory of 2024-12-05T12:00Z, 31 h old, stays in force" in refused.stderr
    assert gaps_known.json("coverage") == before


def test_a_sample_says_how_much_there_is_and_leaves_the_inventory_alone(installation: "Installation"):
    told = installation.json("inventory", "sample")
    objects = sum(path.is_file() for path in installation.lake.rglob("*"))
    assert (told["mode"], told["total"]["objects"]["value"]) == ("sample", objects)
    assert not (installation.home / "inventory" / "cache" / "current_inventory.json").exists()
    refused = installation.adce("coverage")
    assert (refused.exit_code, "adce reconcile" in refused.stderr) == (1, True)


def test_a_reconciliation_never_goes_on_from_a_sample(installation: "Installation"):
    config = installation.home / "config" / "reconciliation_config.yaml"
    config.write_text("s3: {use_aws_inventory: true, fallback_to_sample: true}\n")
    refused = installation.adce("reconcile")
    assert refused.exit_code == 1
    assert "no gap can be made from it" in refused.stderr
    assert "--mode list" in refused.stderr


def test_a_great_loss_is_told_with_its_numbers_and_the_way_to_accept_it(gaps_known: "Installation"):
    for path in (gaps_known.lake / "pbp").iterdir():
        path.unlink()
    refused = gaps_known.adce("reconcile")
    assert refused.exit_code == 1
    assert "more than 10% vanished" in refused.stderr
    assert "espn: 23 -> 16" in refused.stderr
    assert "--accept-loss" in refused.stderr
    assert gaps_known.adce("reconcile", "--accept-loss").exit_code == 0
