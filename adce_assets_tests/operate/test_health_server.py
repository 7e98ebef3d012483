"""The health server over real sockets: every endpoint and role, and what it answers when something is wrong."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text_metrics

from adce_assets.errors import AccessError, ServiceError
from adce_assets.operate import health_answers as answers
from adce_assets.operate.actions import Outcome
from adce_assets.operate.health_access import MOST_BYTES, refuse_without_tokens
from adce_assets.operate.health_acts import Acts
from adce_assets.operate.health_server import listening
from adce_assets_tests.cli.conftest import NOW, Installation
from adce_assets_tests.operate.asking import EVERYWHERE, Served, serving
from adce_assets_tests.operate.watched import Watched, copied

GETS = ("/ready", "/health", "/status", "/tasks", "/metrics", "/openapi.json", "/docs")
POSTS = {
    "/start": None,
    "/stop": None,
    "/apply": {"plan": "night.json", "seal": "0" * 64},
    "/approvals/hold-0123456789abcdef/accept": {"note": "good"},
    "/approvals/7/reject": {"note": "bad"},
}
WRITES = "import sys; open(sys.argv[-1] + '.applied', 'w').write(' '.join(sys.argv[1:]))"
WAITS = "import time; time.sleep(600)"


@pytest.fixture(scope="module")
def served(watched_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of an installation in which all is well, with tokens, for tests that change nothing."""
    watched = copied(watched_home, tmp_path_factory.mktemp("well") / "home")
    with serving(watched, watched.home / "service") as made:
        made.issue()
        made.desk.looks.look()
        yield made


@pytest.fixture
def serve(watched: Watched) -> Iterator[Served]:
    """A server of an installation of the test's own, which was not looked at; it has no tokens."""
    with serving(watched, watched.home / "service", apply=(sys.executable, "-c", WRITES)) as made:
        yield made


# ---------------------------------------------------------------------------------------------------------- who may ask


@pytest.mark.parametrize("path", GETS)
def test_looking_takes_a_token_of_any_role(served: Served, path: str) -> None:
    found = {role: served.ask(path, role=role).status for role in ("", "wrong", "viewer", "operator")}
    assert found == {"": 401, "wrong": 401, "viewer": 200, "operator": 200}


@pytest.mark.parametrize("path", POSTS)
def test_doing_takes_the_token_of_an_operator(served: Served, path: str) -> None:
    found = {role: served.ask(path, method="POST", role=role, body=POSTS[path]) for role in ("", "wrong", "viewer")}
    assert {role: answer.status for role, answer in found.items()} == {"": 401, "wrong": 401, "viewer": 403}
    challenges = [answer.headers["www-authenticate"] for answer in found.values()]
    assert [re.findall(r'error="(\w+)"', one) for one in challenges] == [[], ["invalid_token"], ["insufficient_scope"]]
    assert all(one.startswith("Bearer ") for one in challenges)
    allowed = served.ask(path, method="POST", role="operator", body=POSTS[path])
    assert allowed.status in ({200} if path in {"/start", "/stop"} else {409})


def test_whether_it_lives_is_told_to_everybody(served: Served) -> None:
    assert served.ask("/live").json == {"schema": 1, "alive": True}


def test_as_long_as_nobody_has_a_token_this_machine_may_look_and_do_nothing(serve: Served) -> None:
    serve.desk.looks.look()
    assert {path: serve.ask(path).status for path in GETS} == dict.fromkeys(GETS, 200)
    assert {serve.ask(path, method="POST", body=body).status for path, body in POSTS.items()} == {401}
    assert serve.ask("/health", role="wrong").status == 401
    serve.issue()
    assert {path: serve.ask(path).status for path in GETS} == dict.fromkeys(GETS, 401)


def test_a_token_that_was_revoked_opens_nothing(serve: Served) -> None:
    serve.issue()
    assert serve.ask("/health", role="viewer").status == 503
    serve.desk.doors.tokens.revoke("viewer")
    assert serve.ask("/health", role="viewer").status == 401


