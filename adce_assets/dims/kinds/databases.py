"""A database, an AWS account or a folder beside the lake in, one value out.

How a database is asked so that nothing can be written is in `dims.asking`; how a folder and the lake are compared is in
`dims.syncing`, by the inventory and never by listing.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from adce_assets.dims import asking, syncing
from adce_assets.dims.globs import check_path
from adce_assets.dims.kinds import held
from adce_assets.dims.kinds.kind import Kind, KindParameters
from adce_assets.dims.kinds.numbers import Digits, Scale, scaled
from adce_assets.dims.kinds.project import Globs
from adce_assets.dims.metrics import Value
from adce_assets.dims.tree import Asked, walk
from adce_assets.dims.world import World

Database = Annotated[str, Field(pattern=r"^(warehouse|ledger|metrics|[A-Z][A-Z0-9_]{0,79})$")]
"""One of the installation's own, or the variable of the environment that has a URL, such as ``STATS_DATABASE_URL``."""
Seconds = Annotated[float, Field(ge=0.1, le=600)]


class Sql(KindParameters):
    """What one query answers that only reads: one row of one column, a number or a short text, within ``seconds``."""

    kind: Literal["sql"]
    database: Database = "warehouse"
    query: Annotated[str, Field(min_length=1, max_length=20_000, pattern=r"^[^\x00]+$")]
    seconds: Seconds = 30.0


class DatabaseSize(KindParameters):
    """How large a database is, in a unit: its files, or what PostgreSQL says."""

    kind: Literal["database_size"]
    database: Database = "warehouse"
    scale: Scale = "B"
    digits: Digits | None = None
    seconds: Seconds = 30.0


class RdsStorage(KindParameters):
    """How many GiB a database instance of AWS RDS has been given."""

    kind: Literal["rds_storage"]
    instance: Annotated[str, Field(pattern=r"^[A-Za-z](-?[A-Za-z0-9]){0,62}$")]
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")] | None = None


class SyncStatus(KindParameters):
    """How a folder of this machine stands to a prefix of the lake, as its last inventory knows it.

    The prefix is empty, for all of the lake, or ends in a slash; the globs are relative to folder and prefix.

    Names and sizes are compared, and with ``etags`` the MD5 of files whose object has one as its ETag; that is not so
    of objects that were uploaded in parts, which are compared by size, nor in buckets that encrypt with KMS.

    ``status`` is ``in_sync``, ``behind`` (the lake has more), ``ahead`` (the folder has more) or ``diverged`` (both, or
    something differs); the others are numbers of files.
    """

    kind: Literal["sync_status"]
    folder: Annotated[str, AfterValidator(check_path)]
    prefix: Annotated[str, Field(max_length=1024, pattern=r"^([^/]+/)*$")] = ""
    include: Globs = ("**",)
    exclude: Globs = ()
    hidden: bool = False
    etags: bool = False
    value: Literal["status", "missing_here", "missing_there", "differing", "same"] = "status"


def sql(world: World, of: Sql) -> Value:
    """Ask a database."""
    return asking.ask(asking.find(world.project.settings, of.database), of.query, of.seconds)


def database_size(world: World, of: DatabaseSize) -> int | float:
    """Say how large a database is."""
    found = asking.size(asking.find(world.project.settings, of.database), of.seconds)
    return scaled(found, of.scale, of.digits)


def rds_storage(_world: World, of: RdsStorage) -> int:
    """Ask AWS how much storage an instance has been given."""
    from adce_assets.lake import rds

    return rds.allocated_gib(of.instance, of.region)


def sync_status(world: World, of: SyncStatus) -> int | str:
    """Compare a folder with the lake."""
    objects = syncing.wanted(_objects(world, of.prefix), of.prefix, Asked(of.include, of.exclude, of.hidden))
    below = f"{of.folder}/"
    asked = Asked([below + glob for glob in of.include], [below + glob for glob in of.exclude], of.hidden)
    compared = syncing.compare(walk(world.root, asked), objects, root=below, etags=of.etags)
    return getattr(compared, of.value)


def _objects(world: World, prefix: str) -> Iterator[tuple[str, int, str]]:
    """Read the objects below a prefix from the inventory: key, size and ETag."""
    with world.reading() as read:
        held.refuse_unseen(held.inventory(world, read), [prefix])
        found = held.objects(world, read)
        rows = found.filter(found.key.startswith(prefix)).select("key", "size", "etag").limit(syncing.MOST + 1)
        table = held.backend(world, read).to_pyarrow(rows)
    for batch in table.to_batches():
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


KINDS = (
    Kind(Sql, sql),
    Kind(DatabaseSize, database_size),
    Kind(RdsStorage, rds_storage),
    Kind(SyncStatus, sync_status),
)
