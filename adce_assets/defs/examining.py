"""Dagster's own records in, how well what runs the loop is out: the same findings that other rooms give of theirs."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import dagster as dg
from dagster._time import get_current_timestamp
from yaml import YAMLError

from adce_assets.defs.data_sets import scrapers_of
from adce_assets.defs.watching import SENSOR_DAEMON, asleep
from adce_assets.operate.doctor import Installation
from adce_assets.operate.findings import Said, ok, skipped, warning, wrong
from adce_assets.settings import dagster_home

PATIENCE = timedelta(minutes=5)
"""How long a daemon may be silent: it tells of itself twice a minute."""
SET_UP = "copy the project's dagster.yaml into DAGSTER_HOME, then `adce restart`"


def examinations(installation: Installation) -> Iterator[tuple[str, Callable[[], Said]]]:
    """Name what is examined of the instance of ``DAGSTER_HOME``, and of what Dagster loads."""
    yield "data_sets", partial(data_sets, installation)
    for name, examine in (("dagster", _instance), ("pools", pools), ("daemons", _daemons)):
        yield name, partial(_of_instance, examine)


def data_sets(installation: Installation) -> Said:
    """See whether contract and scrapers go together as Dagster's assets."""
    path = installation.settings.scraper_config_path
    found = scrapers_of(installation.contract, installation.catalogue, path)
    return ok(f"{len(found)} data sets are collected by a scraper")


def _of_instance(examine: Callable[[dg.DagsterInstance], Said]) -> Said:
    home = dagster_home()
    if home is None:
        return skipped("DAGSTER_HOME is not set: commands alone run here, and nothing runs by itself")
    if not home.is_dir():
        return wrong(f"DAGSTER_HOME is {home}, which is no folder", f"`mkdir -p {home}`, and {SET_UP}")
    try:
        opened = dg.DagsterInstance.get()
    except (dg.DagsterError, YAMLError) as error:
        said = " ".join(str(error).split())
        return wrong(f"{home / 'dagster.yaml'} cannot be read: {said}", SET_UP)
    with opened as instance:
        return examine(instance)


def _instance(instance: dg.DagsterInstance) -> Said:
    """Ask the database of Dagster's records, and look how runs that die are noticed."""
    runs = instance.get_runs_count()
    if not instance.run_monitoring_enabled:
        return warning("runs whose machine dies are never noticed: `run_monitoring` is off", SET_UP)
    if not instance.run_retries_enabled:
        return warning("runs that crash are not started again: `run_retries` is off", SET_UP)
    return ok(f"{runs:,} runs are kept")


def pools(instance: dg.DagsterInstance) -> Said:
    """Look at the settings without which a place in a pool is lost with each run that is killed."""
    if not instance.event_log_storage.supports_global_concurrency_limits:
        return warning("the storage of this instance keeps no pools: hosts are not kept apart", SET_UP)
    if not instance.run_monitoring_settings.get("free_slots_after_run_end_seconds"):
        return wrong(
            "places of killed runs are never free again: `free_slots_after_run_end_seconds` is not set", SET_UP
        )
    limit = instance.global_op_concurrency_default_limit
    if limit is None:
        return warning("pools have no `default_limit`: a host of a new name is asked by every run at once", SET_UP)
    known = len(instance.event_log_storage.get_concurrency_keys())
    return ok(f"{known} pools are in use; others let in {limit}")


def _daemons(instance: dg.DagsterInstance) -> Said:
    """See whether daemons, sensors and the schedule of the loop are awake."""
    if SENSOR_DAEMON not in instance.get_daemon_heartbeats():
        return warning("no daemon has ever run here: nothing runs by itself", "`adce start`")
    found = asleep(instance, get_current_timestamp(), PATIENCE)
    if found:
        return wrong("; ".join(found), "see each; `adce restart` starts anew what is missing")
    return ok("daemons, sensors and the schedule are awake")
