"""`adce dims`: metrics measured, approved, remembered and told from the command line, and a hook that git runs."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from adce_assets.cli import charts
from adce_assets.cli.dims import command
from adce_assets.cli.dims_reporting import FORMATS

if TYPE_CHECKING:
    from adce_assets_tests.cli.conftest import Installation

METRICS = """
version: 1
profiles: {elsewhere: off}
retention: {days: 30, snapshots: 2}
events:
  git_post_commit: {refresh: [code]}
  elsewhere: {refresh: [elsewhere]}
metrics:
  code:
    programs:
      measure: {kind: files, include: ['src/*.py']}
      unit: files
      nature: stable
      critical: true
      description: programs of the project
    notes:
      measure: {kind: lines, include: [notes.md]}
      unit: lines
      nature: volatile
      description: lines of the notes
  lake:
    objects:
      measure: {kind: objects}
      unit: objects
      nature: volatile
      description: objects of the lake
  elsewhere:
    files:
      measure: {kind: files, include: ['elsewhere/*']}
      unit: files
      nature: volatile
      profile: elsewhere
      description: what is not here
"""
NOW = datetime(2024, 12, 5, 12, tzinfo=UTC)
LONGEST_S = 30.0


@pytest.fixture
def dims(installation: "Installation") -> "Installation":
    """An installation with four programs and two lines of notes, of which nothing was measured yet."""
    (installation.home / "inventory" / "config.yaml").write_text(METRICS)
    write_programs(installation, 4)
    (installation.home / "notes.md").write_text("one\ntwo\n")
    return installation


def write_programs(installation: "Installation", many: int) -> None:
    folder = installation.home / "src"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for number in range(many):
        (folder / f"p{number}.py").write_text("pass\n")


def at(**later: float) -> dict[str, str]:
    """The environment of some time later."""
    return {"ADCE_AS_OF": (NOW + timedelta(**later)).isoformat()}


def told(result: Any) -> dict[str, Any]:
    return json.loads(result.stdout)


def by_metric(document: dict[str, Any]) -> dict[str, Any]:
    return {row["metric"]: row for row in document["metrics"]}


def test_what_is_new_and_what_cannot_be_measured_is_told_and_exits_with_one(dims: "Installation"):
    result = dims.adce("dims", "verify", "--update", "--json")
    rows = by_metric(told(result))
    assert result.exit_code == 1
    assert {name: (row["status"], row["value"]) for name, row in rows.items()} == {
        "code.programs": ("new", 4),
        "code.notes": ("new", 2),
        "lake.objects": ("error", None),
    }
    assert "adce reconcile" in rows["lake.objects"]["error"]
    assert told(result)["counts"]["new"] == 2


def test_a_lake_that_was_reconciled_is_counted_from_its_inventory(gaps_known: "Installation"):
    (gaps_known.home / "inventory" / "config.yaml").write_text(METRICS)
    document = gaps_known.json("dims", "verify", "--category", "lake")
    objects = sum(path.is_file() for path in gaps_known.lake.rglob("*"))
    assert by_metric(document)["lake.objects"]["value"] == objects


def members(group: click.Group, name: str) -> list[tuple[str, click.Command]]:
    """Every command of a group, and of the groups in it, by what one types."""
    found: list[tuple[str, click.Command]] = []
    for member, one in group.commands.items():
        inner = members(one, f"{name} {member}") if isinstance(one, click.Group) else [(f"{name} {member}", one)]
        found += inner
    return found


@pytest.mark.parametrize(("name", "one"), members(command, "dims"))
def test_every_command_shows_an_example_and_writes_json(name: str, one: click.Command):
    assert f"adce {name}" in (one.epilog or "")
    assert "--json" in {flag for option in one.params for flag in option.opts}


def test_a_small_move_exits_with_zero_and_a_large_one_with_two(dims: "Installation"):
    notes = dims.home / "notes.md"
    for lines, code, status in ((100, 0, "new"), (104, 0, "ok"), (110, 0, "minor"), (130, 2, "major")):
        notes.write_text("line\n" * lines)
        arguments = ["--update"] if status == "new" else []
        result = dims.adce("dims", "verify", "--metric", "code.notes", "--fresh", "--json", *arguments)
        assert (result.exit_code, by_metric(told(result))["code.notes"]["status"]) == (code, status)


def test_without_update_nothing_is_accepted(dims: "Installation"):
    for _ in range(2):
        assert by_metric(dims.json("dims", "verify", "--category", "code"))["code.notes"]["status"] == "new"
    assert not (dims.home / "inventory" / "metrics.yaml").exists()


def test_a_name_with_a_typing_error_gets_the_nearest_one(dims: "Installation"):
    result = dims.adce("dims", "verify", "--metric", "code.note")
    assert (result.exit_code, "did you mean `code.notes`" in result.stderr) == (1, True)
    off = dims.adce("dims", "verify", "--category", "elsewhere")
    assert (off.exit_code, "switched off" in off.stderr) == (1, True)


def test_an_installation_without_metrics_says_what_is_missing(installation: "Installation"):
    (installation.home / "inventory" / "config.yaml").unlink(missing_ok=True)
    result = installation.adce("dims", "list")
    assert (result.exit_code, "inventory/config.yaml" in result.stderr) == (1, True)


def test_a_critical_move_waits_until_a_person_accepts_the_typed_value(dims: "Installation"):
    dims.adce("dims", "verify", "--update")
    write_programs(dims, 6)
    held = dims.adce("dims", "verify", "--category", "code", "--update", "--fresh", **at(hours=1))
    assert held.exit_code == 2
    assert "adce dims approve show 1" in held.stderr
    (waiting,) = dims.json("dims", "approve", "list")["pending"]
    assert (waiting["metric"], waiting["old"], waiting["new"], waiting["drift_pct"]) == ("code.programs", 4, 6, 50.0)
    assert [one["new"] for one in dims.json("dims", "approve", "show", "1")["measured"]] == [6]
    accepted = dims.json("dims", "approve", "accept", "1", "--by", "Ann", "--note", "two more", **at(hours=2))
    assert accepted["holds"] == 6
    assert isinstance(accepted["holds"], int)
    rows = by_metric(dims.json("dims", "verify", "--category", "code", "--fresh", **at(hours=3)))
    assert rows["code.programs"]["status"] == "ok"
    again = dims.adce("dims", "approve", "reject", "1", "--by", "Bob", "--note", "no")
    assert (again.exit_code, "Ann" in again.stderr) == (1, True)
    shown = dims.adce("dims", "approve", "list", "--all")
    assert (shown.exit_code, "two more" in shown.stdout) == (0, True)


def test_what_was_rejected_holds_the_old_value(dims: "Installation"):
    dims.adce("dims", "verify", "--update")
    write_programs(dims, 2)
    dims.adce("dims", "verify", "--category", "code", "--update", "--fresh", **at(hours=1))
    rejected = dims.json("dims", "approve", "reject", "1", "--by", "Ann", "--note", "put them back", **at(hours=2))
    assert (rejected["approval"]["state"], rejected["approval"]["note"]) == ("rejected", "put them back")
    shown = dims.adce("dims", "approve", "show", "1")
    assert "rejected by Ann" in shown.stderr
    assert dims.json("dims", "approve", "list")["pending"] == []
    row = next(row for row in dims.json("dims", "list")["metrics"] if row["metric"] == "code.programs")
    assert (row["accepted"], row["value"]) == (4, 2)


@pytest.fixture
def measured(dims: "Installation") -> "Installation":
    """Four hourly measurements of the notes: 2, 3, nothing, 5 lines."""
    for hour, lines in enumerate((2, 3, 0, 5)):
        notes = dims.home / "notes.md"
        notes.unlink(missing_ok=True)
        if lines:
            notes.write_text("line\n" * lines)
        dims.adce("dims", "verify", "--category", "code", "--fresh", "--update", **at(hours=hour))
    return dims


def test_history_trend_and_stats_tell_what_was_measured(measured: "Installation"):
    later = at(hours=4)
    points = measured.json("dims", "history", "code.notes", **later)["points"]
    assert [point["value"] for point in points] == [2, 3, None, 5]
    assert [bool(point["error"]) for point in points] == [False, False, True, False]
    (stats,) = measured.json("dims", "stats", "code.notes", **later)["stats"]
    assert (stats["count"], stats["errors"], stats["minimum"], stats["maximum"], stats["last"]) == (3, 1, 2, 5, 5)
    (trend,) = measured.json("dims", "trend", "code.notes", **later)["trends"]
    assert trend["per_day"] == pytest.approx(24.0)
    again = measured.adce("dims", "verify", "--metric", "code.notes", **later)
    assert "measured 2024-12-05 15:00 UTC" in again.stdout
    table = measured.adce("dims", "history", "code.notes", **later)
    assert len(table.stdout.splitlines()) == 5
    assert {row["metric"] for row in measured.json("dims", "stats", **later)["stats"]} >= {"code.programs"}
    config = measured.home / "inventory" / "config.yaml"
    config.write_text(METRICS.replace("  code:", "  notes:").replace("[code]", "[notes]"))
    assert [point["value"] for point in measured.json("dims", "history", "code.notes", **later)["points"]] == [
        2,
        3,
        None,
        5,
    ]
    assert [row["metric"] for row in measured.json("dims", "trend", "code.notes", **later)["trends"]] == ["code.notes"]
    nowhere = measured.adce("dims", "stats", "code.nots", **later)
    assert (nowhere.exit_code, "there is no metric" in nowhere.stderr) == (1, True)


def test_a_history_that_is_empty_says_how_to_begin(dims: "Installation"):
    result = dims.adce("dims", "history", "code.notes")
    assert (result.exit_code, "adce dims verify --metric code.notes" in result.stderr) == (0, True)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_history_is_a_line(measured: "Installation", monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(charts, "is_drawn", lambda: True)
    drawn = measured.adce("dims", "history", "code.notes", "--days", "1", COLUMNS="70", **at(hours=4))
    lines = drawn.stdout.splitlines()
    assert lines[0].strip() == "code.notes (lines)"
    assert len(lines) == charts.HEIGHT
    assert "12-05 16:00" in lines[-1]
    assert "\x1b" not in drawn.stdout
    assert "4 measurement(s), 1 of which failed" in drawn.stderr


def test_a_picture_is_drawn_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert charts.is_drawn()
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert not charts.is_drawn()


def test_a_line_is_broken_where_nothing_was_measured_and_never_falls_to_nought(capsys: pytest.CaptureFixture[str]):
    hours = [NOW + timedelta(hours=hour) for hour in range(5)]
    between = (hours[0], hours[-1])

    def dots(values: list[float | None]) -> int:
        spots = list(zip(hours, values, strict=True))
        drawn = charts.line(spots, title="t", begin=between[0], until=between[1], width=60)
        assert not any(line.lstrip().startswith("0.") for line in drawn.splitlines())
        return sum(0x2800 < ord(letter) < 0x2900 for letter in drawn)

    assert 0 < dots([100.0, 101.0, None, 103.0, 104.0]) < dots([100.0, 101.0, 102.0, 103.0, 104.0])
    assert dots([100.0, None, None, None, None]) == 1
    assert dots([1e18, 1e18 + 512, None, None, None]) > 0
    assert capsys.readouterr().out == ""


def test_snapshots_are_kept_compared_and_pruned(dims: "Installation"):
    for day, lines in enumerate((2, 3, 5)):
        (dims.home / "notes.md").write_text("line\n" * lines)
        dims.adce("dims", "verify", "--category", "code", "--fresh", **at(days=day))
        taken = dims.json("dims", "snapshot", **at(days=day))
        assert taken["snapshot"]["code"]["notes"]["value"] == lines
    kept = sorted(path.name for path in (dims.home / "inventory" / "historical").iterdir())
    assert kept == ["2024-12-06.yaml", "2024-12-07.yaml"]
    found = dims.json("dims", "compare", "2024-12-06", "2024-12-07")
    assert [(row["metric"], row["before"], row["after"]) for row in found["changes"]] == [("code.notes", 3, 5)]
    everything = dims.adce("dims", "compare", "2024-12-06", "2024-12-07", "--all")
    assert "code.programs" in everything.stdout
    gone = dims.adce("dims", "compare", "2024-12-05", "2024-12-07")
    assert (gone.exit_code, "no snapshot of 2024-12-05" in gone.stderr) == (1, True)
    for day in (59, 60):
        dims.adce("dims", "verify", "--category", "code", "--fresh", **at(days=day))
    removed = dims.json("dims", "prune", **at(days=60))["removed"]
    assert removed["measurements"] > 0
    assert len(dims.json("dims", "history", "code.notes", "--days", "90", **at(days=60))["points"]) == 2


def test_an_event_refreshes_its_metrics_once_in_a_while_for_each_source(dims: "Installation"):
    config, now = dims.home / "inventory" / "config.yaml", {"ADCE_AS_OF": ""}
    config.write_text(METRICS.replace("{refresh: [code]}", "{refresh: [code], cooldown_seconds: 3600}"))
    first = dims.json("dims", "event", "git_post_commit", "--source", "git", **now)
    assert set(by_metric(first["verification"])) == {"code.programs", "code.notes"}
    again = dims.json("dims", "event", "git_post_commit", "--source", "git", **now)
    assert (again["ran"], again["verification"]) == (False, None)
    resting = dims.adce("dims", "event", "git_post_commit", "--source", "git", **now)
    until = datetime.fromisoformat(first["until"])
    assert (resting.exit_code, f"rests until {until:%Y-%m-%d %H:%M:%S} UTC" in resting.stderr) == (0, True)
    assert dims.json("dims", "event", "git_post_commit", "--source", "other", **now)["ran"]
    for _ in range(2):
        assert dims.json("dims", "event", "git_post_commit", "--source", "of a clock that stands")["ran"]
    nothing = dims.adce("dims", "event", "elsewhere")
    assert (nothing.exit_code, "refreshes no metric" in nothing.stderr) == (0, True)
    for source in ("", "x\x1b[31m"):
        refused = dims.adce("dims", "event", "git_post_commit", "--source", source)
        assert (refused.exit_code, "source" in refused.stderr) == (1, True)
    unknown = dims.adce("dims", "event", "git_post_comit")
    assert (unknown.exit_code, "git_post_commit" in unknown.stderr) == (1, True)


@pytest.mark.parametrize("form", FORMATS)
def test_a_report_goes_to_stdout_or_into_a_file_whole(measured: "Installation", tmp_path: Path, form: str):
    shown = measured.adce("dims", "report", "--format", form)
    assert shown.exit_code == 0, shown.stderr
    assert "notes" in shown.stdout
    file = tmp_path / "report"
    written = measured.adce("dims", "report", "--format", form, "-o", str(file))
    assert (written.exit_code, written.stdout) == (0, "")
    assert file.read_text() == shown.stdout or form == "notebook"
    assert list(tmp_path.glob(".report*")) == []
    if form in {"json", "notebook"}:
        json.loads(shown.stdout)


def test_a_report_that_cannot_be_written_says_so(dims: "Installation", tmp_path: Path):
    result = dims.adce("dims", "report", "--json", "-o", str(tmp_path / "no" / "file"))
    assert (result.exit_code, "cannot be written" in result.stderr) == (1, True)
    both = dims.adce("dims", "report", "--format", "html", "--json")
    assert (both.exit_code, both.stdout) == (1, "")


def test_what_a_file_says_cannot_steer_a_terminal(dims: "Installation"):
    config = dims.home / "inventory" / "config.yaml"
    config.write_text(METRICS.replace("{kind: lines, include: [notes.md]}", "{kind: document, file: d.json, path: a}"))
    (dims.home / "d.json").write_text('{"a": "\\u001b[2Jbad"}')
    result = dims.adce("dims", "verify", "--metric", "code.notes")
    assert "\x1b" not in result.output


def git(folder: Path, *arguments: str, environment: dict[str, str]) -> str:
    call = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false", *arguments]
    finished = subprocess.run(
        call, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=LONGEST_S
    )
    return finished.stdout


@pytest.fixture
def repository(dims: "Installation") -> Callable[..., str]:
    """Run git in the installation's home, which is a repository; its own configuration alone is read."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(dims.home), "GIT_CONFIG_NOSYSTEM": "1"}
    git(dims.home, "init", "--quiet", environment=environment)
    return lambda *arguments: git(dims.home, *arguments, environment=environment)


