"""How the loop stands in, samples for Prometheus out, in either of its two text forms.

The metrics of the data, which are measured elsewhere, are handed in as what a registry asks for theirs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from adce_assets.configuration import PRIORITIES
from adce_assets.operate.outside import Outside
from adce_assets.operate.state_forms import moment_of

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from prometheus_client.registry import Collector

TEXT, OPEN_METRICS = (
    "text/plain; version=0.0.4; charset=utf-8",
    "application/openmetrics-text; version=1.0.0; charset=utf-8",
)


def exposed(status: Mapping[str, Any], outside: Outside, others: "Collector | None") -> dict[str, bytes]:
    """Write all samples by the type of content: the text form 0.0.4, and OpenMetrics 1.0.0."""
    from prometheus_client import CollectorRegistry, exposition
    from prometheus_client.openmetrics import exposition as openmetrics
    from prometheus_client.registry import Collector

    class Loop(Collector):
        def collect(self) -> "Iterator[Metric]":
            yield from _families(status, outside)

    registry = CollectorRegistry()
    registry.register(Loop())
    if others is not None:
        registry.register(others)
    return {TEXT: exposition.generate_latest(registry), OPEN_METRICS: openmetrics.generate_latest(registry)}


def chosen(accept: str) -> str:
    """Choose the form that who asks for it (`Accept`) can read."""
    return OPEN_METRICS if "application/openmetrics-text" in accept else TEXT


def _families(status: Mapping[str, Any], outside: Outside) -> "Iterator[Metric]":
    yield _gauge("adce_well", "1 while the loop does its work.", float(status["well"]))
    causes = [((one["code"], one["subject"], one["severity"]), 1.0) for one in status["causes"]]
    yield _by("adce_cause", "1 for each cause for concern.", ("code", "subject", "severity"), causes)
    running = [((one["component"],), float(one["health"] == "running")) for one in status["components"]]
    yield _by("adce_component_running", "1 for a component that runs.", ("component",), running)
    beats = [((name,), at.timestamp()) for name, at in outside.beats.items() if at]
    yield _by("adce_daemon_heartbeat_timestamp_seconds", "When a daemon was last heard of.", ("daemon",), beats)
    missed = [((name,), float(count)) for name, count in outside.missed.items()]
    yield _by("adce_missed_ticks", "Looks that were missed of late.", ("name",), missed)
    queued = [((name,), float(status["by_priority"].get(name, 0))) for name in PRIORITIES]
    yield _by("adce_queue_tasks", "Tasks of the queue.", ("priority",), queued)
    runs = [(("failed",), float(outside.failed)), (("ended",), float(outside.ended))]
    yield _by("adce_runs", "Runs of late, by how they ended.", ("state",), runs)
    for name, told, value in _numbers(status, outside):
        if value is not None:
            yield _gauge(name, told, float(value))


def _numbers(status: Mapping[str, Any], outside: Outside) -> Iterator[tuple[str, str, float | None]]:
    """List the samples without a label; None for what is not known."""
    last, of = outside.last_cycle, status["inventory_as_of"]
    age = (outside.at - last).total_seconds() if last else None
    as_of = moment_of(of).timestamp() if of else None
    yield (
        "adce_last_cycle_timestamp_seconds",
        "When the last cycle began that ended well.",
        last.timestamp() if last else None,
    )
    yield "adce_last_cycle_age_seconds", "How long ago that was at the last look.", age
    yield "adce_inventory_timestamp_seconds", "The moment for which the inventory is true.", as_of
    yield "adce_objects", "Objects of the inventory.", status["objects"]
    yield "adce_open_keys", "Keys that are missing, stale or damaged.", status["open_keys"]
    yield "adce_health_looked_timestamp_seconds", "When all this was looked at.", outside.at.timestamp()


def _gauge(name: str, told: str, value: float) -> "Metric":
    return _by(name, told, (), [((), value)])


def _by(name: str, told: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(name, told, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family
