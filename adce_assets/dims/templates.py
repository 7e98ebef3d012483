"""The templates of `inventory/config.yaml` and the contract in, the metrics that they make out, as plain data.

A metric that every source or every data type has is written once. What a metric may say is checked afterwards, in
`catalogue`, for those of templates as for all others: each value keeps the line of the template that it comes from.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from adce_assets.contract.loading import Contract
from adce_assets.documents import Document, Path_, Place
from adce_assets.errors import Fault

PLACEHOLDER = re.compile(r"\{([a-z_]+)\}", re.ASCII)
"""What stands in a template where a name of the contract goes; the `{2}` of a regular expression is none."""
OF_SOURCE = ("source", "league")
OF_DATA_TYPE = ("source", "data_type", "league")
TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "for_each_source": OF_SOURCE,
    "for_each_required_source": OF_SOURCE,
    "for_each_data_type": OF_DATA_TYPE,
    "for_each_required_data_type": OF_DATA_TYPE,
}
"""The sections of templates, and the names that each knows. What they make is of the category ``source_<name>``.

A required source is one with a required data type: the others may have nothing at all.
"""
LEAGUE = "{league}"


def write_out(document: Document, contract: Contract) -> Iterator[Fault]:
    """Move the templates of a document to its metrics, once for each source or data type; yield what is wrong."""
    metrics = document.data.setdefault("metrics", {})
    for section in TEMPLATES:
        templates = document.data.pop(section, {})
        if not isinstance(templates, dict):
            yield document.fault((section,), "must be a mapping of names to metrics")
            continue
        for name, entry in templates.items() if isinstance(metrics, dict) else ():
            faults = list(_misnamed(document, (section, name), f"{name} {entry}"))
            yield from faults or _make(document, (section, name), entry, contract)


def name_months(document: Document) -> Iterator[Fault]:
    """Put the months of a season where a metric has the season's name; yield the names that mean none."""
    seasons = document.data.get("seasons")
    seasons = seasons if isinstance(seasons, dict) else {}
    for path, entry in _entries(document):
        name = entry.get("season_months")
        if not isinstance(name, str):
            continue
        if name not in seasons:
            message = f"`{name}` is no season"
            yield document.fault((*path, "season_months"), message, given=name, valid=seasons)
        entry["season_months"] = seasons.get(name)


def _entries(document: Document) -> Iterator[tuple[Path_, dict[str, Any]]]:
    """List the metrics of a document that have the form of one, with their paths."""
    categories = document.data.get("metrics")
    for category, entries in categories.items() if isinstance(categories, dict) else ():
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            if isinstance(entry, dict):
                yield ("metrics", category, name), entry


def _misnamed(document: Document, path: Path_, text: str) -> Iterator[Fault]:
    known = TEMPLATES[str(path[0])]
    for name in sorted({*PLACEHOLDER.findall(text)} - {*known}):
        yield document.fault(path, f"`{{{name}}}` stands for nothing here", given=name, valid=known)


def _make(document: Document, path: Path_, entry: Any, contract: Contract) -> Iterator[Fault]:
    """Add what one template makes to the metrics."""
    inner = {found[len(path) :]: place for found, place in document.places.items() if found[: len(path)] == path}
    seasons = document.data.get("seasons")
    for names in _names(contract, str(path[0])):
        category, name = f"source_{names['source']}", _filled(str(path[1]), names)
        made = document.data["metrics"].setdefault(category, {})
        if not isinstance(made, dict) or name in made:
            yield document.fault(("metrics", category, name), "stands here, and a template makes it too")
            continue
        made[name] = _filled(entry, names)
        if isinstance(entry, dict) and entry.get("season_months") == LEAGUE:
            made[name]["season_months"] = seasons.get(names["league"]) if isinstance(seasons, dict) else None
        _keep_places(document, ("metrics", category, name), inner)


def _keep_places(document: Document, path: Path_, inner: Mapping[Path_, Place]) -> None:
    for inside, place in inner.items():
        document.places[(*path, *inside)] = place


def _names(contract: Contract, section: str) -> Iterator[Mapping[str, str]]:
    """List what the names of a section's templates stand for: sources of the contract, or data types."""
    if TEMPLATES[section] == OF_DATA_TYPE:
        for found in contract.data_sets.values():
            if found.declared.required or "required" not in section:
                yield {"source": found.source, "data_type": found.data_type, "league": found.league}
        return
    for source, declared in contract.sources.items():
        if any(found.required for found in declared.data_types.values()) or "required" not in section:
            yield {"source": source, "league": declared.league}


def _filled(value: Any, names: Mapping[str, str]) -> Any:
    """Write the names into every text of a value."""
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda found: names[found[1]], value)
    if isinstance(value, dict):
        return {key: _filled(inner, names) for key, inner in value.items()}
    return [_filled(inner, names) for inner in value] if isinstance(value, list) else value
