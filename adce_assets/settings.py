"""Environment and configuration files in, frozen settings out. The only reader of the environment and of the clock.

| variable | what |
|---|---|
| ``ADCE_LAKE`` | the lake's root, ``s3://bucket[/prefix]`` or ``file:///path`` |
| ``ADCE_BUCKET`` | short for ``ADCE_LAKE=s3://`` + name |
| ``ADCE_HOME`` | the folder with ``config/`` and ``inventory/`` (default: the project's own) |
| ``ADCE_STATE`` | where the loop writes its files (default: ``inventory/`` under the home) |
| ``ADCE_AS_OF`` | an ISO time that stands for now, for reproducible runs |
| ``ADCE_DRY_RUN`` | ``1``: the loop computes everything and starts nothing (default: `dry_run` of the configuration) |
| ``ADCE_TEST_MODE`` | ``1``: it comes round quickly and collects little (default: `test_mode.enabled`) |
| ``ADCE_CODE_SERVER_RENEWS`` | ``1``: something starts the code server again, so that it may end for a new season |
| ``ADCE_TOKEN`` | the secret of a token, for a command that asks a health server |
| ``ADCE_HEALTH_ADDRESS`` | where health listens, for containers (default: `health.address` of the configuration) |
| ``ADCE_HOST_<NAME>`` | another base URL for a host of the scraper configuration, such as a local stand-in |
| ``ADCE_SECRETS`` | a folder of secrets, a file each by its name, read anew for each run (default: the environment) |
| ``ADCE_DATABASE_URL`` | the PostgreSQL of all that machines share (default: SQLite files of this one) |
| ``ADCE_LIMITS`` | another PostgreSQL for the budgets of hosts (default: ``ADCE_DATABASE_URL``, else a file) |
| ``ADCE_WAREHOUSE_URL`` | the warehouse: ``duckdb:///path`` or PostgreSQL (default: the ledger's, else a file) |
| ``ADCE_DAGSTER_URL`` | another PostgreSQL for Dagster's records (default: ``ADCE_DATABASE_URL``, else SQLite files) |
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from adce_assets.autonomous import AutonomousConfig, check_address
from adce_assets.configuration import ReconciliationConfig
from adce_assets.documents import load
from adce_assets.errors import ConfigurationError

SECRET_NAME = re.compile(r"[A-Za-z0-9_]+(?:[.-][A-Za-z0-9_]+)*", re.ASCII)
"""The name of a secret that may be a file: it leads out of no folder."""
PREFIXES = ("ADCE_", "AWS_", "DAGSTER_")
"""What the names of settings begin with, in the environment."""
AWS_FILES = {"AWS_CONFIG_FILE": "~/.aws/config", "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials"}
"""The variables that name the files of AWS's own settings, and where these are if they are not set."""
AWS_READS = ("BOTO_CONFIG", "REQUESTS_CA_BUNDLE")
"""What AWS's library reads beside the variables that are named for it, and the proxies."""

PATHS = re.compile(
    "ADCE_(HOME|SECRETS)|DAGSTER_HOME|AWS_(CONFIG|SHARED_CREDENTIALS|WEB_IDENTITY_TOKEN)_FILE|(AWS|REQUESTS)_CA_BUNDLE"
    "|BOTO_CONFIG|SSL_CERT_(FILE|DIR)|PGPASSFILE|PGSERVICEFILE|PGSSL(ROOTCERT|CERT|KEY|CRL)|TMPDIR|PYTHONPATH"
)
"""The variables that name a file or a folder, or several."""

FLAGS = {"1": True, "true": True, "yes": True, "": False, "0": False, "false": False, "no": False}
"""What the value of a variable that is a yes or a no may be."""


