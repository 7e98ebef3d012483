"""Tokens, the log of actions and the end of a halt at the command line; what changes something is told of, and how."""

import json
import os
import pwd
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import click
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from adce_assets.cli.acting import ACTIONS, logged
from adce_assets.lake.store import open_store
from adce_assets.loop.state import State
from adce_assets.operate import access_database, halting
from adce_assets.operate.tokens import Holder, Role, Tokens
from adce_assets.settings import load_settings
from adce_assets_tests.cli.conftest import ROOT, Installation, make_installation
from adce_assets_tests.cli.test_documentation import runnable

LOOKS = {
    *(
        "coverage",
        "gaps",
        "tasks",
        "plan",
        "hosts",
        "why",
        "prove",
        "report",
        "doctor",
        "status",
        "logs",
        "health serve",
    ),
    *("health", "inventory status", "inventory sample", "approve list", "approve show", "dlq list", "dlq show"),
    *("ledger verify", "verify report", "verify show", "token list", "audit list", "audit verify", "settings"),
    *("dims list", "dims history", "dims trend", "dims stats", "dims report", "dims approve list", "dims approve show"),
    *(
        "dims snapshot",
        "dims compare",
        "dims event",
        "dims metrics",
        "demo run",
        "demo ui",
        "completion",
        "alerts list",
    ),
    *("alerts test", "verify diff", "init"),
}
"""Commands that only look, measure, work on a lake of their own, or make a home, which has no log before: none of them
is in the log of actions."""
USER = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return make_installation(tmp_path_factory.mktemp("made") / "home")


def entries(made: Installation, *arguments: str) -> list[dict[str, Any]]:
    return made.json("audit", "list", *arguments)["entries"]


def test_of_every_command_it_is_decided_whether_the_log_tells_of_it():
    assert set(runnable()) - set(ACTIONS) - LOOKS == set()
    assert not set(ACTIONS) & LOOKS


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_the_page_names_what_the_log_tells_of(name: str):
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    assert any(f"`{one}" in page for one in (name, name.rpartition(" ")[0]) if one)


@pytest.mark.parametrize("name", sorted(set(ACTIONS) & set(runnable())))
def test_what_the_log_keeps_of_a_command_are_parameters_that_it_has(name: str):
    command, declared = runnable()[name], ACTIONS[name]
    named = {declared.subject, *declared.kept} - {""}
    assert named <= {parameter.name for parameter in command.params}
    assert isinstance(declared.when(dict.fromkeys(one.name or "" for one in command.params)), bool | None)


def test_a_token_is_issued_rotated_and_revoked_and_the_log_has_no_secret(installation: Installation):
    first = installation.json("token", "issue", "ops", "--role", "operator")["secret"]
    second = installation.adce("token", "rotate", "ops").stdout.strip()
    with access_database.opened(load_settings(installation.variables)) as database:
        tokens = Tokens(database, lambda: datetime.now(UTC))
        assert tokens.holder(first) is None
        assert tokens.holder(second) == Holder("ops", Role.OPERATOR)
    installation.json("token", "revoke", "ops")
    (listed,) = installation.json("token", "list")["tokens"]
    assert (listed["name"], listed["role"], listed["is"], listed["issued_by"]) == ("ops", "operator", "revoked", USER)
    told = entries(installation)
    assert [(entry["action"], entry["outcome"]) for entry in reversed(told)] == [
        (f"token {action}", outcome) for action in ("issue", "rotate", "revoke") for outcome in ("begun", "done")
    ]
    assert {entry["actor"] for entry in told} == {USER}
    assert first not in json.dumps(told)
    assert second not in json.dumps(told)
    assert installation.adce("audit", "verify").exit_code == 0


def test_a_token_that_is_there_already_is_an_error_that_the_log_tells_of(made: Installation):
    made.adce("token", "issue", "twice")
    refused = made.adce("token", "issue", "twice")
    assert refused.exit_code == 1
    assert "adce token rotate twice" in refused.stderr
    (last, *_) = entries(made, "--action", "token issue")
    assert (last["outcome"], last["detail"]["error"][:11]) == ("failed", "AccessError")


def test_what_only_looks_leaves_no_entry(made: Installation):
    before = entries(made)
    for command in (["token", "list"], ["audit", "list"], ["audit", "verify"], ["collect", "--dry-run"], ["hosts"]):
        made.adce(*command)
    assert entries(made) == before


def test_a_halt_is_ended_by_a_person_and_the_log_tells_by_whom(installation: Installation):
    halt(installation)
    refused = installation.adce("resume", "--by", "Ann")
    assert refused.exit_code == 1
    told = installation.json("resume", "--by", "Ann", "--note", "the mirror has moved")
    assert (told["was_halted"], told["halt"]["reason"]) == (True, "inward")
    assert installation.json("resume", "--by", "Ann", "--note", "again")["was_halted"] is False
    (*_, begun) = entries(installation, "--action", "resume")
    assert begun["detail"]["note"] == "the mirror has moved"
    assert begun["detail"]["by"] == "Ann"


