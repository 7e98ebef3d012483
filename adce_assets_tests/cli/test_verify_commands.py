"""`adce verify`: a season is loaded, checked, reported on and shown, and the exit code says whether it reconciles."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from adce_assets.cli.verify import show_report
from adce_assets_tests.cli.conftest import Installation, make_installation

SEASON = ("--season", "2024-25")
KEY = "box_scores/401524001.json"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation whose games were loaded once, by the run `first`; one document of four is missing."""
    made = make_installation(tmp_path_factory.mktemp("loaded") / "home")
    assert made.adce("reconcile").exit_code == 0
    result = made.adce("verify", "run", "games", *SEASON, "--run-id", "first")
    assert result.exit_code == 0, result.stderr
    assert "games 2024-25: reconciled: everything is accounted for" in result.stderr
    assert "COUNT" in result.stdout
    return made


def test_the_report_of_a_run_is_kept_whole(loaded: Installation):
    told = loaded.json("verify", "report", "games", *SEASON)
    assert (told["schema"], told["outcome"], told["published"], told["run"]["id"]) == (1, "reconciled", True, "first")
    assert sum(worker["staged"] for worker in told["run"]["workers"]) == 3
    assert loaded.json("verify", "report", "games", *SEASON, "--run", "first") == told


def test_a_page_is_all_that_is_written_where_it_is_asked_for(loaded: Installation):
    for asked in (("games", *SEASON), ("--run", "first"), ()):
        result = loaded.adce("verify", "report", *asked, "--html")
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout.startswith("<!doctype html>")
        assert result.stdout.endswith("</html>\n")


def test_what_the_audit_has_on_a_run_is_shown_with_its_head(loaded: Installation):
    told = loaded.json("verify", "show", "--run", "first")
    assert [entry["event"] for entry in told["entries"]][:: len(told["entries"]) - 1] == ["started", "ended"]
    assert (told["faults"], told["head"].partition(":")[0]) == ([], str(len(told["entries"])))
    shown = loaded.adce("verify", "show", "--run", "first")
    assert (shown.exit_code, shown.stdout.count("passed") > 20) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "gmes", *SEASON), "there is no entity `gmes`"),
        (("run", "games", "--season", "2024-2025"), "valid: 2024-25"),
        (("report", "games", "--season", "2023-24"), "there is no such report"),
        (("show", "--run", "nobody"), "the audit has nothing on the run `nobody`"),
        (("run", "games"), "Missing option '--season'"),
        (("run", "games", *SEASON, "--run-id", "../../x"), "is no name of a run"),
        (("report", "--html", "--json"), "either `--html` or `--json`"),
    ],
)
def test_what_is_not_there_is_an_error(loaded: Installation, arguments: tuple[str, ...], said: str):
    result = loaded.adce("verify", *arguments)
    assert (result.exit_code, said in result.stderr) == (1, True)


def test_a_season_that_does_not_reconcile_exits_with_2_and_names_what_differs(loaded: Installation):
    file = loaded.lake / KEY
    sound = file.read_bytes()
    told = json.loads(sound)
    told["header"]["competitions"][0]["competitors"][0]["linescores"][0]["displayValue"] = "1"
    try:
        file.write_bytes(json.dumps(told).encode())
        result = loaded.adce("verify", "run", "games", *SEASON, "--run-id", "spoiled")
        reported = loaded.adce("verify", "report", "games", *SEASON, "--json")
    finally:
        file.write_bytes(sound)
    assert (result.exit_code, reported.exit_code) == (2, 2)
    assert "home_quarters_sum_to_the_score" in result.stderr
    assert "401524001" in result.stderr
    assert "not published" in result.stderr
    assert not json.loads(reported.stdout)["published"]


def test_what_documents_say_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]):
    row = {"key": "{}", "kind": "changed", "expected": "Anna", "actual": "\x1b]0;owned\x07\x1b[2JAnna"}
    check = {
        "id": "HASH",
        "type": "HASH",
        "level": "",
        "name": "every row",
        "source": None,
        "state": "failed",
        "asked": True,
    }
    told = {"entity": "games", "season": "2024-25", "outcome": "failed", "says": "no", "published": False}
    totals, run = {"passed": 0, "checks": 1, "not_asked": 0}, {"id": "it", "merged": {}}
    checks = [{**check, "expected": "a", "actual": "b", "rows": [row, {**row, "actual": None}]}]
    show_report({**told, "totals": totals, "run": run, "checks": checks})
    shown = capsys.readouterr().err
    assert "Anna -> nothing" in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown


def test_what_is_only_looked_at_is_not_made(tmp_path: Path):
    made = make_installation(tmp_path / "home")
    assert made.adce("reconcile").exit_code == 0
    before = sorted(made.home.rglob("*"))
    for asked, said in ((("show", "--run", "first"), "no warehouse yet"), (("report", "games"), "no such report")):
        result = made.adce("verify", *asked)
        assert (result.exit_code, said in result.stderr) == (1, True)
    assert sorted(made.home.rglob("*")) == before


def test_a_report_that_was_lost_is_made_of_the_audit_and_not_kept(loaded: Installation):
    files = sorted((loaded.home / "inventory" / "verify").rglob("*.json"))
    bodies = [file.read_bytes() for file in files]
    asked = ("verify", "report", "--run", "first", "--json")
    kept = loaded.adce(*asked)
    try:
        for file in files:
            file.unlink()
        result = loaded.adce(*asked)
        assert not any(file.exists() for file in files)
    finally:
        for file, body in zip(files, bodies, strict=True):
            file.write_bytes(body)
    assert json.loads(result.stdout) == json.loads(kept.stdout)
    assert (kept.stderr, "made of the rows that the audit has" in result.stderr) == ("", True)


def test_an_audit_whose_end_was_cut_off_is_found_against_the_last_report(loaded: Installation):
    file = loaded.home / ".adce" / "warehouse.duckdb"
    whole = file.read_bytes()
    try:
        with duckdb.connect(str(file)) as connection:
            connection.execute("DELETE FROM verify_audit WHERE seq > 5")
            connection.execute("UPDATE verify_head SET seq = 5, hash = (SELECT hash FROM verify_audit WHERE seq = 5)")
        shown = loaded.adce("verify", "show", "--run", "first", "--json")
        reported = loaded.adce("verify", "report", "games", *SEASON)
    finally:
        file.write_bytes(whole)
    faults = json.loads(shown.stdout)["faults"]
    assert (shown.exit_code, {"or is gone" in fault["what"] for fault in faults}) == (1, {True})
    assert len(faults) == len(list((loaded.home / "inventory" / "verify" / "games" / "2024-25").iterdir()))
    assert (reported.exit_code, "its end was cut off" in reported.stderr) == (1, True)


def test_an_audit_that_was_changed_is_found(loaded: Installation):
    with duckdb.connect(str(loaded.home / ".adce" / "warehouse.duckdb")) as connection:
        connection.execute("UPDATE verify_audit SET state = 'failed' WHERE seq = 3")
    result = loaded.adce("verify", "show", "--run", "first", "--json")
    assert result.exit_code == 1
    found: list[dict[str, Any]] = json.loads(result.stdout)["faults"]
    assert [fault["seq"] for fault in found] == [3]
