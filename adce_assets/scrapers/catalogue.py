"""`config/scraper_config.yaml` in, checked hosts and scrapers out.

An entry says how to ask a host and which data sets the answer yields; a host says how it wants to be asked. To add a
scraper is to add an entry. The kinds that an entry may name are the modules beside this one. What can be said of an
entry alone stands in `entries`; here it is held against the others, the hosts and the kinds.
"""

import pkgutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from string import Formatter
from typing import Annotated

from pydantic import Field, ValidationError

from adce_assets import scrapers
from adce_assets.contract.templates import DATE_FIELDS, SEASON_FIELDS
from adce_assets.documents import Document, read, validate
from adce_assets.errors import ConfigurationError, Fault
from adce_assets.fetch.hosts import Host, budget_faults
from adce_assets.fetch.urls import is_secret, without_secrets
from adce_assets.scrapers.entries import Declared, Name, ScraperEntry

NO_KINDS = frozenset(
    {
        "answering",
        "boundary",
        "catalogue",
        "collect",
        "entries",
        "failing",
        "interface",
        "markers",
        "members",
        "paging",
        "planning",
        "processes",
        "programs",
        "promoting",
        "recording",
        "reports",
        "stopping",
        "working",
    }
)
"""Modules of this folder that are not kinds."""

IN_JSON = frozenset({"json_api", "snapshot"})
"""Kinds whose answers can be cut or have pages."""
IN_FILES = frozenset({"file_download", "kaggle"})
"""Kinds whose answers can be archives of which a member is kept."""

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
STAND_IN = {
    "requests_per_second": 1000,
    "burst": 1000,
    "budget": None,
    "robots": {"ignored_because": "it stands in for the host on this very machine"},
}
"""The limits of a stand-in on this very machine, which nobody needs to be polite to."""


class Catalogue(Declared):
    """Every host and every scraper; a lake that nobody collects for yet has none.

    Attributes:
        contact: Whom a host may write to, an address or a URL; stands in the user agent.
        program_folders: Where the programs lie that a scraper may start; relative to the installation's home.
        hosts: Hosts by name.
        scrapers: Entries by name.
    """

    contact: Annotated[str, Field(pattern=r"^[\x21-\x7e]{5,200}$")]
    program_folders: tuple[Path, ...] = (Path("programs"),)
    hosts: dict[Name, Host] = Field(default_factory=dict)
    scrapers: dict[Name, ScraperEntry] = Field(default_factory=dict)

    def with_base_urls(self, urls: Mapping[str, str]) -> "Catalogue":
        """Put stand-ins in the place of hosts, by name: private addresses are then allowed.

        A stand-in on this very machine is asked without the host's limits; any other keeps them, and is told none of
        the host's secrets, for they are the host's.

        Raises:
            ConfigurationError: no such host, or no such URL.
        """
        unknown = sorted(urls.keys() - self.hosts.keys())
        if unknown:
            raise ConfigurationError(f"no host is named `{unknown[0]}`", valid=", ".join(sorted(self.hosts)))
        replaced = {name: _stand_in(name, self.hosts[name], url) for name, url in urls.items()}
        return self.model_copy(update={"hosts": {**self.hosts, **replaced}})


def load_catalogue(path: Path) -> Catalogue:
    """Read and check the scrapers' configuration with all that it includes; every fault is named at once."""
    document = read(path)
    catalogue = validate(Catalogue, document)
    faults = tuple(fault for find in FAULTS for fault in find(catalogue, document))
    if faults:
        raise ConfigurationError(f"{len(faults)} fault(s) in {document.file}", faults=faults)
    home = path.absolute().parent.parent
    return catalogue.model_copy(
        update={"program_folders": tuple(home / folder for folder in catalogue.program_folders)}
    )


def kinds() -> list[str]:
    """List what an entry may name as its kind."""
    return sorted(module.name for module in pkgutil.iter_modules(scrapers.__path__) if module.name not in NO_KINDS)


def _unknown_names(catalogue: Catalogue, document: Document) -> Iterator[Fault]:
    """Find the kinds, hosts and successors that are not there."""
    known = {"kind": kinds(), "host": list(catalogue.hosts), "superseded_by": list(catalogue.scrapers)}
    for name, entry in catalogue.scrapers.items():
        for field, names in known.items():
            given = getattr(entry, field)
            if given and given not in names:
                yield document.fault(("scrapers", name, field), f"`{given}` is not known", given=given, valid=names)


