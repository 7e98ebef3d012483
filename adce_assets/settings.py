"""Environment and configuration files in, frozen settings out. The only reader of the environment and of the clock.

| variable | what |
|---|---|
| ``ADCE_LAKE`` | the lake's root, ``s3://bucket[/prefix]`` or ``file:///path`` |
| ``ADCE_BUCKET`` | short for ``ADCE_LAKE=s3://`` + name |
| ``ADCE_HOME`` | the folder with ``config/`` and ``inventory/`` (default: the project's own) |
| ``ADCE_STATE`` | where the loop writes its files (default: ``inventory/`` under the home) |
| ``ADCE_AS_OF`` | an ISO time that stands for now, for reproducible runs |
| ``ADCE_HOST_<NAME>`` | another base URL for a host of the scraper configuration, such as a local stand-in |
| ``ADCE_LIMITS`` | a PostgreSQL URL, for budgets of hosts that all machines share (default: a file of this one) |
| ``ADCE_DATABASE_URL`` | the PostgreSQL of ledger and metrics, for all machines (default: SQLite files of this one) |
| ``ADCE_WAREHOUSE_URL`` | the warehouse: ``duckdb:///path`` or PostgreSQL (default: the ledger's, else a file) |
| ``ADCE_DAGSTER_URL`` | the PostgreSQL that Dagster keeps its own records in (default: SQLite under ``DAGSTER_HOME``) |
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from adce_assets.autonomous import AutonomousConfig
from adce_assets.configuration import ReconciliationConfig
from adce_assets.documents import load
from adce_assets.errors import ConfigurationError

PREFIXES = ("ADCE_", "AWS_", "DAGSTER_")
"""What the names of settings begin with, in the environment."""
AWS_FILES = {"AWS_CONFIG_FILE": "~/.aws/config", "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials"}
"""The variables that name the files of AWS's own settings, and where these are if they are not set."""
AWS_READS = ("BOTO_CONFIG", "REQUESTS_CA_BUNDLE")
"""What AWS's library reads beside the variables that are named for it, and the proxies."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that differs between one installation and another.

    ``clock_stands`` says that the clock is a moment that somebody has named, not that of the machine.
    """

    home: Path
    state_url: str
    configured_lake: str | None
    host_urls: Mapping[str, str]
    clock: Callable[[], datetime]
    reconciliation: ReconciliationConfig
    autonomous: AutonomousConfig
    limits_url: str | None = None
    configured_database: str | None = None
    configured_warehouse: str | None = None
    secrets: Callable[[str], str | None] = field(default=lambda _: None)
    clock_stands: bool = False

    @property
    def lake_url(self) -> str:
        """The root of the lake; ConfigurationError when nobody has said where it is."""
        if self.configured_lake is None:
            raise ConfigurationError(
                "no lake is configured",
                valid="s3://bucket, s3://bucket/prefix or file:///path",
                hint="set ADCE_LAKE, or run `make demo` for a lake to try",
            )
        return self.configured_lake

    @property
    def contract_path(self) -> Path:
        """The contract's file."""
        return self.home / "inventory" / "data_inventory.yaml"

    @property
    def scraper_config_path(self) -> Path:
        """The scrapers' configuration."""
        return self.home / "config" / "scraper_config.yaml"

    @property
    def work_folder(self) -> Path:
        """A folder of this machine for what processes share here: rate limits, spilled tables."""
        return self.home / ".adce"

    @property
    def limits_place(self) -> str | Path:
        """Where the budgets of the hosts are kept, for every process that asks them: a PostgreSQL URL, or a file."""
        return self.limits_url or self.work_folder / "limits.sqlite"

    @property
    def database_url(self) -> str:
        """The database of the ledger, as SQLAlchemy writes it: PostgreSQL, or a SQLite file of this machine."""
        return self.configured_database or f"sqlite:///{self.work_folder / 'ledger.sqlite'}"

    @property
    def metrics_url(self) -> str:
        """The database of the metrics' history: the ledger's PostgreSQL if it has one, or a SQLite file."""
        return self.configured_database or f"sqlite:///{self.work_folder / 'metrics.sqlite'}"

    @property
    def metrics_config_path(self) -> Path:
        """The definitions of the metrics."""
        return self.home / "inventory" / "config.yaml"

    @property
    def warehouse_url(self) -> str:
        """The database that records are loaded into: PostgreSQL, the ledger's too if it is one, or a DuckDB file."""
        if self.configured_warehouse:
            return self.configured_warehouse
        shared = self.configured_database or ""
        return shared if shared.startswith("postgres") else f"duckdb://{self.work_folder / 'warehouse.duckdb'}"


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the environment (default: the process's own) and the configuration files of the home it names."""
    environ = os.environ if environment is None else environment
    home = Path(environ.get("ADCE_HOME") or Path(__file__).resolve().parent.parent).absolute()
    bucket = environ.get("ADCE_BUCKET")
    return Settings(
        home=home,
        state_url=environ.get("ADCE_STATE") or (home / "inventory").as_uri(),
        configured_lake=environ.get("ADCE_LAKE") or (f"s3://{bucket}" if bucket else None),
        host_urls={
            name.removeprefix("ADCE_HOST_").lower(): url
            for name, url in environ.items()
            if name.startswith("ADCE_HOST_")
        },
        clock=_clock(environ.get("ADCE_AS_OF")),
        reconciliation=load(ReconciliationConfig, home / "config" / "reconciliation_config.yaml"),
        autonomous=load(AutonomousConfig, home / "config" / "autonomous_config.yaml"),
        limits_url=environ.get("ADCE_LIMITS") or None,
        configured_database=environ.get("ADCE_DATABASE_URL") or None,
        configured_warehouse=environ.get("ADCE_WAREHOUSE_URL") or None,
        secrets=partial(kept, environment=environ),
        clock_stands=bool(environ.get("ADCE_AS_OF")),
    )


def dagster_database_url(environment: Mapping[str, str] | None = None) -> str | None:
    """Return the URL of the database of Dagster's own records, or None for SQLite."""
    environ = os.environ if environment is None else environment
    return environ.get("ADCE_DAGSTER_URL") or None


def dagster_home(environment: Mapping[str, str] | None = None) -> Path | None:
    """Return the folder that Dagster calls its home, or None where nobody has named one."""
    environ = os.environ if environment is None else environment
    return Path(environ["DAGSTER_HOME"]).absolute() if environ.get("DAGSTER_HOME") else None


def kept(name: str, environment: Mapping[str, str] | None = None) -> str | None:
    """Return the secret or other value that the environment keeps under a name; None where there is none."""
    environ = os.environ if environment is None else environment
    return environ.get(name) or None


def way_to_aws(environment: Mapping[str, str] | None = None) -> tuple[object, ...]:
    """Sum up what a client of AWS is made from: variables, proxies, and where its two files are and how they stand.

    Not in it is what these lead to: AWS's library itself looks anew at credentials that expire.
    """
    environ = os.environ if environment is None else environment
    told = sorted((name, text) for name, text in environ.items() if _is_of_aws(name))
    return (*told, *(_stands(environ.get(name) or file) for name, file in AWS_FILES.items()))


def environment_for_child(variables: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with ``variables`` in the place of every setting of ADCE, AWS and Dagster.

    What a person has set for a real lake must not reach a process that is started to work on another one.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIXES)} | dict(variables)


