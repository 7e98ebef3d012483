"""Events in, verifications out, once in a while: over both databases, and whatever process they are told to."""

from dataclasses import replace
from datetime import timedelta

import pytest

from adce_assets.dims import events
from adce_assets.dims.metrics import Status
from adce_assets.dims.place import open_place
from adce_assets.errors import ConfigurationError, MetricError
from adce_assets_tests.dims.conftest import CONFIG, Site


def happened(site: Site, event: str = "scraper_complete", source: str = "espn") -> events.Outcome:
    return events.happened(site.place, event, source, by="ann")


def test_an_event_measures_its_metrics_however_lately_they_were_measured(site: Site):
    site.verify()
    site.say(size=11.5)
    outcome = happened(site)
    assert outcome.verification is not None
    found = {verdict.measurement.metric: verdict.measurement.value for verdict in outcome.verification.verdicts}
    assert found == {"lake.objects": 100, "lake.size": 11.5, "lake.sync": "in_sync"}
    assert outcome.verification.trigger == "scraper_complete"
    assert site.holds()["lake.size"] == 11.5


def test_an_event_that_only_looks_accepts_nothing(site: Site):
    outcome = happened(site, "monthly_audit")
    assert outcome.verification is not None
    assert outcome.verification.counts[Status.NEW] == 5
    assert site.holds() == {}


def test_an_event_rests_for_its_source_as_long_as_is_configured(site: Site):
    began = site.now
    assert happened(site).until == began + timedelta(seconds=600)
    site.after(seconds=599)
    with open_place(site.project) as another:
        resting = events.happened(another, "scraper_complete", "espn", by="eve")
    assert (resting.ran, resting.until, resting.verification) == (False, began + timedelta(seconds=600), None)
    assert happened(site, source="nba_api").ran
    assert happened(site, "git_post_commit").ran
    site.after(seconds=1)
    assert happened(site).ran
    assert len(site.place.history.runs()) == 4


def test_who_verifies_after_an_event_that_rested_measures_and_uses_that_again(site: Site):
    """What happened while the event rested is seen before the time to live of what it moved is over."""
    happened(site)
    site.after(seconds=4)
    site.say(size=11.5)
    assert not happened(site).ran
    site.after(seconds=1)
    assert site.verdicts("lake")["lake.size"].measurement.value == 11.5
    site.after(seconds=1)
    assert site.verdicts("lake")["lake.size"].measurement.is_cached


def test_under_a_clock_that_stands_no_event_rests(small_site: Site):
    small_site.project = replace(small_site.project, settings=replace(small_site.project.settings, clock_stands=True))
    small_site.configure()
    outcomes = [happened(small_site), happened(small_site)]
    assert [(one.ran, one.until) for one in outcomes] == [(True, small_site.now)] * 2


@pytest.mark.parametrize("source", ["", " ", "a\x1b[31mb", "x" * 201])
def test_a_source_is_a_word_or_two(source: str, small_site: Site):
    with pytest.raises(MetricError, match="source: "):
        happened(small_site, source=source)


def test_an_event_that_something_else_breaks_is_over_too(small_site: Site, monkeypatch: pytest.MonkeyPatch):
    def breaks(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(events, "verify", breaks)
    with pytest.raises(KeyboardInterrupt):
        happened(small_site)
    (kept,) = small_site.place.history.events()
    assert (kept.ended_at, kept.error) == (small_site.now, "KeyboardInterrupt")


def test_what_became_of_an_event_is_remembered(site: Site):
    outcome = happened(site)
    happened(site)
    (kept,) = site.place.history.events(event="scraper_complete")
    assert outcome.verification is not None
    assert (kept.source, kept.run_id, kept.error, kept.cooled) == ("espn", outcome.verification.run_id, "", 1)
    assert kept.ended_at == site.now


def test_an_event_that_fails_says_why_and_rests_all_the_same(site: Site):
    site.project.state.store.put("metrics.yaml", b"lake: {}\n")
    with pytest.raises(MetricError, match="cannot be believed"):
        happened(site)
    (kept,) = site.place.history.events(event="scraper_complete")
    assert "cannot be believed" in kept.error
    assert (kept.run_id, kept.ended_at) == (None, site.now)
    assert not happened(site).ran


def test_an_event_of_metrics_that_are_all_switched_off_has_nothing_to_do(small_site: Site):

    metrics = {
        **CONFIG["metrics"],
        "code": {name: {**one, "profile": "code"} for name, one in CONFIG["metrics"]["code"].items()},
    }
    small_site.configure(profiles={"code": False}, metrics=metrics)
    outcome = happened(small_site, "git_post_commit")
    assert (outcome.ran, outcome.verification) == (True, None)
    assert small_site.place.history.runs() == []
    assert not happened(small_site, "git_post_commit").ran


def test_an_event_that_nobody_has_configured_is_refused_with_the_nearest_name(small_site: Site):
    with pytest.raises(ConfigurationError, match="did you mean `scraper_complete`"):
        happened(small_site, "scraper_completed")
    assert small_site.place.history.events() == []
