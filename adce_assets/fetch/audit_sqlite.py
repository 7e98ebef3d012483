"""A SQLite file in; its tables, their columns and the numbers of their rows out."""

from collections.abc import Mapping

from adce_assets.fetch import confined
from adce_assets.fetch.bodies import Body
from adce_assets.fetch.requirements import Requirements
from adce_assets.fetch.surveys import Survey, Table, counted_places

READER = "adce_assets.fetch.read_sqlite"


def sqlite_view(body: Body, requirements: Requirements, entity: Mapping[str, str]) -> Survey:
    """Read the tables that are asked for; the file as a whole is checked."""
    found = confined.read(READER, body, {"counted": counted_places(requirements, entity)})
    return Survey(tuple(Table(one["name"], tuple(one["columns"]), one["rows"]) for one in found["tables"]))