def now() -> datetime:
    """Return what the clock of this machine says (UTC), whatever moment stands for now in an installation."""
    return datetime.now(UTC)


def environment_of_this() -> dict[str, str]:
    """Return a copy of this process's environment, for a child that works on the same installation."""
    return dict(os.environ)


def forget_settings() -> None:
    """Take every setting of ADCE, AWS and Dagster out of this process's own environment, for good.

    As for a child, where this process itself works on another lake: libraries read the environment when they please.
    """
    for name in [name for name in os.environ if name.startswith(PREFIXES)]:
        del os.environ[name]


def _is_of_aws(name: str) -> bool:
    return "AWS_" in name or name in AWS_READS or name.upper().endswith("_PROXY")


def _stands(file: str) -> tuple[object, ...]:
    """Say where a file is, read as AWS's library does, and when it was last changed and how large it is."""
    path = Path(os.path.expandvars(file)).expanduser()
    if not path.is_file():
        return (path,)
    found = path.stat()
    return path, found.st_mtime_ns, found.st_size


def _clock(as_of: str | None) -> Callable[[], datetime]:
    if not as_of:
        return lambda: datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(as_of)
    except ValueError as error:
        raise ConfigurationError(
            f"`{as_of}` is not a time", where="ADCE_AS_OF", valid="an ISO time such as 2025-01-15T12:00:00Z"
        ) from error
    moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    return lambda: moment