def test_nobody_listens_for_other_machines_without_a_token(serve: Served) -> None:
    tokens = serve.desk.doors.tokens
    refuse_without_tokens(tokens, "127.0.0.1")
    for address in EVERYWHERE:
        with pytest.raises(AccessError, match="adce token issue"):
            refuse_without_tokens(tokens, address)
    serve.issue()
    refuse_without_tokens(tokens, EVERYWHERE[0])


def test_an_address_that_another_program_has_is_said(serve: Served) -> None:
    with pytest.raises(ServiceError, match=rf"{serve.port}.*cannot listen"):
        listening("127.0.0.1", serve.port)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8080", 200),
        ("127.0.0.1", 200),
        ("LOCALHOST", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1:8080@evil.example", 421),
        ("", 421),
        ("[", 421),
    ],
)
def test_a_page_from_elsewhere_that_has_led_a_browser_here_learns_nothing(
    served: Served, host: str, status: int
) -> None:
    answer = served.ask("/health", role="viewer", headers={"Host": host})
    assert answer.status == status
    assert "access-control-allow-origin" not in answer.headers


# ------------------------------------------------------------------------------------------------------------- answers


def test_it_is_well_also_with_a_full_queue_and_warnings(watched: Watched, serve: Served) -> None:
    task = json.loads((watched.home / "inventory" / "gaps.json").read_text())["tasks"][0]
    tasks = [task | {"id": f"task-{number:016x}", "priority": "critical"} for number in range(3_000)]
    watched.change("gaps", total_tasks=len(tasks), tasks=tasks, by_priority={"critical": len(tasks)})
    watched.say(missed={"task_queue_sensor": 99})
    serve.desk.looks.look()
    answer = serve.ask("/health")
    assert (answer.status, answer.json["well"]) == (200, True)
    assert [cause["code"] for cause in answer.json["causes"]] == ["missed_ticks"]
    assert serve.ask("/status").json["by_priority"] == {"critical": 3_000}


def test_what_is_wrong_is_told_with_its_code_and_the_next_step(watched: Watched, serve: Served) -> None:
    watched.say(last_cycle=None)
    serve.desk.looks.look()
    answer = serve.ask("/health")
    (cause,) = answer.json["causes"]
    assert (answer.status, answer.json["well"], cause["code"]) == (503, False, "cycle_late")
    assert "`adce" in cause["hint"]
    assert serve.ask("/ready").status == 200


@pytest.mark.parametrize(("name", "status"), [("daemon", 503), ("web", 200)])
def test_a_component_that_is_stopped_is_told_at_the_next_look(serve: Served, name: str, status: int) -> None:
    serve.service.end(name)
    serve.desk.looks.look()
    answer = serve.ask("/health")
    assert (answer.status, [cause["subject"] for cause in answer.json["causes"]]) == (status, [name])
    assert serve.ask("/status").json["running"] is False


def test_before_the_first_look_and_after_the_last_one_it_is_not_well(serve: Served) -> None:
    assert {path: serve.ask(path).status for path in ("/health", "/ready", "/status", "/tasks", "/metrics")} == (
        dict.fromkeys(("/health", "/ready", "/status", "/tasks", "/metrics"), 503)
    )
    assert [cause["code"] for cause in serve.ask("/health").json["causes"]] == ["not_looked_yet"]
    serve.desk.looks.look()
    assert serve.ask("/health").status == 200
    serve.ahead[0] = 241
    late = serve.ask("/health")
    assert (late.status, [cause["code"] for cause in late.json["causes"]]) == (503, ["look_late"])
    assert (serve.ask("/ready").status, serve.ask("/live").status, serve.ask("/status").status) == (503, 200, 200)


def test_every_answer_is_of_the_form_that_is_described(served: Served) -> None:
    forms = {"/live": answers.Alive, "/ready": answers.Ready, "/health": answers.WellOrNot, "/status": answers.Status}
    for path, form in (forms | {"/tasks": answers.Tasks}).items():
        form.model_validate(served.ask(path, role="viewer").json)
    for path in ("/nowhere", "/tasks?limit=0", "/health/"):
        answers.Problem.model_validate(served.ask(path, role="viewer").json)


