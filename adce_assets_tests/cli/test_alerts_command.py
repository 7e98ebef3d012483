"""`adce alerts`: what is told, what was, what did not arrive, and who wants silence."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytest_httpserver import HTTPServer

from adce_assets.operate import alerts
from adce_assets.operate.causes import Cause, Severity
from adce_assets.settings import load_settings
from adce_assets_tests.cli.conftest import NOW, Installation

LATE = Cause("cycle_late", "", Severity.CRITICAL, "no cycle", "`adce reconcile`", NOW - timedelta(hours=2), "/runs")


@pytest.fixture(scope="module")
def listening() -> Iterator[HTTPServer]:
    with HTTPServer() as server:
        yield server


@pytest.fixture
def server(listening: HTTPServer) -> HTTPServer:
    listening.clear()
    listening.expect_request("/hook").respond_with_data("ok")
    return listening


@pytest.fixture
def home(tmp_path: Path, server: HTTPServer) -> Installation:
    """A home with two channels, one of which leads nowhere."""
    root = Path(__file__).resolve().parents[2]
    (tmp_path / "config").mkdir()
    for name in ("autonomous_config.yaml", "reconciliation_config.yaml"):
        (tmp_path / "config" / name).write_text((root / "config" / name).read_text())
    hook = {"kind": "webhook", "secret": "HOOK_KEY", "allow_private": True}
    channels = [{**hook, "name": name, "url": server.url_for(path)} for name, path in (("a", "/hook"), ("b", "/no"))]
    configure(tmp_path, {"after_minutes": 0, "channels": channels})
    return Installation(tmp_path, {"ADCE_HOME": str(tmp_path), "ADCE_AS_OF": NOW.isoformat(), "HOOK_KEY": "a key"})


def configure(home: Path, told: dict[str, Any]) -> None:
    path = home / "config" / "autonomous_config.yaml"
    document = yaml.safe_load(path.read_text())
    document["alerts"] |= told
    path.write_text(yaml.safe_dump(document))


def look(home: Installation, *causes: Cause, minutes: float = 0) -> None:
    alerts.tend(load_settings(home.variables), causes, NOW + timedelta(minutes=minutes))


def test_what_stands_and_what_did_not_arrive_is_listed(home: Installation):
    look(home, LATE)
    told = home.json("alerts", "list")
    (alert,), (message,) = told["alerts"], told["messages"]
    assert (alert["state"], alert["code"], alert["since"]) == (
        "open",
        "cycle_late",
        LATE.since and LATE.since.isoformat(),
    )
    assert (message["channel"], message["state"], message["attempts"]) == ("b", "waiting", 1)
    assert "answered 500" in message["error"]
    assert told["channels"] == ["a", "b"]
    shown = home.adce("alerts", "list").stdout
    assert "no cycle" in shown
    assert "answered 500" in shown


def test_what_is_over_is_listed_when_that_is_asked(home: Installation):
    look(home, LATE)
    look(home, minutes=1)
    assert home.json("alerts", "list")["alerts"][0]["code"] == "alert_undelivered"
    told = home.json("alerts", "list", "--all")
    assert ("cleared", "cycle_late") in {(one["state"], one["code"]) for one in told["alerts"]}
    assert {one["state"] for one in told["messages"]} == {"delivered", "waiting"}


def test_nothing_to_tell_is_said(home: Installation):
    configure(home.home, {"channels": []})
    result = home.adce("alerts", "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no alert stands" in result.stderr
    assert "there are no channels" in result.stderr


def test_a_test_says_of_each_channel_whether_it_arrived(home: Installation, server: HTTPServer):
    result = home.adce("alerts", "test", "--json")
    rows = json.loads(result.stdout)["channels"]
    assert result.exit_code == 1
    assert [(row["channel"], row["state"]) for row in rows] == [("a", "sent"), ("b", "failed")]
    assert "answered 500" in rows[1]["error"]
    got = json.loads(next(request for request, _ in server.log if request.path == "/hook").data)
    assert [(one["kind"], one["code"]) for one in got["alerts"]] == [("test", "test")]
    assert home.json("alerts", "list", "--all")["messages"] == [], "a test leaves nothing behind"


def test_one_channel_is_tried_alone(home: Installation):
    result = home.adce("alerts", "test", "--channel", "a")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 2)


@pytest.mark.parametrize(("name", "said"), [("c", "no channel `c`"), (None, "there are no channels")])
def test_a_channel_that_is_not_there_is_an_error(home: Installation, name: str | None, said: str):
    if name is None:
        configure(home.home, {"channels": []})
    result = home.adce("alerts", "test", *(["--channel", name] if name else []))
    assert result.exit_code == 1
    assert said in result.stderr


def silence(home: Installation, *arguments: str) -> Any:
    return home.adce("alerts", "silence", *arguments, "--by", "Ann", "--note", "we know")


@pytest.mark.parametrize(
    ("until", "moment"),
    [
        ("90m", NOW + timedelta(minutes=90)),
        ("8h", NOW + timedelta(hours=8)),
        ("3d", NOW + timedelta(days=3)),
        ("2024-12-06T01:00", datetime.fromisoformat("2024-12-06T01:00+00:00")),
        ("2024-12-06T01:00+02:00", datetime.fromisoformat("2024-12-05T23:00+00:00")),
    ],
)
def test_silence_holds_until_a_moment(home: Installation, until: str, moment: datetime):
    assert silence(home, "cycle_late", "--until", until).exit_code == 0
    (kept,) = home.json("alerts", "list")["silences"]
    assert kept == {"code": "cycle_late", "subject": "", "by": "Ann", "note": "we know", "until": moment.isoformat()}


def test_silence_is_kept_and_ended(home: Installation, server: HTTPServer):
    assert silence(home, "cycle_late", "--until", "1h").exit_code == 0
    look(home, LATE)
    assert server.log == []
    assert "silent until" in home.adce("alerts", "list").stderr
    assert silence(home, "cycle_late", "--end").exit_code == 0
    look(home, LATE, minutes=1)
    assert [request.path for request, _ in server.log].count("/hook") == 1


def test_a_failure_that_will_never_work_again_is_struck_out(home: Installation, server: HTTPServer):
    settings = load_settings(home.variables)
    alerts.note(settings, Cause("run_failed", "old job", Severity.WARNING, "it failed", ""), NOW)
    look(home)
    decided = ("--by", "Ann", "--note", "there is no such job")
    other = home.adce("alerts", "dismiss", "run_failed", "another", *decided)
    assert (other.exit_code, "run_failed `old job`" in other.stderr) == (1, True)
    assert home.adce("alerts", "dismiss", "run_failed", "old job", *decided).exit_code == 0
    look(home, minutes=1)
    told = [json.loads(request.data)["alerts"] for request, _ in server.log if request.path == "/hook"]
    assert ("cleared", "run_failed") in {(one["kind"], one["code"]) for alerts in told for one in alerts}


def test_a_code_that_no_cause_has_is_refused(home: Installation):
    result = silence(home, "cycle_latte", "--until", "1h")
    assert result.exit_code == 1
    assert "no cause has the code `cycle_latte`" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--until", "soon"], "`soon` is no time"),
        (["--until", "0001-01-01T00:00+14:00"], "is no time"),
        (["--until", "2024-12-05T11:59"], "is over"),
        ([], "either --until or --end"),
        (["--until", "1h", "--end"], "either --until or --end"),
        (["--end"], "nobody wants silence"),
    ],
)
def test_a_silence_that_makes_no_sense_is_refused(home: Installation, arguments: list[str], said: str):
    result = silence(home, "cycle_late", *arguments)
    assert result.exit_code == 1
    assert said in result.stderr
