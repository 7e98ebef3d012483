"""A Parquet file in; its columns and the number of its rows out."""

from collections.abc import Mapping

from adce_assets.fetch import confined
from adce_assets.fetch.bodies import Body
from adce_assets.fetch.requirements import Requirements
from adce_assets.fetch.surveys import WHOLE, Survey, Table

READER = "adce_assets.fetch.read_parquet"


def parquet_view(body: Body, requirements: Requirements, entity: Mapping[str, str]) -> Survey:  # noqa: ARG001 - as all views
    """Read a Parquet file through: the whole as `WHOLE`, each column as a table of its values."""
    found = confined.read(READER, body, {"id_column": requirements.id_path})
    names = tuple(found["names"])
    columns = (Table(name, (name,), found["filled"][name]) for name in dict.fromkeys(names))
    return Survey((Table(WHOLE, names, found["rows"]), *columns), tuple(found["ids"]))