def test_a_slip_in_the_configuration_keeps_no_leaked_token_alive_and_no_halt_standing(installation: Installation):
    installation.adce("token", "issue", "ops")
    halt(installation)
    with (installation.home / "config" / "autonomous_config.yaml").open("a") as configuration:
        configuration.write("\nbogus: 1\n")
    assert "bogus" in installation.adce("settings", ADCE_DRY_RUN="perhaps").stderr
    assert installation.json("token", "revoke", "ops", ADCE_DRY_RUN="perhaps")["revoked"]
    assert installation.json("token", "list")["tokens"][0]["is"] == "revoked"
    assert installation.json("resume", "--by", "Ann", "--note", "it is mended")["was_halted"]
    assert len(entries(installation)) == 6


def halt(made: Installation) -> None:
    state = State(open_store((made.home / "inventory").as_uri()))
    halting.halt(state, "inward", "a test says so", at=datetime(2025, 1, 1, tzinfo=UTC), by="a test")


def test_nothing_is_collected_at_the_command_line_while_the_loop_is_halted(gaps_known: Installation):
    halt(gaps_known)
    refused = gaps_known.adce("collect", ADCE_HOST_ESPN_SITE="http://127.0.0.1:9")
    assert refused.exit_code == 4
    assert "adce resume" in refused.stderr
    assert gaps_known.adce("collect", "--dry-run").exit_code == 0


def test_collecting_at_the_command_line_ends_with_the_halt_that_it_has_caused(
    gaps_known: Installation, httpserver: HTTPServer
):
    away = Response(status=302, headers={"Location": "http://169.254.169.254/latest/meta-data/"})
    httpserver.expect_request(re.compile(".*")).respond_with_response(away)
    ended = gaps_known.adce("collect", "--json", ADCE_HOST_ESPN_SITE=httpserver.url_for("").rstrip("/"))
    assert ended.exit_code == 4
    assert "halted since" in json.loads(ended.stdout)["stopped"]
    (last, *_) = entries(gaps_known, "--action", "collect")
    assert (last["outcome"], last["detail"]["exit_code"]) == ("failed", 4)
    (halt, *_) = entries(gaps_known, "--actor", "loop")
    assert (halt["action"], halt["subject"]) == ("halt", "inward")


def test_a_person_begins_nothing_of_which_the_log_cannot_tell(installation: Installation):
    unwritable(installation)
    refused = installation.adce("token", "issue", "ops")
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert "who may do what and who did it" in refused.stderr


def test_the_loop_can_be_stopped_without_a_log(installation: Installation, caplog: pytest.LogCaptureFixture):
    unwritable(installation)
    assert installation.adce("stop").exit_code == 0
    assert "the log of actions does not tell of this (stop)" in caplog.text


def unwritable(made: Installation) -> None:
    file = made.home / ".adce" / "access.sqlite"
    file.unlink(missing_ok=True)
    file.mkdir(parents=True)


@pytest.mark.parametrize(("code", "outcome"), [(0, "done"), (2, "done"), (1, "failed"), (130, "failed")])
def test_an_exit_code_that_answers_is_no_failure(
    made: Installation, monkeypatch: pytest.MonkeyPatch, code: int, outcome: str
):
    @click.command()
    @click.pass_context
    def command(ctx: click.Context) -> None:
        ctx.exit(code)

    logged("stop", command)
    monkeypatch.setenv("ADCE_HOME", str(made.home))
    with click.Context(command) as context, pytest.raises(click.exceptions.Exit) as ended:
        command.invoke(context)
    assert ended.value.exit_code == code
    (last, *_) = entries(made, "--action", "stop")
    assert (last["outcome"], last["detail"]["exit_code"]) == (outcome, code)


def test_a_changed_entry_is_found_and_exits_with_one(installation: Installation):
    installation.adce("token", "issue", "ops")
    kept = installation.json("audit", "verify")["head"]
    file = installation.home / ".adce" / "access.sqlite"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE access_actions SET actor = 'mallory'")
    found = installation.adce("audit", "verify", "--head", kept, "--json")
    assert found.exit_code == 1
    assert [fault["seq"] for fault in json.loads(found.stdout)["faults"]] == [1, 2]
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE access_actions SET detail = '{', at = 'once' WHERE seq = 2")
    shown, told = installation.adce("audit", "list"), installation.adce("audit", "list", "--json")
    assert (shown.exit_code, told.exit_code) == (1, 1)
    assert "somebody has changed it" in shown.stdout
    assert [bool(entry["spoilt"]) for entry in json.loads(told.stdout)["entries"]] == [True, False]
