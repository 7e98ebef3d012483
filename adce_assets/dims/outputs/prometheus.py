"""What is told of the metrics in, the text that Prometheus reads out.

A metric without a number has no sample of its value, only one that says how it stands: nobody sums up a failure.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from adce_assets.dims.metrics import Status
from adce_assets.dims.telling import Shown, Told

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from prometheus_client.registry import Collector

LABELS = ("category", "name")


def prometheus(told: Told) -> str:
    """Write every number as a sample, in the text format 0.0.4."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(collector(told))
    return generate_latest(registry).decode()


def collector(told: Told) -> "Collector":
    """Make what a registry of Prometheus' library asks for its samples."""
    from prometheus_client.registry import Collector

    class Metrics(Collector):
        def collect(self) -> "Iterator[Metric]":
            yield from _families(told)

    return Metrics()


def _families(told: Told) -> "Iterator[Metric]":
    from prometheus_client.core import GaugeMetricFamily

    values = GaugeMetricFamily("adce_metric", "What was measured last.", labels=(*LABELS, "unit"))
    drifts = GaugeMetricFamily("adce_metric_drift_percent", "Of the accepted value, without a sign.", labels=LABELS)
    times = GaugeMetricFamily("adce_metric_measured_timestamp_seconds", "When it was measured.", labels=LABELS)
    states = GaugeMetricFamily("adce_metric_status", "1 for how it stands.", labels=(*LABELS, "status"))
    for one in told.shown:
        labels = _labels(one)
        if isinstance(one.value, int | float):
            values.add_metric([*labels, one.metric.unit], one.value)
        if one.drift is not None:
            drifts.add_metric(labels, one.drift)
        if one.at is not None:
            times.add_metric(labels, one.at.timestamp())
        for status in Status:
            states.add_metric([*labels, status], float(one.status == status))
    waiting = GaugeMetricFamily("adce_metrics_waiting", "Moves of critical metrics that wait for a decision.")
    waiting.add_metric([], len(told.waiting))
    yield from (values, drifts, times, states, waiting)


def _labels(one: Shown) -> list[str]:
    return [one.metric.category, one.metric.name]
