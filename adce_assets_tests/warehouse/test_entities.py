"""What a file declares is checked before anything is read by it, and every fault says where it stands."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from adce_assets.errors import ConfigurationError
from adce_assets.warehouse.entities import Entity, check_data_sets, load_entities
from adce_assets_tests.warehouse.conftest import CARGO, entity

SHIPPED = Path(__file__).parent.parent.parent / "config" / "reconcile"
Change = Callable[[dict[str, Any]], Any]


def written(folder: Path, change: Change = lambda _: None, name: str = "cargo") -> Path:
    """Write the harbour's entity, changed."""
    declared = copy.deepcopy(CARGO)
    change(declared)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(declared, sort_keys=False))
    return folder


def harbour(declared: dict[str, Any]) -> dict[str, Any]:
    return declared["readings"][0]


FAULTS: list[tuple[str, Change, str]] = [
    ("an unknown key", lambda e: e.update(keys=["ship"]), r"did you mean `key`"),
    ("a type", lambda e: e["columns"]["tons"].update(type="number"), "`number` is not known"),
    ("no scale", lambda e: e["columns"]["tons"].pop("scale"), "`scale` and the type `decimal` belong together"),
    ("a system's column", lambda e: e["columns"].update(xmin={"type": "text"}), "is a column that tables have anyway"),
    (
        "a resolved one",
        lambda e: e["columns"].update(agreed={"type": "text"}),
        "is a column that tables have anyway",
    ),
    ("an own column", lambda e: e["columns"].update(run_id={"type": "text"}), "is a column that tables have anyway"),
    ("the key", lambda e: e.update(key=["vessel"]), "the key's `vessel` is no column"),
    (
        "a moment's name",
        lambda e: e["columns"].update(written_at={"type": "timestamp"}),
        "is a column that tables have",
    ),
    ("a table's name", lambda e: e.update(name="load_cargo"), "is named as tables of the service itself are"),
    ("what is resolved", lambda e: e.update(name="cargo_resolved"), "is named as tables of the service itself are"),
    ("the file's name", lambda e: e.update(name="freight"), "`freight` stands in the file `cargo.yaml`"),
    ("a source twice", lambda e: e["readings"].append(e["readings"][0]), "a source is read once"),
    ("an unknown column", lambda e: harbour(e)["columns"].update(mass="entry.mass"), "`harbour` reads `mass`"),
    ("a key unread", lambda e: harbour(e)["columns"].pop("item"), "does not say where `item` stands"),
    ("a level", lambda e: harbour(e)["columns"].update(item="crate.item"), "`item` stands at `crate.item`, below no"),
    ("a level's name", lambda e: harbour(e)["levels"][0].update(name="document"), "names of their own"),
    ("a JMESPath", lambda e: harbour(e).update(count="length("), "is no JMESPath"),
    ("an XPath", lambda e: e["readings"][1].update(count="count(//td"), "is no XPath"),
    ("a pattern", lambda e: harbour(e)["columns"].update(item={"path": "entry.item", "pattern": "a"}), "has 0 groups"),
    (
        "a broken one",
        lambda e: harbour(e)["columns"].update(item={"path": "entry.a", "pattern": "("}),
        "no regular expr",
    ),
    ("a zone", lambda e: harbour(e)["columns"].update(landed={"path": "entry.a", "zone": "Moon"}), "is no time zone"),
    (
        "codes",
        lambda e: harbour(e)["columns"].update(item={"path": "entry.a", "codes": "iso"}),
        "read by the codes `iso`",
    ),
    (
        "two places",
        lambda e: harbour(e)["columns"].update(item={"path": "entry.a", "position": "hold"}),
        "several ways",
    ),
    ("no place", lambda e: harbour(e)["columns"].update(item={"zone": "UTC"}), "says nowhere"),
    ("half labels", lambda e: harbour(e)["columns"].update(item={"labels": "entry.a"}), "belong together"),
    ("a check", lambda e: e.update(checks={"amounts": {"ton": 0}}), r"checks.amounts.ton.*did you mean `tons`"),
]


@pytest.mark.parametrize(("change", "told"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_a_fault_is_told_with_its_file_and_what_is_valid(tmp_path: Path, change: Change, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as error:
        load_entities(written(tmp_path, change))
    assert all(fault.file.endswith("cargo.yaml") and fault.line > 0 for fault in error.value.faults)


def test_a_folder_without_a_file_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no entity is declared"):
        load_entities(tmp_path)


def test_what_is_declared_survives_the_way_to_a_process() -> None:
    declared = load_entities(SHIPPED)["player_box"]
    assert Entity.model_validate_json(declared.model_dump_json(exclude={"checks"})).readings == declared.readings


def test_a_source_that_is_not_read_is_told_with_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match="valid: harbour, pilots"):
        entity().reading_of("customs")


@pytest.mark.parametrize(
    ("data_sets", "told"),
    [
        (["harbour/report", "pilots/pages"], "no `harbour/reports`.*valid: report.*did you mean `report`"),
        (["harbor/reports", "pilots/pages"], "no `harbour/reports`.*valid: harbor, pilots.*did you mean `harbor`"),
        (["harbour/reports", "pilots/charts"], "no `pilots/pages`.*valid: charts"),
    ],
)
def test_a_slip_in_the_name_of_a_data_set_does_not_lose_a_source(data_sets: list[str], told: str) -> None:
    with pytest.raises(ConfigurationError, match=f"(?s){told}"):
        check_data_sets([entity()], data_sets)


def test_a_source_that_an_installation_does_not_have_is_left_out() -> None:
    check_data_sets([entity()], ["harbour/reports", "customs/papers"])
