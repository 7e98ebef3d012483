"""The contract and the scrapers in, one asset for each data set out.

A data set with a configured scraper can be materialised; the others are known, and are materialised only by the markers
of programs outside. A data set of seasons is partitioned by season; all data sets of a source and league share one set
of partitions, so that one backfill reaches them all. What a run does stands in `collecting`.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg

from adce_assets.contract.loading import Contract, DataSet
from adce_assets.contract.seasons import WHOLE_HISTORY, Season
from adce_assets.defs.collecting import Collector, collector_asset
from adce_assets.documents import read
from adce_assets.errors import ConfigurationError
from adce_assets.scrapers.catalogue import Catalogue

FORMATS = ("json", "csv", "parquet", "html", "xml", "txt")
"""Endings of keys that say what kind of document lies there."""
MOST_KINDS = 3
"""Dagster shows no more."""

LEAD = timedelta(days=60)
"""How long before its start a season is loaded, so that its first day finds definitions that know it."""

PartitionSets = Mapping[tuple[str, str], dg.StaticPartitionsDefinition]
"""The seasons of a source, by source and league."""


def key_of(data_set: DataSet) -> dg.AssetKey:
    """Name the asset of a data set."""
    return dg.AssetKey([data_set.source, data_set.data_type])


def scrapers_of(contract: Contract, catalogue: Catalogue, file: Path) -> dict[str, str]:
    """Return the scraper of every data set (``source/data_type``) that has a configured one.

    Raises:
        ConfigurationError: a scraper of the catalogue's ``file`` does not yield what the contract says it collects.
    """
    served = {
        data_set.name: data_set.declared.scraper
        for data_set in contract.data_sets.values()
        if data_set.declared.scraper in catalogue.scrapers
    }
    wrong = {name: scraper for name, scraper in served.items() if name not in catalogue.scrapers[scraper].yields}
    if wrong:
        raise _not_yielded(wrong, contract, catalogue, file)
    return served


def _not_yielded(wrong: Mapping[str, str], contract: Contract, catalogue: Catalogue, file: Path) -> ConfigurationError:
    """Name the line of each scraper that does not yield a data set, what it does yield, and which scraper would."""
    document, faults = read(file), []
    for name, scraper in wrong.items():
        others = [f"`{other}`" for other, entry in catalogue.scrapers.items() if name in entry.yields]
        message = f"`{scraper}` collects `{name}`, says {contract.file}, and this entry does not yield it"
        message += f" ({', '.join(others)} does)" if others else ""
        place, valid = ("scrapers", scraper, "yields"), catalogue.scrapers[scraper].yields
        faults.append(document.fault(place, message, given=name, valid=valid))
    return ConfigurationError(f"{len(faults)} fault(s) between the contract and the scrapers", faults=tuple(faults))


def partition_sets(contract: Contract, now: datetime) -> PartitionSets:
    """Gather the seasons up to the current one, oldest first; sources without seasons have no partitions.

    The next season is among them from `LEAD` before its start, so that definitions which stay loaded know it when it
    begins. Until then nothing is expected of it, no check looks at it, and its partition is empty: "% filled" counts
    one partition too many, for at most two months.
    """
    seasons: defaultdict[tuple[str, str], set[Season]] = defaultdict(set)
    for data_set in contract.data_sets.values():
        if data_set.has_seasons:
            seasons[data_set.source, data_set.league].update(data_set.seasons(now + LEAD))
    return {
        name: dg.StaticPartitionsDefinition([season.label for season in sorted(found)])
        for name, found in seasons.items()
    }


def cells_of(contract: Contract, partitions: PartitionSets) -> dict[str, list[str]]:
    """List the seasons that an event of a data set may name, by data set (``source/data_type``).

    Partitions of the moment of loading give what these definitions have, those of a later moment what there is by then.
    """
    return {
        data_set.name: (
            list(partitions[data_set.source, data_set.league].get_partition_keys())
            if data_set.has_seasons
            else [WHOLE_HISTORY]
        )
        for data_set in contract.data_sets.values()
    }


def data_set_assets(
    contract: Contract, catalogue: Catalogue, scrapers: Mapping[str, str], partitions: PartitionSets
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Make the assets of all data sets: one definition for each scraper, and a specification for each of the rest."""
    specs = {data_set.name: _spec(contract, data_set, partitions) for data_set in contract.data_sets.values()}
    yields: defaultdict[str, list[str]] = defaultdict(list)
    for name, scraper in scrapers.items():
        yields[scraper].append(name)
    collectors = [
        collector_asset(Collector(contract, catalogue, scraper, tuple(names)), [specs[name] for name in names])
        for scraper, names in yields.items()
    ]
    return [*collectors, *(spec for name, spec in specs.items() if name not in scrapers)]


def _spec(contract: Contract, data_set: DataSet, partitions: PartitionSets) -> dg.AssetSpec:
    declared = data_set.declared
    return dg.AssetSpec(
        key_of(data_set),
        description=declared.description,
        group_name=data_set.source,
        owners=contract.sources[data_set.source].owners,
        kinds=_kinds(data_set),
        tags={
            "adce/league": data_set.league,
            "adce/required": "yes" if declared.required else "no",
            **({"adce/scraper": declared.scraper} if declared.scraper else {}),
        },
        metadata={
            "templates": dg.MetadataValue.md("\n".join(f"- `{template.text}`" for template in data_set.templates)),
            "ranges_over": ", ".join(declared.for_each),
            "freshness_days": declared.freshness_days,
            "grace_hours": declared.grace_hours,
            "completeness_threshold": declared.completeness_threshold,
            "scraper": declared.scraper or "none",
        },
        partitions_def=partitions[data_set.source, data_set.league] if data_set.has_seasons else None,
    )


def _kinds(data_set: DataSet) -> set[str]:
    endings = [part for template in data_set.templates for part in template.text.lower().split(".")[1:]]
    found = dict.fromkeys(ending for ending in endings if ending in FORMATS)
    return {"s3", *list(found)[: MOST_KINDS - 1]}
