"""The policies of `deploy/iam`: all that ADCE does is allowed by them, and nothing is allowed that it does not need."""

import ast
import json
import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adce_assets.demo.source import LocalSource
from adce_assets.errors import AdceError
from adce_assets.fetch.staging import STAGING, sweep_staging
from adce_assets.lake.s3_store import S3Store
from adce_assets.lake.store import vacate
from adce_assets.loop import canary
from adce_assets.loop.project import Project
from adce_assets_tests.deploy.acts import (
    Act,
    asked_for_reports,
    begins,
    collected,
    collects,
    knows_when_a_report_is_due,
    looks,
    queued,
    reads_a_report,
    reported,
)
from adce_assets_tests.deploy.gate import Gate
from adce_assets_tests.deploy.rights import IAM, LAKE, Call, allows, beyond, call_of, policy
from adce_assets_tests.shipped import CONTRACT as SHIPPED

LATER = datetime(2100, 1, 1, tzinfo=UTC)
"""After every object's time, which is the server's own."""
EMPTIED = "pbp/401502000.json"
PRODUCT = Path(__file__).parents[2] / "adce_assets"


def placed(name: str, installation: str) -> dict[str, Any]:
    places = {"lake_bucket": f"{installation}-lake", "state_bucket": f"{installation}-state", "state_prefix": "loop"}
    return policy(name, **places)


@dataclass(frozen=True)
class Round:
    """What came of a round of the loop, and what it asked for and was refused."""

    project: Project
    open_keys: list[str]
    closed: int
    staged: int
    swept: int
    there_already: int
    left: list[str]
    refused: list[Call]


@pytest.fixture(scope="module")
def around(
    gate: Gate,
    installation: Callable[[str], Project],
    source: LocalSource,
    tmp_path_factory: pytest.TempPathFactory,
) -> Round:
    """Go once around within the policy, and collect the same again."""
    project, folder = installation("around"), tmp_path_factory.mktemp("limits")
    with gate.shut(placed("adce", "around")):
        looks(project)
        open_keys = [key.key for key in queued(project)]
        report = collected(project, source, folder)
        staged = len(list(project.lake.list(STAGING)))
        swept = sweep_staging(project.lake, LATER)
        again = collected(project, source, folder, "run2")
        vacate(project.lake, EMPTIED)
        looks(project)
    return Round(
        project,
        open_keys,
        sum(told.written for told in report.data_sets.values()),
        staged,
        swept,
        sum(told.already_there for told in again.data_sets.values()),
        [key.key for key in queued(project)],
        list(gate.refused),
    )


def test_a_round_of_the_loop_needs_no_more_than_the_policy_allows(around: Round):
    assert around.closed == len(around.open_keys) == 6
    assert {call.action for call in around.refused} == {"s3:DeleteObject"}


def test_what_may_not_be_removed_stays_and_is_in_nobodys_way(around: Round):
    assert (around.staged, around.swept) == (around.closed, 0)
    assert around.there_already == around.closed


def test_what_must_not_stay_is_emptied_and_found_missing_where_it_cannot_be_removed(around: Round):
    assert around.project.lake.get(EMPTIED) == b""
    assert around.left == [EMPTIED]


def test_nothing_is_removed_beyond_the_loops_own_folder_but_what_must_not_stay(around: Round):
    assert {call.key for call in around.refused if not call.key.startswith("_adce/")} == {EMPTIED}


def test_canaries_of_one_day_live_without_the_right_to_remove(around: Round, gate: Gate):
    ticks = (LATER + timedelta(seconds=tick) for tick in range(100_000))
    project = replace(around.project, settings=replace(around.project.settings, clock=lambda: next(ticks)))

    def writes(shadow: Project, keys: Sequence[Any]) -> None:
        for key in keys:
            shadow.lake.put(key.key, b'{"day": "2100-01-01"}')

    with gate.shut(placed("adce", "around")):
        sent = [canary.send(project, writes) for _ in range(2)]
    assert [one.says for one in sent if not one.is_alive] == []
    assert {one.key for one in sent} == {"canary/2100-01-01.json"}


