"""Components that do not run, and a supervisor that says nothing of them: what is told, and what is not over by it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from adce_assets.operate import alerts
from adce_assets.operate.causes import Severity
from adce_assets.operate.outside import Seen
from adce_assets.operate.service import SUPERVISOR_NAME, Health, Service, Stand
from adce_assets.operate.watching import found_by
from adce_assets.settings import Settings
from adce_assets_tests.cli.conftest import NOW
from adce_assets_tests.operate.alarmed import Receiver
from adce_assets_tests.operate.watched import WELL, Watched

SILENT = Stand(SUPERVISOR_NAME, Health.FAILED, None, 17, "it does not answer")
DOWN, RUNS = (Stand("code", one, NOW, None, "exited too quickly") for one in (Health.FAILED, Health.RUNNING))


def looked(watched: Watched, *stands: Stand) -> list[Any]:
    return found_by(Seen(watched.installation, WELL, NOW, stands))


def test_components_that_do_not_run_are_named(watched: Watched):
    web = Stand("web", Health.STOPPED, NOW, None, "")
    told = {(one.code, one.subject): one.severity for one in looked(watched, DOWN, RUNS, web)}
    assert told == {("component_down", "code"): Severity.CRITICAL, ("component_down", "web"): Severity.WARNING}


def test_a_supervisor_that_says_nothing_is_told_with_the_way_out(watched: Watched):
    (told,) = looked(watched, SILENT)
    assert (told.code, told.subject, told.severity) == ("component_down", "supervisor", Severity.CRITICAL)
    assert "does not answer" in told.what
    assert "adce stop" in told.hint


def test_nothing_is_told_where_nothing_was_started(watched: Watched, tmp_path: Path):
    assert looked(watched, *Service(tmp_path / "nothing").known()) == []


def test_a_component_that_was_down_is_not_over_because_nobody_knows_how_it_stands(
    make: Callable[..., Settings], receiver: Receiver, watched: Watched
):
    settings = make()
    for minute, stand in enumerate((DOWN, SILENT, RUNS)):
        alerts.tend(settings, looked(watched, stand), NOW + minute * timedelta(minutes=1), machine="m")
    down, silent = "code on m", "supervisor on m"
    assert receiver.told == [
        ("opened", "component_down", down),
        ("opened", "component_down", silent),
        ("cleared", "component_down", down),
        ("cleared", "component_down", silent),
    ]
