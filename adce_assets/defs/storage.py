"""The environment in, the storage of Dagster's own records out: PostgreSQL by URL, SQLite otherwise.

`dagster.yaml` cannot choose: its `storage` takes one kind, and a variable that is unset is an error there. Nothing of
the loop's is kept here.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.storage.base_storage import DagsterStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData

from adce_assets.settings import dagster_database_url, dagster_home

if TYPE_CHECKING:
    from dagster._config import UserConfigSchema

WITHOUT_HOME = Path(".dagster")
"""Where SQLite files lie when `DAGSTER_HOME` is not set, below the folder in which Dagster was started."""
CONNECT_SECONDS = 10
"""How long a server may take to accept who asks for records, where the URL does not say; libpq waits for ever."""
GONE_SECONDS = 60
"""How long a connection waits for a server that does not take what it is sent, or is asked whether it is there."""
BOUNDS = {
    "connect_timeout": CONNECT_SECONDS,
    "tcp_user_timeout": 1_000 * GONE_SECONDS,
    "keepalives_idle": GONE_SECONDS,
    "keepalives_interval": GONE_SECONDS // 3,
    "keepalives_count": 3,
}
"""What libpq takes that bounds its waiting, as far as a URL does not say it itself."""
_HOME: ContextVar[Path | None] = ContextVar("dagster_home", default=None)


class ChosenStorage(DagsterStorage, ConfigurableClass):
    """Named in `dagster.yaml`; never instantiated, because what it makes is one of Dagster's own storages."""

    @classmethod
    def config_type(cls) -> "UserConfigSchema":
        """Take no configuration: the environment says it all."""
        return {}

    @classmethod
    def from_config_value(  # pyrefly: ignore[bad-override] - Dagster's own storages make one of another class as well
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Mapping[str, Any],  # noqa: ARG003 - the signature is Dagster's
    ) -> DagsterStorage:
        """Open the storage that the environment names, or SQLite in Dagster's home."""
        url = dagster_database_url()
        if url is not None:
            from dagster_postgres import DagsterPostgresStorage

            return DagsterPostgresStorage(postgres_url=patient(with_driver(url)), inst_data=inst_data)
        from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

        return DagsterSqliteStorage.from_local(_folder(), inst_data=inst_data)


@contextmanager
def instance_of(home: Path) -> Iterator[dg.DagsterInstance]:
    """Open the instance that has its settings in a folder, and its records too, whether or not it is `DAGSTER_HOME`."""
    token = _HOME.set(home)
    try:
        with dg.DagsterInstance.from_config(str(home)) as instance:
            yield instance
    finally:
        _HOME.reset(token)


def _folder() -> str:
    return str(_HOME.get() or dagster_home() or WITHOUT_HOME.absolute())


def with_driver(url: str) -> str:
    """Name the driver that dagster-postgres installs; a bare `postgresql://` may mean another one to SQLAlchemy."""
    scheme, separator, rest = url.partition("://")
    return f"postgresql+psycopg2{separator}{rest}" if scheme in {"postgres", "postgresql"} else url


def patient(url: str) -> str:
    """Bound how long a server that lets nobody in, or is gone without a word, is waited for."""
    for name, value in BOUNDS.items():
        if f"{name}=" not in url:
            url = f"{url}{'&' if '?' in url else '?'}{name}={value}"
    return url