def _endless_successions(catalogue: Catalogue, document: Document) -> Iterator[Fault]:
    """Find scrapers whose successors lead back to themselves."""
    for name in catalogue.scrapers:
        seen, successor = {name}, catalogue.scrapers[name].superseded_by
        while successor in catalogue.scrapers and successor not in seen:
            seen.add(successor)
            successor = catalogue.scrapers[successor].superseded_by
        if successor == name:
            place = ("scrapers", name, "superseded_by")
            yield document.fault(place, "its successors lead back to it", valid=sorted(set(catalogue.scrapers) - seen))


def _misplaced_settings(catalogue: Catalogue, document: Document) -> Iterator[Fault]:
    """Find settings that the kind of their entry cannot follow."""
    known = kinds()
    for name, entry in catalogue.scrapers.items():
        place = ("scrapers", name)
        if entry.kind not in known:
            continue
        if entry.paging and entry.kind not in IN_JSON:
            yield document.fault((*place, "paging"), f"`{entry.kind}` knows no pages", valid=IN_JSON)
        for data_set, yielded in entry.yields.items():
            at = (*place, "yields", data_set)
            if yielded.members and (entry.kind not in IN_JSON or yielded.requirements.parses != "json"):
                yield document.fault((*at, "members"), "only JSON can be cut", valid=IN_JSON)
            if yielded.member and entry.kind not in IN_FILES:
                yield document.fault((*at, "member"), "only archives have a member", valid=IN_FILES)
            if entry.kind == "html_page" and yielded.requirements.parses != "html":
                message = "a page is HTML: write `parses: html`"
                yield document.fault((*at, "requirements", "parses"), message, valid=["html"])


def _ageless_snapshots(catalogue: Catalogue, document: Document) -> Iterator[Fault]:
    """Find what is to be of today alone, and would be taken of any day."""
    for name, entry in catalogue.scrapers.items():
        for data_set, yielded in entry.yields.items() if entry.kind == "snapshot" else ():
            asked = yielded.requirements
            if asked.longest_age_s is None and (asked.id_may_lack or not _names_a_day(entry, asked.id_is or "")):
                message = "a snapshot must tell its day: write `fresh_path` or `max_age_s`, or a day in `id_is`"
                yield document.fault(("scrapers", name, "yields", data_set, "requirements"), message)


def _names_a_day(entry: ScraperEntry, template: str) -> bool:
    """Tell whether a template has a field of the day, or one made of it."""
    of_day = {"date", *DATE_FIELDS}
    of_day |= {name for name, derived in entry.fields.items() if derived.of in of_day}
    return any(f"{{{field}}}" in template for field in of_day)


def _crooked_templates(catalogue: Catalogue, document: Document) -> Iterator[Fault]:
    for name, entry in catalogue.scrapers.items():
        for place, text in entry.templates().items():
            problem = _template_problem(text)
            if problem:
                yield document.fault(("scrapers", name, *place), problem)


def _template_problem(text: str) -> str:
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        return f"not a template: {error}"
    for _, field, spec, conversion in parts:
        if field is not None and (not field.isidentifier() or spec or conversion):
            return f"`{{{field}}}` is no field; write a name such as {{game_id}}"
    return ""


def _crooked_fields(catalogue: Catalogue, document: Document) -> Iterator[Fault]:
    """Find fields that hide one that every key has, and fields that nothing names."""
    for name, entry in catalogue.scrapers.items():
        named = {derived.of for derived in entry.fields.values()}
        for text in entry.every_text():
            named |= {field for field in entry.fields if f"{{{field}}}" in text}
        for field in entry.fields:
            place = ("scrapers", name, "fields", field)
            if field in SEASON_FIELDS or field in DATE_FIELDS:
                yield document.fault(place, f"`{field}` is a field of the key already")
            if field not in named:
                yield document.fault(place, f"nothing names `{{{field}}}`")


def _quarrelling_hosts(catalogue: Catalogue, document: Document) -> Iterator[Fault]:
    for name, message in budget_faults(catalogue.hosts):
        yield document.fault(("hosts", name, "budget"), message)


FAULTS: tuple[Callable[[Catalogue, Document], Iterator[Fault]], ...] = (
    _unknown_names,
    _endless_successions,
    _misplaced_settings,
    _ageless_snapshots,
    _crooked_templates,
    _crooked_fields,
    _quarrelling_hosts,
)
"""What entries can say that nothing else bears out."""


def _stand_in(name: str, host: Host, url: str) -> Host:
    try:
        stand_in = Host.model_validate({**host.model_dump(), "base_url": url, "allow_private": True})
        changes = STAND_IN if stand_in.name in LOOPBACK else _without_secrets(host)
        return Host.model_validate({**stand_in.model_dump(), **changes})
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"the base URL of `{name}` {message}", where=without_secrets(url)) from error


def _without_secrets(host: Host) -> dict[str, object]:
    headers = {name: value for name, value in host.headers.items() if not is_secret(name)}
    return {"credential": None, "headers": headers}
