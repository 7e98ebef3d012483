"""The environment in, the service of its installation out: for the commands that start, end and show it."""

import subprocess
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
    from adce_assets.operate.service import Service, components
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
    service = Service(folder, components(folder, web_port=ports.web_port, code_port=ports.code_port))
    return Served(service, f"http://127.0.0.1:{ports.web_port}", home, environment_of_this() | named)


def prepare(one: Served) -> None:
    """Write what the components read; the database of Dagster's records is made by one process, before many open it."""
    from adce_assets.operate.service import WORKSPACE, workspace
    from adce_assets.settings import load_settings

    one.service.prepare()
    text = workspace(load_settings().autonomous.service.code_port)
    (one.service.folder / WORKSPACE).write_text(text, encoding="utf-8")
    program = Path(sys.executable).with_name("dagster")
    command = [program, "instance", "info"]
    subprocess.run(command, env=one.environment, capture_output=True, check=False)  # noqa: S603 - our own program


def row(stand: "Stand") -> dict[str, object]:
    """Say how a component stands, in plain values."""
    return {
        "component": stand.name,
        "health": stand.health,
        "since": stand.since.isoformat() if stand.since else None,
        "pid": stand.pid,
        "said": stand.said,
    }