def test_all_that_the_loop_writes_is_encrypted_as_the_configuration_says(around: Round):
    """What lay in the lake before was not; the canary's lake and state are the loop's too."""
    plain, encrypted = set(), set()
    for store in (around.project.lake, around.project.state.store):
        assert isinstance(store, S3Store)
        for found in store.list():
            told = store._head(found.key)
            assert told is not None
            (encrypted if told.get("ServerSideEncryption") == "AES256" else plain).add(found.key)
    assert {key for key in plain if key.startswith("_adce/") or "/" not in key} == set()
    assert {*around.open_keys, EMPTIED, "gaps.json"} <= encrypted
    assert plain


NEEDED: dict[tuple[str, str], Act] = {
    ("ListTheLake", "s3:ListBucket"): looks,
    ("ReadTheData", "s3:GetObject"): begins,
    ("WriteWhatIsCollected", "s3:PutObject"): collects,
    ("KeepReceiptsAndMarkers", "s3:GetObject"): collects,
    ("KeepReceiptsAndMarkers", "s3:PutObject"): collects,
    ("ReadInventoryReports", "s3:GetObject"): reads_a_report,
    ("SeeWhenReportsAreDue", "s3:GetInventoryConfiguration"): knows_when_a_report_is_due,
    ("ListTheState", "s3:ListBucket"): begins,
    ("KeepTheState", "s3:GetObject"): begins,
    ("KeepTheState", "s3:PutObject"): begins,
}
"""What does not go without an action of a statement."""


@pytest.mark.parametrize(
    ("action", "key", "is_beyond"),
    [
        ("PutObject", "pbp/1.json", False),
        ("PutObject", "below/a/prefix/pbp/1.json", False),
        ("PutObject", "_adce/receipts/x", False),
        ("PutObject", "state/cache/inventory.json", False),
        ("PutObject", "anything/else.json", True),
        ("PutObject", "hoopr_152/x.csv", True),
        ("PutObject", "inventory/x", True),
        ("PutObject", "backups/x", True),
        ("PutObject", "pbp", True),
        ("GetObject", "hoopr_152/x.csv", False),
        ("GetObject", "a_folder_of_a_test/x", False),
        ("GetObject", "backups/x", True),
        ("PutObjectAcl", "pbp/1.json", True),
    ],
)
def test_what_the_suite_asks_for_is_held_against_places_as_well(action: str, key: str, is_beyond: bool):  # noqa: FBT001 - a table
    call = Call(f"s3:{action}", "a-bucket", key)
    assert beyond([call]) == [call] * is_beyond


def test_every_action_is_needed_for_something():
    granted = [
        (statement["Sid"], action)
        for statement in policy()["Statement"]
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
    ]
    assert sorted(NEEDED) == sorted(granted)


@pytest.fixture(scope="module")
def busy(gate: Gate, installation: Callable[[str], Project]) -> Project:
    """An installation with something for every act to do, and reports that a person has set up within rights."""
    project = installation("busy")
    with gate.shut(placed("inventory-setup", "busy")):
        asked_for_reports(project)
    reported(project)
    with gate.shut(placed("adce", "busy")):
        reads_a_report(project)
        knows_when_a_report_is_due(project)
        looks(project)
    return project


@pytest.mark.parametrize(("statement", "action"), sorted(NEEDED))
def test_without_one_action_something_fails(
    busy: Project, gate: Gate, source: LocalSource, tmp_path: Path, statement: str, action: str
):
    less = deepcopy(placed("adce", "busy"))
    (found,) = [one for one in less["Statement"] if one["Sid"] == statement]
    found["Action"].remove(action)
    with gate.shut(less), pytest.raises(AdceError):
        NEEDED[statement, action](busy, source, tmp_path)


@pytest.mark.parametrize("action", ["s3:GetInventoryConfiguration", "s3:PutInventoryConfiguration"])
def test_reports_are_not_set_up_without_either_right(busy: Project, gate: Gate, action: str):
    less = placed("inventory-setup", "busy")
    less["Statement"][0]["Action"].remove(action)
    with gate.shut(less), pytest.raises(AdceError, match=action):
        asked_for_reports(busy, "another")