def eventually(said: Callable[[], Any]) -> Any:
    """Wait for what another process does, with an eye on it."""
    until = time.monotonic() + LONGEST_S
    while time.monotonic() < until:
        if found := said():
            return found
        time.sleep(0.05)
    pytest.fail("nothing has happened")


def test_a_commit_refreshes_the_metrics_in_the_background(dims: "Installation", repository: Callable[..., str]):
    hook = dims.json("dims", "install-hook")
    assert hook == {"schema": 1, "hook": str(dims.home / ".git" / "hooks" / "post-commit"), "changed": True}
    assert not dims.json("dims", "install-hook")["changed"]
    repository("add", "src")
    repository("commit", "--quiet", "-m", "four programs")
    log = dims.home / ".adce" / "post-commit.log"
    said = eventually(lambda: log.exists() and "run 1:" in (text := log.read_text()) and text)
    assert "code.programs" in said
    points = eventually(lambda: dims.json("dims", "history", "code.programs", ADCE_AS_OF="")["points"])
    assert [point["value"] for point in points] == [4]


def test_a_commit_does_not_fail_with_its_hook(dims: "Installation", repository: Callable[..., str]):
    dims.adce("dims", "install-hook")
    (dims.home / "inventory" / "config.yaml").write_text("metrics: [")
    repository("add", "src")
    repository("commit", "--quiet", "-m", "four programs")
    log = dims.home / ".adce" / "post-commit.log"
    assert eventually(lambda: log.exists() and log.read_text()).startswith("error: ")
    assert repository("log", "--format=%s").strip() == "four programs"


