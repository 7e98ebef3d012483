"""The environment in, the service of its installation out: for the commands that start, end and show it."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from adce_assets.errors import ConfigurationError
from adce_assets.operate import started

if TYPE_CHECKING:
    from adce_assets.autonomous import AutonomousConfig
    from adce_assets.defs.health import Records
    from adce_assets.operate.causes import Cause
    from adce_assets.operate.doctor import Installation
    from adce_assets.operate.outside import Outside, Seen
    from adce_assets.operate.service import Service, Stand
    from adce_assets.operate.started import Started


@dataclass(frozen=True, slots=True)
class Served:
    """The service of an installation, where its pages are, and what its components find in their environment."""

    service: "Service"
    url: str
    dagster_home: Path
    environment: dict[str, str]

    def asked_for(self, variables: dict[str, str]) -> "Served":
        """Return the same with more in the environment of its components, which is noted once they are started."""
        environment = self.environment | variables
        files = {**self.service.files, started.FILE: started.noted(self.url, environment)}
        return replace(self, service=replace(self.service, files=files), environment=environment)

    def in_force(self, stands: "Sequence[Stand]") -> "Started | None":
        """Say how that was started which runs; None where nothing does, or nobody has noted it.

        Args:
            stands: What is known of its components: a supervisor that says nothing is not asked again.
        """
        runs = stands or self.service.running() is not None
        return started.read(self.service.folder) if runs else None

    @property
    def modes(self) -> "dict[str, bool]":
        """Say whether its components compute and start nothing, and whether they are on trial."""
        from adce_assets.settings import load_settings

        config = load_settings(self.environment).autonomous
        return {"dry_run": config.dry_run, "test_mode": config.test_mode.enabled}

    @property
    def held_back(self) -> str:
        """Say so in words; empty where it is neither."""
        said = {"dry_run": "a dry run: no collecting is started by itself", "test_mode": "a trial: quick and small"}
        return "; ".join(said[name] for name, is_so in self.modes.items() if is_so)


def served(*, to_start: bool = False) -> Served:
    """Name the service of the installation that the environment names; nothing is started.

    What a service needs in order to start, a lake and Dagster's own settings, is asked for with ``to_start`` alone: one
    that runs is shown and ended whatever has become of these since.
    """
    from adce_assets.operate.ports import Listening
    from adce_assets.operate.programs import HERE, WORKSPACE, components, workspace
    from adce_assets.operate.service import FOLDER, Service
    from adce_assets.operate.socket_place import make_place, place_of
    from adce_assets.settings import WORK_FOLDER, dagster_home, home_of

    config = _configured()
    web, health = config.service.web_port, config.health
    folder, home = home_of() / WORK_FOLDER / FOLDER, dagster_home() or home_of()
    if to_start:
        _refuse_unready(home)
    sockets = make_place(folder) if to_start else place_of(folder)
    service = Service(
        folder,
        components(folder, sockets, web_port=web),
        files={WORKSPACE: workspace(sockets)},
        ports=(Listening("service.web_port", HERE, web), Listening("health.port", health.address, health.port)),
        # The database of Dagster's records is made by one process, before many open it.
        first=(str(Path(sys.executable).with_name("dagster")), "instance", "info"),
    )
    return Served(service, f"http://{HERE}:{web}", home, _environment(home))


def _refuse_unready(dagster_home: Path) -> None:
    """Raise ConfigurationError where no lake is configured, or Dagster's own settings are not there."""
    from adce_assets.settings import load_settings

    _ = load_settings().lake_url
    if not (dagster_home / "dagster.yaml").is_file():
        raise ConfigurationError(
            f"{dagster_home} has no dagster.yaml",
            where="DAGSTER_HOME",
            hint="set DAGSTER_HOME to a folder with a copy of the project's dagster.yaml",
        )


def _environment(dagster_home: Path) -> dict[str, str]:
    """Say what the components find in their environment."""
    from adce_assets.settings import environment_of_this

    return environment_of_this() | {
        "DAGSTER_HOME": str(dagster_home),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PYTHONWARNINGS": "ignore",
        # The supervisor starts the code server again, whatever it has ended for.
        "ADCE_CODE_SERVER_RENEWS": "1",
        # Nothing is run but what is installed, wherever it is started.
        "PYTHONSAFEPATH": "1",
    }


def records(config: "AutonomousConfig", dagster_home: Path) -> "Records":
    """Name what knows Dagster's records of an installation."""
    from datetime import timedelta

    from adce_assets.defs.health import Records

    return Records(dagster_home, timedelta(hours=config.health.window_hours))


def looked(
    one: Served, opened: "Installation | None" = None, told: "Outside | None" = None
) -> "tuple[Seen, list[Cause]]":
    """Look once at the installation that the environment names, as its health server does; say what is wrong too.

    Whether it is a dry run or a trial is as it was started, not as this environment has it.

    Args:
        one: Its service.
        opened: The installation, where it is opened already.
        told: What Dagster's records say, where they need not be asked.
    """
    from adce_assets.operate.doctor import Installation
    from adce_assets.operate.outside import Seen
    from adce_assets.operate.watching import found_by
    from adce_assets.settings import environment_of_this, load_settings

    stands = one.service.known()
    runs, environment = one.in_force(stands), environment_of_this()
    environment = runs.over(environment) if runs else environment
    outside = told or records(_configured(), one.dagster_home)()
    installation = opened or Installation(partial(load_settings, environment))
    try:
        moment = installation.settings.clock()
    except ConfigurationError:
        moment = outside.at
    seen = Seen(installation, outside, moment, stands)
    return seen, found_by(seen)


def _configured() -> "AutonomousConfig":
    """Say how the loop is configured; as it is shipped, where that is faulty: what runs is found by its folder."""
    from adce_assets.autonomous import AutonomousConfig
    from adce_assets.settings import load_settings

    try:
        return load_settings().autonomous
    except ConfigurationError:
        return AutonomousConfig()