def test_the_description_names_every_way_and_the_page_needs_nothing_from_anywhere(served: Served) -> None:
    described = served.ask("/openapi.json", role="viewer").json
    ways = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    told = {
        *(("GET", path) for path in GETS),
        ("GET", "/live"),
        *(("POST", path) for path in ("/start", "/stop", "/apply")),
    }
    hidden = {("GET", "/openapi.json"), ("GET", "/docs")}
    assert ways == (told - hidden) | {("POST", f"/approvals/{{what}}/{how}") for how in ("accept", "reject")}
    open_to_all = {
        path for path, methods in described["paths"].items() for way in methods.values() if "security" not in way
    }
    assert open_to_all == {"/live"}
    page = served.ask("/docs", role="viewer")
    assert page.headers["content-type"].startswith("text/html")
    assert all(path in page.body.decode() for path in described["paths"])
    assert not re.search(rb"<script|https?://|src=|@import", page.body)


def test_the_queue_is_told_a_page_at_a_time(served: Served) -> None:
    whole = served.ask("/tasks", role="viewer").json
    found, offset = [], 0
    while offset is not None:
        page = served.ask(f"/tasks?offset={offset}&limit=2", role="viewer").json
        found, offset = [*found, *page["tasks"]], page["next_offset"]
    assert found == whole["tasks"]
    assert len(found) == whole["total_tasks"] == 3
    seasons = {task["season"]: served.ask(f"/tasks?season={task['season']}", role="viewer").json for task in found}
    assert sum(page["total_tasks"] for page in seasons.values()) == 3
    assert served.ask("/tasks?source=none", role="viewer").json["tasks"] == []


def test_metrics_are_read_by_the_parsers_of_both_forms(watched: Watched, serve: Served) -> None:
    watched.say(missed={'a\n"quoted" name': 99})
    serve.desk.looks.look()
    text, opened = serve.ask("/metrics"), serve.ask("/metrics", headers={"Accept": "application/openmetrics-text;q=1"})
    assert (text.headers["content-type"][:10], opened.headers["content-type"][:28]) == (
        "text/plain",
        "application/openmetrics-text",
    )
    families = [list(read(body.body.decode())) for read, body in ((text_metrics, text), (open_metrics, opened))]
    samples = [
        {(one.name, *one.labels.items()): one.value for family in form for one in family.samples} for form in families
    ]
    assert samples[0] == samples[1]
    assert samples[0]["adce_well",] == 1
    assert samples[0]["adce_last_cycle_age_seconds",] == 600
    assert samples[0]["adce_queue_tasks", ("priority", "critical")] == 2
    assert samples[0]["adce_component_running", ("component", "daemon")] == 1
    assert (
        samples[0]["adce_cause", ("code", "missed_ticks"), ("severity", "warning"), ("subject", 'a\n"quoted" name')]
        == 1
    )
    assert any(name == "adce_metric_status" for name, *_ in samples[0])


# ------------------------------------------------------------------------------------------------------- hostile bytes


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"x" * (MOST_BYTES + 1), 413),
        (b"{", 422),
        (b'{"plan": "../secret.json", "seal": "' + b"0" * 64 + b'"}', 422),
        (b'{"plan": "/etc/passwd", "seal": "' + b"0" * 64 + b'"}', 422),
        (b'{"plan": "-o.json", "seal": "' + b"0" * 64 + b'"}', 422),
        (b'{"plan": "night.json", "seal": "' + b"0" * 64 + b'", "more": 1}', 422),
        (b"[" * 10_000, 400),
    ],
)
def test_what_is_not_understood_is_refused_in_words(served: Served, body: bytes, status: int) -> None:
    answer = served.ask("/apply", method="POST", role="operator", body=body)
    assert answer.status == status
    assert set(answer.json) >= {"schema", "error"}


