"""The environment in, the service of its installation out: for the commands that start, end and show it."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from adce_assets.errors import ConfigurationError

if TYPE_CHECKING:
    from adce_assets.autonomous import AutonomousConfig
    from adce_assets.defs.health import Records
    from adce_assets.operate.causes import Cause
    from adce_assets.operate.outside import Seen
    from adce_assets.operate.service import Service


@dataclass(frozen=True, slots=True)
class Served:
    """The service of an installation, where its pages are, and what its components find in their environment."""

    service: "Service"
    url: str
    dagster_home: Path
    environment: dict[str, str]

    def asked_for(self, variables: dict[str, str]) -> "Served":
        """Return the same with more in the environment of its components."""
        return replace(self, environment=self.environment | variables)

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
    from adce_assets.operate.service import WORKSPACE, Service, components, workspace
    from adce_assets.settings import WORK_FOLDER, dagster_home, environment_of_this, home_of, load_settings

    ports = _configured().service
    folder, home = home_of() / WORK_FOLDER / "service", dagster_home() or home_of()
    if to_start:
        _ = load_settings().lake_url
    if to_start and not (home / "dagster.yaml").is_file():
        raise ConfigurationError(
            f"{home} has no dagster.yaml",
            where="DAGSTER_HOME",
            hint="set DAGSTER_HOME to a folder with a copy of the project's dagster.yaml",
        )
    named = {"DAGSTER_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "1", "PYTHONWARNINGS": "ignore"}
    service = Service(
        folder,
        components(folder, web_port=ports.web_port, code_port=ports.code_port),
        files={WORKSPACE: workspace(ports.code_port)},
        # The database of Dagster's records is made by one process, before many open it.
        first=(str(Path(sys.executable).with_name("dagster")), "instance", "info"),
    )
    return Served(service, f"http://127.0.0.1:{ports.web_port}", home, environment_of_this() | named)


def records(config: "AutonomousConfig", dagster_home: Path) -> "Records":
    """Name what knows Dagster's records of an installation."""
    from datetime import timedelta

    from adce_assets.defs.health import Records

    return Records(dagster_home, timedelta(hours=config.health.window_hours))


def looked(one: Served) -> "tuple[Seen, list[Cause]]":
    """Look once at the installation that the environment names, as its health server does; say what is wrong too."""
    from adce_assets.operate.doctor import Installation
    from adce_assets.operate.outside import Seen
    from adce_assets.operate.watching import found_by
    from adce_assets.settings import load_settings

    outside, installation = records(_configured(), one.dagster_home)(), Installation(load_settings)
    try:
        moment = installation.settings.clock()
    except ConfigurationError:
        moment = outside.at
    seen = Seen(installation, outside, moment, one.service.known())
    return seen, found_by(seen)


def _configured() -> "AutonomousConfig":
    """Say how the loop is configured; as it is shipped, where that is faulty: what runs is found by its folder."""
    from adce_assets.autonomous import AutonomousConfig
    from adce_assets.settings import load_settings

    try:
        return load_settings().autonomous
    except ConfigurationError:
        return AutonomousConfig()
