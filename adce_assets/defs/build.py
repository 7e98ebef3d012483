"""The contract, the scrapers and the settings in, everything that Dagster loads out."""

import warnings
from collections.abc import Mapping
from functools import partial

import dagster as dg

from adce_assets.contract.loading import load_contract
from adce_assets.defs.alerting import alert_sensors
from adce_assets.defs.canary import canary_asset, canary_job, canary_schedule
from adce_assets.defs.checks import fresh_check
from adce_assets.defs.data_sets import cells_of, data_set_assets, key_of, partition_sets, scrapers_of
from adce_assets.defs.dims_asking import dims_definitions
from adce_assets.defs.jobs import collect_jobs, reconciliation_job, reconciliation_schedule
from adce_assets.defs.loop import LoopAssets
from adce_assets.defs.paces import paces
from adce_assets.defs.reloading import Reloading
from adce_assets.defs.resources import ProjectResource
from adce_assets.defs.scrapes import ByTheClock
from adce_assets.defs.sensors import Sensors
from adce_assets.defs.warehouse import warehouse_definitions
from adce_assets.loop.scrapes import check_pauses, plans
from adce_assets.scrapers.catalogue import load_catalogue
from adce_assets.settings import load_settings


def build_defs(environment: Mapping[str, str] | None = None) -> dg.Definitions:
    """Make fresh definitions of the installation that the environment (default: the process's own) names.

    Nothing but configuration is read: neither the lake nor the state need be there.

    Raises:
        ConfigurationError: a configuration file is faulty, or the contract and the scrapers do not go together.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        return _built(environment)


def _built(environment: Mapping[str, str] | None) -> dg.Definitions:
    settings = load_settings(environment)
    contract, catalogue = load_contract(settings.contract_path), load_catalogue(settings.scraper_config_path)
    scrapers = scrapers_of(contract, catalogue, settings.scraper_config_path)
    partitions = partition_sets(contract, settings.clock())
    check_pauses(settings, contract, catalogue.hosts)
    reconciliation, canary = reconciliation_job(), canary_job()
    collecting, pace = collect_jobs(contract, scrapers), paces(catalogue, scrapers.values())
    cells, hosts = cells_of(contract, partitions), {scraper: one.host for scraper, one in pace.items()}
    sensors = Sensors(
        contract=contract,
        intervals=settings.autonomous.intervals,
        scrapers=scrapers,
        reloading=Reloading(contract, cells, partial(build_defs, environment)),
        paces=pace,
        reconciliation=reconciliation,
    )
    loop = dg.Definitions(
        assets=[
            *data_set_assets(contract, catalogue, scrapers, partitions),
            *LoopAssets(contract, catalogue, settings).all(key_of(data) for data in contract.data_sets.values()),
            canary_asset(contract, settings),
        ],
        asset_checks=[fresh_check(contract)],
        jobs=[reconciliation, canary, *collecting.values()],
        schedules=[
            reconciliation_schedule(settings, reconciliation),
            canary_schedule(settings, canary),
            *ByTheClock(contract, hosts, cells).all(plans(settings, contract, scrapers), collecting),
        ],
        sensors=[*sensors.all(), *alert_sensors(settings.autonomous)],
        resources={"project": ProjectResource(environment=dict(environment or {}))},
        executor=dg.in_process_executor,
    )
    warehouse = warehouse_definitions(contract, partitions, settings)
    return dg.Definitions.merge(loop, warehouse, dims_definitions(contract, settings, scrapers))