WORK_FOLDER = ".adce"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that differs between one installation and another.

    ``clock_stands`` says that the clock is a moment that somebody has named, not that of the machine, and
    ``code_server_renews`` that Dagster's code server is started again when it ends.
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
    code_server_renews: bool = False

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
        return self.home / WORK_FOLDER

    @property
    def limits_place(self) -> str | Path:
        """Where the budgets of the hosts are kept, for every process that asks them: a PostgreSQL URL, or a file."""
        return self.limits_url or _shared(self.configured_database) or self.work_folder / "limits.sqlite"

    @property
    def database_url(self) -> str:
        """The database of the ledger, as SQLAlchemy writes it: PostgreSQL, or a SQLite file of this machine."""
        return self.configured_database or f"sqlite:///{self.work_folder / 'ledger.sqlite'}"

    @property
    def metrics_url(self) -> str:
        """The database of the metrics' history: the ledger's PostgreSQL if it has one, or a SQLite file."""
        return self.configured_database or f"sqlite:///{self.work_folder / 'metrics.sqlite'}"

    @property
    def alerts_url(self) -> str:
        """The database of the alerts: the ledger's PostgreSQL if it has one, or a SQLite file."""
        return self.configured_database or self.own_alerts_url

    @property
    def own_alerts_url(self) -> str:
        """The file of this machine in which alerts are kept when no other database can be reached."""
        return f"sqlite:///{self.work_folder / 'alerts.sqlite'}"

    @property
    def access_url(self) -> str:
        """The database of tokens and of who has done what: the ledger's PostgreSQL if it has one, or a SQLite file."""
        return self.configured_database or f"sqlite:///{self.work_folder / 'access.sqlite'}"

    @property
    def metrics_config_path(self) -> Path:
        """The definitions of the metrics."""
        return self.home / "inventory" / "config.yaml"

    @property
    def warehouse_url(self) -> str:
        """The database that records are loaded into: PostgreSQL, the ledger's too if it is one, or a DuckDB file."""
        shared = self.configured_warehouse or _shared(self.configured_database)
        return shared or f"duckdb://{self.work_folder / 'warehouse.duckdb'}"


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the environment (default: the process's own) and the configuration files of the home it names."""
    environ = os.environ if environment is None else environment
    home = home_of(environ)
    bucket = environ.get("ADCE_BUCKET")
    return Settings(
        home=home,
        state_url=state_url_of(environ),
        configured_lake=environ.get("ADCE_LAKE") or (f"s3://{bucket}" if bucket else None),
        host_urls={
            name.removeprefix("ADCE_HOST_").lower(): url
            for name, url in environ.items()
            if name.startswith("ADCE_HOST_")
        },
        clock=_clock(environ.get("ADCE_AS_OF")),
        reconciliation=reconciliation_of(environ),
        autonomous=_listening(
            load(AutonomousConfig, home / "config" / "autonomous_config.yaml").in_force(
                dry_run=_flag("ADCE_DRY_RUN", environ), on_trial=_flag("ADCE_TEST_MODE", environ)
            ),
            environ.get("ADCE_HEALTH_ADDRESS"),
        ),
        limits_url=environ.get("ADCE_LIMITS") or None,
        configured_database=environ.get("ADCE_DATABASE_URL") or None,
        configured_warehouse=environ.get("ADCE_WAREHOUSE_URL") or None,
        secrets=partial(kept, environment=environ),
        clock_stands=bool(environ.get("ADCE_AS_OF")),
        code_server_renews=_flag("ADCE_CODE_SERVER_RENEWS", environ),
    )


def home_of(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder of the installation that the environment names, whatever stands in its files."""
    environ = os.environ if environment is None else environment
    return Path(environ.get("ADCE_HOME") or Path(__file__).resolve().parent.parent).absolute()


def access_url_of(environment: Mapping[str, str] | None = None) -> str:
    """Return where tokens and the log of actions are kept, whatever stands in the files of the installation."""
    environ = os.environ if environment is None else environment
    return environ.get("ADCE_DATABASE_URL") or f"sqlite:///{home_of(environ) / WORK_FOLDER / 'access.sqlite'}"


def state_url_of(environment: Mapping[str, str] | None = None) -> str:
    """Return where the files of the loop are, whatever stands in the files of the installation."""
    environ = os.environ if environment is None else environment
    return environ.get("ADCE_STATE") or (home_of(environ) / "inventory").as_uri()


def reconciliation_of(environment: Mapping[str, str] | None = None) -> ReconciliationConfig:
    """Read how the lake and the state are looked at and written to, whatever stands in the other files."""
    return load(ReconciliationConfig, home_of(environment) / "config" / "reconciliation_config.yaml")


def dagster_database_url(environment: Mapping[str, str] | None = None) -> str | None:
    """Return the URL of the database of Dagster's own records, or None for SQLite."""
    environ = os.environ if environment is None else environment
    return environ.get("ADCE_DAGSTER_URL") or _shared(environ.get("ADCE_DATABASE_URL"))


def dagster_home(environment: Mapping[str, str] | None = None) -> Path | None:
    """Return the folder that Dagster calls its home, or None where nobody has named one."""
    environ = os.environ if environment is None else environment
    return Path(environ["DAGSTER_HOME"]).absolute() if environ.get("DAGSTER_HOME") else None


def kept(name: str, environment: Mapping[str, str] | None = None) -> str | None:
    """Return the secret or other value that is kept under a name; None where there is none.

    It is a file of the folder `ADCE_SECRETS`, read anew each time, so that it can be changed while the loop runs; or
    else a variable of the environment.

    Raises:
        ConfigurationError: there is a file of that name, and it cannot be read or is empty.
    """
    environ = os.environ if environment is None else environment
    folder = environ.get("ADCE_SECRETS")
    if not folder or not SECRET_NAME.fullmatch(name):
        return environ.get(name) or None
    file = Path(folder) / name
    try:
        secret = file.read_text("utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return environ.get(name) or None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError("the secret cannot be read", where=str(file), valid="a file of text") from error
    if not secret:
        hint = "write it beside and rename it, or remove the file: then the environment counts"
        raise ConfigurationError("the file of the secret is empty", where=str(file), hint=hint)
    return secret


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
    """Return a copy of this process's environment, for a child that works on the same installation.

    A path from this process's folder is one from the root there: the child's folder may be another one.
    """
    return {name: _from_root(name, text) for name, text in os.environ.items()}


def forget_settings() -> None:
    """Take every setting of ADCE, AWS and Dagster out of this process's own environment, for good.

    As for a child, where this process itself works on another lake: libraries read the environment when they please.
    """
    for name in [name for name in os.environ if name.startswith(PREFIXES)]:
        del os.environ[name]


def _from_root(name: str, text: str) -> str:
    if text.startswith("sqlite:///"):
        return f"sqlite:///{_absolute(text.removeprefix('sqlite:///'))}"
    return os.pathsep.join(map(_absolute, text.split(os.pathsep))) if PATHS.fullmatch(name) else text


def _absolute(path: str) -> str:
    """Name a file from the root; what begins there, or with a name that its reader replaces, stays as it is."""
    return path if not path or path[0] in "/~$" else str(Path(path).absolute())


def _listening(found: AutonomousConfig, address: str | None) -> AutonomousConfig:
    """Let health listen on another address than the file names: one image serves every container."""
    if not address:
        return found
    try:
        health = found.health.model_copy(update={"address": check_address(address)})
    except ValueError as error:
        raise ConfigurationError(str(error), where="ADCE_HEALTH_ADDRESS") from error
    return found.model_copy(update={"health": health})


def _shared(database: str | None) -> str | None:
    """Return the URL of a database that all machines can share: PostgreSQL; None for what lies on one machine."""
    return database if database and database.startswith("postgres") else None


def _is_of_aws(name: str) -> bool:
    return "AWS_" in name or name in AWS_READS or name.upper().endswith("_PROXY")


def _stands(file: str) -> tuple[object, ...]:
    """Say where a file is, read as AWS's library does, and when it was last changed and how large it is."""
    path = Path(os.path.expandvars(file)).expanduser()
    if not path.is_file():
        return (path,)
    found = path.stat()
    return path, found.st_mtime_ns, found.st_size


def _flag(name: str, environ: Mapping[str, str]) -> bool:
    """Read whether something is asked for; ConfigurationError for what is neither yes nor no."""
    text = environ.get(name, "").lower()
    if text not in FLAGS:
        raise ConfigurationError(f"`{text}` is neither yes nor no", where=name, valid="1 or 0, true or false")
    return FLAGS[text]


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