def test_a_wider_policy_beside_it_gives_no_right_to_remove():
    both = policy()
    both["Statement"].append({"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]})
    for method, path in (
        ("DELETE", "/LAKE-BUCKET/pbp/1.json"),
        ("DELETE", "/LAKE-BUCKET"),
        ("DELETE", "/STATE-BUCKET/x"),
    ):
        call = call_of(method, path)
        assert not allows(both, call.action, call.resource)
        assert allows(both, "s3:PutObject", call.resource)


def test_the_policy_names_the_folders_of_the_shipped_contract_and_no_others():
    folders = {
        template.prefix.partition("/")[0]: data_set.declared.scraper is not None
        for data_set in sorted(SHIPPED.data_sets.values(), key=lambda one: one.declared.scraper is not None)
        for template in data_set.templates
    }
    named = {
        statement["Sid"]: [resource.removeprefix("arn:aws:s3:::LAKE-BUCKET/") for resource in statement["Resource"]]
        for statement in policy()["Statement"]
    }
    assert named["ReadTheData"] == [f"{folder}/*" for folder in sorted(folders)]
    assert named["WriteWhatIsCollected"] == [f"{folder}/*" for folder in sorted(folders) if folders[folder]]


def test_nothing_may_be_done_in_folders_that_hold_no_data():
    found = policy()
    for entry in SHIPPED.non_data.values():
        if not entry.prefix.startswith("_adce/"):
            assert not allows(found, "s3:PutObject", f"{LAKE}/{entry.prefix}x")


def test_only_the_prefix_is_reached_where_the_lake_lies_below_one():
    text = (IAM / "adce.json").read_text().replace("LAKE-BUCKET/", "b/data/").replace("LAKE-BUCKET", "b")
    found = json.loads(text)
    assert allows(found, "s3:GetObject", "arn:aws:s3:::b/data/pbp/1.json")
    assert allows(found, "s3:ListBucket", "arn:aws:s3:::b")
    assert not allows(found, "s3:GetObject", "arn:aws:s3:::b/pbp/1.json")


@pytest.mark.parametrize("path", sorted(IAM.glob("*.json")), ids=lambda path: path.stem)
def test_a_policy_is_one_that_iam_takes(path: Path):
    from moto.iam.policy_validation import IAMPolicyDocumentValidator

    text = json.dumps(json.loads(path.read_text()), separators=(",", ":"))
    assert len(text) < 6_144
    IAMPolicyDocumentValidator(text).validate()


@pytest.mark.parametrize("path", sorted(IAM.glob("*.json")), ids=lambda path: path.stem)
def test_what_the_page_fills_in_leaves_no_place_over(path: Path):
    page = (PRODUCT.parent / "docs" / "security.md").read_text(encoding="utf-8")
    told = path.read_text(encoding="utf-8")
    for placeholder, value in re.findall(r"s#([A-Z-]+)#([^#]+)#", page):
        told = told.replace(placeholder, value)
    places = [place for one in json.loads(told)["Statement"] for place in one.get("Resource", ())]
    assert [place for place in places if re.search("[A-Z]{2}", place)] == []


MAY_STAY = {
    "dims/snapshots.py": "_sweep",
    "fetch/staging.py": "promote sweep_staging",
    "lake/store.py": "probe_conditional_writes vacate",
    "loop/canary.py": "_clear",
}
"""Where objects are deleted, by functions that the refusal of it stops in nothing."""


def test_nothing_else_removes_an_object():
    found: dict[str, set[str]] = {}
    for path in PRODUCT.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        tree = ast.walk(ast.parse(text)) if ".delete(" in text else ()
        for function in [node for node in tree if isinstance(node, ast.FunctionDef)]:
            if any(_deletes(node) for node in ast.walk(function)):
                found.setdefault(str(path.relative_to(PRODUCT)), set()).add(function.name)
    assert {name: " ".join(sorted(functions)) for name, functions in found.items()} == MAY_STAY


def _deletes(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "delete"
        and ast.unparse(node.func.value) != "sa"
    )
