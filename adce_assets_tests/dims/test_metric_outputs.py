"""What is told of the metrics, in every form: read back by a parser, a browser or a kernel, not by the words alone."""

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any, cast

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from adce_assets.dims.catalogue import Metric
from adce_assets.dims.history_records import Point
from adce_assets.dims.metrics import Accepted, Measurement, Severity, Status, Verdict
from adce_assets.dims.outputs.dashboard import dashboard
from adce_assets.dims.outputs.documents import document, markdown
from adce_assets.dims.outputs.notebook import notebook
from adce_assets.dims.outputs.prometheus import prometheus
from adce_assets.dims.outputs.trends import trend
from adce_assets.dims.telling import Shown, Told, Waiting

NOW = datetime(2024, 12, 5, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script> | \"quoted\" 'twice' \\ end\nnext line"


def metric(category: str, name: str, **changes: Any) -> Metric:
    told = {
        "measure": {"kind": "objects"},
        "unit": "objects",
        "nature": "volatile",
        "description": HOSTILE.replace("\n", " "),
    }
    return Metric.model_validate({"category": category, "name": name, **told, **changes})


def shown(one: Metric, value: Any, status: Status, drift: float | None = None, error: str = "") -> Shown:
    accepted = None if status is Status.NEW else Accepted(100, NOW - timedelta(days=9), "first", "somebody")
    measured = Measurement(one.id, value, error, NOW)
    days = range(5)
    points = [Point(NOW - timedelta(days=5 - day), 100 + day, "", Status.OK, float(day), 100) for day in days]
    points[2] = Point(points[2].at, None, "the bucket was closed", Status.ERROR, None, 100)
    return Shown(one, Verdict(measured, accepted, status, Severity.LOW, drift), points)


@pytest.fixture(scope="module")
def told() -> Told:
    lake = [
        shown(metric("s3_storage", "total_objects", critical=True), 172_754, Status.MAJOR, 172_654.0),
        shown(metric("s3_storage", "total_size_gb", unit="GB"), 117.9, Status.MINOR, 17.9),
        shown(metric("s3_storage", "state", unit="state"), HOSTILE, Status.NEW),
    ]
    others = [
        shown(metric("aws_inventory", "cost", unit="USD"), None, Status.ERROR, error=f"no price: {HOSTILE}"),
        Shown(metric("aws_inventory", "never"), None),
    ]
    waiting = [Waiting(7, "s3_storage.total_objects", "objects", 100, 172_754, 172_654.0, NOW)]
    return Told(NOW, 30, [*lake, *others], waiting)


class Rows(HTMLParser):
    """The attributes of every element that names a metric or a count, and all names of elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.metrics: dict[str, dict[str, str | None]] = {}
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        if name := found.get("data-metric"):
            self.metrics[name] = found


def test_every_metric_stands_on_the_page_with_what_it_is_and_no_markup_of_strangers(told: Told) -> None:
    rows = Rows(dashboard(told))
    assert {name: (found.get("data-value"), found["data-status"]) for name, found in rows.metrics.items()} == {
        "s3_storage.total_objects": ("172754", "major"),
        "s3_storage.total_size_gb": ("117.9", "minor"),
        "s3_storage.state": (HOSTILE, "new"),
        "aws_inventory.cost": (None, "error"),
        "aws_inventory.never": (None, "unmeasured"),
    }
    assert "script" not in rows.tags
    assert rows.tags.count("svg") == 4


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium: apt-get install chromium")
def test_a_browser_shows_the_numbers_and_asks_nobody(told: Told) -> None:
    from playwright.sync_api import sync_playwright

    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.set_content(dashboard(told))
        tiles = dict(
            page.eval_on_selector_all("[data-count]", "all => all.map(one => [one.dataset.count, one.innerText])")
        )
        values = page.eval_on_selector_all(
            "[data-metric]", "all => all.map(one => one.parentElement.querySelector('.value').innerText)"
        )
        lines = page.eval_on_selector_all("polyline", "all => all.map(one => one.getBoundingClientRect().width)")
        browser.close()
    assert asked == []
    assert {name: text.split()[0] for name, text in tiles.items()} == {
        "metrics": "5",
        "minor": "1",
        "major": "1",
        "error": "1",
        "new": "1",
        "not measured yet": "1",
        "waiting": "1",
    }
    assert values[:2] == ["172,754 objects", "117.90 GB"]
    assert (values[2].split(), values[4]) == ([*HOSTILE.split(), "state"], "not measured yet")
    assert lines
    assert all(lines)


def test_the_document_says_the_same_in_values_that_json_knows(told: Told) -> None:
    found = json.loads(json.dumps(document(told), allow_nan=False))
    objects, size = found["metrics"]["s3_storage.total_objects"], found["metrics"]["s3_storage.total_size_gb"]
    assert (objects["value"], type(objects["value"]), size["value"]) == (172_754, int, 117.9)
    assert objects["accepted"] == {"value": 100, "at": "2024-11-26T12:00:00+00:00", "how": "first", "by": "somebody"}
    assert [spot["value"] for spot in objects["course"]] == [100.0, 101.0, None, 103.0, 104.0]
    assert [one["id"] for one in found["waiting"]] == [7]
    assert found["metrics"]["aws_inventory.cost"]["value"] is None


def test_a_table_of_markdown_keeps_its_shape_whatever_is_told(told: Told) -> None:
    lines = markdown(told).splitlines()
    tables = [line.replace("\\\\", "").replace("\\|", "") for line in lines if line.startswith("|")]
    assert {line.count("|") for line in tables} == {6, 7}
    assert any("no price" in line for line in tables)
    assert "<script" not in re.sub(r"\\.", "", markdown(told))
    assert (
        "| total_objects (critical) | 172,754 objects | 100 objects | 172,654.0 % | major | 2024-12-05 12:00 UTC |"
        in lines
    )


def test_the_notebook_opens_and_runs_and_finds_what_drifts(told: Told) -> None:
    from nbclient import NotebookClient

    opened = cast("nbformat.NotebookNode", nbformat.reads(notebook(told), as_version=4))
    done = NotebookClient(opened, timeout=60, kernel_name="python3").execute()
    shown = [output["data"] for cell in done.cells for output in cell.get("outputs", ()) if "data" in output]
    assert not [output for cell in done.cells for output in cell.get("outputs", ()) if output["output_type"] == "error"]
    assert "172754" in shown[0]["text/plain"]
    assert "aws_inventory.cost" in shown[1]["text/plain"]
    assert "s3_storage.state" not in shown[1]["text/plain"]
    assert shown[3]["text/html"].count("<svg") == 4


def test_equal_numbers_make_an_equal_notebook(told: Told) -> None:
    assert notebook(told) == notebook(told)


def test_prometheus_reads_every_number_and_none_that_was_not_measured(told: Told) -> None:
    families = {family.name: family.samples for family in text_string_to_metric_families(prometheus(told))}
    assert {sample.labels["name"]: sample.value for sample in families["adce_metric"]} == {
        "total_objects": 172_754.0,
        "total_size_gb": 117.9,
    }
    status = {
        sample.labels["name"]: sample.labels["status"] for sample in families["adce_metric_status"] if sample.value
    }
    assert status == {"total_objects": "major", "total_size_gb": "minor", "state": "new", "cost": "error"}
    assert families["adce_metrics_waiting"][0].value == 1.0
    assert families["adce_metric_measured_timestamp_seconds"][0].value == NOW.timestamp()


numbers = st.floats(-1e15, 1e15) | st.none()


@given(st.lists(numbers, max_size=30), numbers)
def test_a_course_stays_within_its_picture_and_breaks_where_nothing_is_known(
    values: list[float | None], accepted: float | None
) -> None:
    drawn = trend([(NOW + timedelta(hours=at), value) for at, value in enumerate(values)], accepted=accepted)
    pieces = sum(1 for before, after in pairwise([None, *values]) if before is None and after is not None)
    assert drawn.count('class="course"') == pieces
    for part in drawn.split('points="')[1:]:
        for point in part.split('"')[0].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 260
            assert 0 <= y <= 56


def test_a_long_course_is_drawn_with_few_points_and_keeps_its_extremes_and_its_breaks() -> None:
    values: list[float | None] = [float(at % 7) for at in range(9_000)]
    values[4_321], values[8_000] = 99.0, None
    drawn = trend([(NOW + timedelta(hours=at), value) for at, value in enumerate(values)], label="m")
    pieces = [part.split('"')[0].split() for part in drawn.split('points="')[1:]]
    heights = [float(point.split(",")[1]) for piece in pieces for point in piece]
    assert (len(pieces), min(heights), max(heights)) == (2, 5.0, 51.0)
    assert len(heights) <= 3 * 260
    assert "<title>m, 2024-12-05 to 2025-12-15: 0 to 99</title>" in drawn
