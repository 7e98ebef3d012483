"""`config/scraper_config.yaml` in, checked hosts and scrapers out.

An entry says how to ask a host and which data sets the answer yields; a host says how it wants to be asked. To add a
scraper is to add an entry. The kinds that an entry may name are the modules beside this one.
"""

import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from adce_assets import scrapers
from adce_assets.documents import Document, read, validate
from adce_assets.errors import ConfigurationError, Fault
from adce_assets.fetch.audit import Requirements
from adce_assets.fetch.hosts import Host

NO_KINDS = frozenset({"catalogue", "collect", "interface", "members"})
"""Modules of this folder that are not kinds."""

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
STAND_IN = {"requests_per_second": 1000, "burst": 1000}
"""The limits of a stand-in on this very machine, which nobody needs to be polite to."""

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
DataSetName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*/[a-z][a-z0-9_]*$", max_length=121)]
Member = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$", max_length=200)]


class Declared(BaseModel):
    """What comes from a file: unknown keys are faults, and nothing changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Yield(Declared):
    """What an answer holds for one data set.

    Attributes:
        members: The members of a JSON answer that are kept, as dotted paths; None keeps the answer as it is.
        requirements: What the kept document must be and contain.
    """

    members: Annotated[tuple[Member, ...], Field(min_length=1)] | None = None
    requirements: Requirements = Requirements()

    @model_validator(mode="after")
    def _can_be_cut(self) -> Self:
        members = self.members or ()
        if members and not self.requirements.must_have:
            message = "`members` need `requirements` with `must_have`: a cut document must be known to be whole"
            raise ValueError(message)
        if any(inner.startswith(f"{outer}.") for outer in members for inner in members):
            message = "one of the `members` is a part of another"
            raise ValueError(message)
        return self


class ScraperEntry(Declared):
    """How to ask for documents, and which data sets an answer yields.

    Attributes:
        kind: The module of this folder that does it.
        host: The host that is asked, one of ``hosts``.
        path: Below the host's base URL, a template of the entity's fields.
        parameters: The query, each value a template.
        yields: What an answer holds, by ``<source>/<data_type>``.
    """

    kind: Name
    host: Name
    path: Annotated[str, Field(pattern=r"^/[^?#]*$")]
    parameters: dict[str, str] = {}
    yields: Annotated[dict[DataSetName, Yield], Field(min_length=1)]


class Catalogue(Declared):
    """Every host and every scraper.

    Attributes:
        contact: Whom a host may write to, an address or a URL; stands in the user agent.
        hosts: Hosts by name.
        scrapers: Entries by name.
    """

    contact: Annotated[str, Field(pattern=r"^[\x21-\x7e]{5,200}$")]
    hosts: Annotated[dict[Name, Host], Field(min_length=1)]
    scrapers: Annotated[dict[Name, ScraperEntry], Field(min_length=1)]

    def with_base_urls(self, urls: Mapping[str, str]) -> "Catalogue":
        """Put stand-ins in the place of hosts, by name: private addresses are then allowed.

        A stand-in on this very machine is asked without the host's limits; any other keeps them.

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
    faults = tuple(_faults(catalogue, document))
    if faults:
        raise ConfigurationError(f"{len(faults)} fault(s) in {document.file}", faults=faults)
    return catalogue


def kinds() -> list[str]:
    """List what an entry may name as its kind."""
    return sorted(module.name for module in pkgutil.iter_modules(scrapers.__path__) if module.name not in NO_KINDS)


def _faults(catalogue: Catalogue, document: Document) -> Iterator[Fault]:
    """Find what entries say that nothing else bears out."""
    known = {"kind": kinds(), "host": list(catalogue.hosts)}
    for name, entry in catalogue.scrapers.items():
        for field, names in known.items():
            given = getattr(entry, field)
            if given not in names:
                yield document.fault(("scrapers", name, field), f"`{given}` is not known", given=given, valid=names)
        yield from _template_faults(name, entry, document)


def _template_faults(name: str, entry: ScraperEntry, document: Document) -> Iterator[Fault]:
    templates: dict[tuple[str, ...], str] = {("path",): entry.path}
    templates |= {("parameters", parameter): text for parameter, text in entry.parameters.items()}
    for data_set, yielded in entry.yields.items():
        templates["yields", data_set, "requirements", "id_is"] = yielded.requirements.id_is or ""
    for place, text in templates.items():
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


def _stand_in(name: str, host: Host, url: str) -> Host:
    limits = STAND_IN if urlsplit(url).hostname in LOOPBACK else {}
    try:
        return Host.model_validate({**host.model_dump(), **limits, "base_url": url, "allow_private": True})
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"the base URL of `{name}` {message}", where=url) from error
