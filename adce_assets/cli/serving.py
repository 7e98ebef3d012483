"""The environment in, the service of its installation out: for the commands that start, end and show it."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adce_assets.errors import ConfigurationError

if TYPE_CHECKING:
    from adce_assets.operate.service import Service, Stand


@dataclass(frozen=True, slots=True)
class Served:
    """The service of an installation, where its pages are, and what its components find in their environment."""

    service: "Service"
    url: str
    dagster_home: Path
    environment: dict[str, str]


def served() -> Served:
    """Name the service of the installation that the environment names; nothing is started."""
    from adce_assets.operate.service import WORKSPACE, Service, components, workspace
    from adce_assets.settings import dagster_home, environment_of_this, load_settings

    settings = load_settings()
    _ = settings.lake_url
    folder, ports = settings.work_folder / "service", settings.autonomous.service
    home = dagster_home() or settings.home
    if not (home / "dagster.yaml").is_file():
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


def row(stand: "Stand") -> dict[str, object]:
    """Say how a component stands, in plain values."""
    return {
        "component": stand.name,
        "health": stand.health,
        "since": stand.since.isoformat() if stand.since else None,
        "pid": stand.pid,
        "said": stand.said,
    }
