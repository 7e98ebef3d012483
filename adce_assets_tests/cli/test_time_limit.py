"""A collection whose time is over begins nothing new, leaves the rest open, and says how to go on."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adce_assets_tests.cli.conftest import Installation


def test_a_collection_whose_time_is_over_begins_nothing_new_and_says_how_to_go_on(
    gaps_known: "Installation", source: Callable[..., str]
):
    config = gaps_known.home / "config" / "autonomous_config.yaml"
    text = re.sub(
        r"max_orchestrator_runtime_minutes: \S+", "max_orchestrator_runtime_minutes: 0.0000001", config.read_text()
    )
    config.write_text(text)
    before = sorted(gaps_known.lake.rglob("*.json"))
    result = gaps_known.adce("collect", "--no-reconcile", "--json", ADCE_HOST_ESPN_SITE=source())
    assert "stopped (1e-07 minutes are over); nothing is lost, go on with: adce collect --no-reconcile" in result.stderr
    assert sorted(gaps_known.lake.rglob("*.json")) == before
