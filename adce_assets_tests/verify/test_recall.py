"""What a report and the audit know of each other: a report lost and made anew, an audit that was cut off."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adce_assets.errors import VerifyError
from adce_assets.settings import environment_for_child
from adce_assets.verify import audit, recall, report
from adce_assets.warehouse.database import open_warehouse
from adce_assets_tests.verify.seeding import NOW, SEASON, Workshop, key_of

pytestmark = pytest.mark.usefixtures("swift")
PROJECT = Path(__file__).parent.parent.parent
LOADED = ("games", "player_box")
LATEST = report.latest_key("games", SEASON)


def recalled(workshop: Workshop, **asked: Any) -> recall.Recalled:
    given: dict[str, Any] = {"entity": "games", "season": SEASON, "run": None, **asked}
    with open_warehouse(workshop.url, read_only=True) as warehouse:
        return recall.recalled(workshop.files, warehouse, **given)


def cut(workshop: Workshop, last: int) -> None:
    """Take the end of the audit away, so that the rest fits together."""
    workshop.change(f"DELETE FROM verify_audit WHERE seq > {last}")
    workshop.change(f"UPDATE verify_head SET seq = {last}, hash = (SELECT hash FROM verify_audit WHERE seq = {last})")


def test_two_runs_on_equal_input_report_the_same_byte_for_byte_whatever_the_hashes_are(
    staged: Workshop, tmp_path: Path
):
    texts = []
    for seed in ("1", "3"):
        folder = tmp_path / seed
        staged.copy(folder)
        program = [sys.executable, "-m", "adce_assets_tests.verify.twice", str(folder), *(["later"] * (seed == "3"))]
        environment = environment_for_child({"PYTHONHASHSEED": seed})
        texts.append(subprocess.run(program, env=environment, cwd=PROJECT, check=True, capture_output=True).stdout)
    assert texts[0] == texts[1]
    text = texts[0].decode()
    assert ('"outcome": "reconciled"' in text, '"outcome": "failed"' in text) == (True, True)
    assert all(key_of(number) in text for number in range(3))
    assert all(word in text for word in ("no record rejected", "duplicated", "lost", "changed"))


@pytest.mark.parametrize("spoiled", [False, True], ids=["reconciled", "failed"])
def test_a_report_that_was_lost_is_made_anew_byte_for_byte(workshop: Workshop, *, spoiled: bool):
    if spoiled:
        workshop.tampering = {"before": ["UPDATE staging_games SET home_score = home_score + 1"]}
    told = workshop.run("games", "lost", processes=2)
    keys = [f"verify/games/{SEASON}/lost.json", LATEST]
    bodies = [workshop.files.get(key) for key in keys]
    for key in keys:
        workshop.files.delete(key)
    found = recalled(workshop)
    assert (report.text_of(found.told).encode(), found.said) == (bodies[0], recall.ANEW)
    assert workshop.files.head(LATEST) is None
    workshop.tampering, workshop.clock = {}, lambda: NOW + timedelta(hours=1)
    assert workshop.run("games", "next")["published"]
    assert workshop.files.get(keys[0]) == bodies[0] == bodies[1]
    assert (told["published"], report.read(workshop.files, LATEST)["run"]["id"]) == (not spoiled, "next")


def test_a_report_that_is_kept_is_told_where_the_warehouse_cannot_be_asked(workshop: Workshop):
    (workshop.folder / "warehouse.duckdb").unlink()
    assert "there is no warehouse yet" in recalled(workshop).said
    with pytest.raises(VerifyError, match="there is no such report"):
        recalled(workshop, run="nobody")


def test_an_audit_whose_end_was_cut_off_is_found_and_the_next_run_writes_it_down(workshop: Workshop):
    kept = report.head_of(report.read(workshop.files, LATEST))
    cut(workshop, 5)
    with open_warehouse(workshop.url) as warehouse, warehouse.transaction() as connection:
        assert audit.verify(audit.entries(connection), audit.head(connection)) == ()
        (fault,) = audit.verify(audit.entries(connection), audit.head(connection), kept)
    assert (fault.seq, recalled(workshop).apart) == (kept.seq, True)
    told = workshop.run("games", "next")
    assert (told["published"], told["run"]["cut"]) == (True, str(kept))
    asked = "SELECT what, state, detail FROM verify_audit WHERE run = 'next' AND event = 'cut'"
    ((what, state, detail),) = workshop.rows(asked)
    assert (what, state, json.loads(detail)["head"]) == (LATEST, "cut", str(kept))
    assert not recalled(workshop).apart
    with open_warehouse(workshop.url) as warehouse, warehouse.transaction() as connection:
        heads, damaged = report.heads(workshop.files)
        faults = audit.verify(audit.entries(connection), audit.head(connection), *heads)
    assert not damaged
    assert "next" in {fault.key for fault in faults}
    assert kept.seq in {fault.seq for fault in faults}, "the run's own report still names its row"


@pytest.mark.parametrize("change", [{"merged": {"inserted": 999}}, {"finished_at": "2099-01-01T00:00:00Z"}])
def test_a_report_whose_run_was_changed_is_not_believed(workshop: Workshop, change: dict[str, Any]):
    body = workshop.files.get(LATEST)
    told = json.loads(body)
    workshop.files.put(LATEST, report.body_of({**told, "run": {**told["run"], **change}}))
    found = recalled(workshop)
    assert (report.body_of(found.told), found.said, found.apart) == (body, recall.OTHER, True)


@pytest.mark.parametrize("change", [{"finished_at": None}, {"merged": 3}, {"more": 1}])
def test_a_report_whose_run_is_none_is_a_fault_and_stops_no_other(workshop: Workshop, change: dict[str, Any]):
    body = workshop.files.get(LATEST)
    told = json.loads(body)
    workshop.files.put(LATEST, report.body_of({**told, "run": {**told["run"], **change}}))
    heads, damaged = report.heads(workshop.files)
    assert (len(heads), [fault.key for fault in damaged]) == (3, [LATEST])
    assert report.body_of(recalled(workshop).told) == body


def test_an_audit_that_was_written_anew_makes_no_report(workshop: Workshop):
    workshop.files.delete(LATEST)
    workshop.change('UPDATE verify_audit SET detail = replace(detail, \'"actual":"3"\', \'"actual":"4"\')')
    with pytest.raises(VerifyError, match="are not those that its report was made of"):
        recalled(workshop)
    assert workshop.run("games", "next")["published"]