def test_another_hook_is_not_lost_unless_that_is_asked_for(dims: "Installation", repository: Callable[..., str]):
    repository("config", "core.hooksPath", "own hooks")
    hook = dims.home / "own hooks" / "post-commit"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\necho mine\n")
    refused = dims.adce("dims", "install-hook")
    assert (refused.exit_code, "there is another hook" in refused.stderr) == (1, True)
    assert "mine" in hook.read_text()
    replaced = dims.adce("dims", "install-hook", "--replace", "--repository", str(dims.home))
    assert (replaced.exit_code, os.access(hook, os.X_OK)) == (0, True)
    assert "mine" not in hook.read_text()


def test_a_repository_that_is_not_measured_gets_no_hook(
    dims: "Installation", repository: Callable[..., str], tmp_path: Path
):
    other = tmp_path / "project"
    other.mkdir()
    repository("init", "--quiet", str(other))
    refused = dims.adce("dims", "install-hook", "--repository", str(other))
    assert (refused.exit_code, f"are measured in {dims.home}" in refused.stderr) == (1, True)
    assert not (other / ".git" / "hooks" / "post-commit").exists()
    config = dims.home / "inventory" / "config.yaml"
    config.write_text(f"project: ../project\n{METRICS}")
    assert dims.json("dims", "install-hook", "--repository", str(other))["changed"]
    assert (other / ".git" / "hooks" / "post-commit").exists()
    config.write_text(METRICS.replace("{refresh: [code]}", "{refresh: [elsewhere]}"))
    idle = dims.adce("dims", "install-hook", "--repository", str(dims.home / "src"))
    assert (idle.exit_code, "refreshes no metric that is switched on" in idle.stderr) == (0, True)


def test_a_folder_that_git_does_not_know_gets_no_hook(dims: "Installation"):
    result = dims.adce("dims", "install-hook", GIT_CEILING_DIRECTORIES=str(dims.home.parent))
    assert (result.exit_code, "git does not know it" in result.stderr) == (1, True)
