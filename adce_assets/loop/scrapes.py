"""The section `scheduled_scrapes` and the contract in, what each entry is about out: its data sets, by their scrapers.

An entry of a source that the contract does not have, as that of another lake, comes to nothing and says why. A data
type that is nearly, but not quite, one of the source's is a slip of the pen, and a fault.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches

from adce_assets.contract.loading import Contract, DataSet
from adce_assets.contract.seasons import WHOLE_HISTORY, Season
from adce_assets.documents import read
from adce_assets.errors import ConfigurationError, Fault
from adce_assets.restraints import Scrape
from adce_assets.settings import Settings

NEAR = 0.7
"""How alike a name must be to a known one to be a slip of the pen."""


@dataclass(frozen=True, slots=True)
class Plan:
    """An entry, and what comes of it: the data sets of each scraper; or why nothing does."""

    scrape: Scrape
    scrapers: Mapping[str, Sequence[DataSet]] = field(default_factory=dict)
    why_not: str = ""

    @property
    def first(self) -> DataSet:
        """One of its data sets; all are of one league."""
        return next(iter(self.scrapers.values()))[0]

    def groups(self, now: datetime) -> Iterator[tuple[str, str, list[DataSet]]]:
        """Yield what becomes one run: a scraper, the season it is about, and the data sets that have this season."""
        for scraper, data_sets in self.scrapers.items():
            by_season: defaultdict[str, list[DataSet]] = defaultdict(list)
            for data_set in data_sets:
                by_season[self._season(data_set, now)].append(data_set)
            yield from ((scraper, season, group) for season, group in by_season.items() if season)

    def _season(self, data_set: DataSet, now: datetime) -> str:
        """Name the season that is meant; empty where the data set does not have it."""
        if not data_set.has_seasons:
            return WHOLE_HISTORY
        current = data_set.calendar.current(now)
        meant = current if self.scrape.season == "current" else Season(current.start - 1)
        return meant.label if meant in data_set.seasons(now) else ""


def plans(settings: Settings, contract: Contract, scrapers: Mapping[str, str]) -> list[Plan]:
    """Find what each entry is about, where ``scrapers`` names the scraper of each data set that has one.

    Raises:
        ConfigurationError: what an entry names is misspelt, or no single job collects it.
    """
    config, made, faults = settings.autonomous.scheduled_scrapes, [], []
    for at, scrape in enumerate(config):
        try:
            made.append(_plan(scrape, contract, scrapers))
        except _WrongError as wrong:
            document = read(settings.home / "config" / "autonomous_config.yaml")
            place = ("scheduled_scrapes", at, wrong.key)
            faults.append(document.fault(place, wrong.what, given=wrong.given, valid=wrong.known))
    if faults:
        raise ConfigurationError(f"{len(faults)} fault(s) in `scheduled_scrapes`", faults=tuple[Fault, ...](faults))
    return made


def check_pauses(settings: Settings, contract: Contract, hosts: Collection[str]) -> None:
    """Raise ConfigurationError where a pause names a host or a source that there is not: nothing would rest."""
    document, faults = None, []
    for at, pause in enumerate(settings.autonomous.pauses):
        named = {"hosts": (pause.hosts, hosts), "sources": (pause.sources, contract.sources)}
        for key, (given, known) in named.items():
            for name in sorted(set(given) - set(known)):
                document = document or read(settings.home / "config" / "autonomous_config.yaml")
                place, message = ("pauses", at, key), f"there is no `{name}`"
                faults.append(document.fault(place, message, given=name, valid=known))
    if faults:
        raise ConfigurationError(f"{len(faults)} fault(s) in `pauses`", faults=tuple[Fault, ...](faults))


class _WrongError(Exception):
    """What is wrong with an entry: with which key, what, and what is valid in the place of what was given."""

    def __init__(self, key: str, what: str, given: str = "", known: Sequence[str] = ()) -> None:
        super().__init__(what)
        self.key, self.what, self.given, self.known = key, what, given, known


def _plan(scrape: Scrape, contract: Contract, scrapers: Mapping[str, str]) -> Plan:
    if scrape.source not in contract.sources:
        near = get_close_matches(scrape.source, sorted(contract.sources), n=1, cutoff=NEAR)
        hint = "".join(f"; did you mean `{name}`?" for name in near)
        return Plan(scrape, why_not=f"the contract has no source `{scrape.source}`{hint}")
    own = {data_set.data_type: data_set for data_set in contract.data_sets.values() if data_set.source == scrape.source}
    league = contract.sources[scrape.source].league
    whole = [name for name, data_set in own.items() if data_set.has_seasons and data_set.league == league]
    named = [own[name] for name in scrape.data_types or whole if _knows(name, sorted(own))]
    if len({data_set.league for data_set in named}) > 1:
        raise _WrongError("data_types", "these are of several leagues; each takes an entry of its own")
    found: defaultdict[str, list[DataSet]] = defaultdict(list)
    for data_set in named:
        if data_set.name in scrapers:
            found[scrapers[data_set.name]].append(data_set)
    return Plan(scrape, found, why_not="" if found else f"nothing of `{scrape.source}` that it is about has a scraper")


def _knows(given: str, known: Sequence[str]) -> bool:
    if given not in known and get_close_matches(given, known, n=1, cutoff=NEAR):
        raise _WrongError("data_types", f"the contract has no `{given}`", given, known)
    return given in known