def test_a_fault_within_shows_nothing_of_what_is_within(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise ZeroDivisionError("a secret of the house")

    monkeypatch.setattr(Acts, "stop", breaks)
    answer = served.ask("/stop", method="POST", role="operator")
    assert answer.status == 500
    assert not re.search(rb"secret|Traceback|Error|\.py", answer.body)


def test_other_ways_to_ask_are_refused(served: Served) -> None:
    assert served.ask("/health", method="DELETE", role="operator").status == 405
    assert served.ask("/stop", role="operator").status == 405
    assert served.ask("/health", headers={"Authorization": "Basic dXNlcjpwYXNz"}).status == 401
    assert served.ask("/health", role="x" * 5_000).status == 401


# ---------------------------------------------------------------------------------------------------- what is asked for


def logged(served: Served) -> list[tuple[str, str, str, str]]:
    entries = reversed(served.desk.acts.log.entries())
    return [(one.actor, one.action, one.subject, one.outcome) for one in entries]


def test_the_daemon_is_ended_and_started_again_and_both_are_logged(serve: Served) -> None:
    serve.issue()
    for path, changed in (("/stop", True), ("/stop", False), ("/start", True), ("/start", False)):
        answer = serve.ask(path, method="POST", role="operator")
        assert answer.json == {"schema": 1, "component": "daemon", "changed": changed}
        assert serve.service.ended == ({"daemon"} if path == "/stop" else set())
    assert logged(serve)[:2] == [
        ("token operator", "stop", "daemon", Outcome.BEGUN),
        ("token operator", "stop", "daemon", Outcome.DONE),
    ]


def test_nothing_is_done_that_cannot_be_logged(serve: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    serve.issue()

    def full(*_: object) -> None:
        raise AccessError("the disk is full")

    monkeypatch.setattr("adce_assets.operate.actions.ActionLog.record", full)
    assert serve.ask("/stop", method="POST", role="operator").status == 503
    assert serve.service.ended == set()


def test_a_plan_is_applied_by_the_command_and_one_at_a_time(watched: Watched, serve: Served) -> None:
    serve.issue()
    (watched.home / "plans").mkdir()
    file = watched.home / "plans" / "night.json"
    assert Installation(watched.home, watched.variables).adce("plan", "-o", str(file)).exit_code == 2
    planned = {"plan": file.name, "seal": json.loads(file.read_text())["seal"]}
    wrong = serve.ask("/apply", method="POST", role="operator", body=planned | {"seal": "0" * 64})
    assert (wrong.status, "another plan" in wrong.json["error"]) == (409, True)
    answer = serve.ask("/apply", method="POST", role="operator", body=planned)
    told = answers.Applied.model_validate(answer.json)
    assert (answer.status, told.keys, told.left_away) == (202, 3, 0)
    assert serve.desk.acts._applying is not None
    assert serve.desk.acts._applying.wait(20) == 0
    assert (watched.home / "plans" / "night.json.applied").read_text() == f"-- {file}"
    serve.desk.acts.apply = (sys.executable, "-c", WAITS)
    assert serve.ask("/apply", method="POST", role="operator", body=planned).status == 202
    assert serve.ask("/apply", method="POST", role="operator", body=planned).status == 409
    serve.desk.acts._applying.kill()
    serve.desk.acts._applying.wait(20)
    assert [outcome for *_, outcome in logged(serve)] == [
        "begun",
        "failed",
        "begun",
        "done",
        "begun",
        "done",
        "begun",
        "failed",
    ]


@pytest.mark.parametrize("how", ["accept", "reject"])
def test_what_waits_for_a_person_is_decided_by_the_holder_of_the_token(
    watched: Watched, serve: Served, how: str
) -> None:
    from adce_assets.dims.drift import Severity
    from adce_assets.dims.history import open_history

    serve.issue()
    watched.configure("approvals", max_new_tasks=1)
    history = open_history(watched.settings.metrics_url)
    told = {"old": 4, "new": 9, "drift": 125.0, "severity": Severity.HIGH, "run_id": None, "at": NOW}
    move = history.hold("lake.objects", **told)
    history.dispose()
    waiting = [cause.subject for cause in watched.causes() if cause.code == "approval_waiting"]
    for what in (*waiting, str(move)):
        answer = serve.ask(f"/approvals/{what}/{how}", method="POST", role="operator", body={"note": "looked at"})
        assert answer.json == {"schema": 1, "id": what, "decided": f"{how}ed", "by": "operator"}
    assert not [cause for cause in watched.causes() if cause.code == "metric_waiting"]
    assert serve.ask(f"/approvals/{move}/{how}", method="POST", role="operator", body={"note": "again"}).status == 409
    command = Installation(watched.home, watched.variables).json("approve", "list")
    assert [one["by"] for one in command["decisions"]] == ["operator"]
