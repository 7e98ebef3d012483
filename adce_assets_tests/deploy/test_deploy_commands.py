"""What the files of `deploy/` start: real commands, with an environment that is read, on the ports of the settings."""

import re
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest

from adce_assets import settings
from adce_assets_tests.deploy.processes import DEPLOY, Process, every_process
from adce_assets_tests.shipped import ROOT

PROCESSES = every_process()
OTHERS = {"pg_isready", "ministack"}
"""Programs of the images that are not ours."""
PATHS = {"/srv/adce/workspace.yaml": str(DEPLOY / "workspace.yaml")}
ELSEWHERE = re.compile(
    r"AWS_(REGION|ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|ENDPOINT_URL)|DAGSTER_(HOME|DISABLE_TELEMETRY)|PYTHON[A-Z]+"
    r"|PATH|POSTGRES_(USER|DB|PASSWORD)|PIP_[A-Z_]+|BIND_HOST|GATEWAY_PORT|SERVICES|S3_PERSIST|S3_DATA_DIR|IOT_MTLS_ENABLED"
    r"|SFTP_ENABLED|LOG_LEVEL|TINI_KILL_PROCESS_GROUP"
)
"""Variables that others than ADCE read: AWS's library, Dagster, Python, PostgreSQL, MiniStack, Docker's init."""
CONFIGURED = settings.load_settings({}).autonomous
PORTS = {
    "web": CONFIGURED.service.web_port,
    "code": 4266,  # of containers alone: `adce start` needs none
    "health": CONFIGURED.health.port,
    "s3": 4566,
}


def group(program: str) -> click.Command:
    """Load the command line of a program as its package has it."""
    if program == "adce":
        from adce_assets.cli.main import main

        return main
    (entry,) = entry_points(group="console_scripts", name=program)
    loaded = __import__(entry.module, fromlist=["*"])
    made = {"dagster": "create_dagster_cli", "dagster-daemon": "create_dagster_daemon_cli"}
    return getattr(loaded, made.get(program, "create_dagster_webserver_cli"))()


def resolve(command: tuple[str, ...]) -> None:
    """Read a command line as click does before it runs anything; ClickException if it is none."""
    program, *arguments = (PATHS.get(word, word) for word in command)
    found, context = group(program), None
    while True:
        context = found.make_context(program, list(arguments), parent=context)
        if not isinstance(found, click.Group):
            return
        told, sub, arguments = found.resolve_command(context, [*context._protected_args, *context.args])
        assert sub is not None, told
        program, found = told or program, sub


COMMANDS = sorted(
    {command for process in PROCESSES for command in (process.command, process.health) if command},
    key=lambda command: command[:3],
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:3]))
def test_a_command_is_one_that_there_is(command: tuple[str, ...]) -> None:
    if command[:2] == ("python", "-c"):
        compile(command[2], "command", "exec")
    elif command[0] not in OTHERS:
        resolve(command)


@pytest.mark.parametrize(
    "command", [("adce", "helth"), ("dagster", "api", "grpc", "--prot", "1"), ("dagster-daemon", "go")]
)
def test_a_slip_of_the_pen_is_no_command(command: tuple[str, ...]) -> None:
    with pytest.raises(click.ClickException):
        resolve(command)


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.where)
def test_a_variable_is_one_that_is_read(process: Process) -> None:
    known = set(re.findall(r"``(ADCE_[A-Z_]+)``", settings.__doc__ or ""))
    documented = (ROOT / "docs" / "cli.md").read_text()
    for name in process.environment:
        assert name in known or ELSEWHERE.fullmatch(name), name
        assert not name.startswith("ADCE_") or f"`{name}`" in documented


@pytest.mark.parametrize("process", [one for one in PROCESSES if one.ports], ids=lambda process: process.where)
def test_a_port_is_the_one_of_the_settings(process: Process) -> None:
    if process.where == "Dockerfile":
        assert set(process.ports) == {PORTS["web"], PORTS["code"], PORTS["health"]}
    else:
        name = "s3" if process.where == "s3.Dockerfile" else process.where.split()[-1]
        assert process.ports == (PORTS[name],)


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.where)
def test_what_listens_and_what_asks_it_mean_the_same_port(process: Process) -> None:
    name = process.where.split()[-1]
    for words in (process.command, process.health):
        told = re.findall(r"(?:-p |http://127\.0\.0\.1:)(\d+)", " ".join(words))
        assert set(told) <= {str(PORTS.get(name))}, words


def test_only_health_listens_elsewhere_than_the_settings_say() -> None:
    elsewhere = {process.where for process in PROCESSES if "ADCE_HEALTH_ADDRESS" in process.environment}
    assert elsewhere == {"compose health", "ecs health", "kubernetes health"}
    assert all("health" in process.command for process in PROCESSES if process.where in elsewhere)


def test_the_code_server_alone_ends_for_a_new_season_wherever_something_starts_it_again() -> None:
    ending = {process.where for process in PROCESSES if process.environment.get("ADCE_CODE_SERVER_RENEWS") == "1"}
    assert ending == {"compose code", "ecs code", "kubernetes code"}


SECRET = re.compile(
    r"AKIA[0-9A-Z]{16}|-----BEGIN|xox[abp]-|hooks\.slack\.com/services/\w|://[^\s:/@$]+:(?!PASSWORD@)[^\s@${]+@",
    re.ASCII,
)


@pytest.mark.parametrize(
    "path", sorted(path for path in DEPLOY.rglob("*") if path.is_file()), ids=lambda path: path.name
)
def test_no_file_has_a_secret_in_it(path: Path) -> None:
    assert SECRET.search(path.read_text()) is None
    assert path.suffix != ".env"
