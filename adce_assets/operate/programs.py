"""The folder of a service in, the programs that the loop lives in out: Dagster's, and the one that tells its health."""

import json
import sys
from pathlib import Path

from adce_assets.operate.socket_place import CODE
from adce_assets.operate.supervising import Component

WORKSPACE = "workspace.yaml"
LOCATION = "adce_assets"
HERE = "127.0.0.1"


def components(folder: Path, sockets: Path, *, web_port: int) -> tuple[Component, ...]:
    """Name the programs; daemon and web server ask the code server, and so load it once.

    The code server listens in a folder of this installation: on a port, another one's could answer in its place.
    """
    programs, workspace = Path(sys.executable).parent, str(folder / WORKSPACE)
    code = ("--socket", str(sockets / CODE), "-m", "adce_assets.definitions", "--location-name", LOCATION)
    return (
        Component("code", (str(programs / "dagster"), "api", "grpc", *code, "--empty-working-directory")),
        Component("daemon", (str(programs / "dagster-daemon"), "run", "-w", workspace)),
        Component("web", (str(programs / "dagster-webserver"), "-h", HERE, "-p", str(web_port), "-w", workspace)),
        Component("health", (sys.executable, "-P", "-m", "adce_assets.cli", "health", "serve")),
    )


def workspace(sockets: Path) -> str:
    """Write where the code server is, as Dagster reads it."""
    server = {"socket": str(sockets / CODE), "location_name": LOCATION}
    return json.dumps({"load_from": [{"grpc_server": server}]})
