"""The demo from end to end, as a person starts it; and the plan by which it judges itself."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from adce_assets.cli.main import main
from adce_assets.demo import building, holes, home, verdict
from adce_assets.demo.s3_server import LocalS3
from adce_assets.errors import ConfigurationError
from adce_assets.lake.store import open_store

LAKES = os.environ.get("ADCE_TEST_LAKES", "file").split()
"""Where the demo's lake lies: `file`, `s3` or both; the loop over servers of S3 has tests of its own."""
README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")


def plan() -> list[holes.Spot]:
    return holes.spots(holes.calendar())


def test_no_document_is_spoiled_twice():
    counted = Counter((spot.game.game_id, spot.data_set) for spot in plan())
    assert counted.most_common(1)[0][1] == 1


def test_every_kind_of_hole_finds_its_games():
    found = {spot.hole.what for spot in plan()}
    assert found == {hole.what for hole in holes.HOLES}


def test_every_state_that_can_be_open_is_planted_in_the_current_season():
    assert {spot.hole.state for spot in plan() if spot.game.season_start == 2013} == {"missing", "stale", "damaged"}


def test_no_hole_lies_on_a_day_whose_schedule_is_missing():
    assert not {spot.game.date for spot in plan()} & set(holes.NO_SCHEDULE)


def test_a_difference_is_told_by_key_with_both_states():
    told = list(verdict.differences({"a": "missing", "b": "stale"}, {"b": "damaged", "c": "missing"}))
    assert told == [
        "a: planned missing, found nothing open",
        "b: planned stale, found damaged",
        "c: planned nothing open, found missing",
    ]


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigurationError, match="no demo made it"):
        home.make_home(tmp_path, "file")
    assert (tmp_path / "thesis.txt").exists()


def test_an_earlier_demo_is_made_anew(tmp_path: Path):
    first = home.make_home(tmp_path / "demo", "file")
    (first.lake / "old").write_text("left by the demo before")
    again = home.make_home(tmp_path / "demo", "s3")
    assert not (again.lake / "old").exists()
    assert home.open_home(tmp_path / "demo") == again


def test_the_ui_asks_for_a_demo_first(tmp_path: Path):
    result = CliRunner().invoke(main, ["demo", "ui", "--folder", str(tmp_path)])
    assert result.exit_code == 1
    assert "hint: run `make demo` first" in result.stderr


def test_a_lake_on_the_local_s3_server_is_kept_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    moment = holes.DAMAGED_AT
    building.write(tmp_path, [building.Planted(f"pbp/{name}.json", b"{}", moment) for name in ("a", "b")])
    with LocalS3(tmp_path) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        store = open_store("s3://adce-demo")
        assert {found.last_modified for found in store.list()} == {moment}
        store.delete("pbp/a.json")
        store.put("pbp/c.json", b"[1]")
    assert sorted(path.name for path in (tmp_path / "pbp").iterdir()) == ["b.json", "c.json"]
    assert (tmp_path / "pbp" / "c.json").read_bytes() == b"[1]"


@pytest.mark.parametrize("lake", LAKES)
def test_the_loop_closes_exactly_as_planned(tmp_path: Path, lake: str):
    ended = _demo("run", "--lake", lake, "--folder", str(tmp_path / "demo"))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    closed, planted = (int(text) for text in re.findall(r"(\d+) of (\d+) holes are closed", ended.stdout)[0])
    assert (planted, planted - closed) == (len(plan()) + len(holes.NO_SCHEDULE) + 1, 4)
    assert [line for line in ended.stdout.splitlines() if re.match(r"\d/6 ", line)][-1].endswith("Look around")
    assert f"a lake of {ended.stdout.split(' objects', maxsplit=1)[0].split()[-1]} objects" in README
    gaps = json.loads((tmp_path / "demo" / "inventory" / "cache" / "detected_gaps.json").read_text())
    assert gaps["total_keys"] == 4
    if lake == "file":
        metrics = _metrics(home.open_home(tmp_path / "demo"))
        assert [metric for metric in metrics if metrics[metric] is None] == []
        assert metrics["gaps.open_keys"] == 4
        assert metrics["ledger.closed_per_day"] == closed


def _metrics(opened: home.Home) -> dict[str, int | float | str | None]:
    """Measure what the demo's own definitions name."""
    environment = opened.environment(lake_url=opened.lake.as_uri(), source_url="http://127.0.0.1:1")
    result = CliRunner(env=environment).invoke(main, ["dims", "verify", "--json"])
    return {entry["metric"]: entry["value"] for entry in json.loads(result.stdout)["metrics"]}


def _demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the demo in the environment of a person who has a real lake, which it must not touch."""
    lake_of_theirs = {
        "ADCE_LAKE": "s3://not-the-demos",
        "ADCE_STATE": "s3://not-the-demos/state",
        "AWS_PROFILE": "real",
    }
    return subprocess.run(
        [sys.executable, "-m", "adce_assets.cli", "demo", *arguments],
        env={**os.environ, **lake_of_theirs},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
